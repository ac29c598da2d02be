package op

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// roundingOps round, invert and take remainders.
func roundingOps() []*ir.OpDef {
	return []*ir.OpDef{
		rounding(ir.OpDef{
			Name: "Floor", Since: []int{1, 6, 13}, Source: "ONNX Floor-13", Eval: ref.Floor, Ref: &ref.FloorDesc,
			Examples: []ir.Case{
				tensorCase("example", "ONNX test_floor_example", nil, vec(-2, 1, 2), vec(-1.5, 1.2, 2)),
				tensorCase("infinity", "IEEE 754", nil, vec(float32(math.Inf(-1))), vec(float32(math.Inf(-1)))),
			},
		}, "the largest integer not above x"),
		rounding(ir.OpDef{
			Name: "Ceil", Since: []int{1, 6, 13}, Source: "ONNX Ceil-13", Eval: ref.Ceil, Ref: &ref.CeilDesc,
			Examples: []ir.Case{
				tensorCase("example", "ONNX test_ceil_example", nil, vec(-1, 2), vec(-1.5, 1.2)),
				tensorCase("whole", "hand calculation", nil, vec(-3, 4), vec(-3, 4)),
			},
		}, "the smallest integer not below x"),
		rounding(ir.OpDef{
			Name: "Round", Since: []int{11, 22}, Source: "ONNX Round-22", Eval: ref.Round, Ref: &ref.RoundDesc,
			Downgrade: map[int]lower{11: withoutBF16(11, nil)},
			Examples: []ir.Case{
				tensorCase("halves to even", "ONNX Round-22", nil, vec(1, 2, 2, 2, 4, -4), vec(0.9, 2.5, 2.3, 1.5, 4.5, -4.5)),
				tensorCase("scalar", "hand calculation", nil, num32(-1), num32(-1.2)),
			},
		}, "the nearest integer, the even one of two equally near"),
		reciprocalOp(), modOp(),
	}
}

func rounding(d ir.OpDef, what string) *ir.OpDef {
	d.Doc = d.Name + " is " + what + ".\n\n\tX  T[...]\n\tY  T[...]   the same shape\n\nCost: |Y| FLOP.  Grad: none, it is piecewise constant."
	d.NoGrad = "piecewise constant"
	d.Traits = ir.Idempotent | ir.Monotone
	return pointwise(d, floats, "X", "Y")
}

func reciprocalOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Reciprocal", Since: []int{1, 6, 13}, Source: "ONNX Reciprocal-13",
		Doc:  unaryDoc("Reciprocal is 1/x.", "X", "Y", "|Y|", "dX = -dY*Y*Y"),
		Eval: ref.Reciprocal, Ref: &ref.ReciprocalDesc,
		Grad: unaryGrad(func(c calc, dy, _, y *ir.Value) *ir.Value { return c.neg(c.mul(dy, c.mul(y, y))) }),
		Examples: []ir.Case{
			tensorCase("example", "ONNX test_reciprocal_example", nil, vec(-0.25, 0.5), vec(-4, 2)),
			tensorCase("zero", "IEEE 754", nil, vec(float32(math.Inf(1))), vec(0)),
		},
	}, floats, "X", "Y")
}

func modOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Mod", Since: []int{10, 13, 28}, Source: "ONNX Mod-28",
		Doc: "Mod is the remainder of A / B, elementwise with broadcasting. With fmod it has the sign of A; without, which is for " +
			"integers alone, that of B. An integer modulo zero is an error of kind bad data.\n\n" +
			"\tA  T[...]   dividend\n\tB  T[...]   divisor\n\tC  T[...]   the broadcast shape\n\n" +
			"Cost: 5*|C| FLOP.  Errors: C1, C2.  Grad: dA = dC, dB = -dC*(A-C)/B.",
		In:    []ir.Port{{Name: "A", DTypes: numerics, Var: "T"}, {Name: "B", DTypes: numerics, Var: "T"}},
		Out:   []ir.Port{{Name: "C", DTypes: numerics, Var: "T"}},
		Attrs: []ir.Attr{{Name: "fmod", Kind: attr.KindInt, Default: attr.Int(0), Check: flag, Doc: "the sign of the dividend, as C's fmod"}},
		Constraints: []ir.C{broadcastC("C1"), {ID: "C2", Text: "floats need fmod", Check: func(q *ir.Query) error {
			if d := q.In[0].Type.DType; d.IsFloat() && !q.Attrs.Bool("fmod") {
				return ir.Fault("fmod", "0", "1 for "+d.String())
			}
			return nil
		}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return infer2(q, q.In[0].Type.DType, func(q *ir.Query, a, b shape.Dim) (shape.Dim, bool) {
				lo, _ := dimRange(q, b)
				return a.Sub(a.Div(b).Mul(b)), lo > 0 && notNegative(q, a)
			})
		},
		Eval: ref.Mod, Ref: &ref.ModDesc,
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			a, b := n.In[0], n.In[1]
			return []*ir.Value{sumTo(c.e, dy, a), sumTo(c.e, c.neg(c.mul(dy, c.div(c.sub(a, n.Out[0]), b))), b)}
		}),
		Traits: ir.Elementwise,
		Cost:   perElement(5),
		Examples: []ir.Case{
			tensorCase("integers", "ONNX test_mod_mixed_sign_int64", nil, i64s(0, -2, 5, 0, 2, 3), i64s(-4, 7, 5, 4, -7, 8), i64s(2, -3, 8, -2, 3, 5)),
			tensorCase("fmod", "ONNX test_mod_int64_fmod", attr.Map{"fmod": attr.Int(1)}, i64s(0, 1, 5, 0, -1, 3), i64s(-4, 7, 5, 4, -7, 8), i64s(2, -3, 8, -2, 3, 5)),
			tensorCase("floats", "hand calculation", attr.Map{"fmod": attr.Int(1)}, vec(-1.5, 0.5), vec(-5.5, 2.5), vec(2, -1)),
		},
	}
}
