package vecmath

import "math"

// logParts is log(1+f) as its pieces f - (h - s*(h+R)), with R the tail of the
// inverse hyperbolic tangent series of s = f/(2+f) and h = f*f/2.
func logParts(f float64) (h, q float64) {
	s := f / (2 + f)
	z := mul64(s, s)
	h = mul64(0.5*f, f)
	return h, mul64(s, h+mul64(z, horner(atanhTail[:], z)))
}

// Log64 is the natural logarithm, within 1 ulp, the same bits on every
// architecture. Log64(0) is -Inf, of a negative number NaN.
func Log64(x float64) float64 {
	switch {
	case x != x || x > math.MaxFloat64:
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	m, e := frexp64(x)
	f := m - 1
	h, q := logParts(f)
	k := float64(e)
	return mul64(k, ln2Hi) - ((h - (q + mul64(k, ln2Lo))) - f)
}

// Log1p64 is log(1+x), accurate near 0.
func Log1p64(x float64) float64 {
	switch {
	case x != x || x > math.MaxFloat64:
		return x
	case x < -1:
		return math.NaN()
	case x == -1:
		return math.Inf(-1)
	case x > -0x1p-54 && x < 0x1p-54:
		return x
	case x > -0.29 && x < 0.41:
		h, q := logParts(x)
		return x - (h - q)
	}
	u := twoSum(1, x)
	m, e := frexp64(u.hi)
	f := m - 1
	h, q := logParts(f)
	k := float64(e)
	return mul64(k, ln2Hi) - ((h - (q + (mul64(k, ln2Lo) + u.lo/u.hi))) - f)
}

// logDD is the natural logarithm of a positive finite x to about 2^-66.
func logDD(x float64) dd {
	m, e := frexp64(x)
	f := m - 1
	d := twoSum(2, f)
	s := dd{hi: f / d.hi}
	p := twoProd(s.hi, d.hi)
	s.lo = ((f - p.hi) - p.lo - mul64(s.hi, d.lo)) / d.hi
	s = fastSum(s.hi, s.lo)
	z := s.mul(s)
	// 2/3 + 2/5 z + 2/7 z^2 in double-double, the rest in double.
	t := dd{hi: mul64(horner(atanhTail[3:], z.hi), z.hi)}
	t = t.add(dd{0x1.2492492492492p-2, 0x1.2492492492492p-56}).mul(z)
	t = t.add(dd{0x1.999999999999ap-2, -0x1.999999999999ap-56}).mul(z)
	t = t.add(dd{0x1.5555555555555p-1, 0x1.5555555555555p-55}).mul(z)
	t = t.add(dd{hi: 2}).mul(s)
	k := float64(e)
	l := twoProd(k, ln2Lo)
	return dd{hi: mul64(k, ln2Hi)}.add(l).add(t)
}

// Pow64 is x to the y, within 1 ulp, with the special cases of IEEE 754 and C:
// pow(x, 0) = pow(1, y) = 1 even for NaN, a negative x needs an integer y.
func Pow64(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x != x || y != y:
		return math.NaN()
	case y == 1:
		return x
	case y == 2:
		return mul64(x, x)
	case y == 0.5 && x > 0:
		return math.Sqrt(x)
	case y == -1:
		return 1 / x
	}
	a := math.Abs(x)
	whole := math.Trunc(y) == y
	odd := whole && math.Abs(y) < 0x1p53 && int64(y)&1 != 0
	sign := 1.0
	if odd && math.Signbit(x) {
		sign = -1
	}
	switch {
	case math.IsInf(y, 0):
		return powInf(a, y > 0)
	case a == 0 || a > math.MaxFloat64:
		if (a == 0) == (y > 0) {
			return sign * 0
		}
		return sign * math.Inf(1)
	case x < 0 && !whole:
		return math.NaN()
	case a == 1:
		return sign
	case y > 0x1p62 || y < -0x1p62: // |log a| is at least 2^-53
		return sign * powInf(a, y > 0)
	}
	l := logDD(a)
	switch e := mul64(l.hi, y); {
	case e > 720:
		return sign * math.Inf(1)
	case e < -760:
		return sign * 0
	}
	return sign * expDD(l.scale(y))
}

// powInf is a to an infinite power, for a >= 0.
func powInf(a float64, positive bool) float64 {
	switch {
	case a == 1:
		return 1
	case (a > 1) == positive:
		return math.Inf(1)
	}
	return 0
}
