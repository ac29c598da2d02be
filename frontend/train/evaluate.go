package train

import (
	"context"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Scores say how good a model is on a data set.
type Scores struct {
	N    int     `json:"n"`    // samples
	Loss float64 `json:"loss"` // mean over them
	Top1 float64 `json:"top1"` // share of the labels that is right; 0 but for cross-entropy
}

// Evaluate scores inference model m on d. Of c it reads Loss, Output, Label,
// Batch, ExtendLoss and Ops. Errors: as of Fit; BadData, with the sample, where
// a value in the data makes a loss that is not finite.
func Evaluate(ctx context.Context, exec ir.Executor, m *ir.Module, d data.Dataset, c Config) (Scores, error) {
	c, err := c.withDefaults()
	if err != nil {
		return Scores{}, err
	}
	c.Freeze = func(string) bool { return true } // constants compile to faster code than states
	e, err := newEvaluator(ctx, exec, m, &c, d)
	if err != nil {
		return Scores{}, err
	}
	defer e.Close()
	s, bad, err := e.score(ctx)
	if bad != nil && err == nil {
		err = bad.err
	}
	return s, err
}

// evaluator scores a model, again and again, on one data set.
type evaluator struct {
	c      *Config
	module *ir.Module
	x      ir.Exec
	loader *data.Loader
	feed   *feeder
	names  []string // states that are weights
}

func newEvaluator(ctx context.Context, exec ir.Executor, m *ir.Module, c *Config, d data.Dataset) (*evaluator, error) {
	s, err := scorer(m, c)
	if err != nil {
		return nil, err
	}
	e := &evaluator{c: c, module: s}
	if e.loader, err = data.NewLoader(d, data.LoaderOptions{Batch: c.Batch}); err != nil {
		return nil, err
	}
	if e.feed, err = newFeeder(s, m, c, d); err != nil {
		return nil, err
	}
	for _, w := range Weights(m) {
		if c.Freeze == nil || !c.Freeze(w.Name) {
			e.names = append(e.names, w.Name)
		}
	}
	e.x, err = exec.Compile(ctx, s)
	return e, err
}

// Close lets go of the compiled model.
func (e *evaluator) Close() error { return e.x.Close() }

// unfit is the first batch with a loss that is not finite.
type unfit struct {
	loss float64
	in   []tensor.Value
	err  error // where the data are to blame
}

// scoreWith scores the model with the weights that a step has now.
func (e *evaluator) scoreWith(ctx context.Context, from ir.Exec) (Scores, *unfit, error) {
	for _, n := range e.names {
		v, err := from.State(n)
		if err != nil {
			return Scores{}, nil, err
		}
		if err := e.x.SetState(n, v.Clone()); err != nil {
			return Scores{}, nil, err
		}
	}
	return e.score(ctx)
}

func (e *evaluator) score(ctx context.Context) (s Scores, bad *unfit, err error) {
	var correct int64
	for b, err := range e.loader.Epoch(ctx, 0, 0) {
		if err != nil {
			return s, nil, err
		}
		in, err := e.feed.inputs(b.Tensors, 0)
		if err != nil {
			return s, nil, err
		}
		out, err := e.x.Run(ctx, in)
		if err != nil {
			return s, nil, err
		}
		loss := out[0].Tensor.Float(0)
		if loss-loss != 0 && bad == nil {
			bad = &unfit{loss: loss, err: e.feed.fault(in, e.loader.Dataset(), b.Rows)}
			for _, v := range in {
				bad.in = append(bad.in, v.Clone())
			}
		}
		s.Loss += float64(loss * float64(len(b.Rows)))
		if e.c.Loss == CrossEntropy {
			correct += out[1].Tensor.Int(0)
		}
		s.N += len(b.Rows)
	}
	s.Loss /= float64(s.N)
	s.Top1 = e.feed.share(correct, s.N)
	return s, bad, nil
}
