package codegen

import (
	"context"
	"io"

	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/quant"
)

// QuantizeOptions say how Quantize works.
type QuantizeOptions struct {
	Options              // of the build of what is run; Target is always this machine
	Config  quant.Config // method, types, nodes to keep
	Threads int          // of the runs, at least 1
	// Samples opens the calibration data for a model with these inputs, anew
	// at each call; Quantize closes what is an io.Closer.
	Samples func(inputs []conform.Port) (quant.Samples, error)
	// Compare, if not nil, opens what the report is made from; nil: no report.
	Compare func(inputs []conform.Port) (quant.Samples, error)
}

// Quantized is a quantized module.
type Quantized struct {
	Module *ir.Module
	Report *quant.Report // nil if none was asked for
	close  func() error
}

// Close lets go of the model's file.
func (q *Quantized) Close() error { return q.close() }

// Quantize makes static 8-bit quantization of a model: canonical form with
// BatchNormalization in the weights, ranges from samples, then QuantizeLinear
// and DequantizeLinear. Errors: as Build; BadData naming the value where
// samples or what the model makes of them is not finite.
func Quantize(ctx context.Context, src Source, o QuantizeOptions) (*Quantized, error) {
	if o.Ops == nil {
		o.Ops = op.Builtin()
	}
	l, err := src.load(ctx, o.Ops, o.KeepInputs)
	if err != nil {
		return nil, err
	}
	q, err := o.quantize(ctx, l.module)
	if err != nil {
		l.close()
		return nil, diag.In(src.Name(), diag.Internal, err)
	}
	q.close = l.close
	return q, nil
}

func (o *QuantizeOptions) quantize(ctx context.Context, m *ir.Module) (*Quantized, error) {
	err := passes.FoldNorms(ctx, m, passes.Options{Ops: o.Ops, Target: "native", Exec: eval.New(), Log: o.Log, Bind: o.Bind})
	if err != nil {
		return nil, err
	}
	p, err := quant.NewPlan(m, o.Config)
	if err != nil {
		return nil, err
	}
	var ports []conform.Port
	for _, v := range m.Main().Params {
		ports = append(ports, conform.Port{Name: v.Name, Type: v.Type})
	}
	run := o.Options
	run.Level, run.Target, run.Passes, run.Bind, run.Stop = "2", "", "", Options{}.Bind, ""
	exec := NewExecutor(run, max(1, o.Threads))
	samples, err := o.Samples(ports)
	if err != nil {
		return nil, err
	}
	err = p.Calibrate(ctx, exec, samples)
	closeSamples(samples)
	if err != nil {
		return nil, err
	}
	float := m
	if o.Compare != nil {
		float = m.Clone()
	}
	if err := p.Insert(o.Ops); err != nil {
		return nil, err
	}
	if err := verify.Module(m); err != nil {
		return nil, diag.New(diag.Internal, "quantization left a module that does not hold: %v", err)
	}
	out := &Quantized{Module: m}
	if o.Compare != nil {
		if samples, err = o.Compare(ports); err != nil {
			return nil, err
		}
		defer closeSamples(samples)
		if out.Report, err = p.Compare(ctx, exec, float, samples); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func closeSamples(s quant.Samples) {
	if c, ok := s.(io.Closer); ok {
		c.Close()
	}
}
