package ref

import (
	"slices"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Transpose permutes the axes: axis i of the result is axis perm[i] of the
// input; without perm their order is reversed.
func Transpose(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	r, perm := x.Rank(), a.Ints("perm")
	if err := rankFits(r); err != nil {
		return err
	}
	if a.Has("perm") && len(perm) != r {
		return diag.New(diag.Shape, "perm %v of rank %d", perm, r)
	}
	var buf, stride [maxRank]int
	rowStrides(&stride, x.Dims())
	src := func(i int) int {
		if a.Has("perm") {
			return int(perm[i])
		}
		return r - 1 - i
	}
	for i := range r {
		buf[i] = x.Dim(src(i))
	}
	y := output(c, out, 0, x.DType(), buf[:r]...)
	var p movePlan
	step := y.Len()
	for i, d := range y.Dims() {
		step /= max(d, 1)
		p.axis(d, step, stride[src(i)])
	}
	p.run(y, x)
	return nil
}

// TransposeDesc describes Transpose.
var TransposeDesc = kernel.Desc{ID: "ref.Transpose", Op: "ref.Transpose", Ref: Transpose}

// Concat joins its inputs along axis.
func Concat(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	first := &in[0].Tensor
	k, err := normAxisIn(a.Int("axis"), first.Rank())
	if err == nil {
		err = rankFits(first.Rank())
	}
	if err != nil {
		return err
	}
	var buf [maxRank]int
	dims := buf[:copy(buf[:], first.Dims())]
	dims[k] = 0
	for i := range in {
		d := in[i].Tensor.Dims()
		if len(d) != len(dims) || !slices.Equal(d[:k], dims[:k]) || !slices.Equal(d[k+1:], dims[k+1:]) {
			return diag.New(diag.Shape, "cannot join %v with %v along axis %d", first.Dims(), d, k)
		}
		dims[k] += d[k]
	}
	y := output(c, out, 0, first.DType(), dims...)
	outer, inner := product(dims[:k]), product(dims[k+1:])
	at := 0
	for i := range in {
		x := &in[i].Tensor
		var p movePlan
		p.dstOff = at
		p.axis(outer, dims[k]*inner, x.Dim(k)*inner)
		p.axis(x.Dim(k)*inner, 1, 1)
		p.run(y, x)
		at += x.Dim(k) * inner
	}
	return nil
}

// ConcatDesc describes Concat.
var ConcatDesc = kernel.Desc{ID: "ref.Concat", Op: "ref.Concat", Ref: Concat}

// Split cuts its input along axis into the lengths of input split, or into
// num_outputs parts of which the last may be smaller.
func Split(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	k, err := normAxisIn(a.Int("axis"), x.Rank())
	if err == nil {
		err = rankFits(x.Rank())
	}
	if err != nil {
		return err
	}
	if present(in, 1) && in[1].Tensor.Len() != len(out) {
		return diag.New(diag.Shape, "%d lengths for %d outputs", in[1].Tensor.Len(), len(out))
	}
	n := x.Dim(k)
	chunk := (n + len(out) - 1) / len(out)
	var buf [maxRank]int
	dims := buf[:copy(buf[:], x.Dims())]
	outer, inner := product(dims[:k]), product(dims[k+1:])
	at := 0
	for i := range out {
		part := chunk
		switch {
		case present(in, 1):
			part = satInt(in[1].Tensor.Int(i))
		case i == len(out)-1:
			part = n - chunk*(len(out)-1)
		}
		if part < 0 || part > n-at || i == len(out)-1 && at+part != n {
			return diag.New(diag.BadData, "part %d of %d along axis %d: %d of %d elements at %d", i, len(out), k, part, n, at)
		}
		dims[k] = part
		y := output(c, out, i, x.DType(), dims...)
		var p movePlan
		p.srcOff = at * inner
		p.axis(outer, part*inner, n*inner)
		p.axis(part*inner, 1, 1)
		p.run(y, x)
		at += part
	}
	return nil
}

// SplitDesc describes Split.
var SplitDesc = kernel.Desc{ID: "ref.Split", Op: "ref.Split", Ref: Split}

// Slice takes elements start, start+step, ... before end along each axis
// named. Negative positions count from the back; all are clamped.
func Slice(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	starts, ends := &in[1].Tensor, &in[2].Tensor
	n := starts.Len()
	if err := rankFits(x.Rank()); err != nil {
		return err
	}
	if ends.Len() != n || present(in, 3) && in[3].Tensor.Len() != n || present(in, 4) && in[4].Tensor.Len() != n || n > x.Rank() {
		return diag.New(diag.Shape, "%d starts, %d ends for rank %d", n, ends.Len(), x.Rank())
	}
	var buf, stride [maxRank]int
	dims := buf[:copy(buf[:], x.Dims())]
	rowStrides(&stride, dims)
	var p movePlan
	var seen [maxRank]bool
	for i := range n {
		k, step := i, 1
		if present(in, 3) {
			var err error
			if k, err = normAxisIn(satInt(in[3].Tensor.Int(i)), x.Rank()); err != nil {
				return err
			}
		}
		if present(in, 4) {
			step = satInt(in[4].Tensor.Int(i))
		}
		if step == 0 || seen[k] {
			return diag.New(diag.Shape, "step %d along axis %d (named once: %t)", step, k, !seen[k])
		}
		seen[k] = true
		start, count := sliceSpan(satInt(starts.Int(i)), satInt(ends.Int(i)), step, x.Dim(k))
		dims[k] = count
		if count > 0 {
			p.srcOff += start * stride[k]
		}
		stride[k] *= step
		if count <= 1 { // an INT_MIN step of a single element must not overflow
			stride[k] = 0
		}
	}
	y := output(c, out, 0, x.DType(), dims...)
	at := y.Len()
	for a, d := range y.Dims() {
		at /= max(d, 1)
		p.axis(d, at, stride[a])
	}
	p.run(y, x)
	return nil
}

// SliceDesc describes Slice.
var SliceDesc = kernel.Desc{ID: "ref.Slice", Op: "ref.Slice", Ref: Slice}

// sliceSpan resolves one axis of a slice: the first position and how many.
func sliceSpan(start, end, step, n int) (first, count int) {
	if start < 0 {
		start += n
	}
	if end < 0 {
		end += n
	}
	if step > 0 {
		start, end = min(max(start, 0), n), min(max(end, 0), n)
		if end <= start {
			return start, 0
		}
		return start, (end-start-1)/step + 1
	}
	start, end = min(max(start, 0), n-1), min(max(end, -1), n-1)
	if start <= end {
		return start, 0
	}
	if step < -n { // -step may not be representable
		return start, 1
	}
	return start, (start-end-1)/-step + 1
}

// Expand broadcasts its input with the shape that the second input holds.
func Expand(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	var req [2 * maxRank]int
	shape, err := intsInto(&req, &in[1].Tensor)
	if err != nil {
		return err
	}
	var buf, stride [maxRank]int
	dims, ok := bcastDims(&buf, x.Dims(), shape)
	if !ok {
		return diag.New(diag.Shape, "cannot broadcast %v with shape %v", x.Dims(), slices.Clone(shape))
	}
	y, err := outputOf(c, out, 0, x.DType(), dims...)
	if err != nil {
		return err
	}
	rowStrides(&stride, x.Dims())
	var p movePlan
	at, lead := y.Len(), len(dims)-x.Rank()
	for a, d := range y.Dims() {
		at /= max(d, 1)
		s := 0
		if a >= lead && x.Dim(a-lead) == d {
			s = stride[a-lead]
		}
		p.axis(d, at, s)
	}
	p.run(y, x)
	return nil
}

// ExpandDesc describes Expand.
var ExpandDesc = kernel.Desc{ID: "ref.Expand", Op: "ref.Expand", Ref: Expand}

// Tile repeats its input along every axis.
func Tile(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	var req [2 * maxRank]int
	reps, err := intsInto(&req, &in[1].Tensor)
	if err == nil {
		err = rankFits(x.Rank())
	}
	if err != nil {
		return err
	}
	if len(reps) != x.Rank() {
		return diag.New(diag.Shape, "%d repeats for rank %d", len(reps), x.Rank())
	}
	var buf, stride [maxRank]int
	for i, r := range reps {
		if r < 0 {
			return diag.New(diag.Shape, "%d repeats along axis %d", r, i)
		}
		n, ok := tensor.Count([]int{r, x.Dim(i)})
		if !ok {
			return diag.New(diag.Limit, "%d repeats along axis %d of %d", r, i, x.Dim(i))
		}
		buf[i] = n
	}
	y, err := outputOf(c, out, 0, x.DType(), buf[:len(reps)]...)
	if err != nil {
		return err
	}
	rowStrides(&stride, x.Dims())
	var p movePlan
	at := y.Len()
	for a, r := range reps {
		at /= max(r, 1)
		p.axis(r, at, 0)
		at /= max(x.Dim(a), 1)
		p.axis(x.Dim(a), at, stride[a])
	}
	p.run(y, x)
	return nil
}

// TileDesc describes Tile.
var TileDesc = kernel.Desc{ID: "ref.Tile", Op: "ref.Tile", Ref: Tile}
