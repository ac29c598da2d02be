package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Range gives start, start+delta, ... before limit: element i is
// start + i*delta.
func Range(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	start, limit, delta := &in[0].Tensor, &in[1].Tensor, &in[2].Tensor
	if start.Len() != 1 || limit.Len() != 1 || delta.Len() != 1 {
		return diag.New(diag.Shape, "start, limit and delta of %d, %d and %d elements, want 1", start.Len(), limit.Len(), delta.Len())
	}
	n, err := RangeLen(start, limit, delta)
	if err != nil {
		return err
	}
	y, err := outputOf(c, out, 0, start.DType(), n)
	if err != nil {
		return err
	}
	if start.DType().IsInt() {
		s, d := start.Int(0), delta.Int(0)
		for i := range n {
			y.SetInt(i, s+int64(i)*d)
		}
		return nil
	}
	s, d := start.Float(0), delta.Float(0)
	for i := range n {
		y.SetFloat(i, s+float64(float64(i)*d))
	}
	return nil
}

// RangeDesc describes Range.
var RangeDesc = kernel.Desc{ID: "ref.Range", Op: "ref.Range", Ref: Range}

// RangeLen is how many elements Range gives: ceil((limit-start)/delta), 0 if
// that is negative. Error: delta is 0, or there are too many.
func RangeLen(start, limit, delta *tensor.Tensor) (int, error) {
	var n float64
	if start.DType().IsInt() {
		s, l, d := start.Int(0), limit.Int(0), delta.Int(0)
		if d == 0 {
			return 0, diag.New(diag.BadData, "delta is 0")
		}
		if s == l || (s < l) != (d > 0) {
			return 0, nil
		}
		// The distance may need all 64 bits.
		dist, step := uint64(l)-uint64(s), uint64(d)
		if d < 0 {
			dist, step = uint64(s)-uint64(l), -uint64(d)
		}
		q := (dist-1)/step + 1
		if q > uint64(maxElems) {
			return 0, diag.New(diag.Limit, "a range of %d elements", q)
		}
		return satInt(int64(q)), nil
	}
	if delta.Float(0) == 0 {
		return 0, diag.New(diag.BadData, "delta is 0")
	}
	n = math.Ceil((limit.Float(0) - start.Float(0)) / delta.Float(0))
	if n != n || n > float64(maxElems) {
		return 0, diag.New(diag.BadData, "a range of %v elements", n)
	}
	return satInt(int64(max(n, 0))), nil
}

// Size gives the number of elements as an i64 scalar.
func Size(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	output(c, out, 0, dtype.I64).SetInt(0, int64(in[0].Tensor.Len()))
	return nil
}

// SizeDesc describes Size.
var SizeDesc = kernel.Desc{ID: "ref.Size", Op: "ref.Size", Ref: Size}
