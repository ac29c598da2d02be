package cli

import (
	"context"

	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/retrain"
)

// trained is what a run gave.
type trained struct {
	history          *train.History
	model            *ir.Module    // to be written
	float            *ir.Module    // the same with float weights
	before, afterQAT *train.Scores // of the float model at first and of the quantized one; nil without quantization or data
}

func fitFloat(ctx context.Context, exec ir.Executor, _ *trainFlags, job *trainJob, c train.Config) (*trained, error) {
	h, err := train.Fit(ctx, exec, job.model, job.train, job.val, c)
	if err != nil {
		return nil, err
	}
	return &trained{history: h, model: h.Model, float: h.Model}, nil
}

// fitQAT trains for int8, scoring the model as it was given and the quantized
// one.
func fitQAT(ctx context.Context, exec ir.Executor, f *trainFlags, job *trainJob, c train.Config) (*trained, error) {
	t := &trained{}
	score := func(m *ir.Module) (*train.Scores, error) {
		if job.val == nil {
			return nil, nil
		}
		s, err := train.Evaluate(ctx, exec, m, job.val, c)
		return &s, err
	}
	var err error
	if t.before, err = score(job.model); err != nil {
		return nil, err
	}
	q := retrain.QATConfig{Train: c}
	if f.freezeRanges >= 0 {
		q.Frozen = &f.freezeRanges
	}
	r, err := retrain.QAT(ctx, exec, job.model, job.train, job.val, q)
	if err != nil {
		return nil, err
	}
	t.history, t.model, t.float = r.History, r.Module, r.Float
	t.afterQAT, err = score(r.Module)
	return t, err
}
