package grad

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// axis is one spatial axis of a Conv or pool and the extent of its output.
type axis struct {
	kernel.Window
	out int
}

// geometry is a Conv with known extents, axis 0 for y and 1 for x; one spatial
// axis is a height of 1.
type geometry struct {
	n, c, m, group int
	ax             [2]axis
	rank           int // spatial axes
}

func (g *geometry) taps() int   { return g.ax[0].K * g.ax[1].K }
func (g *geometry) pixels() int { return g.ax[0].In * g.ax[1].In }
func (g *geometry) places() int { return g.ax[0].out * g.ax[1].out }

// geometryOf describes the Conv of X[n, c, ...] with W[m, c/group, ...] to
// Y[n, m, ...] that has attributes a.
func geometryOf(a attr.Map, x, w, y *tensor.Tensor) (g geometry, err error) {
	rank := x.Rank() - 2
	for _, t := range []*tensor.Tensor{x, w, y} {
		if rank < 1 || rank > 2 || t.Rank() != rank+2 || t.DType() != dtype.F32 {
			return g, diag.New(diag.Internal, "convolution of %v with %v to %v", x.Type(), w.Type(), y.Type())
		}
	}
	// Extents of 0 leave the others unbounded: these must not leave an int either.
	for _, t := range []*tensor.Tensor{x, w, y} {
		if !countable(t.Dims()) {
			return g, &diag.Error{Kind: diag.Limit, Port: "convolution", Have: fmt.Sprint(t.Dims()), Want: "extents whose product is a number of elements"}
		}
	}
	g = geometry{n: x.Dim(0), c: x.Dim(1), m: y.Dim(1), group: max(1, a.Int("group")), rank: rank}
	g.ax[0] = axis{kernel.Window{In: 1, K: 1, Stride: 1, Dil: 1}, 1}
	for i := range rank {
		v, err := kernel.WindowOf(a, i, rank, x.Dim(2+i), int64(w.Dim(2+i)))
		if err != nil {
			return g, err
		}
		out := y.Dim(2 + i)
		if most := v.Out(); out > most {
			return g, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("output on spatial axis %d", i), Have: fmt.Sprint(out), Want: fmt.Sprintf("at most %d", most)}
		}
		g.ax[2-rank+i] = axis{v, out}
	}
	if w.Dim(0) != g.m || g.c%g.group != 0 || w.Dim(1) != g.c/g.group || g.m%g.group != 0 || y.Dim(0) != g.n {
		return g, &diag.Error{Kind: diag.Shape, Port: "convolution", Have: fmt.Sprintf("%v with %v in %d groups to %v", x.Type(), w.Type(), g.group, y.Type()), Want: "operands that fit"}
	}
	return g, nil
}

// countable says whether the product of the extents other than 0 is a number
// of elements.
func countable(dims []int) bool {
	some := make([]int, len(dims))
	for i, d := range dims {
		some[i] = max(1, d)
	}
	_, ok := tensor.Count(some)
	return ok
}

// checkCount compares the operands of a call with what its kernel takes: ins
// of them or, with an epilogue, more, and an output.
func checkCount(c *kernel.Call, what string, ins int, more bool) error {
	if len(c.In) < ins || len(c.In) > ins && !more || len(c.Out) != 1 {
		return diag.New(diag.Internal, "%s with %d inputs and %d outputs", what, len(c.In), len(c.Out))
	}
	return nil
}

// spatial lists one number per spatial axis.
func (g *geometry) spatial(f func(a *axis) int) []int64 {
	var out []int64
	for i := 2 - g.rank; i < 2; i++ {
		out = append(out, int64(f(&g.ax[i])))
	}
	return out
}

func floats(v *tensor.Value) []float32 { return tensor.Slice[float32](&v.Tensor) }

// inner is the state of a call that runs a kernel of another package whose constants are made in scratch
// at the beginning of each run. Without a desc the result is 0.
type inner struct {
	desc    *kernel.Desc
	call    kernel.Call
	weights int // elements of the constant, at the front of scratch
	dims    []int
	more    int // index in the outer In from which the epilogue's operands follow
	lead    int // inputs of the inner call before them
	pack    func(dst, w []float32)
}

// prepare binds the inner call to the outer's buffers.
func (s *inner) prepare(c *kernel.Call, a attr.Map) error {
	s.call.Attrs, s.call.Out, s.call.Pool = a, slices.Clone(c.Out), c.Pool
	s.call.Consts = []tensor.Tensor{tensor.New(dtype.F32, s.dims...)} // of which Prepare reads the extents
	s.call.In = make([]tensor.Value, s.lead, s.lead+len(c.In)-s.more)
	s.call.In[0] = c.In[0]
	s.call.In = append(s.call.In, c.In[s.more:]...)
	st, err := s.desc.Prepare(&s.call)
	s.call.State = st
	return err
}

func runInner(c *kernel.Call) {
	s := c.State.(*inner)
	if s.desc == nil {
		clear(floats(&c.Out[0]))
		return
	}
	n := kernel.WholeFloats(s.weights)
	s.call.Consts[0].Rebind(dtype.F32, s.dims, c.Scratch[:4*s.weights])
	s.pack(tensor.Slice[float32](&s.call.Consts[0]), floats(&c.In[1]))
	s.call.In[0] = c.In[0]
	copy(s.call.In[s.lead:], c.In[s.more:])
	copy(s.call.Out, c.Out)
	s.call.Scratch, s.call.Pool = c.Scratch[4*n:], c.Pool
	s.desc.Run(&s.call)
}

func innerScratch(c *kernel.Call, threads int) int {
	s := c.State.(*inner)
	if s.desc == nil {
		return 0
	}
	b := 4 * kernel.WholeFloats(s.weights)
	if s.desc.Scratch != nil {
		b += s.desc.Scratch(&s.call, threads)
	}
	return b
}
