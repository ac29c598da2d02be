package ptx

import (
	"math"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// un is f of an immediate, or the instruction.
func (a F32) un(name string, f func(x float32) float32) F32 {
	if a.isImm() {
		return F(f(a.f()))
	}
	return F32{kernelOf(a.val).op(f32, name, a.val)}
}

func (a F32) bin(name string, b F32, f func(x, y float32) float32) F32 {
	if a.isImm() && b.isImm() {
		return F(f(a.f(), b.f()))
	}
	return F32{kernelOf(a.val, b.val).op(f32, name, a.val, b.val)}
}

// Add is a + b. Only -0 is neutral: x + 0 is +0 for -0.
func (a F32) Add(b F32) F32 {
	if a.isImm() {
		a, b = b, a
	}
	if b.is(float32(math.Copysign(0, -1))) {
		return a
	}
	return a.bin("add.rn.f32", b, func(x, y float32) float32 { return x + y })
}

// Sub is a - b.
func (a F32) Sub(b F32) F32 {
	if b.isImm() {
		return a.Add(F(-b.f()))
	}
	return a.bin("sub.rn.f32", b, func(x, y float32) float32 { return x - y })
}

// Mul is a * b.
func (a F32) Mul(b F32) F32 {
	if a.isImm() {
		a, b = b, a
	}
	if b.is(1) {
		return a
	}
	return a.bin("mul.rn.f32", b, func(x, y float32) float32 { return x * y })
}

// FMA is a * b + c, rounded once.
func (a F32) FMA(b, c F32) F32 {
	if a.isImm() {
		a, b = b, a
	}
	switch {
	case b.is(1):
		return a.Add(c)
	case a.isImm() && b.isImm() && c.isImm():
		return F(vecmath.FMA32(a.f(), b.f(), c.f()))
	}
	return F32{kernelOf(a.val, b.val, c.val).op(f32, "fma.rn.f32", a.val, b.val, c.val)}
}

// Div is a / b, correctly rounded.
func (a F32) Div(b F32) F32 {
	if b.isImm() {
		// A power of two divides as its reciprocal multiplies, if there is one.
		v := b.f()
		if fr, _ := math.Frexp(float64(v)); math.Abs(fr) == 0.5 {
			if r := 1 / v; math.Abs(float64(r)) >= float64(vecmath.MinNormal) && r-r == 0 {
				return a.Mul(F(r))
			}
		}
	}
	return a.bin("div.rn.f32", b, func(x, y float32) float32 { return x / y })
}

// Recip is 1 / a, correctly rounded.
func (a F32) Recip() F32 { return a.un("rcp.rn.f32", func(x float32) float32 { return 1 / x }) }

// Sqrt is the square root, correctly rounded.
func (a F32) Sqrt() F32 { return a.un("sqrt.rn.f32", vecmath.Sqrt32) }

// Neg is -a, Abs is |a|.
func (a F32) Neg() F32 { return a.un("neg.f32", func(x float32) float32 { return -x }) }
func (a F32) Abs() F32 {
	return a.un("abs.f32", func(x float32) float32 { return float32(math.Abs(float64(x))) })
}

// Floor, Ceil and RoundEven round to an integer.
func (a F32) Floor() F32 {
	return a.un("cvt.rmi.f32.f32", func(x float32) float32 { return float32(math.Floor(float64(x))) })
}

func (a F32) Ceil() F32 {
	return a.un("cvt.rpi.f32.f32", func(x float32) float32 { return float32(math.Ceil(float64(x))) })
}

func (a F32) RoundEven() F32 {
	return a.un("cvt.rni.f32.f32", func(x float32) float32 { return float32(math.RoundToEven(float64(x))) })
}

// Min and Max are NaN where an operand is, as in ONNX, and put -0 below +0.
func (a F32) Min(b F32) F32 {
	return a.orNaN("min", b, func(x, y float32) float32 { return min(x, y) })
}

func (a F32) Max(b F32) F32 {
	return a.orNaN("max", b, func(x, y float32) float32 { return max(x, y) })
}

func (a F32) orNaN(name string, b F32, f func(x, y float32) float32) F32 {
	if a.isImm() && b.isImm() {
		return F(f(a.f(), b.f()))
	}
	if k := kernelOf(a.val, b.val); k.SM() >= 80 {
		return a.bin(name+".NaN.f32", b, f)
	}
	m := a.bin(name+".f32", b, f)
	return a.cmp("nan", b).SelF32(F(math.Float32frombits(vecmath.NaN32)), m)
}

// MinNum and MaxNum are the operand that is a number where the other is NaN.
func (a F32) MinNum(b F32) F32 {
	return a.bin("min.f32", b, func(x, y float32) float32 { return num(x, y, min(x, y)) })
}

func (a F32) MaxNum(b F32) F32 {
	return a.bin("max.f32", b, func(x, y float32) float32 { return num(x, y, max(x, y)) })
}

func num(x, y, m float32) float32 {
	switch {
	case x != x:
		return y
	case y != y:
		return x
	}
	return m
}

// Relu is 0 where a < 0, else a: NaN and -0 stay.
func (a F32) Relu() F32 { return a.Lt(F(0)).SelF32(F(0), a) }

// Clip is lo where a < lo, then hi where that is > hi: NaN stays.
func (a F32) Clip(lo, hi F32) F32 {
	t := a.Lt(lo).SelF32(lo, a)
	return t.Gt(hi).SelF32(hi, t)
}

// CopySign is |a| with the sign of s.
func (a F32) CopySign(s F32) F32 {
	if a.isImm() && s.isImm() {
		return F(float32(math.Copysign(float64(a.f()), float64(s.f()))))
	}
	return F32{kernelOf(a.val, s.val).op(f32, "copysign.f32", s.val, a.val)}
}

// Bits are the bits of a.
func (a F32) Bits() U32 {
	if a.isImm() {
		return U(uint32(a.imm))
	}
	return U32{kernelOf(a.val).op2(b32, f32, "mov.b32", a.val)}
}

// ToS32 and ToU32 round towards zero, to the nearest end where a is beyond the
// range; of NaN they give 0.
func (a F32) ToS32() U32 {
	if a.isImm() {
		return U(uint32(saturate(a.f(), math.MinInt32, math.MaxInt32)))
	}
	return U32{kernelOf(a.val).op2(b32, f32, "cvt.rzi.s32.f32", a.val)}
}

func (a F32) ToU32() U32 {
	if a.isImm() {
		return U(uint32(saturate(a.f(), 0, math.MaxUint32)))
	}
	return U32{kernelOf(a.val).op2(b32, f32, "cvt.rzi.u32.f32", a.val)}
}

func saturate(x float32, lo, hi float64) int64 {
	if x != x {
		return 0
	}
	return int64(min(max(float64(x), lo), hi))
}

func (a F32) cmp(name string, b F32) Pred {
	if a.isImm() && b.isImm() {
		if name == "nan" {
			return Bool(a.f() != a.f() || b.f() != b.f())
		}
		return Bool(holds(name, a.f(), b.f()))
	}
	return Pred{val: kernelOf(a.val, b.val).op2(pred, f32, "setp."+name+".f32", a.val, b.val)}
}

// Eq, Ne, Lt, Le, Gt and Ge compare as Go does: of NaN only Ne holds.
func (a F32) Eq(b F32) Pred { return a.cmp("eq", b) }
func (a F32) Ne(b F32) Pred { return a.cmp("neu", b) }
func (a F32) Lt(b F32) Pred { return a.cmp("lt", b) }
func (a F32) Le(b F32) Pred { return a.cmp("le", b) }
func (a F32) Gt(b F32) Pred { return a.cmp("gt", b) }
func (a F32) Ge(b F32) Pred { return a.cmp("ge", b) }

// IsNaN says whether a is no number.
func (a F32) IsNaN() Pred { return a.cmp("nan", a) }
