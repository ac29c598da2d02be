package vecmath

import (
	"math"
	"math/bits"
)

// pi/2 in three parts of 33 bits, whose products with integers below 2^20 are
// exact, and the rest.
const (
	pio2A = 0x1.921fb544p+0
	pio2B = 0x1.0b4611a6p-34
	pio2C = 0x1.3198a2ep-69
	pio2D = 0x1.b839a252049c1p-104
	twoPi = 0x1.45f306dc9c883p-1 // 2/pi
)

// reducePi splits a finite x as q*pi/2 + r, |r| <= pi/4, with q modulo 4.
func reducePi(x float64) (q int, r dd) {
	switch a := math.Abs(x); {
	case a <= math.Pi/4:
		return 0, dd{hi: x}
	case a < 0x1p20:
		n := math.RoundToEven(mul64(x, twoPi))
		r = dd{hi: x - mul64(n, pio2A)}
		r = r.add(dd{hi: -mul64(n, pio2B)}).add(dd{hi: -mul64(n, pio2C)}).add(dd{hi: -mul64(n, pio2D)})
		return int(n) & 3, r
	}
	return reduceLarge(x)
}

// reduceLarge multiplies the mantissa by the 192 bits of 2/pi that matter for
// its exponent (Payne and Hanek).
func reduceLarge(x float64) (q int, r dd) {
	b := math.Float64bits(x)
	m := b&(1<<52-1) | 1<<52
	e := int(b>>52&0x7ff) - 1075
	// Bits of weight 4 and more in the product cannot change the result.
	skip := max(0, e-2)
	var w [4]uint64 // most significant first
	for i := range 3 {
		at := skip + 64*i
		w[i+1] = twoOverPi[at/64] << (at % 64)
		if at%64 != 0 {
			w[i+1] |= twoOverPi[at/64+1] >> (64 - at%64)
		}
	}
	var p [4]uint64
	var carry uint64
	for i := 3; i >= 1; i-- {
		hi, lo := bits.Mul64(m, w[i])
		lo, c := bits.Add64(lo, carry, 0)
		p[i], carry = lo, hi+c
	}
	p[0] = carry
	// Bring the two integer bits to the top.
	s := 254 - (192 - e + skip)
	p = shiftLeft(p, s)
	q = int(p[0] >> 62)
	p = shiftLeft(p, 2)
	neg := p[0]>>63 != 0
	if neg { // the nearest multiple is the next one
		q++
		var c uint64 = 1
		for i := 3; i >= 0; i-- {
			p[i], c = bits.Add64(^p[i], 0, c)
		}
	}
	f, unit := dd{}, 0x1p-32
	for i := range 3 {
		f = f.add(dd{hi: mul64(float64(p[i]>>32), unit)})
		unit *= 0x1p-32
		f = f.add(dd{hi: mul64(float64(p[i]&(1<<32-1)), unit)})
		unit *= 0x1p-32
	}
	r = f.mul(dd{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54})
	if neg != (x < 0) {
		r = dd{-r.hi, -r.lo}
	}
	if x < 0 {
		q = -q
	}
	return q & 3, r
}

// shiftLeft shifts 256 bits, most significant word first, by less than 128.
func shiftLeft(p [4]uint64, s int) [4]uint64 {
	for ; s >= 64; s -= 64 {
		p = [4]uint64{p[1], p[2], p[3], 0}
	}
	if s > 0 {
		for i := range 3 {
			p[i] = p[i]<<s | p[i+1]>>(64-s)
		}
		p[3] <<= s
	}
	return p
}

func sinKernel(r dd) float64 {
	z := mul64(r.hi, r.hi)
	t := mul64(mul64(r.hi, z), horner(sinTail[:], z))
	return r.hi + (t + (r.lo - mul64(r.lo, z/2)))
}

func cosKernel(r dd) float64 {
	z := mul64(r.hi, r.hi)
	h := mul64(0.5, z) // a division by 2 would be contracted, too
	w := 1 - h
	t := mul64(mul64(z, z), horner(cosTail[:], z))
	return w + (((1 - w) - h) + (t - mul64(r.hi, r.lo)))
}

// sinCos picks the kernel for quadrant q.
func sinCos(q int, r dd) float64 {
	y := sinKernel(r)
	if q&1 != 0 {
		y = cosKernel(r)
	}
	if q&2 != 0 {
		return -y
	}
	return y
}

// Sin64 is the sine, within 1 ulp for every finite x.
func Sin64(x float64) float64 {
	if x-x != 0 {
		return math.NaN()
	}
	if x == 0 {
		return x
	}
	q, r := reducePi(x)
	return sinCos(q, r)
}

// Cos64 is the cosine, within 1 ulp for every finite x.
func Cos64(x float64) float64 {
	if x-x != 0 {
		return math.NaN()
	}
	q, r := reducePi(x)
	return sinCos(q+1, r)
}

// Tan64 is the tangent, within 2 ulp.
func Tan64(x float64) float64 {
	if x-x != 0 {
		return math.NaN()
	}
	if x == 0 {
		return x
	}
	q, r := reducePi(x)
	if s, c := sinKernel(r), cosKernel(r); q&1 == 0 {
		return s / c
	} else {
		return -c / s
	}
}
