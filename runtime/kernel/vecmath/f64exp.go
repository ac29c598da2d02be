package vecmath

import "math"

// ln2 as a head of 42 bits, whose product with an exponent is exact, and tail.
const (
	ln2Hi  = 0x1.62e42fefa38p-1
	ln2Lo  = 0x1.ef35793c7673p-45
	invLn2 = 0x1.71547652b82fep+0
)

// reduceExp splits x, |x| <= 1500, as k*ln2 + hi - lo with |hi-lo| <= ln(2)/2.
func reduceExp(x float64) (k int, hi, lo float64) {
	n := math.RoundToEven(mul64(x, invLn2))
	return int(n), x - mul64(n, ln2Hi), mul64(n, ln2Lo)
}

// Exp64 is e to the x, within 1 ulp, the same bits on every architecture.
// Overflow gives infinity, underflow 0 through the denormals.
func Exp64(x float64) float64 {
	switch {
	case x != x || x > 1000:
		return x + math.Inf(1) // NaN stays
	case x < -1000:
		return 0
	}
	k, hi, lo := reduceExp(x)
	r := hi - lo
	t := mul64(mul64(r, r), horner(expTail[:], r))
	return scale2(1+(hi+(t-lo)), k)
}

// expDD is exp(x) rounded to float64 for |x.hi| <= 1400.
func expDD(x dd) float64 {
	n := math.RoundToEven(mul64(x.hi, invLn2))
	p := twoProd(n, ln2Lo)
	r := twoSum(x.hi-mul64(n, ln2Hi), -p.hi)
	r = fastSum(r.hi, r.lo+(x.lo-p.lo))
	t := mul64(mul64(r.hi, r.hi), horner(expTail[:], r.hi))
	s := fastSum(1, r.hi)
	return scale2(s.hi+(s.lo+(t+(r.lo+mul64(r.hi, r.lo)))), int(n))
}

// Expm164 is e to the x, less 1, accurate near 0.
func Expm164(x float64) float64 {
	switch {
	case x != x || x > 1000:
		return x + math.Inf(1)
	case x < -50:
		return -1
	case x > -0x1p-54 && x < 0x1p-54:
		return x
	}
	k, hi, lo := reduceExp(x)
	r := hi - lo
	t := mul64(mul64(r, r), horner(expTail[:], r)) - lo
	switch {
	case k == 0:
		return hi + t
	case k > 56:
		return scale2(1+(hi+t), k) - 1
	}
	// 2^k*(1+p) - 1 with the 1 taken off before scaling, where that is exact.
	u := pow2(-k)
	s := twoSum(1-u, hi)
	return mul64(s.hi+(s.lo+t), pow2(k))
}

// Tanh64 is the hyperbolic tangent, within 2 ulp.
func Tanh64(x float64) float64 {
	a := math.Abs(x)
	switch {
	case a > 22:
		return math.Copysign(1, x)
	case a < 0x1p-28:
		return x
	case a >= 1:
		return math.Copysign(1-2/(Expm164(2*a)+2), x)
	}
	t := Expm164(-2 * a)
	return math.Copysign(-t/(t+2), x)
}

// Sigmoid64 is 1/(1+exp(-x)), accurate in both tails.
func Sigmoid64(x float64) float64 {
	if x < 0 {
		e := Exp64(x)
		return e / (1 + e)
	}
	return 1 / (1 + Exp64(-x))
}
