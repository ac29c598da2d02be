package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/calib"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/program"
)

// fileExists says whether a path names something that is there.
func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (a *app) eval() *cobra.Command {
	var f compileFlags
	var spec, confusion, output string
	var metrics []string
	var batch, threads int
	var seed uint64
	c := &cobra.Command{
		Use:   "eval MODEL --data DATA",
		Short: "Score a model or artifact on a data set",
		Args:  cobra.ExactArgs(1),
	}
	f.register(c, "2")
	s := c.Flags()
	s.StringVar(&spec, "data", "", "`DATA`: "+data.Forms)
	s.StringSliceVar(&metrics, "metrics", nil, "metrics: "+data.MetricsDoc+" (default: top1 of classes and vectors, mae and rmse of single numbers)")
	s.StringVar(&confusion, "confusion", "", "write how often each class was taken for which to `FILE` (CSV)")
	s.StringVar(&output, "output-name", "", "`NAME` of the output to score (default: the first)")
	s.IntVar(&batch, "batch", 64, "samples a run, where the model leaves the number open")
	s.IntVar(&threads, "threads", 1, "`threads` to use")
	s.Uint64Var(&seed, "seed", 1, "`seed` of random data")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case spec == "":
			return usage("mlc eval: --data is missing")
		case batch < 1 || threads < 1:
			return usage("--batch %d, --threads %d: want at least 1", batch, threads)
		}
		if err := hasFolder("--confusion", confusion); err != nil {
			return err
		}
		o := a.options()
		if err := f.fill(c, a, &o); err != nil {
			return err
		}
		if err := f.onlyForModels(c, args); err != nil {
			return err
		}
		t0 := time.Now()
		m, err := a.loadModel(c.Context(), args[0], o)
		if err != nil {
			return err
		}
		defer m.Close()
		d, err := data.Open(spec, data.Options{Seed: seed, Fields: fieldsFor(m)})
		if err != nil {
			return err
		}
		names, err := program.Classes(m.Artifact().Program.Meta)
		if err != nil {
			return diag.In(args[0], diag.BadModel, err)
		}
		if names != nil {
			if d, err = data.WithClasses(d, names); err != nil {
				return err
			}
		}
		bar := a.newProgress()
		sc, err := scoreModel(c.Context(), m, d, scoreFlags{metrics, output, batch, threads, bar})
		bar.done()
		if err != nil {
			return err
		}
		if confusion != "" {
			if sc.Confusion() == nil {
				return usage("--confusion: the metrics are not of classes, or there are more than %d of them", data.MostConfused)
			}
			if _, err := a.write(confusion, func(w io.WriteSeeker) error { _, err := io.WriteString(w, sc.ConfusionCSV()); return err }); err != nil {
				return err
			}
		}
		return a.printScores(args[0], sc, time.Since(t0))
	}
	return c
}

func (a *app) printScores(model string, s *data.Scorer, took time.Duration) error {
	if a.json {
		return a.emit("eval/1", struct {
			Model   string            `json:"model"`
			Samples int               `json:"samples"`
			Metrics map[string]number `json:"metrics"`
			Matrix  [][]int           `json:"confusion,omitempty"`
			Seconds float64           `json:"seconds"`
		}{model, s.Samples(), scoreMap(s), s.Confusion(), took.Seconds()})
	}
	for _, x := range s.Scores() {
		fmt.Fprintf(a.out, "%s %.6g\n", x.Name, x.Value)
	}
	a.note("%d samples, %.1f s", s.Samples(), took.Seconds())
	return nil
}

type scoreFlags struct {
	metrics        []string
	output         string
	batch, threads int
	bar            *progress // nil: none
}

// scoreModel runs a model over a data set.
func scoreModel(ctx context.Context, m *runtime.Model, d data.Dataset, f scoreFlags) (*data.Scorer, error) {
	at, err := data.Target(d)
	if err != nil {
		return nil, err
	}
	outs := m.Outputs()
	out := 0
	if f.output != "" {
		if out = find(outs, f.output); out < 0 {
			return nil, usage("--output-name %s: outputs are %s", f.output, strings.Join(infoNames(outs), ", "))
		}
	}
	if len(outs) == 0 {
		return nil, diag.New(diag.BadModel, "the model has no output")
	}
	metrics := f.metrics
	target := d.Fields()[at]
	if len(metrics) == 0 && !target.IsLabel() && len(target.Dims) == 1 && target.Dims[0] > 1 {
		metrics = []string{"top1"}
	}
	sc, err := data.NewScorer(metrics, target)
	if err != nil {
		return nil, err
	}
	from, fixed, err := calib.Match(portsOf(m.Inputs()), d)
	if err != nil {
		return nil, err
	}
	if fixed > 0 {
		f.batch = fixed
		if d.Len()%fixed != 0 {
			return nil, diag.New(diag.BadData, "%d samples for a model that takes %d at a time: the last do not fill a batch", d.Len(), fixed)
		}
	}
	s, err := m.NewSession(runtime.Threads(f.threads))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	l, err := data.NewLoader(d, data.LoaderOptions{Batch: f.batch})
	if err != nil {
		return nil, err
	}
	for b, err := range l.Epoch(ctx, 0, 0) {
		if err != nil {
			return nil, err
		}
		for i, in := range m.Inputs() {
			if err := s.Bind(in.Name, b.Tensors[from[i]]); err != nil {
				return nil, err
			}
		}
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		y, err := s.Output(outs[out].Name)
		if err != nil {
			return nil, err
		}
		if err := sound(&y, outs[out].Name, d, b, append(slices.Clone(from), at)); err != nil {
			return nil, err
		}
		if err := sc.Add(y, b.Tensors[at]); err != nil {
			return nil, diag.In(d.Where(badRow(b, at, y.Dims())), diag.BadData, err)
		}
		if f.bar != nil {
			f.bar.count("scoring", "samples", sc.Samples(), d.Len())
		}
	}
	return sc, nil
}

// sound makes sure that no output of a batch is NaN, which metrics would count
// as some class, nor the target, the last of the fields given; of these the
// first that is NaN is to blame.
func sound(y *tensor.Tensor, output string, d data.Dataset, b data.Batch, fields []int) error {
	if y.Rank() == 0 || y.Dim(0) != len(b.Rows) {
		return nil // not what can be scored
	}
	at := firstNaN(y, 0, len(b.Rows))
	if at < 0 {
		at = firstNaN(&b.Tensors[fields[len(fields)-1]], 0, len(b.Rows))
	}
	if at < 0 {
		return nil
	}
	e := &diag.Error{Kind: diag.BadData, File: d.Where(b.Rows[at]), Port: fmt.Sprintf("output %q", output), Have: "NaN", Want: "a number"}
	for _, f := range fields {
		if firstNaN(&b.Tensors[f], at, at+1) >= 0 {
			e.Port = fmt.Sprintf("field %q", d.Fields()[f].Name)
			break
		}
	}
	return e
}

// firstNaN is the first of the rows from..to-1 of a tensor that has a NaN; -1:
// none.
func firstNaN(t *tensor.Tensor, from, to int) int {
	if !t.DType().IsFloat() {
		return -1
	}
	w := t.Len() / t.Dim(0)
	for i := from * w; i < to*w; i++ {
		if v := t.Float(i); v != v {
			return i / w
		}
	}
	return -1
}

// badRow is the sample of a batch whose label is out of range, else the first.
func badRow(b data.Batch, at int, dims []int) int {
	t := &b.Tensors[at]
	if len(dims) > 1 && t.DType().IsInt() {
		for k := range b.Rows {
			if v := t.Int(k); v < 0 || v >= int64(dims[len(dims)-1]) {
				return b.Rows[k]
			}
		}
	}
	return b.Rows[0]
}

func portsOf(infos []runtime.Info) []conform.Port {
	ports := make([]conform.Port, len(infos))
	for i, in := range infos {
		ports[i] = conform.Port{Name: in.Name, Type: in.Type}
	}
	return ports
}

// fieldsFor is what random data for a compiled model look like.
func fieldsFor(m *runtime.Model) []data.Field {
	shell := ir.NewModule("shell")
	f := shell.AddFunc("main")
	for _, in := range m.Inputs() {
		f.AddParam(in.Name, in.Type)
	}
	for _, out := range m.Outputs() {
		f.AddResult(out.Name, &ir.Value{Name: out.Name, Type: out.Type, Func: f})
	}
	return fieldsOf(shell)
}

// scoreModule compiles a module and scores it.
func (a *app) scoreModule(ctx context.Context, m *ir.Module, d data.Dataset, metrics []string, threads int) (*data.Scorer, error) {
	model, err := a.compiled(ctx, codegen.Graph(m), a.options())
	if err != nil {
		return nil, err
	}
	defer model.Close()
	return scoreModel(ctx, model, d, scoreFlags{metrics: metrics, batch: 64, threads: threads})
}

func scoreMap(s *data.Scorer) map[string]number {
	out := map[string]number{}
	for _, x := range s.Scores() {
		out[x.Name] = number(x.Value)
	}
	return out
}
