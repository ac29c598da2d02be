package vecmath

import (
	"math"
	"testing"
)

// Hand calculations; scales are float32 of the quotient.
func TestSteps(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		lo, hi float64
		n      int
		scale  float32
		zero   int
	}{
		{0, 255, 255, 1, 0},
		{-128, 127, 255, 1, 128},
		{1, 255, 255, 1, 0},      // widened down to 0
		{-255, -3, 255, 1, 255},  // and up
		{-127, 127, 254, 1, 127}, // i8 weights
		{-63.5, 63.5, 254, 0.5, 127},
		{-1.275, 1.275, 255, 0.01, 128}, // 127.5 goes to the even 128
		{0, 0, 255, 1, 0},
		{-1e-42, 1e-42, 255, 1, 0}, // a scale below the normal numbers
		{-math.MaxFloat32, math.MaxFloat32, 255, float32(2 * math.MaxFloat32 / 255), 128},
	} {
		s, z := Steps(c.lo, c.hi, c.n)
		if s != c.scale || z != c.zero {
			t.Errorf("%v to %v in %d: have %v and %d, want %v and %d", c.lo, c.hi, c.n, s, z, c.scale, c.zero)
		}
	}
	for _, r := range [][2]float64{{nan, 1}, {0, nan}, {-inf, 0}, {0, inf}, {2, 1}} {
		if s, _ := Steps(r[0], r[1], 255); s == s {
			t.Errorf("%v: have scale %v, want NaN", r, s)
		}
	}
	if lo, hi := Inside(0.5, 127, 254); lo != -63.75 || hi != 63.75 {
		t.Errorf("inside is %v to %v", lo, hi)
	}
}
