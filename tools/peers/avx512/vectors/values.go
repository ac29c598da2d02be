package main

import (
	"math"
	"math/rand/v2"
)

var (
	inf    = float32(math.Inf(1))
	nan    = float32(math.NaN())
	minus0 = float32(math.Copysign(0, -1))
)

// specials are values at which functions change what they do: zeros,
// subnormals, the ends of the range, thresholds of the exponential family,
// ties of rounding.
var specials = []float32{
	0, minus0, 1, -1, 0x1p-149, -0x1p-149, 0x1p-130, 0x1p-126, -0x1.fffffcp-127,
	math.MaxFloat32, -math.MaxFloat32, inf, -inf, nan, math.Float32frombits(0xff800001),
	88.72, 88.73, -87.5, -103.9, -104.1, 0.5, 1.5, 2.5, -0.5, -1.5, 0.875, 4, -4, 9.25, 16777216, 8388609.5, -8388607.5,
}

// unwritten is what outputs hold before a call: no result and no NaN.
var unwritten = math.Float32frombits(0xabababab)

// random gives the same values in each run; kinds of calls don't share one, so
// that to add vectors of one kind leaves the others as they are.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 512)) }

// value is an ordinary value, a special one, or one of any bits.
func value(r *rand.Rand) float32 {
	switch r.IntN(8) {
	case 0:
		return math.Float32frombits(r.Uint32())
	case 1:
		return specials[r.IntN(len(specials))]
	case 2:
		return float32(r.NormFloat64() * 30)
	}
	return float32(r.NormFloat64())
}

// values gives n values.
func values(r *rand.Rand, n int) []float32 {
	return fill(n, func(int) float32 { return value(r) })
}

// sums gives n values for sums: ordinary ones, and with special some others,
// few enough that not every sum becomes NaN.
func sums(r *rand.Rand, n int, special bool) []float32 {
	return fill(n, func(int) float32 {
		if special && r.IntN(200) == 0 {
			return specials[r.IntN(len(specials))]
		}
		return float32(r.NormFloat64())
	})
}

// fill makes a slice by index.
func fill(n int, f func(i int) float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = f(i)
	}
	return x
}

// blank makes an output before the call.
func blank(n int) []float32 { return fill(n, func(int) float32 { return unwritten }) }
