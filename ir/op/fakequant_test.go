package op_test

import (
	"context"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/grad"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// The gradient goes straight through, and not to the range. Hand calculation:
// 0 to 2.55 has scale 0.01 and zero 0, so that -0.005 to 2.555 pass. The loss is
// sum(c*FakeQuantize(x)), whose gradient would be 0 nearly everywhere.
func TestFakeQuantizeGradient(t *testing.T) {
	m := ir.NewModule("m")
	m.Opset["mlc"] = ir.MLCOpset
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Ints(6)...))
	lo, hi := f.AddParam("lo", tensor.T(dtype.F32)), f.AddParam("hi", tensor.T(dtype.F32))
	b := ir.NewBuilder(f, -1, builtin())
	y := b.Op("mlc.FakeQuantize", nil, x, lo, hi)
	c := tensor.MustOf([]float32{1, 2, 3, 4, 5, 6}, 6)
	loss := b.Op("ReduceSum", attr.Map{"keepdims": attr.Int(0)}, b.Op("Mul", nil, y, b.Const(c)))
	gs, err := grad.Gradients(b, loss, []*ir.Value{x, lo, hi})
	if err != nil {
		t.Fatal(err)
	}
	if gs[1] != nil || gs[2] != nil {
		t.Error("the range has a gradient")
	}
	f.AddResult("dx", gs[0])
	e, err := eval.New().Compile(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	in := tensor.Vs(tensor.MustOf([]float32{-0.006, -0.004, 1.234, 2.554, 2.556, 90}, 6), tensor.MustOf([]float32{0}), tensor.MustOf([]float32{2.55}))
	out, err := e.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := tensor.V(tensor.MustOf([]float32{0, 2, 3, 4, 0, 0}, 6))
	if err := tensor.Exact.Compare(out[0], want); err != nil {
		t.Error(err)
	}
}
