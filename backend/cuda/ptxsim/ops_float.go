package ptxsim

import (
	"math"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Float instructions on whole registers: each result is rounded once, to
// nearest even, and each NaN that arithmetic makes is the canonical one.

const (
	nan32 = 0x7fffffff
	nan64 = 0x7fffffffffffffff
)

func f32(b uint32) float32 { return math.Float32frombits(b) }
func f64(b uint64) float64 { return math.Float64frombits(b) }

func bits32(x float32) uint32 {
	if x != x {
		return nan32
	}
	return math.Float32bits(x)
}

func bits64(x float64) uint64 {
	if x != x {
		return nan64
	}
	return math.Float64bits(x)
}

func addF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(f32(a[i]) + f32(b[i]))
	}
}

func addF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = bits64(f64(a[i]) + f64(b[i]))
	}
}

func subF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(f32(a[i]) - f32(b[i]))
	}
}

func subF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = bits64(f64(a[i]) - f64(b[i]))
	}
}

func mulF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(f32(a[i]) * f32(b[i]))
	}
}

func mulF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = bits64(f64(a[i]) * f64(b[i]))
	}
}

func divF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(f32(a[i]) / f32(b[i]))
	}
}

func divF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = bits64(f64(a[i]) / f64(b[i]))
	}
}

// fmaF32 rounds a*b+c once. The product of two float32 is exact in float64, and
// rounding the float64 sum again is right but where that sum lies in the middle
// of two float32 or below their normal range: there vecmath.FMA32 decides. Four
// lanes at a time, because conversions wait for the register they write.
func fmaF32(d, a, b, c *v32) {
	for i := 0; i < warpSize; i += 4 {
		s0 := float64(float64(f32(a[i]))*float64(f32(b[i]))) + float64(f32(c[i]))
		s1 := float64(float64(f32(a[i+1]))*float64(f32(b[i+1]))) + float64(f32(c[i+1]))
		s2 := float64(float64(f32(a[i+2]))*float64(f32(b[i+2]))) + float64(f32(c[i+2]))
		s3 := float64(float64(f32(a[i+3]))*float64(f32(b[i+3]))) + float64(f32(c[i+3]))
		if roundsOnce(s0) && roundsOnce(s1) && roundsOnce(s2) && roundsOnce(s3) {
			d[i], d[i+1] = math.Float32bits(float32(s0)), math.Float32bits(float32(s1))
			d[i+2], d[i+3] = math.Float32bits(float32(s2)), math.Float32bits(float32(s3))
			continue
		}
		for j := i; j < i+4; j++ {
			d[j] = bits32(vecmath.FMA32(f32(a[j]), f32(b[j]), f32(c[j])))
		}
	}
}

// roundsOnce says that rounding s, a sum rounded to float64, to float32 gives
// what rounding the sum itself would.
func roundsOnce(s float64) bool {
	const low, half, least, span = 1<<29 - 1, 1 << 28, 1023 - 126, 126 + 127
	u := math.Float64bits(s)
	return u&low != half && u>>52&0x7ff-least <= span || u<<1 == 0
}

func fmaF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = bits64(math.FMA(f64(a[i]), f64(b[i]), f64(c[i])))
	}
}

func minF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = min32(a[i], b[i])
	}
}

func minF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = min64(a[i], b[i])
	}
}

func minNaN32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(min(f32(a[i]), f32(b[i])))
	}
}

// min32 is the smaller of two numbers, or the one that is a number; -0 is below +0.
func min32(x, y uint32) uint32 {
	a, b := f32(x), f32(y)
	switch {
	case a != a:
		return bits32(b)
	case b != b:
		return x
	}
	return math.Float32bits(min(a, b))
}

// min64 is the smaller of two numbers, or the one that is a number; -0 is below +0.
func min64(x, y uint64) uint64 {
	a, b := f64(x), f64(y)
	switch {
	case a != a:
		return bits64(b)
	case b != b:
		return x
	}
	return math.Float64bits(min(a, b))
}

func maxF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = max32(a[i], b[i])
	}
}

func maxF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = max64(a[i], b[i])
	}
}

func maxNaN32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(max(f32(a[i]), f32(b[i])))
	}
}

// max32 is the greater of two numbers, or the one that is a number; -0 is below +0.
func max32(x, y uint32) uint32 {
	a, b := f32(x), f32(y)
	switch {
	case a != a:
		return bits32(b)
	case b != b:
		return x
	}
	return math.Float32bits(max(a, b))
}

// max64 is the greater of two numbers, or the one that is a number; -0 is below +0.
func max64(x, y uint64) uint64 {
	a, b := f64(x), f64(y)
	switch {
	case a != a:
		return bits64(b)
	case b != b:
		return x
	}
	return math.Float64bits(max(a, b))
}

func absF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] &^ (1 << 31)
	}
}

func absF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] &^ (1 << 63)
	}
}

func negF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] ^ 1<<31
	}
}

func negF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] ^ 1<<63
	}
}

// copysign gives b the sign of a, in this order (PTX ISA, copysign).
func copysignF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i]&(1<<31) | b[i]&^(1<<31)
	}
}

func copysignF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i]&(1<<63) | b[i]&^(1<<63)
	}
}

func rcpF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(1 / f32(a[i]))
	}
}

func rcpF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = bits64(1 / f64(a[i]))
	}
}

func sqrtF32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(float32(math.Sqrt(float64(f32(a[i])))))
	}
}

func sqrtF64(d, a, b, c *v64) {
	for i := range d {
		d[i] = bits64(math.Sqrt(f64(a[i])))
	}
}

// The approximate functions are computed in float64 and rounded. Hardware may
// be off by 2 ulp (PTX ISA, ex2 and lg2); Checks.Ulp moves the results.

func ex2F32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(float32(vecmath.Pow64(2, float64(f32(a[i])))))
	}
}

func lg2F32(d, a, b, c *v32) {
	for i := range d {
		d[i] = bits32(float32(vecmath.Log64(float64(f32(a[i]))) / math.Ln2))
	}
}
