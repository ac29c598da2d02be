package op

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// compareOps are the comparisons.
func compareOps() []*ir.OpDef {
	return []*ir.OpDef{equalOp(), lessOp(), greaterOp(), lessOrEqualOp(), greaterOrEqualOp()}
}

// noGradBool is the reason that comparisons and logic share.
const noGradBool = "the result is bool"

// comparison is the frame of the comparisons: f decides for known elements.
func comparison(d ir.OpDef, types []dtype.DType, what string, f func(lo, hi int64) (yes, no bool)) *ir.OpDef {
	d.Doc = d.Name + " is C = " + what + "\n\n" +
		"\tA  T[...]     first operand\n\tB  T[...]     second operand\n\tC  bool[...]  the broadcast shape\n\n" +
		"Cost: |C| FLOP.  Errors: C1.  Grad: none, the result is bool."
	d.In = []ir.Port{{Name: "A", DTypes: types, Var: "T"}, {Name: "B", DTypes: types, Var: "T"}}
	d.Out = []ir.Port{{Name: "C", DTypes: bools}}
	d.Constraints = []ir.C{broadcastC("C1")}
	d.Infer = func(q *ir.Query) ([]ir.Fact, error) {
		return infer2(q, dtype.Bool, func(q *ir.Query, a, b shape.Dim) (shape.Dim, bool) {
			lo, hi := dimRange(q, a.Sub(b))
			yes, no := f(lo, hi)
			if yes {
				return shape.Int(1), true
			}
			return shape.Int(0), no
		})
	}
	d.NoGrad = noGradBool
	d.Traits |= ir.Elementwise
	d.Cost = perElement(1)
	return &d
}

func equalOp() *ir.OpDef {
	types := append(append([]dtype.DType{}, numerics...), dtype.Bool, dtype.String)
	strs, err := tensor.OfStrings([]string{"a", "b"}, 2)
	if err != nil {
		panic(err) // two strings are two strings
	}
	return comparison(ir.OpDef{
		Name: "Equal", Since: []int{1, 7, 11, 13, 19}, Source: "ONNX Equal-19",
		Eval: ref.Equal, Ref: &ref.EqualDesc,
		Downgrade: map[int]lower{13: onlyTypes(13, 0, less(types, dtype.String))},
		Traits:    ir.Commutative,
		Examples: []ir.Case{
			tensorCase("with a scalar", "hand calculation; NaN equals nothing", nil, truths(true, false, false), vec(1, 2, float32(math.NaN())), num32(1)),
			tensorCase("strings", "hand calculation", nil, truths(true, true), strs, strs),
		},
	}, types, "A == B, elementwise with broadcasting. NaN equals nothing.",
		func(lo, hi int64) (bool, bool) { return lo == 0 && hi == 0, lo > 0 || hi < 0 })
}

func lessOp() *ir.OpDef {
	return comparison(ir.OpDef{
		Name: "Less", Since: []int{1, 7, 9, 13}, Source: "ONNX Less-13",
		Eval: ref.Less, Ref: &ref.LessDesc,
		Examples: []ir.Case{
			tensorCase("floats", "hand calculation", nil, truths(true, false, false), vec(1, 2, float32(math.NaN())), vec(2, 2, 2)),
			tensorCase("unsigned order", "hand calculation", nil, truths(true), tensor.MustOf([]uint64{1}, 1), tensor.MustOf([]uint64{1 << 63}, 1)),
		},
	}, numerics, "A < B, elementwise with broadcasting. NaN compares false.",
		func(lo, hi int64) (bool, bool) { return hi < 0, lo >= 0 })
}

func greaterOp() *ir.OpDef {
	return comparison(ir.OpDef{
		Name: "Greater", Since: []int{1, 7, 9, 13}, Source: "ONNX Greater-13",
		Eval: ref.Greater, Ref: &ref.GreaterDesc,
		Examples: []ir.Case{
			tensorCase("floats", "hand calculation", nil, truths(false, false, true), vec(1, 2, 3), vec(2, 2, 2)),
			tensorCase("column and row", "hand calculation", nil, tensor.MustOf([]bool{false, false, true, false}, 2, 2),
				tensor.MustOf([]int64{1, 2}, 2, 1), tensor.MustOf([]int64{1, 2}, 1, 2)),
		},
	}, numerics, "A > B, elementwise with broadcasting. NaN compares false.",
		func(lo, hi int64) (bool, bool) { return lo > 0, hi <= 0 })
}

func lessOrEqualOp() *ir.OpDef {
	return comparison(ir.OpDef{
		Name: "LessOrEqual", Since: []int{12, 16}, Source: "ONNX LessOrEqual-16",
		Eval: ref.LessOrEqual, Ref: &ref.LessOrEqualDesc,
		Downgrade: map[int]lower{12: withoutBF16(12, nil)},
		Examples: []ir.Case{
			tensorCase("floats", "hand calculation", nil, truths(true, true, false), vec(1, 2, float32(math.NaN())), vec(2, 2, 2)),
			tensorCase("integers", "hand calculation", nil, truths(false, true), i64s(3, 2), i64s(2)),
		},
	}, numerics, "A <= B, elementwise with broadcasting. NaN compares false.",
		func(lo, hi int64) (bool, bool) { return hi <= 0, lo > 0 })
}

func greaterOrEqualOp() *ir.OpDef {
	return comparison(ir.OpDef{
		Name: "GreaterOrEqual", Since: []int{12, 16}, Source: "ONNX GreaterOrEqual-16",
		Eval: ref.GreaterOrEqual, Ref: &ref.GreaterOrEqualDesc,
		Downgrade: map[int]lower{12: withoutBF16(12, nil)},
		Examples: []ir.Case{
			tensorCase("floats", "hand calculation", nil, truths(false, true, false), vec(1, 2, float32(math.NaN())), vec(2, 2, 2)),
			tensorCase("integers", "hand calculation", nil, truths(true, true), i64s(3, 2), i64s(2)),
		},
	}, numerics, "A >= B, elementwise with broadcasting. NaN compares false.",
		func(lo, hi int64) (bool, bool) { return lo >= 0, hi < 0 })
}
