package train_test

import (
	"math"
	"testing"

	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// faked is y = fake(fake(x)*w), both in one range, -1 to 2.
func faked(t *testing.T) *ir.Module {
	t.Helper()
	m := ir.NewModule("faked")
	m.Opset["mlc"] = ir.MLCOpset
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Ints(2, 2)...))
	b := ir.NewBuilder(f, -1, op.Builtin())
	lo, hi := b.Const(tensor.MustOf([]float32{-1})), b.Const(tensor.MustOf([]float32{2}))
	lo.Name, hi.Name = "lo", "hi"
	w := b.Const(tensor.MustOf([]float32{4, 0, 0, 1}, 2, 2))
	w.Name = "w"
	y := b.Op("MatMul", nil, b.Op("mlc.FakeQuantize", nil, x, lo, hi), w)
	f.AddResult("y", b.Op("mlc.FakeQuantize", nil, y, lo, hi))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

// Ranges move by their rate to the extremes over all places that share them,
// in as many steps as are asked for; a frozen one does not. Hand calculation: x
// is -2 to 1, the first column of x on its steps is 1 and -1, times 4 is 4 and
// -4, so that -1 becomes -1 + 0.5*(-4+1) = -2.5 and 2 becomes 2 + 0.5*(4-2) = 3,
// and so on.
func TestRangesMove(t *testing.T) {
	in := []tensor.Value{tensor.V(tensor.MustOf([]float32{1, -2, -1, 0.5}, 2, 2)), tensor.V(tensor.New(dtype.F32, 2, 2)), tensor.V(tensor.New(dtype.F32))}
	for _, c := range []struct {
		name   string
		steps  int
		freeze bool
		lo, hi []float64 // after each step
	}{
		{"always", 0, false, []float64{-2.5, -3.25, -3.625}, []float64{3, 3.5, 3.75}},
		{"at first", 1, false, []float64{-2.5, -2.5, -2.5}, []float64{3, 3, 3}},
		{"never", -1, false, []float64{-1, -1}, []float64{2, 2}},
		{"frozen", 0, true, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := faked(t)
			cfg := train.Config{Loss: train.SquaredError, RangeRate: 0.5, RangeSteps: c.steps}
			if c.freeze {
				cfg.Freeze = func(name string) bool { return name != "w" }
			}
			step, err := train.Step(m, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if c.freeze != (step.State("lo") == nil) || step.State("w") == nil {
				t.Fatalf("states %v", step.States)
			}
			for name, e := range map[string]ir.Executor{"interpreter": eval.New(), "cpu": cpu(1)} {
				x, err := e.Compile(ctx, step)
				if err != nil {
					t.Fatal(err)
				}
				for i := range c.lo {
					if _, err := x.Run(ctx, in); err != nil {
						t.Fatal(err)
					}
					for s, want := range map[string]float64{"lo": c.lo[i], "hi": c.hi[i]} {
						v, err := x.State(s)
						if err != nil {
							t.Fatal(err)
						}
						// A step of the range is 0.03 at most, times 4 and halved.
						if have := v.Tensor.Float(0); math.Abs(have-want) > 0.06 {
							t.Errorf("%s: %s after %d steps is %v, want %v", name, s, i+1, have, want)
						}
					}
				}
			}
		})
	}
	if ws := train.Weights(faked(t)); len(ws) != 3 || !ws[0].Statistic || !ws[1].Statistic || ws[2].Statistic {
		t.Errorf("weights %v", ws)
	}
}
