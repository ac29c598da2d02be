package dtype

import "math"

// F16ToF32 widens an IEEE binary16 value exactly.
func F16ToF32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 31
	man := uint32(h) & 0x3ff
	switch exp {
	case 0: // zero or subnormal: man * 2^-24
		v := float32(man) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// F32ToF16 rounds to the nearest binary16, ties to even; overflow gives
// infinity, NaN gives the quiet NaN 0x7e00 with x's sign.
func F32ToF16(x float32) uint16 { return F64ToF16(float64(x)) }

// F64ToF16 rounds once from binary64 (going over float32 would round twice).
func F64ToF16(x float64) uint16 { return uint16(roundSmall(x, 5, 10)) }

// BF16ToF32 widens a bfloat16 value exactly.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even; NaN gives 0x7fc0
// with x's sign.
func F32ToBF16(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16)&0x8000 | 0x7fc0
	}
	return uint16((b + 0x7fff + (b>>16)&1) >> 16)
}

// F64ToBF16 rounds once from binary64.
func F64ToBF16(x float64) uint16 { return uint16(roundSmall(x, 8, 7)) }

// roundSmall rounds x to an IEEE-like format with e exponent bits and m
// mantissa bits, ties to even, with infinities and one quiet NaN.
func roundSmall(x float64, e, m uint) uint32 {
	b := math.Float64bits(x)
	sign := uint32(b>>63) << (e + m)
	maxExp := uint32(1)<<e - 1
	if x != x {
		return sign | maxExp<<m | 1<<(m-1)
	}
	exp := int(b>>52) & 0x7ff
	man := b & (1<<52 - 1)
	if exp == 0x7ff {
		return sign | maxExp<<m
	}
	if exp == 0 {
		return sign // below 2^-1022: zero in every small format
	}
	man |= 1 << 52
	bias := int(1)<<(e-1) - 1
	te := exp - 1023 + bias // target biased exponent
	shift := uint(52 - m)
	if te <= 0 { // subnormal: shift further right
		shift += uint(1 - te)
		te = 0
		if shift > 54 {
			return sign
		}
	}
	q := man >> shift
	rest := man & (1<<shift - 1)
	half := uint64(1) << (shift - 1)
	if rest > half || rest == half && q&1 == 1 {
		q++
	}
	var r uint32
	if te == 0 {
		r = uint32(q) // a carry into the exponent is the smallest normal: right as it stands
	} else {
		r = uint32(te)<<m + uint32(q) - 1<<m
	}
	if r >= maxExp<<m {
		r = maxExp << m
	}
	return sign | r
}
