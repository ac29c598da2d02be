package vecmath

import "math"

// The functions of this file are the generic twins of the vector kernels: the
// same operations in the same order, so the same bits. NaN in gives NaN out.

// Exp32 returns e^x within 1 ulp over the whole range: subnormal results are
// not flushed, x <= -104 gives 0 and x > 88.7228 gives +Inf.
func Exp32(x float32) float32 {
	p, t := expReduced(x)
	k := math.Float32bits(t)
	h := k >> 1
	// Two factors, because one power of two cannot reach both ends; the first
	// product is exact, the second rounds once.
	y := p * math.Float32frombits(h<<23)
	return y * math.Float32frombits((k-h)<<23)
}

// expReduced clamps x and returns e^r of the reduced argument, and the shifted
// integer whose bits hold the exponent.
func expReduced(x float32) (p, t float32) {
	if x < ExpLo {
		x = ExpLo
	}
	if x > ExpHi {
		x = ExpHi
	}
	t = FMA32(x, Log2E, RoundMagic)
	n := t - RoundMagic
	r := FMA32(n, -Ln2Hi, x)
	r = FMA32(n, -Ln2Lo, r)
	p = FMA32(ExpC6, r, ExpC5)
	p = FMA32(p, r, ExpC4)
	p = FMA32(p, r, ExpC3)
	p = FMA32(p, r, ExpC2)
	p = FMA32(p, r, 1)
	return FMA32(p, r, 1), t
}

// Log32 returns the natural logarithm within 1 ulp, subnormal x included;
// log(0) is -Inf, of negative x NaN.
func Log32(x float32) float32 {
	m, e0 := x, float32(0)
	if x < MinNormal {
		m, e0 = x*0x1p23, -23
	}
	b := math.Float32bits(m)
	e := int32(b-LogSplit) >> 23
	f := math.Float32frombits(b-uint32(e)<<23) - 1
	n := float32(e) + e0
	q := FMA32(LogC7, f, LogC6)
	q = FMA32(q, f, LogC5)
	q = FMA32(q, f, LogC4)
	q = FMA32(q, f, LogC3)
	q = FMA32(q, f, LogC2)
	q = FMA32(q, f, LogC1)
	q = FMA32(q, f, LogC0)
	q = FMA32(q, f, -0.5)
	l := FMA32(f*f, q, f)
	l = FMA32(n, Ln2Hi, l)
	switch {
	case x < 0:
		return math.Float32frombits(NaN32)
	case x == 0:
		return float32(math.Inf(-1))
	case x <= math.MaxFloat32:
		return l
	}
	return x // +Inf, NaN
}

// NaN32 is the bit pattern of the canonical NaN.
const NaN32 = 0x7fc00000

// Tanh32 returns the hyperbolic tangent within 2.5 ulp, with the sign of x.
func Tanh32(x float32) float32 {
	// e^y - 1 for y = -2|x|, without cancellation; tanh|x| = -(e^y-1)/(e^y+1).
	y := -2 * abs32(x)
	if y < TanhLo {
		y = TanhLo
	}
	t := FMA32(y, Log2E, RoundMagic)
	n := t - RoundMagic
	r := FMA32(n, -Ln2Hi, y)
	r = FMA32(n, -Ln2Lo, r)
	p := FMA32(ExpC6, r, ExpC5)
	p = FMA32(p, r, ExpC4)
	p = FMA32(p, r, ExpC3)
	p = FMA32(p, r, ExpC2)
	p = FMA32(p*r, r, r)
	s := math.Float32frombits((math.Float32bits(t) - 127) << 23)
	m := FMA32(p, s, s-1)
	return copysign32(m/(m+2), x)
}

// Sigmoid32 returns 1/(1+e^-x) within 2.5 ulp, subnormal results included.
func Sigmoid32(x float32) float32 {
	e := Exp32(-abs32(x))
	if math.Float32bits(x)>>31 != 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}

// Erf32 returns the error function within 2 ulp, with the sign of x.
func Erf32(x float32) float32 {
	t := abs32(x)
	if t > ErfHi {
		t = ErfHi
	}
	s := t * t
	a := FMA32(ErfS5, s, ErfS4)
	a = FMA32(a, s, ErfS3)
	a = FMA32(a, s, ErfS2)
	a = FMA32(a, s, ErfS1)
	a = FMA32(a, s, ErfS0)
	a = FMA32(a, t, t)

	q := FMA32(ErfL5, t, ErfL4)
	q = FMA32(q, t, ErfL3)
	q = FMA32(q, t, ErfL2)
	q = FMA32(q, t, ErfL1)
	q = FMA32(q, t, ErfL0)
	q = float32(q * t)
	u := RoundMagic - q
	r := (RoundMagic - u) - q
	p := FMA32(Exp2C5, r, Exp2C4)
	p = FMA32(p, r, Exp2C3)
	p = FMA32(p, r, Exp2C2)
	p = FMA32(p, r, Exp2C1)
	p = FMA32(p, r, 1)
	b := 1 - float32(p*math.Float32frombits((math.Float32bits(u)-127)<<23))
	if !(t > ErfSplit) {
		b = a
	}
	return copysign32(b, x)
}

// Gelu32 returns x/2 (1 + erf(x/sqrt 2)). The error is within 2 ulp of x/2,
// not of the result, which is small where x is very negative: so is the
// formula's that ONNX gives.
func Gelu32(x float32) float32 {
	return (0.5 * x) * (1 + Erf32(x*InvSqrt2))
}

// GeluTanh32 returns x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), within
// 3 ulp of x/2.
func GeluTanh32(x float32) float32 {
	w := FMA32(x*x, Sqrt2PiC44, Sqrt2Pi)
	return (0.5 * x) * (1 + Tanh32(x*w))
}

// Sqrt32 returns the square root, correctly rounded.
func Sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func abs32(x float32) float32 {
	return math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
}

// copysign32 returns |x| with the sign of s.
func copysign32(x, s float32) float32 {
	return math.Float32frombits(math.Float32bits(x)&^(1<<31) | math.Float32bits(s)&(1<<31))
}
