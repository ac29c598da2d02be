package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// reduceNormOps are the reductions to norms and logarithms.
func reduceNormOps() []*ir.OpDef {
	return []*ir.OpDef{reduceL1Op(), reduceL2Op(), reduceSumSquareOp(), reduceLogSumOp(), reduceLogSumExpOp()}
}

func reduceL1Op() *ir.OpDef {
	return reducer(ir.OpDef{
		Name: "ReduceL1", Since: []int{1, 11, 13, 18}, Source: "ONNX ReduceL1-18",
		Eval: ref.ReduceL1, Ref: &ref.ReduceL1Desc,
		Downgrade: map[int]lower{13: reduceTo(13, wide)},
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
			return c.mul(dy, c.e.Op("Sign", nil, n.In[0]))
		}),
		Examples: []ir.Case{
			tensorCase("rows", "hand calculation", attr.Map{"keepdims": attr.Int(0)}, vec(3, 7), f32s([]int{2, 2}, 1, -2, -3, 4), i64s(1)),
			tensorCase("integers", "hand calculation", nil, i32s(6), i32s(1, -2, 3)),
		},
	}, wide, 13, "is the sum of absolute values over axes; of nothing it is 0. Integers wrap.", "ddata = dreduced*sign(data).")
}

func reduceL2Op() *ir.OpDef {
	return reducer(ir.OpDef{
		Name: "ReduceL2", Since: []int{1, 11, 13, 18}, Source: "ONNX ReduceL2-18",
		Eval: ref.ReduceL2, Ref: &ref.ReduceL2Desc,
		Downgrade: map[int]lower{13: reduceTo(13, wide)},
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
			y := spread(c, n, n.Out[0])
			zero := c.num(y, 0)
			// At the origin the gradient is taken as 0.
			unit := c.div(dy, c.where(c.equal(y, zero), c.num(y, 1), y))
			return c.mul(n.In[0], unit)
		}),
		Examples: []ir.Case{
			tensorCase("3, 4", "hand calculation", nil, vec(5), vec(3, -4)),
			tensorCase("integers truncate", "hand calculation: sqrt(8) = 2.8", nil, i32s(2), i32s(2, 2)),
		},
	}, wide, 13, "is the square root of the sum of squares over axes; of nothing it is 0. For integers it truncates.", "ddata = dreduced*data/reduced.")
}

func reduceSumSquareOp() *ir.OpDef {
	return reducer(ir.OpDef{
		Name: "ReduceSumSquare", Since: []int{1, 11, 13, 18}, Source: "ONNX ReduceSumSquare-18",
		Eval: ref.ReduceSumSquare, Ref: &ref.ReduceSumSquareDesc,
		Downgrade: map[int]lower{13: reduceTo(13, wide)},
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
			return c.mul(dy, c.mul(n.In[0], c.num(dy, 2)))
		}),
		Examples: []ir.Case{
			tensorCase("columns", "hand calculation", nil, f32s([]int{1, 2}, 10, 20), f32s([]int{2, 2}, 1, 2, 3, 4), i64s(0)),
			tensorCase("no axes, none wanted", "ONNX: the operator applies to each element", attr.Map{"noop_with_empty_axes": attr.Int(1)}, vec(4, 9), vec(2, -3)),
		},
	}, wide, 13, "is the sum of squares over axes; of nothing it is 0. Integers wrap.", "ddata = 2*dreduced*data.")
}

func reduceLogSumOp() *ir.OpDef {
	return reducer(ir.OpDef{
		Name: "ReduceLogSum", Since: []int{1, 11, 13, 18, 28}, Source: "ONNX ReduceLogSum-28",
		Eval: ref.ReduceLogSum, Ref: &ref.ReduceLogSumDesc,
		Downgrade: map[int]lower{13: reduceTo(13, floats)},
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
			return expandTo(c, c.div(dy, keepTwin(c, n, "ReduceSum", n.In[0])), n.In[0])
		}),
		Examples: []ir.Case{
			tensorCase("ones", "hand calculation: log(1)", nil, vec(0), vec(0.25, 0.75)),
			tensorCase("rows", "hand calculation: log(2), log(8)", attr.Map{"keepdims": attr.Int(0)}, vec(0.6931472, 2.0794415), f32s([]int{2, 2}, 1, 1, 3, 5), i64s(1)),
		},
	}, floats, 13, "is the logarithm of the sum over axes; of nothing it is -Inf.", "ddata = dreduced over the sum, stretched.")
}

func reduceLogSumExpOp() *ir.OpDef {
	return reducer(ir.OpDef{
		Name: "ReduceLogSumExp", Since: []int{1, 11, 13, 18, 28}, Source: "ONNX ReduceLogSumExp-28",
		Eval: ref.ReduceLogSumExp, Ref: &ref.ReduceLogSumExpDesc,
		Downgrade: map[int]lower{13: reduceTo(13, floats)},
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
			return c.mul(dy, c.e.Op("Exp", nil, c.sub(n.In[0], spread(c, n, n.Out[0]))))
		}),
		Examples: []ir.Case{
			tensorCase("large numbers", "hand calculation: 1000 + log(2)", nil, vec(1000.6931471805599), vec(1000, 1000)),
			tensorCase("one", "hand calculation", nil, vec(-3), vec(-3)),
		},
	}, floats, 13, "is the logarithm of the sum of exponentials over axes, taken relative to the maximum; of nothing it is -Inf.",
		"ddata = dreduced*exp(data-reduced).")
}

func argMinOp() *ir.OpDef {
	d := argMaxOp()
	d.Name, d.Source = "ArgMin", "ONNX ArgMin-13"
	d.Doc = "ArgMin is the index of the smallest element along axis, the first of equals unless select_last_index. NaN counts as the smallest.\n\n" +
		"\tdata     T[...]\n\treduced  i64[...]   extent 1 at axis, or without it if not keepdims\n\n" +
		"Cost: |data| FLOP.  Errors: C1, C2.  Grad: none, the result is an index."
	d.Eval, d.Ref = ref.ArgMin, &ref.ArgMinDesc
	d.Examples = []ir.Case{
		tensorCase("rows", "ONNX test_argmin_no_keepdims_example", attr.Map{"axis": attr.Int(1), "keepdims": attr.Int(0)}, i64s(1, 0), f32s([]int{2, 2}, 2, 1, 3, 10)),
		tensorCase("last of equals", "hand calculation", attr.Map{"select_last_index": attr.Int(1)}, i64s(2), vec(2, 3, 2)),
	}
	return d
}

func logSoftmaxOp() *ir.OpDef {
	d := softmaxOp()
	d.Name, d.Source = "LogSoftmax", "ONNX LogSoftmax-13"
	d.Doc = "LogSoftmax is x - log(sum(exp(x))) along axis, taken relative to the maximum. (Before opset 13 it worked on everything " +
		"from axis on as one; import writes that as a reshape.)\n\n" +
		"\tinput   T[...]\n\toutput  T[...]   the same shape\n\n" +
		"Cost: 15*|output| FLOP.  Errors: C1.  Grad: dX = dY - exp(Y)*sum(dY)."
	d.Eval, d.Ref = ref.LogSoftmax, &ref.LogSoftmaxDesc
	d.Grad = floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
		s := c.e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(1)}, dy, c.e.Ints(int64(n.Attrs.Int("axis"))))
		return []*ir.Value{c.sub(dy, c.mul(c.e.Op("Exp", nil, n.Out[0]), s))}
	})
	d.Examples = []ir.Case{
		tensorCase("a row", "ONNX test_logsoftmax_example_1", nil, f32s([]int{1, 3}, -2.407606, -1.4076059, -0.40760595), f32s([]int{1, 3}, -1, 0, 1)),
		tensorCase("two equal", "hand calculation: log(1/2)", attr.Map{"axis": attr.Int(0)}, vec(-0.6931472, -0.6931472), vec(7, 7)),
	}
	d.Examples[0].Tol.Ulps = 1 // the source computes in f32
	return d
}
