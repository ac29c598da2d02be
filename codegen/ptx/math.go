package ptx

import (
	"math"

	vm "github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// The functions of this file are those of runtime/kernel/vecmath, operation for
// operation, so that a device gives the bits that the CPU gives. The errors that
// are named there hold here.

// poly is c[0] x^n + ... + c[n] by Horner's rule.
func poly(x F32, c ...float32) F32 {
	p := F(c[0])
	for _, ci := range c[1:] {
		p = p.FMA(x, F(ci))
	}
	return p
}

// expReduce splits x to n ln 2 + r: it returns r and, as n + RoundMagic, n.
func expReduce(x F32) (r, t F32) {
	t = x.FMA(F(vm.Log2E), F(vm.RoundMagic))
	n := t.Sub(F(vm.RoundMagic))
	r = n.FMA(F(-vm.Ln2Hi), x)
	return n.FMA(F(-vm.Ln2Lo), r), t
}

// Exp is e^a within 1 ulp, subnormal results included.
func (a F32) Exp() F32 {
	if a.isImm() {
		return F(vm.Exp32(a.f()))
	}
	r, t := expReduce(a.Clip(F(vm.ExpLo), F(vm.ExpHi)))
	p := poly(r, vm.ExpC6, vm.ExpC5, vm.ExpC4, vm.ExpC3, vm.ExpC2, 1, 1)
	// Two factors, because one power of two cannot reach both ends.
	n := t.Bits()
	h := n.Shr(I(1))
	return p.Mul(h.Shl(I(23)).AsF32()).Mul(n.Sub(h).Shl(I(23)).AsF32())
}

// Log is the natural logarithm within 1 ulp: -Inf of 0, NaN below.
func (a F32) Log() F32 {
	if a.isImm() {
		return F(vm.Log32(a.f()))
	}
	small := a.Lt(F(vm.MinNormal))
	b := small.SelF32(a.Mul(F(0x1p23)), a).Bits()
	e := b.Sub(U(vm.LogSplit)).ShrS(I(23))
	f := b.Sub(e.Shl(I(23))).AsF32().Add(F(-1))
	n := e.ToF32S().Add(small.SelF32(F(-23), F(0)))
	q := poly(f, vm.LogC7, vm.LogC6, vm.LogC5, vm.LogC4, vm.LogC3, vm.LogC2, vm.LogC1, vm.LogC0, -0.5)
	l := n.FMA(F(vm.Ln2Hi), f.Mul(f).FMA(q, f))
	// Inf and NaN stay; then what is not above zero.
	l = a.Le(F(math.MaxFloat32)).SelF32(l, a)
	l = a.Eq(F(0)).SelF32(F(float32(math.Inf(-1))), l)
	return a.Lt(F(0)).SelF32(F(math.Float32frombits(vm.NaN32)), l)
}

// Tanh is the hyperbolic tangent within 2.5 ulp.
func (a F32) Tanh() F32 {
	if a.isImm() {
		return F(vm.Tanh32(a.f()))
	}
	y := a.Abs().Mul(F(-2))
	r, t := expReduce(y.Lt(F(vm.TanhLo)).SelF32(F(vm.TanhLo), y))
	p := poly(r, vm.ExpC6, vm.ExpC5, vm.ExpC4, vm.ExpC3, vm.ExpC2)
	p = p.Mul(r).FMA(r, r)
	s := t.Bits().Sub(I(127)).Shl(I(23)).AsF32()
	m := p.FMA(s, s.Sub(F(1)))
	return m.Div(m.Add(F(2))).CopySign(a)
}

// Sigmoid is 1 / (1 + e^-a) within 2.5 ulp.
func (a F32) Sigmoid() F32 {
	if a.isImm() {
		return F(vm.Sigmoid32(a.f()))
	}
	e := a.Abs().Neg().Exp()
	return a.Bits().LtS(I(0)).SelF32(e, F(1)).Div(e.Add(F(1)))
}

// Erf is the error function within 2 ulp.
func (a F32) Erf() F32 {
	if a.isImm() {
		return F(vm.Erf32(a.f()))
	}
	t := a.Abs()
	t = t.Gt(F(vm.ErfHi)).SelF32(F(vm.ErfHi), t)
	low := poly(t.Mul(t), vm.ErfS5, vm.ErfS4, vm.ErfS3, vm.ErfS2, vm.ErfS1, vm.ErfS0).FMA(t, t)
	q := poly(t, vm.ErfL5, vm.ErfL4, vm.ErfL3, vm.ErfL2, vm.ErfL1, vm.ErfL0).Mul(t)
	u := F(vm.RoundMagic).Sub(q)
	r := F(vm.RoundMagic).Sub(u).Sub(q)
	p := poly(r, vm.Exp2C5, vm.Exp2C4, vm.Exp2C3, vm.Exp2C2, vm.Exp2C1, 1)
	s := u.Bits().Sub(I(127)).Shl(I(23)).AsF32()
	high := F(1).Sub(p.Mul(s))
	return t.Gt(F(vm.ErfSplit)).SelF32(high, low).CopySign(a)
}

// Gelu is a/2 (1 + erf(a / sqrt 2)), within 2 ulp of a/2.
func (a F32) Gelu() F32 {
	if a.isImm() {
		return F(vm.Gelu32(a.f()))
	}
	return a.Mul(F(0.5)).Mul(a.Mul(F(vm.InvSqrt2)).Erf().Add(F(1)))
}

// GeluTanh is a/2 (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))), within 3 ulp of a/2.
func (a F32) GeluTanh() F32 {
	if a.isImm() {
		return F(vm.GeluTanh32(a.f()))
	}
	w := a.Mul(a).FMA(F(vm.Sqrt2PiC44), F(vm.Sqrt2Pi))
	return a.Mul(F(0.5)).Mul(a.Mul(w).Tanh().Add(F(1)))
}
