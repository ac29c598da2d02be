package ref

import (
	"slices"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// output gives output i the stated type and extents: the buffer that the
// caller has placed in out[i] already, if it fits, else one from c.New. The
// fast path does not allocate, so that planned runs stay free of garbage.
func output(c kernel.Ctx, out []tensor.Value, i int, d dtype.DType, dims ...int) *tensor.Tensor {
	if t := &out[i].Tensor; out[i].Kind == tensor.KindTensor && t.DType() == d && slices.Equal(t.Dims(), dims) {
		return t
	}
	out[i] = tensor.V(*c.New(i, d, slices.Clone(dims)...))
	return &out[i].Tensor
}

// present says whether input i is given.
func present(in []tensor.Value, i int) bool { return i < len(in) && in[i].Present() }

// wanted says whether output i is asked for.
func wanted(out []tensor.Value, i int) bool { return i < len(out) }

// maxRank bounds the rank that index walkers handle without allocating.
const maxRank = 16

// walker steps through the row-major positions of a shape and gives, for each
// of up to three operands broadcast to it, the element offset.
type walker struct {
	dims   []int
	stride [3][maxRank]int
	idx    [maxRank]int
	off    [3]int
}

// newWalker broadcasts operands (dims aligned at the last axis) over dims.
func newWalker(dims []int, operands ...[]int) walker {
	w := walker{dims: dims}
	for k, d := range operands {
		s := 1
		for j := len(d) - 1; j >= 0; j-- {
			axis := j + len(dims) - len(d)
			if d[j] != 1 {
				w.stride[k][axis] = s
			}
			s *= d[j]
		}
	}
	return w
}

// next advances to the following position.
func (w *walker) next() {
	for a := len(w.dims) - 1; a >= 0; a-- {
		w.idx[a]++
		for k := range w.off {
			w.off[k] += w.stride[k][a]
		}
		if w.idx[a] < w.dims[a] {
			return
		}
		for k := range w.off {
			w.off[k] -= w.dims[a] * w.stride[k][a]
		}
		w.idx[a] = 0
	}
}

// bcastDims broadcasts run-time extents into buf and gives its used part;
// ok is false if they do not broadcast.
func bcastDims(buf *[maxRank]int, a, b []int) (dims []int, ok bool) {
	r := max(len(a), len(b))
	if r > maxRank {
		return nil, false
	}
	for i := range r {
		x, y := 1, 1
		if j := i - (r - len(a)); j >= 0 {
			x = a[j]
		}
		if j := i - (r - len(b)); j >= 0 {
			y = b[j]
		}
		switch {
		case x == y || y == 1:
			buf[i] = x
		case x == 1:
			buf[i] = y
		default:
			return nil, false
		}
	}
	return buf[:r], true
}
