package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/prune"
	"github.com/mlc-go/mlc/passes/retrain"
)

// trained is what a run gave.
type trained struct {
	history           *train.History
	model             *ir.Module    // to be written
	float             *ir.Module    // the same with float weights
	before, quantized *scoreReport  // of the float model at first and of the quantized one; nil without quantization or data
	pruned            *prune.Report // nil: nothing was left out
}

// learn runs a job, with the teacher that it has, pruning as p says unless it
// is nil, with progress and log.
func (a *app) learn(ctx context.Context, f *trainFlags, job *trainJob, p *retrain.Pruning) (t *trained, err error) {
	undo, err := makeFolders(f.checkpoint, f.log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			undo()
		}
	}()
	bar := a.newProgress()
	cfg := a.watched(f, bar)
	exec := codegen.NewExecutor(a.options(), f.threads)
	run := job
	if job.lesson != nil {
		if cfg, run, err = job.lesson.begin(ctx, exec, job, cfg, bar); err != nil {
			return nil, err
		}
	}
	t, err = fit(ctx, exec, f, run, cfg, p)
	bar.done()
	if err != nil {
		a.keeps(f, err)
		return nil, err
	}
	if f.checkpoint != "" {
		a.kept = " after the last epoch; " + cfg.Checkpoint + " keeps it, the same command with --resume writes the model"
	}
	if f.precision == precisionQAT {
		if t.before, err = job.score(ctx, exec, job.model, f.config, a.reg.Ops); err != nil {
			return nil, err
		}
		if t.quantized, err = job.score(ctx, exec, t.model, f.config, a.reg.Ops); err != nil {
			return nil, err
		}
	}
	if job.lesson != nil {
		if err := job.lesson.end(ctx, exec, job, t.model, cfg); err != nil {
			return nil, err
		}
	}
	if f.log != "" {
		return t, writeLog(f.log, cfg.Loss, epochReports(t.history.Epochs, cfg.Loss))
	}
	return t, nil
}

// makeFolders makes the folders that are named; undo removes those that it made
// and that hold nothing.
func makeFolders(dirs ...string) (undo func(), err error) {
	var made []string // with their parents
	undo = func() {
		slices.SortFunc(made, func(a, b string) int { return len(b) - len(a) })
		for _, d := range made {
			os.Remove(d)
		}
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
			if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
				break
			}
			made = append(made, d)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			undo()
			return nil, diag.In(dir, diag.Usage, err)
		}
	}
	return undo, nil
}

// watched is the flags' configuration, of a run that is shown and logged.
func (a *app) watched(f *trainFlags, bar *progress) train.Config {
	cfg := f.config
	cfg.Ops = a.reg.Ops
	if f.checkpoint != "" {
		cfg.Checkpoint = filepath.Join(f.checkpoint, checkpointFile)
	}
	cfg.OnStep = func(s train.Progress, _ ir.Exec) error { bar.step(s); return nil }
	var log []epochReport
	cfg.OnEpoch = func(e train.Epoch) error {
		r := reportOf(e, cfg.Loss)
		bar.epoch(r, cfg.Epochs)
		if f.log == "" {
			return nil
		}
		if log == nil && e.N > 1 { // a resumed run is told its own part only
			log = readLog(f.log, e.N-1)
		}
		log = append(log, r)
		return writeLog(f.log, cfg.Loss, log)
	}
	return cfg
}

// fit trains: for int8, pruning, or as the model is.
func fit(ctx context.Context, exec ir.Executor, f *trainFlags, job *trainJob, c train.Config, p *retrain.Pruning) (*trained, error) {
	switch {
	case f.precision == precisionQAT:
		q := retrain.QATConfig{Train: c}
		if f.freezeRanges >= 0 {
			q.Frozen = &f.freezeRanges
		}
		r, err := retrain.QAT(ctx, exec, job.model, job.train, job.val, q)
		if err != nil {
			return nil, err
		}
		return &trained{history: r.History, model: r.Module, float: r.Float}, nil
	case p != nil:
		h, rep, err := retrain.Prune(ctx, exec, job.model, job.train, job.val, c, *p)
		if err != nil {
			return nil, err
		}
		return &trained{history: h, model: h.Model, float: h.Model, pruned: rep}, nil
	}
	h, err := train.Fit(ctx, exec, job.model, job.train, job.val, c)
	if err != nil {
		return nil, err
	}
	return &trained{history: h, model: h.Model, float: h.Model}, nil
}

// score scores a model on the validation data as training does; nil where there
// are none.
func (j *trainJob) score(ctx context.Context, exec ir.Executor, m *ir.Module, c train.Config, ops *ir.OpSet) (*scoreReport, error) {
	if j.val == nil {
		return nil, nil
	}
	s, err := j.evaluate(ctx, exec, m, c, ops)
	if err != nil {
		return nil, err
	}
	return scoresOf(s, c.Loss), nil
}

// keeps notes, for the last line of an interrupted command, where training was
// and what has become of it.
func (a *app) keeps(f *trainFlags, err error) {
	var i *train.Interrupted
	if !errors.As(err, &i) {
		return
	}
	where := fmt.Sprintf(" after epoch %d", i.Epoch)
	if i.Step > 0 {
		where = fmt.Sprintf(" in epoch %d after step %d of %d", i.Epoch+1, i.Step, i.Steps)
	}
	switch {
	case i.Epoch+i.Step == 0:
		where = " before the first step"
	case i.Kept != "" && f.config.Resume:
		where += "; " + i.Kept + " keeps it, the same command goes on from there"
	case i.Kept != "":
		where += "; " + i.Kept + " keeps it, the same command with --resume goes on from there"
	case f.checkpoint != "":
		where += fmt.Sprintf("; nothing is kept, %s is still that of an earlier run", filepath.Join(f.checkpoint, checkpointFile))
	default:
		where += "; nothing is kept (--checkpoint DIR would)"
	}
	a.kept = where
}
