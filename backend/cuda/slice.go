package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/shape"
)

// box is how a result takes its elements from an operand of the same rank: axis
// by axis, neighbours of which nothing is taken away or added together as one.
type box struct {
	x, y []shape.Dim
	axis []int // of the tensors, -1 where all stays as it is
	u    units
}

// newBox divides the axes of x and y; special says of which not all stays.
func newBox(size int, x, y []shape.Dim, special func(axis int) bool) *box {
	b := &box{u: units{size, 1}}
	for a := range x {
		n := len(b.axis) - 1
		switch {
		case special(a):
			b.x, b.y, b.axis = append(b.x, x[a]), append(b.y, y[a]), append(b.axis, a)
		case x[a].Is(1):
		case n >= 0 && b.axis[n] < 0:
			b.x[n] = b.x[n].Mul(x[a])
			b.y[n] = b.x[n]
		default:
			b.x, b.y, b.axis = append(b.x, x[a]), append(b.y, x[a]), append(b.axis, -1)
		}
	}
	if n := len(b.axis) - 1; n >= 0 && b.axis[n] < 0 {
		b.u = together(size, b.x[n])
		b.x[n] = b.u.of(b.x[n])
		b.y[n] = b.x[n]
	}
	return b
}

// each runs move for every unit of the result, with its number and that of the
// operand's, which from gives along a special axis from the coordinate there.
// from also says where there is such a one.
func (b *box) each(k *kern, from func(axis int, at ptx.U32) (ptx.U32, ptx.Pred), move func(to, from ptx.U32, there ptx.Pred)) {
	k.each(b.y, func(i ptx.U32, at []ptx.U32) {
		there := ptx.Bool(true)
		coords := make([]ptx.U32, len(at))
		for j, c := range at {
			if b.axis[j] >= 0 {
				var ok ptx.Pred
				c, ok = from(b.axis[j], c)
				there = there.And(ok)
			}
			coords[j] = c
		}
		move(i, ptx.Linear(coords, ptx.Strides(k.extents(b.x)...)), there)
	})
}

// slice takes every step-th element of some axes; constants 1 to 4 name first,
// end, axes and steps.
func slice(o *op) (bool, error) {
	x, y := o.input(0).Dims, o.output(0).Dims
	var lists [4][]int
	for i := range lists {
		v, ok, err := o.ints(1 + i)
		if err != nil || !ok {
			return false, err
		}
		lists[i] = v
	}
	starts, axes, steps := lists[0], lists[2], lists[3]
	if len(x) != len(y) || !o.moves(0, 0) || o.given(3) && len(axes) != len(starts) || o.given(4) && len(steps) != len(starts) || len(starts) > len(x) {
		return false, nil
	}
	type cut struct{ start, step int }
	cuts := map[int]cut{}
	for i, s := range starts {
		a, step := i, 1
		if o.given(3) {
			a = axes[i]
		}
		if o.given(4) {
			step = steps[i]
		}
		if a < -len(x) || a >= len(x) || step == 0 {
			return false, nil
		}
		cuts[(a+len(x))%len(x)] = cut{s, step}
	}
	whole := func(a int) bool { return x[a].Equal(y[a]) && (cuts[a].step >= 0 || x[a].Is(1)) }
	for a := range x {
		if _, ok := cuts[a]; !ok && !whole(a) {
			return false, nil
		}
	}
	b := newBox(o.elem(0), x, y, func(a int) bool { return !whole(a) })
	k := o.kernel("slice")
	b.each(k, func(a int, at ptx.U32) (ptx.U32, ptx.Pred) {
		first := k.start(x[a], cuts[a].start, cuts[a].step)
		return at.MulAdd(ptx.I(cuts[a].step), first), ptx.Bool(true)
	}, func(to, from ptx.U32, _ ptx.Pred) {
		b.u.move(k.store(0).At(to, b.u.bytes), k.load(0).At(from, b.u.bytes))
	})
	return true, nil
}

// start is the first element of a slice of an axis, as ONNX clamps it.
func (k *kern) start(n shape.Dim, start, step int) ptx.U32 {
	ext, at := k.extent(n), ptx.I(start)
	if start < 0 {
		at = ext.Add(at).MaxS(ptx.I(0))
	}
	if step < 0 {
		ext = ext.Sub(ptx.I(1))
	}
	return at.MinS(ext)
}

// pad adds elements before and after axes, as constant 1 says for all axes or
// those of constant 3, or takes some away.
func pad(o *op) (bool, error) {
	x, y := o.input(0).Dims, o.output(0).Dims
	pads, ok, err := o.ints(1)
	if err != nil || !ok {
		return false, err
	}
	axes, ok, err := o.ints(3)
	if err != nil || !ok {
		return false, err
	}
	if !o.given(3) {
		for a := range x {
			axes = append(axes, a)
		}
	}
	if len(x) != len(y) || !o.moves(0, 0) || len(pads) != 2*len(axes) || o.given(2) && !(o.moves(2, 0) && shape.Prod(o.input(2).Dims).Is(1)) {
		return false, nil
	}
	before, after := make([]int, len(x)), make([]int, len(x))
	for i, a := range axes {
		if a < -len(x) || a >= len(x) || max(pads[i], -pads[i], pads[len(axes)+i], -pads[len(axes)+i]) > 1<<28 {
			return false, nil
		}
		before[(a+len(x))%len(x)] += pads[i]
		after[(a+len(x))%len(x)] += pads[len(axes)+i]
	}
	for a := range x {
		if !x[a].Add(shape.Int(int64(before[a] + after[a]))).Equal(y[a]) {
			return false, nil
		}
	}
	mode := o.attrs().Str("mode")
	b := newBox(o.elem(0), x, y, func(a int) bool { return before[a] != 0 || after[a] != 0 })
	if mode == "" || mode == "constant" {
		if o.given(2) && b.u.per > 1 { // the value is one element
			b = newBox(o.elem(0), x, y, func(a int) bool { return before[a] != 0 || after[a] != 0 || a == len(x)-1 })
		}
		o.padConstant(b, before)
		return true, nil
	}
	for a := range x {
		// What is added comes from what stays, of which there must be some.
		if n, known := x[a].Const(); (before[a] != 0 || after[a] != 0) && (!known || n+int64(min(before[a], 0)+min(after[a], 0)) < 1) {
			return false, nil
		}
	}
	k := o.kernel("pad_" + mode)
	b.each(k, func(a int, at ptx.U32) (ptx.U32, ptx.Pred) {
		n, _ := x[a].Const()
		cut := max(-before[a], 0)
		stay := int(n) - cut - max(-after[a], 0)
		return mapped(mode, at.Sub(ptx.I(max(before[a], 0))), stay, max(before[a], 0)).Add(ptx.I(cut)), ptx.Bool(true)
	}, func(to, from ptx.U32, _ ptx.Pred) {
		b.u.move(k.store(0).At(to, b.u.bytes), k.load(0).At(from, b.u.bytes))
	})
	return true, nil
}

// padConstant pads with operand 2, or zeros.
func (o *op) padConstant(b *box, before []int) {
	k := o.kernel("pad")
	x := o.input(0).Dims
	b.each(k, func(a int, at ptx.U32) (ptx.U32, ptx.Pred) {
		at = at.Sub(ptx.I(before[a]))
		return at, at.Lt(k.extent(x[a])) // before the first, it is beyond the last
	}, func(to, from ptx.U32, there ptx.Pred) {
		at := k.store(0).At(to, b.u.bytes)
		if !o.given(2) {
			b.u.move(at, k.load(0).At(from, b.u.bytes).If(there))
			return
		}
		k.IfElse(there, func() { b.u.move(at, k.load(0).At(from, b.u.bytes)) }, func() { b.u.move(at, k.load(2)) })
	})
}

// mapped is the position among n elements that stands for i, which is -before or
// more, in a mode of Pad.
func mapped(mode string, i ptx.U32, n, before int) ptx.U32 {
	switch {
	case n == 1:
		return ptx.I(0)
	case mode == "edge":
		return i.MaxS(ptx.I(0)).MinS(ptx.I(n - 1))
	case mode == "wrap":
		return i.Add(ptx.I((before + n - 1) / n * n)).Rem(ptx.I(n))
	}
	period := 2 * (n - 1) // reflect: the edge itself is not repeated
	i = i.Add(ptx.I((before + period - 1) / period * period)).Rem(ptx.I(period))
	return i.Min(ptx.I(period).Sub(i))
}
