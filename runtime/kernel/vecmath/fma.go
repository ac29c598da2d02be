package vecmath

import "math"

const (
	// halfway is the bit pattern of the 29 low fraction bits of a float64
	// that lies exactly between two neighbouring float32 values.
	lowMask = 1<<29 - 1
	halfway = 1 << 28

	minNormal32 = 0x1p-126 // smallest normal float32
)

// FMA32 returns a*b+c rounded once to float32, the value that the FMA
// instructions of amd64 and arm64 give. Where the result is NaN, its payload
// is unspecified.
//
// float32(math.FMA(float64(a), float64(b), float64(c))) is not the same
// function: it rounds twice.
func FMA32(a, b, c float32) float32 {
	p := float64(float64(a) * float64(b)) // exact: 24+24 bits
	s := p + float64(c)
	if math.Float64bits(s)&lowMask != halfway && (s >= minNormal32 || s <= -minNormal32) {
		// The second rounding can go wrong only from the exact middle
		// between two float32 values.
		return float32(s)
	}
	return roundOdd(p, float64(c), s)
}

// roundOdd returns p+c rounded once to float32, given s, the sum rounded to
// float64. It replaces s by its neighbour with an odd last bit where the sum
// was inexact; rounding that to float32 is then correct, because 53 bits are
// more than twice 24 plus one.
func roundOdd(p, c, s float64) float32 {
	// Error of the sum by Knuth's two-sum: s+e = p+c exactly.
	t := s - p
	e := (p - (s - t)) + (c - t)
	if e != 0 && s-s == 0 {
		u := math.Float64bits(s)
		if u&1 == 0 {
			if (e > 0) == (s > 0) {
				u++
			} else {
				u--
			}
			s = math.Float64frombits(u)
		}
	}
	return float32(s)
}
