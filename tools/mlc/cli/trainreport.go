package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes/prune"
)

// trainReport is what `mlc train --json` and `mlc distill --json` print.
type trainReport struct {
	Model      string       `json:"model"`
	Output     string       `json:"output"`
	Bytes      int64        `json:"bytes"`
	Parameters int          `json:"parameters"` // weights that are learnt; mlc prune and inspect count every float constant
	Precision  string       `json:"precision"`
	Float      *scoreReport `json:"float,omitempty"`     // the model as it was given, with --precision qat-int8
	Quantized  *scoreReport `json:"quantized,omitempty"` // the model as it is written
	runReport
	Prune   *prune.Report `json:"prune,omitempty"`
	Seconds float64       `json:"seconds"`
}

// runReport is what a report says of a training run.
type runReport struct {
	Samples    int               `json:"samples"`
	ValSamples int               `json:"val_samples"`
	Seed       uint64            `json:"seed"`
	Threads    int               `json:"threads"`
	Epochs     []epochReport     `json:"epochs"`
	Best       int               `json:"best_epoch"`
	Stopped    string            `json:"stopped,omitempty"`
	Resumed    bool              `json:"resumed,omitempty"`
	Metrics    map[string]number `json:"metrics,omitempty"`
	Distill    *distillReport    `json:"distillation,omitempty"`
}

// scoreReport is how good a model is on the validation data.
type scoreReport struct {
	Loss number  `json:"loss"`
	Top1 *number `json:"top1,omitempty"`
}

func scoresOf(s train.Scores, loss train.Loss) *scoreReport {
	r := &scoreReport{Loss: number(s.Loss)}
	if loss == train.CrossEntropy {
		n := number(s.Top1)
		r.Top1 = &n
	}
	return r
}

func (r *scoreReport) text() string {
	if r.Top1 != nil {
		return fmt.Sprintf("%.2f %%", 100*float64(*r.Top1))
	}
	return fmt.Sprintf("loss %.4f", float64(r.Loss))
}

// epochReport is an epoch in reports and logs.
type epochReport struct {
	Epoch   int     `json:"epoch"`
	Loss    number  `json:"loss"`
	Top1    *number `json:"top1,omitempty"`
	ValLoss *number `json:"val_loss,omitempty"`
	ValTop1 *number `json:"val_top1,omitempty"`
	LR      number  `json:"lr"`
	Seconds number  `json:"seconds"`
}

func reportOf(e train.Epoch, loss train.Loss) epochReport {
	num := func(v float64) *number { n := number(v); return &n }
	r := epochReport{Epoch: e.N, Loss: number(e.Loss), LR: number(e.LR), Seconds: number(e.Took.Seconds())}
	if loss == train.CrossEntropy {
		r.Top1 = num(e.Top1)
	}
	if e.Val != nil {
		r.ValLoss = num(e.Val.Loss)
		if loss == train.CrossEntropy {
			r.ValTop1 = num(e.Val.Top1)
		}
	}
	return r
}

func epochReports(es []train.Epoch, loss train.Loss) []epochReport {
	out := []epochReport{}
	for _, e := range es {
		out = append(out, reportOf(e, loss))
	}
	return out
}

// ran reports a run, with the metrics of its result m.
func (a *app) ran(ctx context.Context, f *trainFlags, job *trainJob, h *train.History, m *ir.Module) (runReport, error) {
	r := runReport{Samples: job.train.Len(), Seed: f.seed, Threads: f.threads,
		Epochs: epochReports(h.Epochs, f.config.Loss), Best: h.Best, Stopped: h.Stopped, Resumed: h.Resumed}
	if job.lesson != nil {
		r.Distill = &job.lesson.report
	}
	if job.val != nil {
		r.ValSamples = job.val.Len()
	}
	if len(f.metrics) > 0 {
		s, err := a.scoreModule(ctx, m, job.val, f.metrics, f.threads)
		if err != nil {
			return r, err
		}
		r.Metrics = scoreMap(s)
	}
	return r, nil
}

// text is the run for people.
func (r *runReport) text(f *trainFlags) string {
	line := fmt.Sprintf("%d samples, %d epochs", r.Samples, len(r.Epochs))
	if n := r.Best; n > 0 && n <= len(r.Epochs) {
		e := r.Epochs[len(r.Epochs)-1]
		if f.config.Patience > 0 {
			e = r.Epochs[n-1]
			line += fmt.Sprintf(", best %d", n)
		}
		line += ", " + e.text()
	}
	for _, m := range f.metrics {
		line += fmt.Sprintf(", %s %.4f", m, float64(r.Metrics[m]))
	}
	if r.Distill != nil {
		line += ", " + r.Distill.text()
	}
	if r.Stopped != "" {
		line += ", stopped: " + r.Stopped
	}
	return line
}

func (a *app) finishTrain(c *cobra.Command, f *trainFlags, job *trainJob, t *trained, began time.Time) error {
	ctx := c.Context()
	run, err := a.ran(ctx, f, job, t.history, t.model)
	if err != nil {
		return err
	}
	size, err := a.writeModel(ctx, t.model, f.out)
	if err != nil {
		return err
	}
	r := trainReport{Model: f.model, Output: f.out, Bytes: size, Parameters: parameters(t.float), Precision: f.precision,
		Float: t.before, Quantized: t.quantized, runReport: run, Prune: t.pruned}
	r.Seconds = time.Since(began).Seconds()
	if a.json {
		return a.emit(c.Name()+"/1", r)
	}
	if a.quiet {
		return nil
	}
	if t.pruned != nil {
		a.printPruned(t.pruned, "pruned:")
	}
	line := fmt.Sprintf("%s: %s, %s weights, %s", r.Output, bytesText(size), countText(int64(r.Parameters)), run.text(f))
	if r.Quantized != nil {
		line += fmt.Sprintf(", float %s, int8 %s", r.Float.text(), r.Quantized.text())
	}
	fmt.Fprintf(a.out, "%s, %.1f s\n", line, r.Seconds)
	return nil
}

// parameters counts the weights of a model that training learns: without
// statistics, and constants of preprocessing.
func parameters(m *ir.Module) int {
	n := 0
	for _, w := range train.Weights(m) {
		if !w.Statistic {
			n += w.Value.Const().Len()
		}
	}
	return n
}

// text is the numbers of an epoch for people.
func (e *epochReport) text() string {
	s := fmt.Sprintf("loss %.4f", float64(e.Loss))
	if e.Top1 != nil {
		s += fmt.Sprintf(", top1 %.2f %%", 100*float64(*e.Top1))
	}
	if e.ValLoss != nil {
		s += fmt.Sprintf(", validation loss %.4f", float64(*e.ValLoss))
	}
	if e.ValTop1 != nil {
		s += fmt.Sprintf(", top1 %.2f %%", 100*float64(*e.ValTop1))
	}
	return s
}

// writeModel writes a module by the file's suffix: .onnx and .mir as it is,
// so that it can be trained and compressed further, .mlc compiled.
func (a *app) writeModel(ctx context.Context, m *ir.Module, file string) (int64, error) {
	switch filepath.Ext(file) {
	case ".onnx":
		return atomicWrite(file, func(w io.WriteSeeker) error { return onnx.Export(w, m, onnx.Options{Opset: onnx.DefaultOpset}) })
	case ".mir":
		return atomicWrite(file, func(w io.WriteSeeker) error { return text.Print(w, m) })
	}
	art, err := codegen.Build(ctx, codegen.Graph(m), a.options())
	if err != nil {
		return 0, err
	}
	defer art.Close()
	return atomicWrite(file, func(w io.WriteSeeker) error { _, err := art.Write(w); return err })
}

// historyFile and curvesFile are what --log writes.
const (
	historyFile = "history.json"
	curvesFile  = "curves.svg"
)

// history is the form of historyFile.
type history struct {
	Schema string        `json:"schema"`
	Loss   train.Loss    `json:"loss"`
	Epochs []epochReport `json:"epochs"`
}

// writeLog writes the history and the curves, each whole or not at all.
func writeLog(dir string, loss train.Loss, es []epochReport) error {
	b, err := json.MarshalIndent(history{"mlc.history/1", loss, es}, "", "\t")
	if err != nil {
		return err
	}
	put := func(name string, body []byte) error {
		_, err := atomicWrite(filepath.Join(dir, name), func(w io.WriteSeeker) error { _, err := w.Write(body); return err })
		return err
	}
	if err := put(historyFile, append(b, '\n')); err != nil {
		return err
	}
	return put(curvesFile, curvesSVG(es))
}

// readLog gives the first n epochs that an earlier part of the run wrote; none
// where they cannot be read: the log is written whole when the run ends.
func readLog(dir string, n int) []epochReport {
	b, err := os.ReadFile(filepath.Join(dir, historyFile))
	var h history
	if err != nil || json.Unmarshal(b, &h) != nil || len(h.Epochs) < n {
		return nil
	}
	return h.Epochs[:n]
}
