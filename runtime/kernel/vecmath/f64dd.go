package vecmath

import "math"

// Double-double arithmetic for the places where 53 bits are not enough. Every
// product is converted explicitly, so that no compiler contracts it, and
// products are split by Dekker's method, so that no FMA is asked for.

// mul64 is a*b rounded on its own: an operand of a sum that must not be fused.
func mul64(a, b float64) float64 { return float64(a * b) }

// dd is the unevaluated sum hi+lo with |lo| at most half a step of hi.
type dd struct{ hi, lo float64 }

// twoSum is a+b exactly.
func twoSum(a, b float64) dd {
	s := a + b
	t := s - a
	return dd{s, (a - (s - t)) + (b - t)}
}

// fastSum is a+b exactly where |a| >= |b| or a is 0.
func fastSum(a, b float64) dd {
	s := a + b
	return dd{s, b - (s - a)}
}

// split cuts a, |a| below 2^996, into two halves of 26 bits.
func split(a float64) (hi, lo float64) {
	t := mul64(a, 1<<27+1)
	hi = t - (t - a)
	return hi, a - hi
}

// twoProd is a*b exactly, barring overflow and underflow.
func twoProd(a, b float64) dd {
	p := mul64(a, b)
	ah, al := split(a)
	bh, bl := split(b)
	e := mul64(ah, bh) - p
	e += mul64(ah, bl)
	e += mul64(al, bh)
	e += mul64(al, bl)
	return dd{p, e}
}

func (x dd) add(y dd) dd {
	s := twoSum(x.hi, y.hi)
	return fastSum(s.hi, s.lo+(x.lo+y.lo))
}

func (x dd) mul(y dd) dd {
	p := twoProd(x.hi, y.hi)
	return fastSum(p.hi, p.lo+(mul64(x.hi, y.lo)+mul64(x.lo, y.hi)))
}

func (x dd) scale(f float64) dd {
	p := twoProd(x.hi, f)
	return fastSum(p.hi, p.lo+mul64(x.lo, f))
}

// horner evaluates a polynomial of ascending coefficients.
func horner(c []float64, x float64) float64 {
	s := c[len(c)-1]
	for i := len(c) - 2; i >= 0; i-- {
		s = mul64(s, x) + c[i]
	}
	return s
}

// pow2 is 2^k for -1022 <= k <= 1023.
func pow2(k int) float64 { return math.Float64frombits(uint64(k+1023) << 52) }

// scale2 is x*2^k rounded once, for 1/4 <= |x| <= 4 and |k| <= 2200.
func scale2(x float64, k int) float64 {
	switch {
	case k > 1000:
		return mul64(mul64(x, pow2(1000)), pow2(min(k-1000, 1023)))
	case k < -1000:
		if k < -1100 {
			return mul64(mul64(x, pow2(-1000)), pow2(-200))
		}
		return mul64(mul64(x, pow2(-1000)), pow2(k+1000))
	}
	return mul64(x, pow2(k))
}

// frexp64 is m*2^e = x, sqrt(1/2) <= m < sqrt(2), for positive finite x.
func frexp64(x float64) (m float64, e int) {
	if x < 0x1p-1022 {
		x, e = x*0x1p54, -54
	}
	b := math.Float64bits(x)
	e += int(b>>52) - 1023
	m = math.Float64frombits(b&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m, e = m/2, e+1
	}
	return m, e
}
