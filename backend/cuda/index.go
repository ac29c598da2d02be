package cuda

import (
	"slices"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/plan"
)

// gather takes slices of operand 0 along an axis, at the indices of operand 1,
// which count from the back if negative. Where one may be out of range, the
// kernel looks.
func gather(o *op) (bool, error) {
	x, idx := o.input(0), o.input(1)
	axis := o.attrs().Int("axis")
	if axis < -x.Rank() || axis >= x.Rank() || !o.moves(0, 0) || idx.DType != dtype.I32 && idx.DType != dtype.I64 {
		return false, nil
	}
	axis = (axis + x.Rank()) % x.Rank()
	sure, err := o.within(1, x.Dims[axis])
	if err != nil {
		return false, err
	}
	outer, inner := shape.Prod(x.Dims[:axis]), shape.Prod(x.Dims[axis+1:])
	m := shape.Prod(idx.Dims)
	if !shape.Prod(o.output(0).Dims).Equal(outer.Mul(m).Mul(inner)) {
		return false, nil
	}
	u := together(o.elem(0), inner)
	inner = u.of(inner)
	k := o.kernel("gather")
	k.each([]shape.Dim{outer, m, inner}, func(i ptx.U32, at []ptx.U32) {
		n, size := k.extent(x.Dims[axis]), idx.DType.Bits()/8
		from, there := k.load(1).At(at[1], size), ptx.Bool(true)
		// The lower half of an index in range says all.
		v := from.LdU32()
		low := v
		v = v.LtS(ptx.I(0)).SelU32(v.Add(n), v)
		if !sure {
			there = v.Lt(n) // one that lies before the first is beyond the last, as a number without a sign
			if size == 8 {
				there = there.And(from.Off(4).LdU32().Eq(low.ShrS(ptx.I(31))))
			}
			k.If(there.Not(), func() { k.fault().RedAddU32(ptx.I(1)) })
		}
		e := at[0].MulAdd(n, v).MulAdd(k.extent(inner), at[2])
		u.move(k.store(0).At(i, u.bytes), k.load(0).At(e, u.bytes).If(there))
	})
	return true, nil
}

// within says whether the integers of operand i are known to be indices of an
// axis of extent d.
func (o *op) within(i int, d shape.Dim) (bool, error) {
	n, known := d.Const()
	if !known {
		return false, nil
	}
	v, ok, err := o.ints(i)
	if err != nil {
		return false, err
	}
	if ok {
		return !slices.ContainsFunc(v, func(v int) bool { return int64(v) < -n || int64(v) >= n }), nil
	}
	root := o.old.Root(o.in.In[i])
	writers := 0
	for j := range o.old.Body {
		in := &o.old.Body[j]
		if !slices.ContainsFunc(in.Out, func(s plan.SlotID) bool { return s != plan.None && o.old.Root(s) == root }) {
			continue
		}
		if writers++; writers > 1 || in.Name != "ref.Cast" || o.old.Slots[in.Out[0]].Type.DType.Bits() < 16 {
			return false, nil
		}
		switch o.old.Slots[in.In[0]].Type.DType {
		case dtype.Bool:
			ok = n >= 2
		case dtype.U8:
			ok = n >= 1<<8
		case dtype.I8:
			ok = n >= 1<<7
		}
	}
	return ok, nil
}

// where takes elements of operand 1 where operand 0 holds, else of operand 2.
func where(o *op) (bool, error) {
	out := o.output(0).Dims
	if !o.moves(1, 0) || !o.moves(2, 0) || o.input(0).DType != dtype.Bool || o.elem(0) > 8 {
		return false, nil
	}
	for i := range 3 {
		if !broadcasts(o.input(i).Dims, out) {
			return false, nil
		}
	}
	u := units{o.elem(0), 1}
	k := o.kernel("where")
	k.each(out, func(i ptx.U32, at []ptx.U32) {
		from := func(j int) ptx.Ptr { return k.load(j).At(k.index(o.input(j).Dims, out, at), o.input(j).DType.Bits()/8) }
		to := k.store(0).At(i, u.bytes)
		k.IfElse(from(0).LdU8().Ne(ptx.I(0)), func() { u.move(to, from(1)) }, func() { u.move(to, from(2)) })
	})
	return true, nil
}

// expand broadcasts operand 0 to the result.
func expand(o *op) (bool, error) {
	x, out := o.input(0).Dims, o.output(0).Dims
	if !o.moves(0, 0) || !broadcasts(x, out) {
		return false, nil
	}
	u := units{o.elem(0), 1}
	k := o.kernel("expand")
	k.each(out, func(i ptx.U32, at []ptx.U32) {
		u.move(k.store(0).At(i, u.bytes), k.load(0).At(k.index(x, out, at), u.bytes))
	})
	return true, nil
}

// tiled repeats operand 0 along each axis as often as constant 1 says.
func tiled(o *op) (bool, error) {
	x, out := o.input(0).Dims, o.output(0).Dims
	times, ok, err := o.ints(1)
	if err != nil || !ok || len(times) != len(x) || len(x) != len(out) || !o.moves(0, 0) {
		return false, err
	}
	for a, n := range times {
		if !x[a].Mul(shape.Int(int64(n))).Equal(out[a]) {
			return false, nil
		}
	}
	u := units{o.elem(0), 1}
	k := o.kernel("tile")
	k.each(out, func(i ptx.U32, at []ptx.U32) {
		coords := make([]ptx.U32, len(at))
		for a, c := range at {
			coords[a] = c
			if times[a] != 1 {
				coords[a] = c.Rem(k.extent(x[a]))
			}
		}
		u.move(k.store(0).At(i, u.bytes), k.load(0).At(ptx.Linear(coords, ptx.Strides(k.extents(x)...)), u.bytes))
	})
	return true, nil
}

// split cuts operand 0 along an axis.
func split(o *op) (bool, error) {
	x := o.input(0).Dims
	axis := o.attrs().Int("axis")
	if axis < -len(x) || axis >= len(x) {
		return false, nil
	}
	axis = (axis + len(x)) % len(x)
	outer, inner := shape.Prod(x[:axis]), shape.Prod(x[axis+1:])
	total, sum := x[axis].Mul(inner), shape.Int(0)
	var lens []shape.Dim
	for i := range o.in.Out {
		if o.in.Out[i] == plan.None || !o.moves(0, i) || len(o.output(i).Dims) != len(x) {
			return false, nil
		}
		lens = append(lens, o.output(i).Dims[axis].Mul(inner))
		sum = sum.Add(lens[i])
	}
	if !sum.Equal(total) {
		return false, nil
	}
	u := together(o.elem(0), lens...)
	before := shape.Int(0)
	for i, d := range lens {
		k := o.kernel("split")
		k.each([]shape.Dim{outer, u.of(d)}, func(e ptx.U32, at []ptx.U32) {
			from := at[0].MulAdd(k.extent(u.of(total)), at[1].Add(k.extent(u.of(before))))
			u.move(k.store(i).At(e, u.bytes), k.load(0).At(from, u.bytes))
		})
		before = before.Add(d)
	}
	return true, nil
}
