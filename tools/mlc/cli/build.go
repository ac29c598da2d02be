package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/emit"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/runtime/plan"
)

func (a *app) build() *cobra.Command {
	var taskFile string
	var f compileFlags
	var q quantFlags
	var g goFlags
	var out, asked, stage, mode string
	var lite tflite.Options
	var opset int
	var times bool
	c := &cobra.Command{
		Use:   "build MODEL [-o OUT]",
		Short: "Compile a model (.onnx, .mir, - for standard input) to an artifact",
		Args:  cobra.ExactArgs(1),
	}
	f.register(c, "2")
	q.register(c.Flags())
	g.register(c)
	c.Flags().StringVar(&mode, "quantize", "", "quantize before compiling: `int8` (static, needs --calib)")
	c.Flags().StringVarP(&out, "output", "o", "", "write to `OUT`; - is standard output (default: the model's name, with the kind as its suffix but for exe and go)")
	c.Flags().StringVar(&asked, "emit", "", "`kind` of output: "+strings.Join(emit.Kinds(), ", ")+" (default: by OUT's suffix, else mlc); exe is a program, go a package in the folder OUT")
	registerTFLite(c, &lite)
	c.Flags().StringVar(&stage, "compile-to", "", "stop after `STAGE` and print it: "+strings.Join(codegen.Stages(), ", "))
	c.Flags().IntVar(&opset, "opset", onnx.DefaultOpset, "`opset` of an ONNX export")
	c.Flags().BoolVar(&times, "time-passes", false, "print what each pass took")
	c.RunE = func(c *cobra.Command, args []string) error {
		o := a.options()
		var err error
		if o.Task, err = readTask(taskFile); err != nil {
			return err
		}
		if err := f.fill(c, a, &o); err != nil {
			return err
		}
		kind, err := emitKind(asked, out)
		if err != nil {
			return err
		}
		if err := g.check(c, kind); err != nil {
			return err
		}
		if err := checkTFLite(c, &lite, kind); err != nil {
			return err
		}
		if o, err = emit.For(kind, o); err != nil {
			return err
		}
		if err := notOver("-o", out, args[0]); err != nil {
			return err
		}
		src, done, err := a.maybeQuantized(c, args[0], &o, mode, &q)
		if err != nil {
			return err
		}
		defer done()
		if stage != "" {
			return a.printStage(c, src, o, stage, 0)
		}
		if out == "" {
			out = outName(args[0], kind)
		}
		if kind == emit.Go {
			return a.goPackage(c.Context(), src, o, out, &g, times)
		}
		t0 := time.Now()
		art, err := codegen.Build(c.Context(), src, o)
		if err != nil {
			return err
		}
		defer art.Close()
		if times {
			a.passTimes(art.Report())
		}
		mode := fs.FileMode(0o644)
		if kind == emit.Exe {
			mode = 0o755
		}
		var rep *tflite.Report
		size, err := a.writeMode(out, mode, func(w io.WriteSeeker) (err error) {
			rep, err = emit.Write(c.Context(), w, art, kind, emit.Options{Opset: opset, TFLite: lite, Target: o.Target, Stubs: a.stubs()})
			return err
		})
		if err != nil {
			return err
		}
		if out == "-" {
			return nil
		}
		return a.summary(art, out, kind, size, time.Since(t0), rep)
	}
	registerTask(c, &taskFile)
	return c
}

// source is a model named on the command line.
func (a *app) source(name string) (codegen.Source, error) {
	if name != "-" {
		return codegen.File(name), nil
	}
	b, err := io.ReadAll(a.in)
	if err != nil {
		return codegen.Source{}, diag.In("standard input", diag.BadModel, err)
	}
	return codegen.Bytes(append([]byte{}, b...)), nil
}

// built is a model named on the command line, built.
func (a *app) built(ctx context.Context, name string, o codegen.Options) (*codegen.Artifact, error) {
	src, err := a.source(name)
	if err != nil {
		return nil, err
	}
	return codegen.Build(ctx, src, o)
}

func emitKind(asked, out string) (string, error) {
	if asked == "" {
		switch filepath.Ext(out) {
		case ".onnx":
			return "onnx", nil
		case ".mir":
			return "mir", nil
		case ".tflite":
			return "tflite", nil
		case ".ptx":
			return "ptx", nil
		}
		return "mlc", nil
	}
	if slices.Contains(emit.Kinds(), asked) {
		return asked, nil
	}
	return "", usage("--emit=%s: unknown kind (have %s)", asked, strings.Join(emit.Kinds(), ", "))
}

func outName(model, kind string) string {
	base := filepath.Base(model)
	if model == "-" {
		base = "model"
	}
	if base == "model.onnx" { // the corpus layout: the folder has the name
		if d := filepath.Base(filepath.Dir(model)); d != "." && d != "/" && d != ".." {
			base = d
		}
	}
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".onnx"), ".mir")
	switch kind {
	case "go":
		return gosrc.PackageName(base)
	case "exe":
		return base
	}
	return base + "." + kind
}

// write makes the file whole or not at all; "-" is standard output.
func (a *app) write(out string, emit func(io.WriteSeeker) error) (int64, error) {
	return a.writeMode(out, 0o644, emit)
}

func (a *app) writeMode(out string, mode fs.FileMode, emit func(io.WriteSeeker) error) (int64, error) {
	if out == "-" {
		return copyOut(a.out, emit)
	}
	return atomicWriteMode(out, mode, emit)
}

// buildSummary is what `mlc build --json` prints.
type buildSummary struct {
	Output   string         `json:"output"`
	Kind     string         `json:"kind"`
	Bytes    int64          `json:"bytes"`
	Target   string         `json:"target,omitempty"`
	Digest   string         `json:"digest"`
	Calls    int            `json:"kernel_calls,omitempty"`
	MACs     int64          `json:"macs,omitempty"`
	FastMACs float64        `json:"fast_mac_share,omitempty"`
	Memory   int            `json:"memory_bytes,omitempty"`
	Seconds  float64        `json:"seconds"`
	Device   *deviceShare   `json:"device,omitempty"`
	Passes   []passTime     `json:"passes,omitempty"`
	TFLite   *tfliteSummary `json:"tflite,omitempty"`
}

func (a *app) summary(art *codegen.Artifact, out, kind string, size int64, took time.Duration, rep *tflite.Report) error {
	s := a.summarize(art, out, kind, size, took)
	if rep != nil {
		s.TFLite = newTFLiteSummary(rep)
	}
	if a.json {
		return a.emit("build/1", s)
	}
	if a.quiet {
		return nil
	}
	fmt.Fprintln(a.out, s.line())
	if rep != nil {
		a.printTFLite(s.TFLite)
	}
	return nil
}

func (a *app) summarize(art *codegen.Artifact, out, kind string, size int64, took time.Duration) buildSummary {
	s := buildSummary{Output: out, Kind: kind, Bytes: size, Digest: art.Digest(), Seconds: took.Seconds(), Passes: passTimes(art.Report())}
	if p := art.Program(); p != nil {
		st := programStats(p, a.reg.Kernels)
		s.Target, s.Calls, s.MACs, s.FastMACs, s.Memory = p.Target, st.calls, st.macs, st.share(), memoryOf(p)
		s.Device = st.device(p)
	}
	return s
}

// line is the summary for people.
func (s *buildSummary) line() string {
	line := fmt.Sprintf("%s: %s", s.Output, bytesText(s.Bytes))
	if s.Target != "" {
		line += fmt.Sprintf(", %s, %d kernel calls, %s MACs (%.1f %% in fast kernels), %s of memory", s.Target, s.Calls, countText(s.MACs), 100*s.FastMACs, bytesText(int64(s.Memory)))
	}
	if s.Device != nil {
		line += fmt.Sprintf(", %v", s.Device)
	}
	return fmt.Sprintf("%s, %.2f s", line, s.Seconds)
}

// passTime is one pass in reports.
type passTime struct {
	Name    string         `json:"name"`
	Seconds float64        `json:"seconds"`
	Before  int            `json:"nodes_before"`
	After   int            `json:"nodes_after"`
	Changed bool           `json:"changed"`
	Counts  map[string]int `json:"counts,omitempty"`
}

func passTimes(r *pass.Report) []passTime {
	if r == nil {
		return nil
	}
	var out []passTime
	for _, p := range r.Passes {
		out = append(out, passTime{p.Name, p.Took.Seconds(), p.NodesBefore, p.NodesAfter, p.Changed, p.Counts})
	}
	return out
}

func (a *app) passTimes(r *pass.Report) {
	for _, p := range passTimes(r) {
		counts := ""
		if len(p.Counts) > 0 {
			b, _ := json.Marshal(p.Counts)
			counts = " " + string(b)
		}
		fmt.Fprintf(a.err, "%9.3f ms  %-20s %4d -> %4d nodes%s\n", 1000*p.Seconds, p.Name, p.Before, p.After, counts)
	}
}

// memoryOf is the arena of a program whose symbols take their lower bounds (at
// least 1), 0 if that does not lay out.
func memoryOf(p *plan.Program) int { return int(arenaOf(p, nil)) }

func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
}

func countText(n int64) string {
	switch {
	case n < 1e3:
		return fmt.Sprint(n)
	case n < 1e6:
		return fmt.Sprintf("%.1f k", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f G", float64(n)/1e9)
}
