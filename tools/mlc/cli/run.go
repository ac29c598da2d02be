package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

func (a *app) run() *cobra.Command {
	var f compileFlags
	var ins []string
	var random bool
	var seed uint64
	var threads, top int
	var outDir, format, save, taskFile, engine string
	c := &cobra.Command{
		Use:   "run MODEL [PICTURE... | -i NAME=FILE|VALUE | -i DIR ...]",
		Short: "Run a model or artifact on inputs and print or write its outputs, or on pictures and print what they show",
		Args:  cobra.MinimumNArgs(1),
	}
	c.Long = c.Short + ".\n\nPICTURE is a .png or .jpg; what becomes of it stands in the model's metadata\nmlc.task (see --task and docs/tasks.md)."
	f.register(c, "2")
	s := c.Flags()
	s.StringArrayVarP(&ins, "input", "i", nil, "`NAME=FILE` (.npy, .npz, .pb, .json, .raw, .bin), NAME=VALUE (4xf32=1,2,3,4 | zeros | random:SEED) or a folder of input_N.pb")
	s.BoolVar(&random, "random", false, "random values for inputs that are not given")
	s.Uint64Var(&seed, "seed", 1, "`seed` of --random")
	s.IntVar(&threads, "threads", 1, "`threads` to use")
	s.IntVar(&top, "top", 0, "print the `K` largest elements of each output with their positions, or the K best classes or boxes of each picture")
	s.StringVar(&outDir, "out-dir", "", "write each output to `DIR`")
	s.StringVar(&format, "out-format", "npy", "npy (NAME.npy) or pb (output_N.pb in graph order)")
	registerTask(c, &taskFile)
	s.StringVar(&engine, "engine", engineCPU, "`engine`: "+engineHelp)
	s.StringVar(&save, "save", "", "write the artifact to `FILE.mlc`, run it from there and end with its summary")
	c.RunE = func(c *cobra.Command, args []string) error {
		if threads < 1 {
			return usage("--threads %d: want at least 1", threads)
		}
		if format != "npy" && format != "pb" {
			return usage("--out-format=%s: unknown format (have npy, pb)", format)
		}
		if typed(c.Flags(), "out-format") && outDir == "" {
			return usage("--out-format goes with --out-dir")
		}
		if top < 0 {
			return usage("--top %d: want at least 1", top)
		}
		pictures := args[1:]
		if len(pictures) > 0 && (len(ins) > 0 || random || outDir != "") {
			return usage("%s: a picture beside -i, --random or --out-dir", pictures[0])
		}
		var err error
		switch engine {
		case engineCPU:
		case engineCUDA, engineSim:
			a.device = a.deviceFor(engine)
			if f.target, err = onEngine(engine, f.target, typed(c.Flags(), "target")); err != nil {
				return err
			}
		default:
			return usage("--engine=%s: unknown engine (have cpu, cuda, ptxsim)", engine)
		}
		o := a.options()
		if err := f.fill(c, a, &o); err != nil {
			return err
		}
		model := args[0]
		if err := f.onlyForModels(c, args[:1], "dim"); err != nil {
			return err
		}
		if o.Task, err = readTask(taskFile); err != nil {
			return err
		}
		var saved *buildSummary
		if save != "" {
			sum, err := a.save(c.Context(), model, save, o)
			if err != nil {
				return err
			}
			model, saved = save, sum
		}
		m, err := a.loadModel(c.Context(), model, o)
		if err != nil {
			return err
		}
		defer m.Close()
		if err := runsOn(engine, model, m.Artifact().Program.Target); err != nil {
			return err
		}
		if err := noValues(m, pictures); err != nil {
			return err
		}
		if len(pictures) > 0 {
			return a.runPictures(c.Context(), m, pictures, pictureFlags{o.Task, top, threads, saved})
		}
		dims, err := dimValues(f.dims)
		if err != nil {
			return err
		}
		if isArtifactFile(args[0]) {
			if err := knownDims(m, args[0], dims); err != nil {
				return err
			}
		}
		in, err := a.inputs(m, ins, random, seed, dims)
		if err != nil {
			return err
		}
		return a.runOnce(c, m, in, runFlags{threads, top, outDir, format, saved})
	}
	return c
}

// runFlags say how to run and what to print of it.
type runFlags struct {
	threads, top   int
	outDir, format string
	saved          *buildSummary // of the artifact that --save wrote, else nil
}

// save builds a model and writes the artifact.
func (a *app) save(ctx context.Context, model, file string, o codegen.Options) (*buildSummary, error) {
	if isArtifactFile(model) {
		return nil, usage("--save: %s is compiled already", model)
	}
	if err := notOver("--save", file, model); err != nil {
		return nil, err
	}
	t0 := time.Now()
	art, err := a.built(ctx, model, o)
	if err != nil {
		return nil, err
	}
	defer art.Close()
	size, err := atomicWrite(file, func(w io.WriteSeeker) error { _, err := art.Write(w); return err })
	if err != nil {
		return nil, err
	}
	s := a.summarize(art, file, "mlc", size, time.Since(t0))
	return &s, nil
}

func (a *app) runOnce(c *cobra.Command, m *runtime.Model, in []tensor.Value, f runFlags) error {
	s, err := m.NewSession(runtime.Threads(f.threads))
	if err != nil {
		return err
	}
	defer s.Close()
	for i, x := range m.Inputs() {
		if err := s.BindValue(x.Name, in[i]); err != nil {
			return err
		}
	}
	t0 := time.Now()
	if err := s.Run(c.Context()); err != nil {
		return err
	}
	took := time.Since(t0)
	var outs []outputReport
	for i, x := range m.Outputs() {
		v, err := s.OutputValue(x.Name)
		if err != nil {
			return err
		}
		r := outputReport{Name: x.Name, Type: v.Type().String()}
		if f.outDir != "" {
			if r.File, err = writeOutput(f.outDir, f.format, i, x.Name, v); err != nil {
				return err
			}
		}
		r.describe(v, f.top)
		outs = append(outs, r)
	}
	if a.json {
		v := map[string]any{"seconds": took.Seconds(), "outputs": outs}
		if f.saved != nil {
			v["artifact"] = f.saved
		}
		return a.emit("run/1", v)
	}
	for _, r := range outs {
		r.print(a.out)
	}
	if f.saved != nil && !a.quiet {
		fmt.Fprintln(a.out, f.saved.line())
	}
	return nil
}

// outputReport is one output of `mlc run`.
type outputReport struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	File  string   `json:"file,omitempty"`
	First []string `json:"first,omitempty"`
	More  int      `json:"more,omitempty"`
	Top   []ranked `json:"top,omitempty"`
}

type ranked struct {
	Index int    `json:"index"`
	Value number `json:"value"`
}

// number is a float64 that JSON can hold: NaN and the infinities as strings.
type number float64

// MarshalJSON writes the number, or its name where JSON has none.
func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(fmt.Sprint(v))
	}
	return json.Marshal(float64(n))
}

// shown is how many elements are printed of each output.
const shown = 8

func (r *outputReport) describe(v tensor.Value, top int) {
	if v.Kind != tensor.KindTensor {
		r.More = len(v.Elems)
		return
	}
	t := &v.Tensor
	n := t.Len()
	if top > 0 {
		if at, ok := t.Largest(top); ok {
			for _, i := range at {
				r.Top = append(r.Top, ranked{i, number(t.Float(i))})
			}
			return
		}
	}
	for i := range min(n, shown) {
		r.First = append(r.First, t.ElemText(i))
	}
	r.More = n - len(r.First)
}

func (r *outputReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s", r.Name, r.Type)
	if r.File != "" {
		fmt.Fprintf(w, " -> %s", r.File)
	}
	switch {
	case len(r.Top) > 0:
		fmt.Fprintln(w)
		for _, t := range r.Top {
			fmt.Fprintf(w, "%8d  %.6g\n", t.Index, float64(t.Value))
		}
		return
	case len(r.First) > 0:
		fmt.Fprintf(w, " = %s", strings.Join(r.First, " "))
	}
	if r.More > 0 {
		fmt.Fprintf(w, " ... (%d more)", r.More)
	}
	fmt.Fprintln(w)
}

func writeOutput(dir, format string, i int, name string, v tensor.Value) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", usage("%v", err)
	}
	var b bytes.Buffer
	file := ""
	if format == "pb" {
		file = fmt.Sprintf("output_%d.pb", i)
		enc, err := tensor.EncodePB(name, v)
		if err != nil {
			return "", err
		}
		b.Write(enc)
	} else {
		file = strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:*?"<>|`, r) {
				return '_'
			}
			return r
		}, name) + ".npy"
		if v.Kind != tensor.KindTensor {
			return "", usage("output %q is no tensor: use --out-format pb", name)
		}
		if err := tensor.WriteNPY(&b, v.Tensor); err != nil {
			return "", err
		}
	}
	p := filepath.Join(dir, file)
	_, err := atomicWrite(p, func(w io.WriteSeeker) error { _, err := w.Write(b.Bytes()); return err })
	return p, err
}
