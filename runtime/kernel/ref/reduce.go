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

// nest is a nest of strided loops over one tensor, innermost last.
type nest struct {
	rank           int
	n, stride, idx [maxRank]int
	off            int
}

// add puts a loop inside the others; loops that continue each other in memory
// become one.
func (l *nest) add(n, stride int) {
	switch k := l.rank - 1; {
	case n == 1:
	case k >= 0 && l.stride[k] == stride*n:
		l.n[k], l.stride[k] = l.n[k]*n, stride
	default:
		l.n[l.rank], l.stride[l.rank] = n, stride
		l.rank++
	}
}

// next steps the innermost loop but skip; false after the last position, where
// everything is back at the start.
func (l *nest) next(skip int) bool {
	for a := l.rank - 1 - skip; a >= 0; a-- {
		l.idx[a]++
		l.off += l.stride[a]
		if l.idx[a] < l.n[a] {
			return true
		}
		l.off -= l.n[a] * l.stride[a]
		l.idx[a] = 0
	}
	return false
}

// reduction is a bound reduction: x, y, the loops over what is kept and over
// what is reduced, and how many elements go into one.
type reduction struct {
	x, y        *tensor.Tensor
	keep, inner nest
	count       int
}

// bind reads axes, keepdims and noop_with_empty_axes and makes the output.
// The result is of type d, or of x's where d is invalid.
func (r *reduction) bind(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	r.x = &in[0].Tensor
	rank := r.x.Rank()
	all := !a.Bool("noop_with_empty_axes")
	var set [2 * maxRank]bool
	if err := rankFits(rank); err != nil {
		return err
	}
	if present(in, 1) && in[1].Tensor.Len() > 0 {
		s, err := axisSet(&in[1].Tensor, rank)
		if err != nil {
			return err
		}
		set, all = s, false
	}
	var buf, stride [maxRank]int
	rowStrides(&stride, r.x.Dims())
	dims := buf[:0]
	r.count = 1
	for i, n := range r.x.Dims() {
		if all || set[i] {
			r.inner.add(n, stride[i])
			r.count *= n
			if a.Bool("keepdims") {
				dims = append(dims, 1)
			}
		} else {
			r.keep.add(n, stride[i])
			dims = append(dims, n)
		}
	}
	r.y = output(c, out, 0, r.x.DType(), dims...)
	return nil
}

// floats folds the elements of the current group from init on, in row-major
// order.
func (r *reduction) floats(init float64, f func(acc, x float64) float64) float64 {
	if r.count == 0 {
		return init
	}
	acc := init
	l := &r.inner
	n, s := 1, 0
	if l.rank > 0 {
		n, s = l.n[l.rank-1], l.stride[l.rank-1]
	}
	for {
		o := r.keep.off + l.off
		if r.x.DType() == dtype.F32 {
			v := tensor.Slice[float32](r.x)
			for range n {
				acc = f(acc, float64(v[o]))
				o += s
			}
		} else {
			for range n {
				acc = f(acc, r.x.Float(o))
				o += s
			}
		}
		if !l.next(1) {
			return acc
		}
	}
}

// ints is floats for integers and bools; elements come in their order (see
// ordered) if sorted.
func (r *reduction) ints(init int64, sorted bool, f func(acc, x int64) int64) int64 {
	if r.count == 0 {
		return init
	}
	d := r.x.DType()
	acc := init
	l := &r.inner
	n, s := 1, 0
	if l.rank > 0 {
		n, s = l.n[l.rank-1], l.stride[l.rank-1]
	}
	for {
		o := r.keep.off + l.off
		for range n {
			v := r.x.Int(o)
			if sorted {
				v = ordered(d, v)
			}
			acc = f(acc, v)
			o += s
		}
		if !l.next(1) {
			return acc
		}
	}
}

// fold runs a reduction: floats by ff and finish (in float64, rounded once),
// integers by fi, wrapping.
func (r *reduction) fold(init float64, ff func(acc, x float64) float64, finish func(acc float64) float64,
	initInt int64, sorted bool, fi func(acc, x int64) int64) {
	float := r.x.DType().IsFloat()
	for i := range r.y.Len() {
		if float {
			v := r.floats(init, ff)
			if finish != nil {
				v = finish(v)
			}
			r.y.SetFloat(i, v)
		} else {
			v := r.ints(initInt, sorted, fi)
			if sorted {
				v = ordered(r.x.DType(), v)
			}
			r.y.SetInt(i, v)
		}
		r.keep.next(0)
	}
}

func addOf(a, b float64) float64 { return a + b }
func addInt(a, b int64) int64    { return a + b }

// ReduceSum sums over axes; of nothing it is 0. Integers wrap.
func ReduceSum(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	r.fold(0, addOf, nil, 0, false, addInt)
	return nil
}

// ReduceSumDesc describes ReduceSum.
var ReduceSumDesc = kernel.Desc{ID: "ref.ReduceSum", Op: "ref.ReduceSum", Ref: ReduceSum}

// ReduceMean is the mean over axes; of nothing NaN, and an error for integers,
// whose quotient truncates toward zero.
func ReduceMean(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	if r.x.DType().IsFloat() {
		n := float64(r.count)
		r.fold(0, addOf, func(s float64) float64 { return s / n }, 0, false, nil)
		return nil
	}
	if r.count == 0 && r.y.Len() > 0 {
		return errZero("elements of an integer mean")
	}
	r.fold(0, nil, nil, 0, false, addInt)
	for i := range r.y.Len() {
		v := r.y.Int(i)
		if r.x.DType().Bits() < 64 { // the sum itself may not fit the type
			v = r.ints(0, false, addInt)
			r.keep.next(0)
		}
		if r.x.DType() == dtype.U64 {
			v = int64(uint64(v) / uint64(r.count))
		} else {
			v /= int64(r.count)
		}
		r.y.SetInt(i, v)
	}
	return nil
}

// ReduceMeanDesc describes ReduceMean.
var ReduceMeanDesc = kernel.Desc{ID: "ref.ReduceMean", Op: "ref.ReduceMean", Ref: ReduceMean}

// ReduceMax is the maximum over axes; NaN wins, of nothing it is -Inf, the
// type's smallest integer, or false.
func ReduceMax(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	lo, _ := r.x.DType().IntRange()
	r.fold(math.Inf(-1), maxOf, nil, ordered(r.x.DType(), lo), true, maxInt)
	return nil
}

// ReduceMaxDesc describes ReduceMax.
var ReduceMaxDesc = kernel.Desc{ID: "ref.ReduceMax", Op: "ref.ReduceMax", Ref: ReduceMax}

// ReduceMin is the minimum over axes; NaN wins, of nothing it is +Inf, the
// type's largest integer, or true.
func ReduceMin(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	_, hi := r.x.DType().IntRange()
	switch r.x.DType() {
	case dtype.Bool:
		hi = 1
	case dtype.U64:
		hi = math.MaxInt64 // as ordered has the largest
	}
	r.fold(math.Inf(1), minOf, nil, hi, true, minInt)
	return nil
}

// ReduceMinDesc describes ReduceMin.
var ReduceMinDesc = kernel.Desc{ID: "ref.ReduceMin", Op: "ref.ReduceMin", Ref: ReduceMin}

// ReduceProd is the product over axes; of nothing it is 1. Integers wrap.
func ReduceProd(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	r.fold(1, func(a, b float64) float64 { return float64(a * b) }, nil, 1, false, func(a, b int64) int64 { return a * b })
	return nil
}

// ReduceProdDesc describes ReduceProd.
var ReduceProdDesc = kernel.Desc{ID: "ref.ReduceProd", Op: "ref.ReduceProd", Ref: ReduceProd}

// ReduceL1 is the sum of absolute values over axes.
func ReduceL1(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	abs := func(acc, x int64) int64 { return acc + max(x, -x) }
	if r.x.DType().IsUnsigned() {
		abs = addInt
	}
	r.fold(0, func(acc, x float64) float64 { return acc + math.Abs(x) }, nil, 0, false, abs)
	return nil
}

// ReduceL1Desc describes ReduceL1.
var ReduceL1Desc = kernel.Desc{ID: "ref.ReduceL1", Op: "ref.ReduceL1", Ref: ReduceL1}

// ReduceSumSquare is the sum of squares over axes. Integers wrap.
func ReduceSumSquare(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	r.fold(0, addSquare, nil, 0, false, func(acc, x int64) int64 { return acc + x*x })
	return nil
}

func addSquare(acc, x float64) float64 { return acc + float64(x*x) }

// ReduceSumSquareDesc describes ReduceSumSquare.
var ReduceSumSquareDesc = kernel.Desc{ID: "ref.ReduceSumSquare", Op: "ref.ReduceSumSquare", Ref: ReduceSumSquare}

// real folds integers in float64 too, for results that are roots and
// logarithms: they truncate toward zero and saturate.
func (r *reduction) real(init float64, f func(acc, x float64) float64, finish func(acc float64) float64) {
	for i := range r.y.Len() {
		v := finish(r.floats(init, f))
		if d := r.y.DType(); d.IsFloat() {
			r.y.SetFloat(i, v)
		} else {
			r.y.SetInt(i, truncTo(d, v))
		}
		r.keep.next(0)
	}
}

// ReduceL2 is the square root of the sum of squares over axes.
func ReduceL2(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	r.real(0, addSquare, math.Sqrt)
	return nil
}

// ReduceL2Desc describes ReduceL2.
var ReduceL2Desc = kernel.Desc{ID: "ref.ReduceL2", Op: "ref.ReduceL2", Ref: ReduceL2}

// ReduceLogSum is the logarithm of the sum over axes.
func ReduceLogSum(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	r.real(0, addOf, vecmath.Log64)
	return nil
}

// ReduceLogSumDesc describes ReduceLogSum.
var ReduceLogSumDesc = kernel.Desc{ID: "ref.ReduceLogSum", Op: "ref.ReduceLogSum", Ref: ReduceLogSum}

// ReduceLogSumExp is the logarithm of the sum of exponentials over axes, taken
// relative to the maximum so that nothing overflows; of nothing it is -Inf.
func ReduceLogSumExp(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var r reduction
	if err := r.bind(c, in, out, a); err != nil {
		return err
	}
	for i := range r.y.Len() {
		m := r.floats(math.Inf(-1), maxOf)
		v := m // infinite or NaN
		if m-m == 0 {
			v = m + vecmath.Log64(r.floats(0, func(acc, x float64) float64 { return acc + vecmath.Exp64(x-m) }))
		}
		if d := r.y.DType(); d.IsFloat() {
			r.y.SetFloat(i, v)
		} else {
			r.y.SetInt(i, truncTo(d, v))
		}
		r.keep.next(0)
	}
	return nil
}

// ReduceLogSumExpDesc describes ReduceLogSumExp.
var ReduceLogSumExpDesc = kernel.Desc{ID: "ref.ReduceLogSumExp", Op: "ref.ReduceLogSumExp", Ref: ReduceLogSumExp}

// ArgMax is the index of the largest element along axis, the first of equals
// unless select_last_index. NaN counts as the largest.
func ArgMax(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error { return arg(c, in, out, a, true) }

// ArgMaxDesc describes ArgMax.
var ArgMaxDesc = kernel.Desc{ID: "ref.ArgMax", Op: "ref.ArgMax", Ref: ArgMax}

// ArgMin is the index of the smallest element along axis, the first of equals
// unless select_last_index. NaN counts as the smallest.
func ArgMin(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error { return arg(c, in, out, a, false) }

// ArgMinDesc describes ArgMin.
var ArgMinDesc = kernel.Desc{ID: "ref.ArgMin", Op: "ref.ArgMin", Ref: ArgMin}

func arg(c kernel.Ctx, in, out []tensor.Value, a attr.Map, largest bool) error {
	x := &in[0].Tensor
	k, err := normAxisIn(a.Int("axis"), x.Rank())
	if err == nil {
		err = rankFits(x.Rank())
	}
	if err != nil {
		return err
	}
	var buf [maxRank]int
	dims := append(buf[:0], x.Dims()[:k]...)
	if a.Bool("keepdims") {
		dims = append(dims, 1)
	}
	dims = append(dims, x.Dims()[k+1:]...)
	y := output(c, out, 0, dtype.I64, dims...)
	yv := tensor.Slice[int64](y)
	n, inner := x.Dim(k), product(x.Dims()[k+1:])
	if n == 0 && len(yv) > 0 {
		return &diag.Error{Kind: diag.Shape, Port: "extent of the axis", Have: "0", Want: "1 or more"}
	}
	last := a.Bool("select_last_index")
	for i := range yv {
		base := i/inner*inner*n + i%inner
		best := 0
		for j := 1; j < n; j++ {
			cmp := order(x, base+j*inner, base+best*inner, largest)
			if cmp > 0 || cmp == 0 && last {
				best = j
			}
		}
		yv[i] = int64(best)
	}
	return nil
}

// order compares elements p and q: positive if p goes before q in a search for
// the largest (or smallest) element; NaN goes first, and is equal to NaN.
func order(x *tensor.Tensor, p, q int, largest bool) int {
	var less, more bool
	if d := x.DType(); d.IsFloat() {
		a, b := x.Float(p), x.Float(q)
		if a != a || b != b {
			switch {
			case a == a:
				return -1
			case b == b:
				return 1
			}
			return 0
		}
		less, more = a < b, a > b
	} else {
		a, b := ordered(d, x.Int(p)), ordered(d, x.Int(q))
		less, more = a < b, a > b
	}
	switch {
	case less == more:
		return 0
	case more == largest:
		return 1
	}
	return -1
}
