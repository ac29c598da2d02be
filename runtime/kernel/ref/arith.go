package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Add is Y = A + B with broadcasting.
func Add(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return binary(c, in, out, func(a, b float64) float64 { return a + b }, func(a, b int64) int64 { return a + b })
}

// AddDesc describes Add.
var AddDesc = kernel.Desc{ID: "ref.Add", Op: "ref.Add", Ref: Add}

// Sub is Y = A - B with broadcasting.
func Sub(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return binary(c, in, out, func(a, b float64) float64 { return a - b }, func(a, b int64) int64 { return a - b })
}

// SubDesc describes Sub.
var SubDesc = kernel.Desc{ID: "ref.Sub", Op: "ref.Sub", Ref: Sub}

// Mul is Y = A * B with broadcasting.
func Mul(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return binary(c, in, out, func(a, b float64) float64 { return float64(a * b) }, func(a, b int64) int64 { return a * b })
}

// MulDesc describes Mul.
var MulDesc = kernel.Desc{ID: "ref.Mul", Op: "ref.Mul", Ref: Mul}

// errZero is integer division by zero: the hardware's answers differ, so it is
// a fault of the data everywhere.
func errZero(what string) error {
	return &diag.Error{Kind: diag.BadData, Port: what, Have: "0", Want: "another divisor"}
}

// hasZero says whether an integer tensor holds a zero.
func hasZero(t *tensor.Tensor) bool {
	for i := range t.Len() {
		if t.Int(i) == 0 {
			return true
		}
	}
	return false
}

// Div is Y = A / B with broadcasting; integers truncate toward zero, and an
// integer divided by zero is an error.
func Div(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	a, b := &in[0].Tensor, &in[1].Tensor
	if a.DType().IsInt() && a.Len() > 0 && hasZero(b) {
		return errZero("integer divisor")
	}
	quo := func(a, b int64) int64 { return a / b }
	if a.DType() == dtype.U64 {
		quo = func(a, b int64) int64 { return int64(uint64(a) / uint64(b)) }
	}
	return binary(c, in, out, func(a, b float64) float64 { return a / b }, quo)
}

// DivDesc describes Div.
var DivDesc = kernel.Desc{ID: "ref.Div", Op: "ref.Div", Ref: Div}

// Pow is Z = X to the Y with broadcasting, of X's type. Integers to integers
// wrap; a negative exponent truncates toward zero, and 0 to a negative power
// is an error. An integer to a float is computed in float64, truncated and
// saturated.
func Pow(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x, y := &in[0].Tensor, &in[1].Tensor
	var buf [maxRank]int
	dims, ok := bcastDims(&buf, x.Dims(), y.Dims())
	if !ok {
		return bcastError(x.Dims(), y.Dims())
	}
	z := output(c, out, 0, x.DType(), dims...)
	switch {
	case x.DType() == dtype.F32 && y.DType() == dtype.F32, x.DType() == dtype.F64 && y.DType() == dtype.F64:
		binaryInto(z, x, y, vecmath.Pow64, nil)
		return nil
	}
	w := newWalker(z.Dims(), x.Dims(), y.Dims())
	for i := range z.Len() {
		p, q := w.off[0], w.off[1]
		switch {
		case x.DType().IsFloat():
			z.SetFloat(i, vecmath.Pow64(x.Float(p), y.Float(q)))
		case y.DType().IsFloat():
			z.SetInt(i, truncTo(z.DType(), vecmath.Pow64(x.Float(p), y.Float(q))))
		default:
			v, ok := powInt(x.Int(p), y.Int(q), y.DType() == dtype.U64)
			if !ok {
				return errZero("0 to a negative power")
			}
			z.SetInt(i, v)
		}
		w.next()
	}
	return nil
}

// PowDesc describes Pow.
var PowDesc = kernel.Desc{ID: "ref.Pow", Op: "ref.Pow", Ref: Pow}

// powInt is x to the y modulo 2^64; ok is false for 0 to a negative power.
func powInt(x, y int64, unsigned bool) (v int64, ok bool) {
	if y < 0 && !unsigned {
		switch x {
		case 0:
			return 0, false
		case 1:
			return 1, true
		case -1:
			return 1 - 2*(y&1), true
		}
		return 0, true
	}
	v = 1
	for e := uint64(y); e != 0; e >>= 1 {
		if e&1 != 0 {
			v *= x
		}
		x *= x
	}
	return v, true
}

// Max is the elementwise largest of one or more inputs, with broadcasting. NaN
// wins.
func Max(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	fi := maxInt
	if in[0].Tensor.DType() == dtype.U64 {
		fi = maxBits
	}
	return variadic(c, in, out, maxOf, fi)
}

// MaxDesc describes Max.
var MaxDesc = kernel.Desc{ID: "ref.Max", Op: "ref.Max", Ref: Max}

// Min is the elementwise smallest of one or more inputs, with broadcasting.
// NaN wins.
func Min(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	fi := minInt
	if in[0].Tensor.DType() == dtype.U64 {
		fi = minBits
	}
	return variadic(c, in, out, minOf, fi)
}

// MinDesc describes Min.
var MinDesc = kernel.Desc{ID: "ref.Min", Op: "ref.Min", Ref: Min}

// variadic folds all inputs from the left into the output.
func variadic(c kernel.Ctx, in, out []tensor.Value, ff func(a, b float64) float64, fi func(a, b int64) int64) error {
	x := &in[0].Tensor
	var buf, tmp [maxRank]int
	dims := buf[:copy(buf[:], x.Dims())]
	if err := rankFits(x.Rank()); err != nil {
		return err
	}
	for i := 1; i < len(in); i++ {
		d, ok := bcastDims(&tmp, dims, in[i].Tensor.Dims())
		if !ok {
			return bcastError(dims, in[i].Tensor.Dims())
		}
		dims = buf[:copy(buf[:], d)]
	}
	y := output(c, out, 0, x.DType(), dims...)
	if len(in) == 1 {
		moveAll(y, x)
		return nil
	}
	binaryInto(y, x, &in[1].Tensor, ff, fi)
	for i := 2; i < len(in); i++ {
		binaryInto(y, y, &in[i].Tensor, ff, fi)
	}
	return nil
}

// truncTo truncates a float toward zero to an integer type. ONNX leaves open
// what becomes of values beyond its range, and hardware differs; here 32 and
// 64 bits saturate, shorter types keep the low bits of the saturated i32, as
// ONNX's own conversions to 4 and 2 bits do, and NaN gives 0. The result's
// bits are those of the type (of u64 as int64).
func truncTo(d dtype.DType, v float64) int64 {
	if v != v {
		return 0
	}
	v = math.Trunc(v)
	if d == dtype.U64 {
		switch {
		case v >= 0x1p64:
			return -1
		case v <= 0:
			return 0
		case v >= 0x1p63:
			return int64(v-0x1p63) ^ math.MinInt64
		}
		return int64(v)
	}
	if d.Bits() < 32 {
		d = dtype.I32
	}
	lo, hi := d.IntRange()
	switch {
	case v <= float64(lo):
		return lo
	case v >= float64(hi): // of i64: 2^63, one more than hi
		return hi
	}
	return int64(v)
}
