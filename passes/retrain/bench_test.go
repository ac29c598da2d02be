package retrain_test

import (
	"testing"

	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/quant"
)

// BenchmarkStep is a training step of a residual net, batch 64: float with
// BatchNorm, float without (folded), with fake quantization.
func BenchmarkStep(b *testing.B) {
	m, err := nn.Named("resnet8", nn.Input{Dims: []int{1, 28, 28}}, 10, nn.Options{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	folded := m.Clone()
	if err := passes.FoldNorms(ctx, folded, passes.Options{Ops: op.Builtin(), Exec: eval.New()}); err != nil {
		b.Fatal(err)
	}
	fake := folded.Clone()
	p, err := quant.NewPlan(fake, quant.Config{})
	if err != nil {
		b.Fatal(err)
	}
	ranges := make([]quant.Range, 0)
	for {
		if err := p.SetRanges(ranges); err == nil {
			break
		}
		ranges = append(ranges, quant.Range{Lo: 0, Hi: 4})
	}
	if err := p.Fake(op.Builtin()); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		m    *ir.Module
	}{{"float", m}, {"folded", folded}, {"fake", fake}} {
		step, err := train.Step(c.m, train.Config{Optimizer: train.Adam, RangeSteps: 100})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			x, err := cpu(2).Compile(ctx, step)
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close()
			img, err := tensor.Random(dtype.F32, 1, 64, 1, 28, 28)
			if err != nil {
				b.Fatal(err)
			}
			in := []tensor.Value{tensor.V(img), tensor.V(tensor.New(dtype.I64, 64)), tensor.V(tensor.MustOf([]float32{1e-5}))}
			for b.Loop() {
				if _, err := x.Run(ctx, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
