package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// axis is one spatial axis of a convolution. Its padding may depend on an open
// extent.
type axis struct {
	kernel.Window
	from, to shape.Dim // extents
	same     string    // auto_pad, where it makes the padding an open one
	padded   bool      // taps may lie outside

	in, out, pad ptx.U32 // in a kernel
}

// axisOf reads spatial axis i of rank of a convolution; false where the
// windows are wrong.
func axisOf(at attr.Map, i, rank int, from, to shape.Dim, size int64) (axis, bool) {
	extent, known := from.Const()
	if !known {
		extent = 1
	}
	w, err := kernel.WindowOf(at, i, rank, int(extent), size)
	if err != nil {
		return axis{}, false
	}
	a := axis{Window: w, from: from, to: to, padded: w.Pad+w.PadEnd > 0}
	if mode := at.Str("auto_pad"); kernel.SamePads(mode) && !known && w.Stride > 1 {
		a.same, a.padded = mode, true
	}
	return a, true
}

// transposedAxisOf is axisOf for a transposed convolution, whose padding is
// that of the output.
func transposedAxisOf(at attr.Map, i, rank int, from, to shape.Dim, size int64) (axis, bool) {
	a, ok := axisOf(at, i, rank, from, to, size)
	mode := at.Str("auto_pad")
	if a.padded = true; !ok || !kernel.SamePads(mode) && len(at.Ints("output_shape")) == 0 {
		return a, ok
	}
	// The padding makes the extent what it is.
	have, ok1 := from.Const()
	want, ok2 := to.Const()
	if !ok1 || !ok2 {
		return a, false
	}
	extra := int64(0)
	if v := at.Ints("output_padding"); i < len(v) {
		extra = v[i]
	}
	total := int(max(0, int64(a.Stride)*(have-1)+extra+int64(a.Span())-want))
	a.Pad = total - total/2
	if mode == "SAME_UPPER" {
		a.Pad = total / 2
	}
	return a, true
}

// bind makes the numbers that a kernel computes with.
func (a *axis) bind(k *kern) {
	a.in, a.out, a.pad = k.extent(a.from), k.extent(a.to), ptx.I(a.Pad)
	if a.same == "" {
		return
	}
	s := ptx.I(a.Stride)
	total := a.in.CeilDiv(s).Sub(ptx.I(1)).MulAdd(s, ptx.I(a.Span())).Sub(a.in).MaxS(ptx.I(0))
	a.pad = total.Shr(ptx.I(1))
	if a.same == "SAME_LOWER" {
		a.pad = total.Sub(a.pad)
	}
}

// first is the position of tap 0 of output o; it has a sign.
func (a axis) first(o ptx.U32) ptx.U32 { return o.MulAdd(ptx.I(a.Stride), a.pad.Neg()) }

// inside says whether position i is one of the input.
func (a axis) inside(i ptx.U32) ptx.Pred {
	if !a.padded {
		return ptx.Bool(true)
	}
	return i.Lt(a.in)
}

// plane is the two spatial axes of a convolution; a height of 1 stands for one
// that is not there.
type plane struct{ v, u axis }

func (p plane) taps() int         { return p.v.K * p.u.K }
func (p plane) elements() ptx.U32 { return p.v.in.Mul(p.u.in) }

// pointwise says whether each output is made from the input at its place.
func (p plane) pointwise() bool {
	one := func(a axis) bool { return a.K == 1 && a.Stride == 1 && !a.padded }
	return one(p.v) && one(p.u)
}

// at gives for a pixel of the output a function from a channel and a tap to
// the element of the input and whether it is there.
func (p plane) at(pixel ptx.U32) func(c, ky, kx ptx.U32) (ptx.U32, ptx.Pred) {
	oy, ox := pixel.DivRem(p.u.out)
	y0, x0 := p.v.first(oy), p.u.first(ox)
	base := y0.MulAdd(p.u.in, x0)
	return func(c, ky, kx ptx.U32) (ptx.U32, ptx.Pred) {
		dy, dx := ky.Mul(ptx.I(p.v.Dil)), kx.Mul(ptx.I(p.u.Dil))
		i := c.MulAdd(p.elements(), dy.MulAdd(p.u.in, dx).Add(base))
		return i, p.v.inside(y0.Add(dy)).And(p.u.inside(x0.Add(dx)))
	}
}

// transposedAt is at for a transposed convolution.
func (p plane) transposedAt(pixel ptx.U32) func(c, ky, kx ptx.U32) (ptx.U32, ptx.Pred) {
	oy, ox := pixel.DivRem(p.u.out)
	y0, x0 := oy.Add(p.v.pad), ox.Add(p.u.pad)
	meet := func(a axis, i0, tap ptx.U32) (ptx.U32, ptx.Pred) {
		// Before the beginning, the number without a sign is beyond the end.
		i, rest := i0.Sub(tap.Mul(ptx.I(a.Dil))).DivRem(ptx.I(a.Stride))
		return i, rest.Eq(ptx.I(0)).And(i.Lt(a.in))
	}
	return func(c, ky, kx ptx.U32) (ptx.U32, ptx.Pred) {
		y, inY := meet(p.v, y0, ky)
		x, inX := meet(p.u, x0, kx)
		return c.MulAdd(p.elements(), y.MulAdd(p.u.in, x)), inY.And(inX)
	}
}
