package op

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// unaryOps are the elementwise functions of one input.
func unaryOps() []*ir.OpDef {
	return []*ir.OpDef{sqrtOp(), expOp(), logOp(), negOp(), absOp(), signOp(), erfOp()}
}

func unaryDoc(what, in, out, cost, grad string) string {
	return what + "\n\n\t" + in + "  T[...]\n\t" + out + "  T[...]   the same shape\n\nCost: " + cost + " FLOP.  Grad: " + grad + "."
}

func sqrtOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Sqrt", Since: []int{1, 6, 13}, Source: "ONNX Sqrt-13",
		Doc:  unaryDoc("Sqrt is the square root, NaN for a negative number.", "X", "Y", "|Y|", "dX = dY/(2Y)"),
		Eval: ref.Sqrt, Ref: &ref.SqrtDesc,
		Grad:   unaryGrad(func(c calc, dy, _, y *ir.Value) *ir.Value { return c.div(c.mul(dy, c.num(y, 0.5)), y) }),
		Traits: ir.Monotone,
		Examples: []ir.Case{
			tensorCase("squares", "ONNX test_sqrt_example", nil, vec(1, 2, 3), vec(1, 4, 9)),
			tensorCase("negative", "IEEE 754", nil, vec(float32(math.NaN()), 0), vec(-1, 0)),
		},
	}, floats, "X", "Y")
}

func expOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Exp", Since: []int{1, 6, 13}, Source: "ONNX Exp-13",
		Doc:  unaryDoc("Exp is e to the x.", "input", "output", "10*|output|", "dX = dY*Y"),
		Eval: ref.Exp, Ref: &ref.ExpDesc,
		Grad:   unaryGrad(func(c calc, dy, _, y *ir.Value) *ir.Value { return c.mul(dy, y) }),
		Traits: ir.Monotone, Cost: perElement(10),
		Examples: []ir.Case{
			tensorCase("around 0", "ONNX test_exp_example", nil, vec(0.36787945, 1, 2.7182817), vec(-1, 0, 1)),
			tensorCase("ends", "IEEE 754", nil, vec(0, float32(math.Inf(1))), vec(float32(math.Inf(-1)), 89)),
		},
	}, floats, "input", "output")
}

func logOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Log", Since: []int{1, 6, 13}, Source: "ONNX Log-13",
		Doc:  unaryDoc("Log is the natural logarithm: -Inf for 0, NaN for a negative number.", "input", "output", "10*|output|", "dX = dY/X"),
		Eval: ref.Log, Ref: &ref.LogDesc,
		Grad:   unaryGrad(func(c calc, dy, x, _ *ir.Value) *ir.Value { return c.div(dy, x) }),
		Traits: ir.Monotone, Cost: perElement(10),
		Examples: []ir.Case{
			tensorCase("1 and 10", "ONNX test_log_example", nil, vec(0, 2.3025851), vec(1, 10)),
			tensorCase("ends", "IEEE 754", nil, vec(float32(math.Inf(-1)), float32(math.NaN())), vec(0, -1)),
		},
	}, floats, "input", "output")
}

func negOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Neg", Since: []int{1, 6, 13}, Source: "ONNX Neg-13",
		Doc: unaryDoc("Neg is -x; the smallest integer stays itself.", "X", "Y", "|Y|", "dX = -dY"),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return intsOf1(q, func(x shape.Dim) (shape.Dim, bool) { return x.Neg(), true })
		},
		Eval: ref.Neg, Ref: &ref.NegDesc,
		Grad: unaryGrad(func(c calc, dy, _, _ *ir.Value) *ir.Value { return c.neg(dy) }),
		Examples: []ir.Case{
			tensorCase("two", "ONNX test_neg_example", nil, vec(4, -2), vec(-4, 2)),
			tensorCase("smallest byte", "two's complement", nil, i8s(-128, 127), i8s(-128, -127)),
		},
	}, signed, "X", "Y")
}

func absOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Abs", Since: []int{1, 6, 13}, Source: "ONNX Abs-13",
		Doc: unaryDoc("Abs is the absolute value; the smallest integer stays itself.", "X", "Y", "|Y|", "dX = dY*sign(X)"),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return intsOf1(q, func(x shape.Dim) (shape.Dim, bool) {
				if _, hi := dimRange(q, x); hi <= 0 {
					return x.Neg(), true
				}
				return x, notNegative(q, x)
			})
		},
		Eval: ref.Abs, Ref: &ref.AbsDesc,
		Grad:   unaryGrad(func(c calc, dy, x, _ *ir.Value) *ir.Value { return c.mul(dy, c.e.Op("Sign", nil, x)) }),
		Traits: ir.Idempotent,
		Examples: []ir.Case{
			tensorCase("floats", "hand calculation", nil, vec(1.5, 0, 2), vec(-1.5, 0, 2)),
			tensorCase("integers", "hand calculation", nil, i32s(3, 3), i32s(-3, 3)),
		},
	}, numerics, "X", "Y")
}

func signOp() *ir.OpDef {
	d := pointwise(ir.OpDef{
		Name: "Sign", Since: []int{9, 13}, Source: "ONNX Sign-13",
		Doc: "Sign is -1, 0 or 1, and NaN of NaN.\n\n\tinput   T[...]\n\toutput  T[...]   the same shape\n\n" +
			"Cost: |output| FLOP.  Grad: none, it is piecewise constant.",
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return intsOf1(q, func(x shape.Dim) (shape.Dim, bool) {
				lo, hi := dimRange(q, x)
				switch {
				case lo > 0:
					return shape.Int(1), true
				case hi < 0:
					return shape.Int(-1), true
				}
				return x, x.Is(0)
			})
		},
		Eval: ref.Sign, Ref: &ref.SignDesc,
		NoGrad: "piecewise constant",
		Traits: ir.Idempotent | ir.Monotone,
		Examples: []ir.Case{
			tensorCase("floats", "hand calculation", nil, vec(-1, 0, 1), vec(-0.5, 0, 7)),
			tensorCase("integers", "hand calculation", nil, i64s(-1, 1), i64s(-9, 9)),
		},
	}, numerics, "input", "output")
	return d
}

func erfOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Erf", Since: []int{9, 13}, Source: "ONNX Erf-13",
		Doc:  unaryDoc("Erf is the error function.", "input", "output", "20*|output|", "dX = dY*2/sqrt(pi)*exp(-X*X)"),
		Eval: ref.Erf, Ref: &ref.ErfDesc,
		Grad: unaryGrad(func(c calc, dy, x, _ *ir.Value) *ir.Value {
			bell := c.e.Op("Exp", nil, c.neg(c.mul(x, x)))
			return c.mul(dy, c.mul(bell, c.num(x, 2/math.Sqrt(math.Pi))))
		}),
		Traits: ir.Monotone, Cost: perElement(20),
		Examples: []ir.Case{
			tensorCase("values", "mpmath: erf(0.5) = 0.52049987781..., erf(-1) = -0.84270079294...", nil, vec(0, 0.5204999, -0.8427008), vec(0, 0.5, -1)),
			tensorCase("ends", "limits", nil, vec(1, -1), vec(float32(math.Inf(1)), float32(math.Inf(-1)))),
		},
	}, floats, "input", "output")
}
