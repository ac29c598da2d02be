package vecmath

import "math"

// Steps fits n equal steps between lo and hi, widened to hold 0, so that 0 has
// a step of its own: real numbers are (q-zero)*scale for q of 0..n. A range of
// nothing but zeros, or next to it, gets scale 1. A bound that is not finite, or bounds
// in the wrong order, give a scale that is NaN.
func Steps(lo, hi float64, n int) (scale float32, zero int) {
	if lo-lo != 0 || hi-hi != 0 || lo > hi {
		return math.Float32frombits(NaN32), 0
	}
	lo, hi = min(lo, 0), max(hi, 0)
	s := float32((hi - lo) / float64(n))
	if s < math.SmallestNonzeroFloat32*(1<<23) {
		return 1, 0
	}
	z := math.RoundToEven(-lo / float64(s))
	return s, int(min(max(z, 0), float64(n)))
}

// Inside is where n steps of a scale and a zero point do not saturate: half a
// step beyond the first and the last number that they have.
func Inside(scale float32, zero, n int) (lo, hi float32) {
	return (float32(-zero) - 0.5) * scale, (float32(n-zero) + 0.5) * scale
}
