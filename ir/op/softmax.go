package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// softmaxOps are the normalized exponentials.
func softmaxOps() []*ir.OpDef { return []*ir.OpDef{softmaxOp(), logSoftmaxOp()} }

func softmaxOp() *ir.OpDef {
	d := &ir.OpDef{
		Name: "Softmax", Since: []int{1, 11, 13}, Source: "ONNX Softmax-13",
		Doc: "Softmax is exp(x) over its sum along axis, taken relative to the maximum so that nothing overflows. (Before opset 13 " +
			"it worked on everything from axis on as one; import writes that as a reshape.)\n\n" +
			"\tinput   T[...]\n\toutput  T[...]   the same shape\n\n" +
			"Cost: 15*|output| FLOP.  Errors: C1.  Grad: dX = Y*(dY - sum(dY*Y)).",
		In:          []ir.Port{{Name: "input", DTypes: floats, Var: "T"}},
		Out:         []ir.Port{{Name: "output", DTypes: floats, Var: "T"}},
		Attrs:       []ir.Attr{{Name: "axis", Kind: attr.KindInt, Default: attr.Int(-1), Doc: "along which it sums"}},
		Constraints: []ir.C{axisC("C1", 0)},
		Infer:       sameAs,
		Eval:        ref.Softmax, Ref: &ref.SoftmaxDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){1: upgradeSoftmax, 11: upgradeSoftmax},
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			y := n.Out[0]
			s := c.e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(1)}, c.mul(dy, y), c.e.Ints(int64(n.Attrs.Int("axis"))))
			return []*ir.Value{c.mul(y, c.sub(dy, s))}
		}),
		Cost: perElement(15),
		Examples: []ir.Case{
			tensorCase("a row", "ONNX test_softmax_example", nil, f32s([]int{1, 3}, 0.09003058, 0.24472848, 0.66524094), f32s([]int{1, 3}, -1, 0, 1)),
			tensorCase("large numbers, first axis", "hand calculation: equal columns", attr.Map{"axis": attr.Int(0)},
				f32s([]int{2, 2}, 0.5, 1, 0.5, 0), f32s([]int{2, 2}, 1e4, 1e4, 1e4, -1e4)),
		},
	}
	d.Examples[0].Tol = tensor.Ulp(1) // the source computes in f32
	return d
}

// upgradeSoftmax writes the old form, which flattens the axes from axis on
// (default 1), by way of a matrix.
func upgradeSoftmax(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	x := rawIn(&r, 0)
	axis := 1
	if r.Attrs.Has("axis") {
		axis = r.Attrs.Int("axis")
	}
	last := attr.Map{"axis": attr.Int(-1)}
	if rank := x.Type.Rank(); axis == -1 || rank > 0 && axis == rank-1 {
		return []*ir.Value{e.Op(r.Op, last, x)}, nil
	}
	y := e.Op(r.Op, last, e.Op("Flatten", attr.Map{"axis": attr.Int(axis)}, x))
	return []*ir.Value{e.Op("Reshape", attr.Map{"allowzero": attr.Int(1)}, y, shapeVec(e, x))}, nil
}
