package retrain

import (
	"context"
	"fmt"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/quant"
)

// QATConfig says how quantization-aware training goes. The zero value of a
// field is its default.
type QATConfig struct {
	Train train.Config // the run; Transform and RangeSteps are set here and must not be
	Quant quant.Config // which values and how the ranges are found to begin with

	// Calibrate is how many training samples the first ranges are taken from;
	// 512.
	Calibrate int
	// Frozen is the share of the run, at its end, in which ranges stay as they
	// are; nil: the last epoch, or of a run of one epoch the last 0.3.
	Frozen *float64
}

// QATResult is what a run gives.
type QATResult struct {
	Module  *ir.Module     // quantized: what quant.Plan.Insert writes
	Float   *ir.Module     // the same weights before quantization
	History *train.History // its Model has the fake quantization; scores are with it
}

// defaultCalibrate is how many samples first ranges are taken from.
const defaultCalibrate = 512

// QAT trains m, a trained float model, which is not changed, and quantizes it.
//
// Errors: those of passes.FoldNorms, quant.NewPlan and Plan.Calibrate (data or
// values that are not finite), train.Fit; Usage for the Config.
func QAT(ctx context.Context, exec ir.Executor, m *ir.Module, set, val data.Dataset, c QATConfig) (*QATResult, error) {
	t, err := c.settle(set)
	if err != nil {
		return nil, err
	}
	float := m.Clone()
	if err := passes.FoldNorms(ctx, float, passes.Options{Ops: t.Ops, Target: "native", Exec: eval.New()}); err != nil {
		return nil, err
	}
	first, err := c.calibrate(ctx, exec, float, set, t)
	if err != nil {
		return nil, err
	}
	t.Transform = func(m *ir.Module) error {
		p, err := quant.NewPlan(m, c.Quant)
		if err != nil {
			return err
		}
		if err := p.SetRanges(first); err != nil {
			return err
		}
		return p.Fake(t.Ops)
	}
	h, err := train.Fit(ctx, exec, float, set, val, t)
	if err != nil {
		return nil, err
	}
	if float, err = withWeights(float, h.Model); err != nil {
		return nil, err
	}
	q, err := c.insert(float, h.Model, t)
	if err != nil {
		return nil, err
	}
	return &QATResult{Module: q, Float: float, History: h}, nil
}

// settle checks the Config and gives the one of the run.
func (c *QATConfig) settle(set data.Dataset) (train.Config, error) {
	t, err := c.Train.Complete()
	if err != nil {
		return t, err
	}
	if c.Calibrate == 0 {
		c.Calibrate = defaultCalibrate
	}
	switch {
	case t.Transform != nil || t.RangeSteps != 0:
		return t, diag.New(diag.Usage, "quantization-aware training sets the transformation and the steps of ranges itself")
	case c.Calibrate < 1:
		return t, diag.New(diag.Usage, "calibration on %d samples: want 1 or more", c.Calibrate)
	case c.Frozen != nil && !(*c.Frozen >= 0 && *c.Frozen <= 1):
		return t, diag.New(diag.Usage, "ranges frozen for %v of the run: want 0 to 1", *c.Frozen)
	}
	l, err := data.NewLoader(set, data.LoaderOptions{Batch: t.Batch})
	if err != nil {
		return t, err
	}
	steps := l.Steps()
	total := steps * t.Epochs
	switch {
	case c.Frozen != nil:
		t.RangeSteps = total - int(float64(total)**c.Frozen)
	case t.Epochs > 1:
		t.RangeSteps = total - steps
	default:
		t.RangeSteps = total - total*3/10
	}
	switch t.RangeSteps {
	case 0:
		t.RangeSteps = -1 // they move in no step
	case total:
		t.RangeSteps = 0 // in all, however long the run becomes
	}
	return t, nil
}

// calibrate finds the ranges to begin with, on training samples.
func (c *QATConfig) calibrate(ctx context.Context, exec ir.Executor, m *ir.Module, set data.Dataset, t train.Config) ([]quant.Range, error) {
	p, err := quant.NewPlan(m.Clone(), c.Quant)
	if err != nil {
		return nil, err
	}
	in, err := train.NewInputs(ctx, m, set, t, c.Calibrate)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if err := p.Calibrate(ctx, exec, in); err != nil {
		return nil, err
	}
	return p.Ranges(), nil
}

// insert quantizes a clone of m by the ranges that trained has learnt.
func (c *QATConfig) insert(m, trained *ir.Module, t train.Config) (*ir.Module, error) {
	q := m.Clone()
	p, err := quant.NewPlan(q, c.Quant)
	if err != nil {
		return nil, err
	}
	rs, err := p.Faked(trained)
	if err != nil {
		return nil, err
	}
	if err := p.SetRanges(rs); err != nil {
		return nil, err
	}
	if err := p.Insert(t.Ops); err != nil {
		return nil, err
	}
	if err := verify.Module(q); err != nil {
		return nil, diag.New(diag.Internal, "quantization left a module that does not hold: %v", err)
	}
	return q, nil
}

// withWeights gives m with the weights that another module has under the same
// names.
func withWeights(m, from *ir.Module) (*ir.Module, error) {
	learnt := map[string]*ir.Const{}
	for _, w := range train.Weights(from) {
		learnt[w.Name] = w.Value.Node.Const
	}
	m = m.Clone()
	for _, w := range train.Weights(m) {
		k := learnt[w.Name]
		if k == nil || !k.Type().Equal(w.Value.Type) {
			return nil, &diag.Error{Kind: diag.Internal, Err: fmt.Errorf("weight %q has no counterpart in what was trained", w.Name)}
		}
		w.Value.Node.Const = k
	}
	return m, nil
}
