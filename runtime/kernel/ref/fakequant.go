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

// fakes walks x as [outer, n, inner], where each of n indices has a range.
type fakes struct {
	outer, n, inner int
	lo, hi          *tensor.Tensor
	levels          int
}

func newFakes(x, lo, hi *tensor.Tensor, a attr.Map) (s fakes, err error) {
	s = fakes{outer: 1, n: 1, inner: x.Len(), lo: lo, hi: hi, levels: a.Int("levels")}
	if s.levels < 1 || s.levels > 255 {
		return s, &diag.Error{Kind: diag.Shape, Port: "levels", Have: itoa(s.levels), Want: "1 to 255"}
	}
	if lo.Rank() == 0 && hi.Rank() == 0 {
		return s, nil
	}
	k, err := normAxisIn(a.Int("axis"), x.Rank())
	if err != nil {
		return s, err
	}
	s.outer, s.n, s.inner = product(x.Dims()[:k]), x.Dim(k), product(x.Dims()[k+1:])
	for _, t := range []*tensor.Tensor{lo, hi} {
		if t.Rank() != 1 || t.Dim(0) != s.n {
			return s, &diag.Error{Kind: diag.Shape, Port: "range", Have: dimsText(t.Dims()), Want: "two scalars or two of [" + itoa(s.n) + "]"}
		}
	}
	return s, nil
}

// each visits all elements with the steps that they belong to.
func (s *fakes) each(visit func(i int, scale float32, zero int)) {
	i := 0
	for range s.outer {
		for p := range s.n {
			scale, zero := vecmath.Steps(s.lo.Float(p), s.hi.Float(p), s.levels)
			for range s.inner {
				visit(i, scale, zero)
				i++
			}
		}
	}
}

// FakeQuantize is DequantizeLinear of QuantizeLinear, with the scale and the
// zero point that vecmath.Steps fits into the range; NaN stays NaN. The other
// results are the extremes of x and 0: NaN where an element is.
func FakeQuantize(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	s, err := newFakes(x, &in[1].Tensor, &in[2].Tensor, a)
	if err != nil {
		return err
	}
	y := output(c, out, 0, dtype.F32, x.Dims()...)
	least, most := 0.0, 0.0
	s.each(func(i int, scale float32, zero int) {
		v := x.Float(i)
		least, most = minOf(least, v), maxOf(most, v)
		if v != v || scale != scale {
			y.SetFloat(i, math.NaN())
			return
		}
		q := quantum(float64(float32(v/float64(scale))), int64(zero), 0, int64(s.levels))
		y.SetFloat(i, float64(float32(float64(q-int64(zero))*float64(scale))))
	})
	for i, v := range []float64{least, most} {
		if len(out) > i+1 {
			output(c, out, i+1, dtype.F32).SetFloat(0, v+0) // no -0
		}
	}
	return nil
}

// FakeQuantizeDesc describes FakeQuantize.
var FakeQuantizeDesc = kernel.Desc{ID: "ref.mlc.FakeQuantize", Op: "ref.mlc.FakeQuantize", Ref: FakeQuantize}

// FakeQuantizeGrad passes dY where x lies within half a step of the numbers
// that the steps have, else 0.
func FakeQuantizeGrad(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dy, x := &in[0].Tensor, &in[1].Tensor
	s, err := newFakes(x, &in[2].Tensor, &in[3].Tensor, a)
	if err != nil {
		return err
	}
	if err := sameDims("dY", dy.Dims(), x.Dims()); err != nil {
		return err
	}
	dx := output(c, out, 0, dtype.F32, x.Dims()...)
	s.each(func(i int, scale float32, zero int) {
		lo, hi := vecmath.Inside(scale, zero, s.levels)
		v := 0.0
		if x := float32(x.Float(i)); lo <= x && x <= hi {
			v = dy.Float(i)
		}
		dx.SetFloat(i, v)
	})
	return nil
}

// FakeQuantizeGradDesc describes FakeQuantizeGrad.
var FakeQuantizeGradDesc = kernel.Desc{ID: "ref.mlc.FakeQuantizeGrad", Op: "ref.mlc.FakeQuantizeGrad", Ref: FakeQuantizeGrad}
