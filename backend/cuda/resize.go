package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	kref "github.com/mlc-go/mlc/runtime/kernel/ref"
)

// resize samples operand 0 on another grid. Which elements make one of the
// result is a table for each axis, except that an axis which grows by a whole
// factor, each element repeated, needs none and may be open.
func resize(o *op) (bool, error) {
	if !o.moves(0, 0) || len(o.input(0).Dims) != len(o.output(0).Dims) || o.attrs().Bool("antialias") {
		return false, nil
	}
	if done, err := o.repeat(); done || err != nil {
		return done, err
	}
	x := o.input(0)
	dims, known := shape.Consts(x.Dims)
	to, all := shape.Consts(o.output(0).Dims)
	if !known || !all {
		return false, nil
	}
	in := make([]tensor.Value, len(o.in.In))
	for i := 1; i < len(in); i++ {
		v, ok, err := o.constValue(i)
		if err != nil || !ok {
			return false, err
		}
		in[i] = v
	}
	axes, ok, err := kref.ResizeTaps(dims, in, o.attrs())
	if err != nil || !ok {
		return false, nil // as the host says when it runs
	}
	points := 1
	for a, list := range axes {
		n := 0
		for _, taps := range list {
			n = max(n, len(taps))
		}
		if list == nil {
			n, list = 1, make([][]kref.Tap, dims[a])
		}
		if points *= n; len(list) != to[a] {
			return false, nil
		}
	}
	nearest := o.attrs().Str("mode") == "nearest"
	if points > maxPoints || !nearest && !floats(x.DType) {
		return false, nil
	}
	o.sample(axes, nearest)
	return true, nil
}

// maxPoints is how many elements one of the result is made of at most.
const maxPoints = 16

// repeat is resize to nearest elements of axes that grow by whole factors.
func (o *op) repeat() (bool, error) {
	a := o.attrs()
	way := a.Str("coordinate_transformation_mode") + " " + a.Str("nearest_mode")
	if a.Str("mode") != "nearest" || way != "asymmetric floor" && way != "half_pixel round_prefer_floor" && way != "half_pixel round_prefer_ceil" {
		return false, nil
	}
	v, ok, err := o.constValue(2)
	x, y := o.input(0).Dims, o.output(0).Dims
	if err != nil || !ok || a.Has("axes") || !v.Present() || v.Tensor.Len() != len(x) {
		return false, err
	}
	factors := make([]int64, len(x))
	for i := range x {
		f := v.Tensor.Float(i)
		factors[i] = int64(min(max(f, 0), 1<<10))
		if float64(factors[i]) != f || !x[i].Mul(shape.Int(factors[i])).Equal(y[i]) {
			return false, nil
		}
	}
	b := newBox(o.elem(0), x, y, func(a int) bool { return factors[a] != 1 })
	k := o.kernel("repeat")
	b.each(k, func(a int, at ptx.U32) (ptx.U32, ptx.Pred) {
		return at.Div(ptx.I(int(factors[a]))), ptx.Bool(true)
	}, func(to, from ptx.U32, _ ptx.Pred) {
		b.u.move(k.store(0).At(to, b.u.bytes), k.load(0).At(from, b.u.bytes))
	})
	return true, nil
}

// grid is an axis as tables give it: n elements make one of the result.
type grid struct {
	n            int
	pos, weights ptx.Ptr
}

// sample adds up the elements that the tables name, by their weights; where
// nearest says so, it takes the one.
func (o *op) sample(axes [][][]kref.Tap, nearest bool) {
	x, y := o.input(0), o.output(0)
	k := o.kernel("resize")
	grids := make([]*grid, len(axes))
	for a, list := range axes {
		if list != nil {
			grids[a] = k.grid(list, nearest)
		}
	}
	b := newBox(o.elem(0), x.Dims, y.Dims, func(a int) bool { return axes[a] != nil })
	if !nearest {
		b = newBox(16, x.Dims, y.Dims, func(a int) bool { return axes[a] != nil }) // one element each
	}
	k.each(b.y, func(i ptx.U32, at []ptx.U32) {
		strides := ptx.Strides(k.extents(b.x)...)
		if nearest {
			coords := make([]ptx.U32, len(at))
			for j, c := range at {
				if coords[j] = c; b.axis[j] >= 0 {
					coords[j] = grids[b.axis[j]].pos.At(c, 4).LdU32()
				}
			}
			b.u.move(k.store(0).At(i, b.u.bytes), k.load(0).At(ptx.Linear(coords, strides), b.u.bytes))
			return
		}
		sum := k.VarF32(ptx.F(0))
		var walk func(j int, place ptx.U32, weight ptx.F32)
		walk = func(j int, place ptx.U32, weight ptx.F32) {
			if j == len(at) {
				// An infinity whose weight is 0 does not count.
				k.If(weight.Ne(ptx.F(0)), func() { sum.IncFMA(weight, loadFloat(k.load(0), place, x.DType)) })
				return
			}
			if b.axis[j] < 0 {
				walk(j+1, at[j].MulAdd(strides[j], place), weight)
				return
			}
			g := grids[b.axis[j]]
			for t := range g.n {
				e := at[j].MulAdd(ptx.I(g.n), ptx.I(t))
				walk(j+1, g.pos.At(e, 4).LdU32().MulAdd(strides[j], place), g.weights.At(e, 4).LdF32().Mul(weight))
			}
		}
		walk(0, ptx.I(0), ptx.F(1))
		storeFloat(k.store(0), i, y.DType, sum.Get())
	})
}

// grid makes the tables of an axis; lists that are short are filled up with
// weights of 0.
func (k *kern) grid(list [][]kref.Tap, nearest bool) *grid {
	g := &grid{n: 1}
	for _, taps := range list {
		g.n = max(g.n, len(taps))
	}
	pos, weights := tensor.New(dtype.I32, len(list)*g.n), tensor.New(dtype.F32, len(list)*g.n)
	for i, taps := range list {
		for j, t := range taps {
			tensor.Slice[int32](&pos)[i*g.n+j] = int32(t.Pos)
			tensor.Slice[float32](&weights)[i*g.n+j] = float32(t.Weight)
		}
	}
	if g.pos = k.table(pos); !nearest {
		g.weights = k.table(weights)
	}
	return g
}
