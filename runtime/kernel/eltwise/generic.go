package eltwise

import (
	"math"
	"unsafe"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Generic are the functions in plain Go. They define the bits of all others.
var Generic = Funcs{
	Name: "generic",
	unary: [numUnary]unaryFunc{
		Copy: copyGo, Neg: negGo, Abs: absGo, Sqrt: sqrtGo, Floor: floorGo, Ceil: ceilGo, Round: roundGo,
		Relu: reluGo, Exp: expGo, ExpSub: expSubGo, Log: logGo, Tanh: tanhGo, Sigmoid: sigmoidGo, Erf: erfGo,
		Gelu: geluGo, GeluTanh: geluTanhGo, Clip: clipGo, LeakyRelu: leakyGo, AddS: addSGo, RSubS: rsubSGo,
		MulS: mulSGo, DivS: divSGo, RDivS: rdivSGo, MinS: minSGo, MaxS: maxSGo,
	},
	binary: [numBinary]binaryFunc{
		Add - numUnary: addGo, Sub - numUnary: subGo, Mul - numUnary: mulGo, Div - numUnary: divGo,
		Min - numUnary: minGo, Max - numUnary: maxGo, PRelu - numUnary: preluGo, MaxNum - numUnary: maxNumGo,
	},
	fromF16: fromF16Go,
	toF16:   toF16Go,
}

// each applies f to n elements.
func each(dst, x *float32, n int, f func(float32) float32) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i, v := range s {
		d[i] = f(v)
	}
}

func copyGo(dst, x *float32, n int, _, _ float32) { copy(unsafe.Slice(dst, n), unsafe.Slice(x, n)) }

func negGo(dst, x *float32, n int, _, _ float32) {
	each(dst, x, n, func(v float32) float32 { return math.Float32frombits(math.Float32bits(v) ^ 1<<31) })
}

func absGo(dst, x *float32, n int, _, _ float32) {
	each(dst, x, n, func(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) })
}

func floorGo(dst, x *float32, n int, _, _ float32) {
	each(dst, x, n, func(v float32) float32 { return float32(math.Floor(float64(v))) })
}

func ceilGo(dst, x *float32, n int, _, _ float32) {
	each(dst, x, n, func(v float32) float32 { return float32(math.Ceil(float64(v))) })
}

func roundGo(dst, x *float32, n int, _, _ float32) {
	each(dst, x, n, func(v float32) float32 { return float32(math.RoundToEven(float64(v))) })
}

func reluGo(dst, x *float32, n int, _, _ float32) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i, v := range s {
		if v < 0 {
			v = 0
		}
		d[i] = v
	}
}

func sqrtGo(dst, x *float32, n int, _, _ float32)     { each(dst, x, n, vecmath.Sqrt32) }
func expGo(dst, x *float32, n int, _, _ float32)      { each(dst, x, n, vecmath.Exp32) }
func logGo(dst, x *float32, n int, _, _ float32)      { each(dst, x, n, vecmath.Log32) }
func tanhGo(dst, x *float32, n int, _, _ float32)     { each(dst, x, n, vecmath.Tanh32) }
func sigmoidGo(dst, x *float32, n int, _, _ float32)  { each(dst, x, n, vecmath.Sigmoid32) }
func erfGo(dst, x *float32, n int, _, _ float32)      { each(dst, x, n, vecmath.Erf32) }
func geluGo(dst, x *float32, n int, _, _ float32)     { each(dst, x, n, vecmath.Gelu32) }
func geluTanhGo(dst, x *float32, n int, _, _ float32) { each(dst, x, n, vecmath.GeluTanh32) }

func expSubGo(dst, x *float32, n int, a, _ float32) {
	each(dst, x, n, func(v float32) float32 { return vecmath.Exp32(v - a) })
}

func clipGo(dst, x *float32, n int, a, b float32) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i, v := range s {
		if v < a {
			v = a
		}
		if v > b {
			v = b
		}
		d[i] = v
	}
}

func leakyGo(dst, x *float32, n int, a, _ float32) {
	each(dst, x, n, func(v float32) float32 { return leaky(v, a) })
}

func addSGo(dst, x *float32, n int, a, _ float32) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i, v := range s {
		d[i] = v + a
	}
}

func rsubSGo(dst, x *float32, n int, a, _ float32) {
	each(dst, x, n, func(v float32) float32 { return a - v })
}

func mulSGo(dst, x *float32, n int, a, _ float32) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i, v := range s {
		d[i] = v * a
	}
}

func divSGo(dst, x *float32, n int, a, _ float32) {
	each(dst, x, n, func(v float32) float32 { return v / a })
}

func rdivSGo(dst, x *float32, n int, a, _ float32) {
	each(dst, x, n, func(v float32) float32 { return a / v })
}

func minSGo(dst, x *float32, n int, a, _ float32) {
	each(dst, x, n, func(v float32) float32 { return min32(v, a) })
}

func maxSGo(dst, x *float32, n int, a, _ float32) {
	each(dst, x, n, func(v float32) float32 { return max32(v, a) })
}

// each2 applies f to n pairs of elements.
func each2(dst, x, y *float32, n int, f func(a, b float32) float32) {
	d, s, t := unsafe.Slice(dst, n), unsafe.Slice(x, n), unsafe.Slice(y, n)
	for i, v := range s {
		d[i] = f(v, t[i])
	}
}

func addGo(dst, x, y *float32, n int) {
	each2(dst, x, y, n, func(a, b float32) float32 { return a + b })
}

func subGo(dst, x, y *float32, n int) {
	each2(dst, x, y, n, func(a, b float32) float32 { return a - b })
}

func mulGo(dst, x, y *float32, n int) {
	each2(dst, x, y, n, func(a, b float32) float32 { return a * b })
}

func divGo(dst, x, y *float32, n int) {
	each2(dst, x, y, n, func(a, b float32) float32 { return a / b })
}

func minGo(dst, x, y *float32, n int)   { each2(dst, x, y, n, min32) }
func maxGo(dst, x, y *float32, n int)   { each2(dst, x, y, n, max32) }
func preluGo(dst, x, y *float32, n int) { each2(dst, x, y, n, leaky) }

func maxNumGo(dst, x, y *float32, n int) {
	each2(dst, x, y, n, func(a, b float32) float32 {
		if a > b {
			return a
		}
		return b
	})
}

func leaky(x, slope float32) float32 {
	if x < 0 {
		return slope * x
	}
	return x
}

// min32 is NaN if a or b is, and orders -0 below +0.
func min32(a, b float32) float32 {
	switch {
	case a < b:
		return a
	case b < a:
		return b
	case a == b: // only zeros of different signs differ in bits
		return math.Float32frombits(math.Float32bits(a) | math.Float32bits(b))
	}
	return math.Float32frombits(vecmath.NaN32)
}

// max32 is NaN if a or b is, and orders -0 below +0.
func max32(a, b float32) float32 {
	switch {
	case a > b:
		return a
	case b > a:
		return b
	case a == b:
		return math.Float32frombits(math.Float32bits(a) & math.Float32bits(b))
	}
	return math.Float32frombits(vecmath.NaN32)
}

func fromF16Go(dst []float32, x []uint16) {
	for i, h := range x {
		dst[i] = dtype.F16ToF32(h)
	}
}

func toF16Go(dst []uint16, x []float32) {
	for i, v := range x {
		dst[i] = dtype.F32ToF16(v)
	}
}
