package canon

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// arithRules remove arithmetic that changes nothing.
func arithRules() []rewrite.Rule {
	x, one := rewrite.Any("x"), rewrite.Const("c").That(func(v *ir.Value) bool { return rewrite.AllEqual(v, 1) })
	zero := rewrite.Const("c").That(isZero)
	negZero := rewrite.Const("c").That(isAddZero)
	idem := func(op string) rewrite.Pat { return rewrite.Op(op, rewrite.Op(op, x).As("inner")) }
	return []rewrite.Rule{
		{Name: "mul-one", Doc: "x*1 is x.",
			Match: rewrite.Or(rewrite.Op("Mul", x, one), rewrite.Op("Mul", one, x)), If: same("x"), Make: to("x")},
		{Name: "div-one", Doc: "x/1 is x.",
			Match: rewrite.Op("Div", x, one), If: same("x"), Make: to("x")},
		{Name: "add-zero", Doc: "x+0 is x for integers, x+(-0) for floats (x+0 is not: -0+0 is 0).",
			Match: rewrite.Or(rewrite.Op("Add", x, negZero), rewrite.Op("Add", negZero, x)), If: same("x"), Make: to("x")},
		{Name: "sub-zero", Doc: "x-0 is x.",
			Match: rewrite.Op("Sub", x, zero), If: same("x"), Make: to("x")},
		{Name: "neg-neg", Doc: "Neg of Neg is the value.",
			Match: idem("Neg"), If: same("x"), Make: to("x")},
		{Name: "not-not", Doc: "Not of Not is the value.",
			Match: idem("Not"), If: same("x"), Make: to("x")},
		{Name: "same-twice", Doc: "An operator with f(f(x)) = f(x) applied twice is applied once.",
			Match: rewrite.Or(idem("Relu"), idem("Abs"), idem("Floor"), idem("Ceil"), idem("Round"), idem("Sign")),
			If:    same("inner"), Make: to("inner")},
		{Name: "clip-open", Doc: "Clip without bounds is its input.",
			Match: rewrite.Op("Clip", x, rewrite.None(), rewrite.None()), If: same("x"), Make: to("x")},
		{Name: "where-known", Doc: "Where with a condition that is the same everywhere is one of its operands.",
			Match: rewrite.Op("Where", rewrite.Const("c"), rewrite.Any("x"), rewrite.Any("y")),
			If: func(m *rewrite.Match) bool {
				v := whichBranch(m)
				return v != nil && rewrite.Same(m.Root.Out[0], v)
			},
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value { return []*ir.Value{whichBranch(m)} }},
	}
}

// whichBranch gives the operand that a Where with a uniform condition takes.
func whichBranch(m *rewrite.Match) *ir.Value {
	t, err := m.Value("c").Const().Tensor()
	if err != nil || t.DType() != dtype.Bool || t.Len() == 0 || t.Len() > ir.SmallConst {
		return nil
	}
	for i := 1; i < t.Len(); i++ {
		if t.Int(i) != t.Int(0) {
			return nil
		}
	}
	if t.Int(0) != 0 {
		return m.Value("x")
	}
	return m.Value("y")
}

// isZero says whether x-v is x: v is +0 everywhere (x-(-0) turns -0 into 0).
func isZero(v *ir.Value) bool { return rewrite.AllEqual(v, 0) }

// isAddZero says whether x+v is x.
func isAddZero(v *ir.Value) bool {
	if v.Type.DType.IsFloat() {
		return rewrite.AllEqual(v, math.Copysign(0, -1))
	}
	return rewrite.AllEqual(v, 0)
}

// lossless says whether every value of type a has a place of its own in b, so
// that casting there and back changes nothing.
func lossless(a, b dtype.DType) bool {
	type pair struct{ a, b dtype.DType }
	if a == b {
		return true
	}
	switch (pair{a, b}) {
	case pair{dtype.F16, dtype.F32}, pair{dtype.F16, dtype.F64}, pair{dtype.BF16, dtype.F32}, pair{dtype.BF16, dtype.F64}, pair{dtype.F32, dtype.F64}:
		return true
	}
	if a == dtype.Bool && (b.IsInt() || b.IsFloat()) {
		return b.Bits() >= 8 && !(b.IsFloat() && b.Bits() < 16)
	}
	if !a.IsInt() {
		return false
	}
	switch {
	case b.IsInt() && a.IsUnsigned() == b.IsUnsigned():
		return a.Bits() <= b.Bits()
	case b.IsInt() && a.IsUnsigned():
		return a.Bits() < b.Bits()
	case b == dtype.F32:
		return a.Bits() <= 16
	case b == dtype.F64:
		return a.Bits() <= 32
	}
	return false
}
