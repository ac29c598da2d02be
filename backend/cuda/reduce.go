package cuda

import (
	"math"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
)

// folds are the kinds of package reduce, and what pools do: what a fold begins with, how it goes on,
// what is done to each value before and to the result after it.
var folds = map[string]struct {
	start  float32
	two    func(a, b ptx.F32) ptx.F32
	each   func(v ptx.F32) ptx.F32
	finish func(v, n ptx.F32) ptx.F32
}{
	"sum":       {two: ptx.F32.Add},
	"mean":      {two: ptx.F32.Add, finish: ptx.F32.Div},
	"maxnum":    {start: float32(math.Inf(-1)), two: ptx.F32.MaxNum},
	"max":       {start: float32(math.Inf(-1)), two: ptx.F32.Max},
	"min":       {start: float32(math.Inf(1)), two: ptx.F32.Min},
	"prod":      {start: 1, two: ptx.F32.Mul},
	"sumsquare": {two: ptx.F32.Add, each: square},
	"l1":        {two: ptx.F32.Add, each: ptx.F32.Abs},
	"l2":        {two: ptx.F32.Add, each: square, finish: func(v, _ ptx.F32) ptx.F32 { return v.Sqrt() }},
}

func square(v ptx.F32) ptx.F32 { return v.Mul(v) }

// reduceF32 folds some axes of operand 0, which constant 1 names: all where it
// names none.
func reduceF32(o *op) (bool, error) {
	axes, ok, err := o.ints(1)
	if err != nil || !ok {
		return false, err
	}
	rank := o.input(0).Rank()
	marks := make([]bool, rank)
	for i := range marks {
		marks[i] = len(axes) == 0 && !o.attrs().Bool("noop_with_empty_axes")
	}
	for _, a := range axes {
		if a < -rank || a >= rank {
			return false, nil
		}
		marks[(a+rank)%rank] = true
	}
	return o.reduce(o.attrs().Str("kind"), func(axis int) bool { return marks[axis] })
}

// globalAverage and globalMax fold all axes from the third on; NaN is no maximum.
func globalAverage(o *op) (bool, error) {
	return o.reduce("mean", func(axis int) bool { return axis > 1 })
}

func globalMax(o *op) (bool, error) {
	return o.reduce("maxnum", func(axis int) bool { return axis > 1 })
}

func (o *op) reduce(kind string, marked func(axis int) bool) (bool, error) {
	x, y := o.input(0), o.output(0)
	how, ok := folds[kind]
	f := newFolding(x.Dims, marked)
	n, count := f.count(true), f.count(false)
	if !ok || o.empty() || x.DType != dtype.F32 || y.DType != dtype.F32 || !shape.Prod(y.Dims).Equal(count) {
		return false, nil
	}
	k := o.kernel("reduce_" + kind)
	k.teams(teamSize(n, count, f.beside()), count, func(t *team, result ptx.U32) {
		from := k.load(0).At(f.offset(k, false, result), 4)
		values := k.extent(n)
		v := t.fold(values, how.start, how.two, func(j ptx.U32) ptx.F32 {
			v := from.At(f.offset(k, true, j), 4).LdF32()
			if how.each != nil {
				v = how.each(v)
			}
			return v
		})
		if how.finish != nil {
			v = how.finish(v, values.ToF32())
		}
		k.If(t.me.Eq(ptx.I(0)), func() { k.store(0).At(result, 4).StF32(v) })
	})
	return true, nil
}

// softmaxF32 is exp(x - max) / sum along an axis, logSoftmax its logarithm.
func softmaxF32(o *op) (bool, error) {
	return o.softmax("softmax", func(x, top, sum ptx.F32) ptx.F32 { return x.Sub(top).Exp().Div(sum) })
}

func logSoftmax(o *op) (bool, error) {
	return o.softmax("log_softmax", func(x, top, sum ptx.F32) ptx.F32 { return x.Sub(top).Sub(sum.Log()) })
}

func (o *op) softmax(name string, value func(x, top, sum ptx.F32) ptx.F32) (bool, error) {
	x, y := o.input(0), o.output(0)
	axis, rank := -1, x.Rank()
	if o.attrs().Has("axis") {
		axis = o.attrs().Int("axis")
	}
	if o.empty() || axis < -rank || axis >= rank || !floats(x.DType) || x.DType != y.DType || !shape.EqualAll(x.Dims, y.Dims) {
		return false, nil
	}
	axis = (axis + rank) % rank
	f := newFolding(x.Dims, func(a int) bool { return a == axis })
	n, count := f.count(true), f.count(false)
	k := o.kernel(name)
	size := teamSize(n, count, f.beside())
	k.teams(size, count, func(t *team, result ptx.U32) {
		base, values := f.offset(k, false, result), k.extent(n)
		at := func(j ptx.U32) ptx.U32 { return f.offset(k, true, j).Add(base) }
		load := func(j ptx.U32) ptx.F32 { return loadFloat(k.load(0), at(j), x.DType) }
		top := t.fold(values, float32(math.Inf(-1)), ptx.F32.Max, load)
		sum := t.fold(values, 0, ptx.F32.Add, func(j ptx.U32) ptx.F32 { return load(j).Sub(top).Exp() })
		k.For(t.me, values, ptx.I(size), func(j ptx.U32) {
			storeFloat(k.store(0), at(j), y.DType, value(load(j), top, sum))
		})
	})
	return true, nil
}
