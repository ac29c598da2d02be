package softmax

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// OpF32 is what the kernels of this package compute: ONNX Softmax (since
// opset 13) over float32, attribute "axis" (default -1). The output may be the
// buffer of the input.
const OpF32 = "softmax.f32"

// F32_generic is the softmax in plain Go.
var F32_generic = kernel.Desc{ID: "softmax.f32.generic", Op: OpF32, Prepare: prepareGeneric, Run: run, Scratch: scratchBytes}

var generic = funcs{&eltwise.Generic, &reduce.Generic}

func prepareGeneric(c *kernel.Call) (any, error) { return prepare(&generic, c) }

const (
	columns = 16      // columns that are gathered together where the axis is not the last
	grain   = 1 << 13 // elements that are worth a task
)

// funcs are the vector functions of one instruction set.
type funcs struct {
	elt *eltwise.Funcs
	red *reduce.Funcs
}

// row normalizes one row, in place.
func (f *funcs) row(x []float32) {
	f.elt.ExpSub(x, x, f.red.Max(x))
	f.elt.DivS(x, x, f.red.Sum(x))
}

// state is a prepared call, and the pool's Task.
type state struct {
	f        *funcs
	n, inner int // extent of the axis, and of the axes within it
	units    int // rows, or blocks of columns
	group    int // units a task
	blocks   int // of columns, for each position of the axes before
	x, y     []float32
	scratch  []float32
	per      int // floats of scratch a worker
}

func prepare(f *funcs, c *kernel.Call) (any, error) {
	if len(c.In) != 1 || len(c.Out) != 1 {
		return nil, diag.New(diag.Internal, "softmax: have %d inputs, %d outputs, want one each", len(c.In), len(c.Out))
	}
	x, y := &c.In[0].Tensor, &c.Out[0].Tensor
	if x.DType() != dtype.F32 || y.DType() != dtype.F32 {
		return nil, &diag.Error{Kind: diag.Internal, Port: "softmax", Have: x.DType().String(), Want: "f32"}
	}
	if !slices.Equal(x.Dims(), y.Dims()) {
		return nil, &diag.Error{Kind: diag.Shape, Port: "softmax output", Have: fmt.Sprint(y.Dims()), Want: fmt.Sprint(x.Dims())}
	}
	axis := -1
	if c.Attrs.Has("axis") {
		axis = c.Attrs.Int("axis")
	}
	if axis < -x.Rank() || axis >= x.Rank() {
		return nil, &diag.Error{Kind: diag.Shape, Port: "softmax axis", Have: fmt.Sprint(axis), Want: fmt.Sprintf("%d..%d", -x.Rank(), x.Rank()-1)}
	}
	axis = (axis + x.Rank()) % x.Rank()
	s := &state{f: f, n: x.Dim(axis), inner: 1}
	for _, d := range x.Dims()[axis+1:] {
		s.inner *= d
	}
	if x.Len() == 0 {
		return s, nil
	}
	outer := x.Len() / s.n / s.inner
	s.blocks = 1
	width := 1
	if s.inner > 1 {
		width = min(columns, s.inner)
		s.blocks = (s.inner + width - 1) / width
		s.per = (s.n*width + 15) &^ 15
	}
	s.units = outer * s.blocks
	s.group = max(1, grain/(s.n*width))
	return s, nil
}

func scratchBytes(c *kernel.Call, threads int) int { return c.State.(*state).per * 4 * threads }

func run(c *kernel.Call) {
	s := c.State.(*state)
	if s.units == 0 {
		return
	}
	s.x, s.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	s.scratch = nil
	if len(c.Scratch) >= 4 {
		s.scratch = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(c.Scratch))), len(c.Scratch)/4)
	}
	c.Pool.Run((s.units+s.group-1)/s.group, s)
}

// Do runs one task; it is for the pool.
func (s *state) Do(i, worker int) {
	for u := i * s.group; u < min((i+1)*s.group, s.units); u++ {
		if s.inner == 1 {
			x, y := s.x[u*s.n:][:s.n], s.y[u*s.n:][:s.n]
			s.f.elt.ExpSub(y, x, s.f.red.Max(x))
			s.f.elt.DivS(y, y, s.f.red.Sum(y))
			continue
		}
		s.block(s.scratch[worker*s.per:][:s.per], u)
	}
}

// block gathers some columns into rows, normalizes them and puts them back.
func (s *state) block(buf []float32, u int) {
	j := u % s.blocks * columns
	w := min(columns, s.inner-j)
	base := u/s.blocks*s.n*s.inner + j
	for k := range s.n {
		for c, v := range s.x[base+k*s.inner:][:w] {
			buf[c*s.n+k] = v
		}
	}
	for c := range w {
		s.f.row(buf[c*s.n:][:s.n])
	}
	for k := range s.n {
		y := s.y[base+k*s.inner:][:w]
		for c := range y {
			y[c] = buf[c*s.n+k]
		}
	}
}
