package vecmath

// Erf64 is the error function, within 1 ulp, the same bits on every
// architecture.
func Erf64(x float64) float64 {
	a := x
	if a < 0 {
		a = -a
	}
	if !(a > 0.5) { // NaN too
		z := mul64(x, x)
		return x + mul64(x, horner(erfSmall[:], z))
	}
	y := 1.0
	if a < 6 {
		y = 1 - erfcTail(a)
	}
	if x < 0 {
		return -y
	}
	return y
}

// Erfc64 is 1 - erf(x), accurate in the upper tail.
func Erfc64(x float64) float64 {
	switch {
	case x > 28:
		return 0
	case x > 0.5:
		return erfcTail(x)
	case x < -6:
		return 2
	case x < -0.5:
		return 2 - erfcTail(-x)
	}
	return 1 - Erf64(x)
}

// erfcTail is erfc(x) for 0.5 <= x <= 28. The square is taken in two parts,
// since exp magnifies its rounding.
func erfcTail(x float64) float64 {
	s := twoProd(x, x)
	p := horner(erfcxFit[:], (x-3)/(x+3)) / (1 + (x + x))
	return mul64(Exp64(-s.hi), p-mul64(p, s.lo))
}
