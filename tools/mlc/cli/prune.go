package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/prune"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// pruneFlags are what `mlc prune` takes beside the flags of compiling.
type pruneFlags struct {
	structure, criterion, scope, align string
	sparsity                           float64
	min                                int
	zero                               bool
}

// pruneSummary is what `mlc prune --json` prints.
type pruneSummary struct {
	Output string `json:"output"`
	Kind   string `json:"kind"`
	Bytes  int64  `json:"bytes"`
	*prune.Report
	Seconds float64 `json:"seconds"`
}

func (a *app) prune() *cobra.Command {
	var f compileFlags
	var p pruneFlags
	var out string
	var opset int
	c := &cobra.Command{
		Use:   "prune MODEL -o OUT --sparsity S",
		Short: "Leave out the weights or channels that matter least",
		Long: "prune sets single weights to zero, or removes whole channels with all that belongs to\n" +
			"them: through residual additions, concatenations, depthwise convolutions and into dense\n" +
			"layers. OUT is .onnx, .mir or .mlc. docs/pruning.md says how channels are chosen.",
		Args: cobra.ExactArgs(1),
	}
	f.register(c, "2")
	s := c.Flags()
	s.StringVarP(&out, "output", "o", "", "write to `OUT` (.onnx, .mir, .mlc); - is standard output, as .mlc")
	s.Float64Var(&p.sparsity, "sparsity", 0, "`share` of the weights, or of the channels that can go, to leave out (0.5)")
	s.StringVar(&p.structure, "structure", string(prune.Unstructured), "`what` goes: "+strings.Join(prune.Structures(), ", "))
	s.StringVar(&p.criterion, "criterion", string(prune.Magnitude), "`what` matters: "+strings.Join(prune.Criteria(), ", "))
	s.StringVar(&p.scope, "scope", string(prune.Layer), "`over what` the share is taken: "+strings.Join(prune.Scopes(), ", "))
	s.StringVar(&p.align, "align", "1", "keep a multiple of `N` channels; native is the panel of the target's kernels")
	s.IntVar(&p.min, "min-channels", 0, "keep at least `N` channels of each layer")
	s.BoolVar(&p.zero, "zero", false, "set channels to zero and keep all shapes, instead of removing them")
	s.IntVar(&opset, "opset", onnx.DefaultOpset, "`opset` of an ONNX export")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := p.config(c)
		if err != nil {
			return err
		}
		if out == "" {
			return usage("mlc prune: want -o OUT")
		}
		return a.pruneModel(c, args[0], out, opset, &f, cfg, p.zero)
	}
	return c
}

// config turns flags into a prune.Config.
func (p *pruneFlags) config(c *cobra.Command) (prune.Config, error) {
	cfg := prune.Config{
		Sparsity: p.sparsity, Structure: prune.Structure(p.structure), Criterion: prune.Criterion(p.criterion),
		Scope: prune.Scope(p.scope), MinChannels: p.min,
	}
	switch n, err := strconv.Atoi(p.align); {
	case p.align == "native":
		cfg.Align = gemm.Panel
	case err != nil || n < 1:
		return cfg, usage("--align %s: want native or a number of 1 or more", p.align)
	default:
		cfg.Align = n
	}
	switch {
	case !c.Flags().Changed("sparsity"):
		return cfg, usage("mlc prune: want --sparsity S, the share to leave out")
	case cfg.Structure == prune.Channel:
	case p.zero || c.Flags().Changed("align") || c.Flags().Changed("min-channels"):
		return cfg, usage("--zero, --align and --min-channels are for --structure channel")
	}
	return cfg, cfg.Check()
}

func (a *app) pruneModel(c *cobra.Command, model, out string, opset int, f *compileFlags, cfg prune.Config, zero bool) error {
	o := a.options()
	if err := f.fill(c, a, &o); err != nil {
		return err
	}
	kind, err := emitKind("", out)
	if err != nil {
		return err
	}
	t0 := time.Now()
	imp := o
	imp.Stop = passes.Canonical
	art, err := codegen.Build(c.Context(), a.source(model), imp)
	if err != nil {
		return err
	}
	defer art.Close()
	m := art.Module()
	apply := prune.Apply
	if zero {
		apply = prune.Zero
	}
	rep, err := apply(m, cfg)
	if err != nil {
		return diag.In(model, diag.Internal, err)
	}
	size, err := a.write(out, func(w io.WriteSeeker) error { return a.emitModule(c, w, m, kind, opset, o) })
	if err != nil || out == "-" {
		return err
	}
	if a.json {
		return a.emit("prune/1", pruneSummary{out, kind, size, rep, time.Since(t0).Seconds()})
	}
	if !a.quiet {
		a.printPruned(rep, out, size)
	}
	return nil
}

// emitModule writes a module in its canonical form, or compiles it.
func (a *app) emitModule(c *cobra.Command, w io.WriteSeeker, m *ir.Module, kind string, opset int, o codegen.Options) error {
	switch kind {
	case "onnx":
		return onnx.Export(w, m, onnx.Options{Opset: opset})
	case "mir":
		return text.Print(w, m)
	}
	o.Bind.Dims, o.Bind.Shapes = nil, nil // bound already
	art, err := codegen.Build(c.Context(), codegen.Graph(m), o)
	if err != nil {
		return err
	}
	defer art.Close()
	_, err = art.Write(w)
	return err
}

func (a *app) printPruned(r *prune.Report, out string, size int64) {
	unit := "weights"
	if r.Structure == prune.Channel {
		unit = "channels"
	}
	t := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "node\top\t%s\tparameters\tMACs\t\n", unit)
	for _, l := range r.Layers {
		fmt.Fprintf(t, "%s\t%s\t%d/%d\t%s\t%s\t%s\n", l.Node, l.Op, l.Kept, l.Total, changeText(l.Params), changeText(l.MACs), l.Fixed)
	}
	t.Flush()
	fmt.Fprintf(a.out, "%s: %s, %.1f %% of the %s left out (asked for %.1f %%), parameters %s, MACs %s\n",
		out, bytesText(size), 100*r.Sparsity, unit, 100*r.Asked, changeText(r.Params), changeText(r.MACs))
}

func changeText(c prune.Change) string {
	if c.Before == c.After {
		return countText(c.Before)
	}
	return countText(c.Before) + " -> " + countText(c.After)
}
