package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/emit"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/prune"
	"github.com/mlc-go/mlc/passes/retrain"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// pruneFlags say what to leave out: as flags of `mlc prune`, and as the list
// that `mlc train --prune` takes.
type pruneFlags struct {
	structure, criterion, scope, align string
	sparsity                           float64
	min                                int
	begin, end                         float64
	every                              int
}

func (p *pruneFlags) register(s *pflag.FlagSet) {
	s.Float64Var(&p.sparsity, "sparsity", 0, "`share` of the weights, or of the channels that can go, to leave out (0.5)")
	s.StringVar(&p.structure, "structure", string(prune.Unstructured), "`what` goes: "+strings.Join(prune.Structures(), ", "))
	s.StringVar(&p.criterion, "criterion", string(prune.Magnitude), "`what` matters: "+strings.Join(prune.Criteria(), ", "))
	s.StringVar(&p.scope, "scope", string(prune.Layer), "`over what` the share is taken: "+strings.Join(prune.Scopes(), ", "))
	s.StringVar(&p.align, "align", "1", "keep a multiple of `N` channels; native is the panel of the target's kernels")
	s.IntVar(&p.min, "min-channels", 0, "keep at least `N` channels of each layer")
	s.Float64Var(&p.begin, "begin", 0, "in training, the `share` of the steps after which sparsity begins to rise")
	s.Float64Var(&p.end, "end", 0.7, "in training, the `share` of the steps after which it has risen; 0: all goes before the first step, as channels do in mlc prune")
	s.IntVar(&p.every, "every", 0, "in training, `steps` from one choice of what goes to the next; 0: a hundredth of the rise")
}

// pruning turns flags into what they mean.
func (p *pruneFlags) pruning(s *pflag.FlagSet) (retrain.Pruning, error) {
	r := retrain.Pruning{Begin: p.begin, End: p.end, Every: p.every}
	r.Config = prune.Config{
		Sparsity: p.sparsity, Structure: prune.Structure(p.structure), Criterion: prune.Criterion(p.criterion),
		Scope: prune.Scope(p.scope), MinChannels: p.min,
	}
	switch n, err := strconv.Atoi(p.align); {
	case p.align == "native":
		r.Align = gemm.Panel
	case err != nil || n < 1:
		return r, usage("align %s: want native or a number of 1 or more", p.align)
	default:
		r.Align = n
	}
	switch {
	case !s.Changed("sparsity"):
		return r, usage("the sparsity is missing: want the share to leave out")
	case r.Structure != prune.Channel && (typed(s, "align") || typed(s, "min-channels")):
		return r, usage("align and min-channels are for structure channel")
	}
	return r, r.Check()
}

// pruneSpec reads a list of pruneFlags: sparsity=0.7,scope=global.
func pruneSpec(spec string) (*retrain.Pruning, error) {
	var p pruneFlags
	s := pflag.NewFlagSet("prune", pflag.ContinueOnError)
	p.register(s)
	var keys []string
	s.VisitAll(func(f *pflag.Flag) { keys = append(keys, f.Name) })
	for _, item := range strings.Split(spec, ",") {
		k, v, ok := strings.Cut(item, "=")
		if !ok {
			return nil, usage("--prune %s: want a list of KEY=VALUE: sparsity=0.7,scope=global", item)
		}
		if s.Lookup(k) == nil {
			return nil, usage("--prune %s: no such key%s", item, diag.DidYouMean(k, keys, "have "+strings.Join(keys, ", ")))
		}
		if s.Changed(k) {
			return nil, usage("--prune: %s stands twice", k)
		}
		if err := s.Set(k, v); err != nil {
			return nil, usage("--prune %s: not a value of %s", item, k)
		}
	}
	r, err := p.pruning(s)
	if err != nil {
		return nil, diag.In("--prune", diag.Usage, err)
	}
	return &r, nil
}

// pruneSummary is what `mlc prune --json` prints.
type pruneSummary struct {
	Output string `json:"output"`
	Kind   string `json:"kind"`
	Bytes  int64  `json:"bytes"`
	*prune.Report
	Finetune *finetuneReport `json:"finetune,omitempty"`
	Seconds  float64         `json:"seconds"`
}

// finetuneReport is what it says of the training.
type finetuneReport struct {
	Before *scoreReport `json:"before,omitempty"` // of MODEL on the validation data
	After  *scoreReport `json:"after,omitempty"`  // of OUT
	runReport
}

// pruneJob is one `mlc prune`.
type pruneJob struct {
	compileFlags
	pruneFlags
	train          trainFlags
	zero, finetune bool
	opset          int
	kind           string
	want           retrain.Pruning
}

func (a *app) prune() *cobra.Command {
	p := &pruneJob{}
	c := &cobra.Command{
		Use:   "prune MODEL -o OUT --sparsity S [--finetune --data DATA]",
		Short: "Leave out the weights or channels that matter least, and train what is left",
		Long: "prune sets single weights to zero, or removes whole channels with all that belongs to\n" +
			"them: through residual additions, concatenations, depthwise convolutions and into dense\n" +
			"layers. With --finetune the model learns on with what is left; single weights then go\n" +
			"step by step. OUT is .onnx, .mir or .mlc. docs/pruning.md says how the choice is made.",
		Args: cobra.ExactArgs(1),
	}
	p.compileFlags.register(c, "2")
	s := c.Flags()
	s.StringVarP(&p.train.out, "output", "o", "", "write to `OUT` (.onnx, .mir, .mlc, .tflite); - is standard output, as .mlc")
	p.pruneFlags.register(s)
	s.BoolVar(&p.zero, "zero", false, "set channels to zero and keep all shapes, instead of removing them")
	s.BoolVar(&p.finetune, "finetune", false, "train while weights go, or after channels went; with --data and flags as of mlc train")
	s.IntVar(&p.opset, "opset", onnx.DefaultOpset, "`opset` of an ONNX export")
	learning := pflag.NewFlagSet("train", pflag.ContinueOnError)
	p.train.register(learning)
	s.AddFlagSet(learning)
	c.RunE = func(c *cobra.Command, args []string) error {
		p.train.model = args[0]
		if err := p.settle(c, learning); err != nil {
			return err
		}
		return a.pruneModel(c, p)
	}
	return c
}

// settle checks the flags.
func (p *pruneJob) settle(c *cobra.Command, learning *pflag.FlagSet) error {
	s := c.Flags()
	if p.train.out == "" {
		return usage("mlc prune: want -o OUT")
	}
	err := hasFolder("-o", p.train.out)
	if err != nil {
		return err
	}
	if err := notOver("-o", p.train.out, p.train.model); err != nil {
		return err
	}
	if p.want, err = p.pruning(s); err != nil {
		return diag.In("mlc prune", diag.Usage, err)
	}
	if p.kind, err = emitKind("", p.train.out); err != nil {
		return err
	}
	if p.zero && p.want.Structure != prune.Channel {
		return usage("--zero is for --structure channel")
	}
	if p.finetune {
		if p.zero {
			return usage("--zero and --finetune: want one of them")
		}
		if p.want.Structure == prune.Channel && !s.Changed("end") {
			p.want.End = 0
		}
		return p.train.settle(c)
	}
	var stray error
	for _, f := range []string{"begin", "end", "every"} {
		if typed(s, f) {
			stray = usage("--%s: want --finetune", f)
		}
	}
	learning.VisitAll(func(f *pflag.Flag) {
		if typed(s, f.Name) && stray == nil {
			stray = usage("--%s: want --finetune", f.Name)
		}
	})
	return stray
}

func (a *app) pruneModel(c *cobra.Command, p *pruneJob) error {
	o := a.options()
	if err := p.fill(c, a, &o); err != nil {
		return err
	}
	t0 := time.Now()
	imp := o
	imp.Stop = passes.Canonical
	if p.finetune {
		trainable(&imp)
	}
	job := newTrainJob()
	defer job.close()
	var err error
	if job.model, err = job.load(c.Context(), a, "model "+p.train.model, p.train.model, imp); err != nil {
		return err
	}
	m, rep, fine, err := a.pruned(c, p, job)
	if err != nil {
		return diag.In(p.train.model, diag.Internal, err)
	}
	out := p.train.out
	size, err := a.write(out, func(w io.WriteSeeker) error { return a.emitModule(c, w, m, p.kind, p.opset, o) })
	if err != nil || out == "-" {
		return err
	}
	took := time.Since(t0).Seconds()
	if a.json {
		return a.emit("prune/1", pruneSummary{out, p.kind, size, rep, fine, took})
	}
	if a.quiet {
		return nil
	}
	a.printPruned(rep, out+": "+bytesText(size)+",")
	if fine != nil {
		fmt.Fprintf(a.out, "fine-tuned: %s, %.1f s\n", fine.text(&p.train), took)
		if b, e := fine.Before, fine.After; b != nil && b.Top1 != nil {
			fmt.Fprintf(a.out, "on %d validation samples: top1 %.2f %% -> %.2f %%\n", fine.ValSamples, 100*float64(*b.Top1), 100*float64(*e.Top1))
		} else if b != nil {
			fmt.Fprintf(a.out, "on %d validation samples: loss %.4f -> %.4f\n", fine.ValSamples, float64(b.Loss), float64(e.Loss))
		}
	}
	return nil
}

// pruned leaves out what is asked for, and trains if that is asked for.
func (a *app) pruned(c *cobra.Command, p *pruneJob, job *trainJob) (*ir.Module, *prune.Report, *finetuneReport, error) {
	if !p.finetune {
		apply := prune.Apply
		if p.zero {
			apply = prune.Zero
		}
		rep, err := apply(job.model, p.want.Config)
		return job.model, rep, nil, err
	}
	if err := job.prepare(c.Context(), a, &p.train, nn.Spec{}); err != nil {
		return nil, nil, nil, err
	}
	ctx, fine := c.Context(), &finetuneReport{}
	score := func(m *ir.Module) (*scoreReport, error) {
		return job.score(ctx, codegen.NewExecutor(a.options(), p.train.threads), m, p.train.config, a.reg.Ops)
	}
	var err error
	if fine.Before, err = score(job.model); err != nil {
		return nil, nil, nil, err
	}
	t, err := a.learn(ctx, &p.train, job, &p.want)
	if err != nil {
		return nil, nil, nil, err
	}
	if fine.After, err = score(t.model); err != nil {
		return nil, nil, nil, err
	}
	fine.runReport, err = a.ran(ctx, &p.train, job, t.history, t.model)
	return t.model, t.pruned, fine, err
}

// emitModule writes a module in its canonical form, or compiles it.
func (a *app) emitModule(c *cobra.Command, w io.WriteSeeker, m *ir.Module, kind string, opset int, o codegen.Options) error {
	switch kind {
	case emit.ONNX:
		return onnx.Export(w, m, onnx.Options{Opset: opset})
	case emit.MIR:
		return text.Print(w, m)
	}
	o, err := emit.For(kind, o)
	if err != nil {
		return err
	}
	o.Bind.Dims, o.Bind.Shapes = nil, nil // bound already
	art, err := codegen.Build(c.Context(), codegen.Graph(m), o)
	if err != nil {
		return err
	}
	defer art.Close()
	_, err = emit.Write(c.Context(), w, art, kind, emit.Options{Opset: opset})
	return err
}

// printPruned prints what went, layer by layer and in a line that begins as
// head says.
func (a *app) printPruned(r *prune.Report, head string) {
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
	fmt.Fprintf(a.out, "%s %.1f %% of the %s left out (asked for %.1f %%), parameters %s, MACs %s\n",
		head, 100*r.Sparsity, unit, 100*r.Asked, changeText(r.Params), changeText(r.MACs))
}

func changeText(c prune.Change) string {
	if c.Before == c.After {
		return countText(c.Before)
	}
	return countText(c.Before) + " -> " + countText(c.After)
}
