package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// scales says which scale belongs to which element: x is seen as
// [outer, n, inner], and along n each scale serves block elements.
type scales struct {
	outer, n, inner int
	block           int // elements along the axis that share a scale
	along           int // scales along the axis
	rows, cols      int // how a scale's index moves with outer and inner: 0 where shared
}

// newScales reads the granularity from the scale's shape: one element, a
// vector along axis, or blocks.
func newScales(x, scale *tensor.Tensor, a attr.Map) (s scales, err error) {
	s = scales{outer: 1, n: 1, inner: x.Len(), block: 1, along: 1}
	block := a.Int("block_size")
	if scale.Len() == 1 && (block == 0 || scale.Rank() == 0) {
		return s, nil
	}
	k, err := normAxisIn(a.Int("axis"), x.Rank())
	if err != nil {
		return s, err
	}
	s = scales{outer: product(x.Dims()[:k]), n: x.Dim(k), inner: product(x.Dims()[k+1:]), block: 1}
	if block == 0 {
		s.along = s.n
		if scale.Rank() != 1 || scale.Dim(0) != s.n {
			return s, &diag.Error{Kind: diag.Shape, Port: "scale", Have: dimsText(scale.Dims()), Want: "a scalar or [" + itoa(s.n) + "]"}
		}
		return s, nil
	}
	s.block, s.along = block, (s.n+block-1)/block
	s.rows, s.cols = s.along*s.inner, 1
	ok := scale.Rank() == x.Rank()
	for i := 0; ok && i < x.Rank(); i++ {
		ok = scale.Dim(i) == x.Dim(i) || i == k && scale.Dim(i) == s.along
	}
	if !ok || scale.Dim(k) != s.along {
		return s, &diag.Error{Kind: diag.Shape, Port: "scale", Have: dimsText(scale.Dims()), Want: dimsText(x.Dims()) + " with " + itoa(s.along) + " blocks along the axis"}
	}
	return s, nil
}

// at is the index of the scale for element (o, p, q).
func (s *scales) at(o, p, q int) int {
	step := 1
	if s.cols != 0 {
		step = s.inner
	}
	return o*s.rows + p/s.block*step + q*s.cols
}

// sameShape checks a zero point against its scale.
func sameShape(zero, scale *tensor.Tensor) error {
	ok := zero.Rank() == scale.Rank()
	for i := 0; ok && i < zero.Rank(); i++ {
		ok = zero.Dim(i) == scale.Dim(i)
	}
	if !ok && (zero.Len() != 1 || scale.Len() != 1) {
		return &diag.Error{Kind: diag.Shape, Port: "zero point", Have: dimsText(zero.Dims()), Want: dimsText(scale.Dims())}
	}
	return nil
}

// roundTo rounds a float64 to a float type, kept as a float64.
func roundTo(d dtype.DType, v float64) float64 {
	switch d {
	case dtype.F32:
		return float64(float32(v))
	case dtype.F16:
		return float64(dtype.F16ToF32(dtype.F64ToF16(v)))
	case dtype.BF16:
		return float64(dtype.BF16ToF32(dtype.F64ToBF16(v)))
	}
	return v
}

// QuantizeLinear is y = saturate(round(x/scale) + zero), with the quotient
// rounded to the precision (the scale's type unless stated) and then to the
// nearest even integer. NaN gives the zero point. To 4- and 8-bit floats the
// sum is rounded to the format instead.
func QuantizeLinear(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, scale := &in[0].Tensor, &in[1].Tensor
	var zero *tensor.Tensor
	if present(in, 2) {
		zero = &in[2].Tensor
		if err := sameShape(zero, scale); err != nil {
			return err
		}
	}
	s, err := newScales(x, scale, a)
	if err != nil {
		return err
	}
	d := quantType(zero, a)
	y := output(c, out, 0, d, x.Dims()...)
	prec := QuantPrecision(x.DType(), scale.DType(), a)
	lo, hi := d.IntRange()
	i := 0
	for o := range s.outer {
		for p := range s.n {
			for q := range s.inner {
				k := s.at(o, p, q)
				v := roundTo(prec, roundTo(prec, x.Float(i))/loadReal(scale, k))
				if !d.IsInt() {
					if zero != nil {
						v = roundTo(prec, v+loadReal(zero, k))
					}
					storeTiny(y, i, v, a)
					i++
					continue
				}
				z := int64(0)
				if zero != nil {
					z = zero.Int(k)
				}
				y.SetInt(i, quantum(v, z, lo, hi))
				i++
			}
		}
	}
	return nil
}

// QuantizeLinearDesc describes QuantizeLinear.
var QuantizeLinearDesc = kernel.Desc{ID: "ref.QuantizeLinear", Op: "ref.QuantizeLinear", Ref: QuantizeLinear}

// quantum rounds a quotient to even, adds the zero point and saturates.
func quantum(v float64, zero, lo, hi int64) int64 {
	switch v = math.RoundToEven(v); {
	case v != v:
		return zero
	case v >= 1<<40:
		return hi
	case v <= -1<<40:
		return lo
	}
	return min(max(int64(v)+zero, lo), hi)
}

// quantType is the result type of QuantizeLinear: the zero point's, else
// output_dtype, else u8.
func quantType(zero *tensor.Tensor, a attr.Map) dtype.DType {
	if zero != nil {
		return zero.DType()
	}
	if d, ok := dtype.FromONNX(int32(a.Int("output_dtype"))); ok {
		return d
	}
	return dtype.U8
}

// QuantPrecision is the type in which QuantizeLinear divides.
func QuantPrecision(x, scale dtype.DType, a attr.Map) dtype.DType {
	if d, ok := dtype.FromONNX(int32(a.Int("precision"))); ok {
		return d
	}
	switch {
	case scale != dtype.F8E8M0:
		return scale
	case x.IsFloat():
		return x
	}
	return dtype.F32
}

// DequantizeLinear is y = (x - zero)*scale. The difference is exact; it and
// the product are rounded to f32, and the result to its type: output_dtype,
// else the scale's.
func DequantizeLinear(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, scale := &in[0].Tensor, &in[1].Tensor
	var zero *tensor.Tensor
	if present(in, 2) {
		zero = &in[2].Tensor
		if err := sameShape(zero, scale); err != nil {
			return err
		}
	}
	s, err := newScales(x, scale, a)
	if err != nil {
		return err
	}
	d := scale.DType()
	if t, ok := dtype.FromONNX(int32(a.Int("output_dtype"))); ok {
		d = t
	}
	y := output(c, out, 0, d, x.Dims()...)
	whole := x.DType().IsInt()
	i := 0
	for o := range s.outer {
		for p := range s.n {
			for q := range s.inner {
				k := s.at(o, p, q)
				var v float64
				switch {
				case whole && zero != nil:
					v = float64(x.Int(i) - zero.Int(k))
				case whole:
					v = float64(x.Int(i))
				default:
					v = loadReal(x, i)
					if zero != nil {
						v -= loadReal(zero, k)
					}
				}
				y.SetFloat(i, float64(float32(float64(float32(v))*loadReal(scale, k))))
				i++
			}
		}
	}
	return nil
}

// DequantizeLinearDesc describes DequantizeLinear.
var DequantizeLinearDesc = kernel.Desc{ID: "ref.DequantizeLinear", Op: "ref.DequantizeLinear", Ref: DequantizeLinear}
