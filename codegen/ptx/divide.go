package ptx

import "math/bits"

// quotient is a / d by a product with the reciprocal, where d >= 3 is no power of
// two: ptxas has no such form of its own for a division by an immediate, but
// computes the reciprocal each time.
func (a U32) quotient(d uint32) U32 {
	if d > 1<<31 {
		return a.Ge(U(d)).SelU32(I(1), I(0))
	}
	pre := bits.TrailingZeros32(d)
	for s := range 32 {
		if m, ok := reciprocal(d, s, 0); ok {
			return a.high(m).Shr(I(s))
		}
	}
	// Of an even divisor, a loses the bits of the factor 2^pre first, and there
	// may be as much more error.
	for s := 0; s < 32 && pre > 0; s++ {
		if m, ok := reciprocal(d>>pre, s, pre); ok {
			return a.Shr(I(pre)).high(m).Shr(I(s))
		}
	}
	// The factor has 33 bits: (a + high) / 2, which must not overflow.
	s := bits.Len32(d)
	m := uint32((1<<uint(32+s)+uint64(d)-1)/uint64(d) - 1<<32)
	t := a.high(m)
	return a.Sub(t).Shr(I(1)).Add(t).Shr(I(s - 1))
}

// reciprocal is 2^(32+s) / d rounded up, and whether it has 32 bits and is near
// enough for all numbers of 32-pre bits.
func reciprocal(d uint32, s, pre int) (m uint32, ok bool) {
	p := uint64(1) << (32 + s)
	v := (p + uint64(d) - 1) / uint64(d)
	return uint32(v), v < 1<<32 && v*uint64(d)-p <= 1<<(s+pre)
}

// high is the upper half of the product of a and m.
func (a U32) high(m uint32) U32 {
	return a.bin("mul.hi.u32", U(m), func(x, y uint32) uint32 { return uint32(uint64(x) * uint64(y) >> 32) })
}
