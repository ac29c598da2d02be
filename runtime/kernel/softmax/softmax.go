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
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
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
	lanes   = 16      // of a sum, by the numerics rule
	columns = 128     // rows that are normalized together, an element of each side by side
	short   = lanes   // length up to which rows of neighbours are turned round
	few     = 8       // rows that are fewer are not worth that
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

// way is how a call goes through its rows.
type way uint8

const (
	byRow    way = iota // one after the other: they are of neighbours, and long
	together            // some at once: their elements are apart, and those of many rows neighbours
	turned              // the same for short rows of neighbours, which are turned round before and after
	gathered            // one after the other, each copied before and after
)

// state is a prepared call, and the pool's Task.
type state struct {
	f        *funcs
	way      way
	n, inner int // extent of the axis, and of the axes within it
	rows     int
	width    int // rows a unit, for each position of the axes before where they are apart
	blocks   int // units for each such position
	units    int
	group    int // units a task
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
	s.rows = x.Len() / s.n
	s.plan()
	return s, nil
}

func (s *state) plan() {
	s.width, s.blocks = 1, 1
	switch {
	case s.inner > 1 && (s.inner < few || s.n > vecmath.Chunk):
		s.way, s.width = gathered, min(lanes, s.inner)
		s.per = s.n * s.width
	case s.inner > 1:
		s.way, s.width = together, min(columns, s.inner)
		s.per = (1 + lanes) * s.width
	case s.n <= short && s.inner == 1 && s.rows >= few:
		s.way, s.width = turned, min(columns, s.rows)
		s.per = (s.n + 1 + lanes) * s.width
	}
	s.per = kernel.WholeFloats(s.per)
	if s.way == turned {
		s.units = (s.rows + s.width - 1) / s.width
	} else {
		s.blocks = (s.inner + s.width - 1) / s.width
		s.units = s.rows / s.inner * s.blocks
	}
	s.group = max(1, grain/(s.n*s.width))
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
	tmp := s.scratch
	if s.per > 0 {
		tmp = s.scratch[worker*s.per:][:s.per]
	}
	for u := i * s.group; u < min((i+1)*s.group, s.units); u++ {
		if s.way == byRow {
			x, y := s.x[u*s.n:][:s.n], s.y[u*s.n:][:s.n]
			s.f.elt.ExpSub(y, x, s.f.red.Max(x))
			s.f.elt.DivS(y, y, s.f.red.Sum(y))
			continue
		}
		if s.way == turned {
			s.turn(tmp, u*s.width)
			continue
		}
		j := u % s.blocks * s.width
		at, w := u/s.blocks*s.n*s.inner+j, min(s.width, s.inner-j)
		if s.way == together {
			s.f.across(s.y[at:], s.x[at:], s.n, s.inner, w, tmp)
		} else {
			s.gather(tmp, at, w)
		}
	}
}

// across normalizes w rows, element k of which lie side by side from k*ld on, with
// the bits of row. tmp has (1 + lanes) * w elements; n is at most a chunk of a sum.
func (f *funcs) across(y, x []float32, n, ld, w int, tmp []float32) {
	hi := tmp[:w]
	copy(hi, x[:w])
	for k := 1; k < n; k++ {
		f.elt.Max(hi, hi, x[k*ld:][:w])
	}
	lane := func(l int) []float32 { return tmp[(1+l)*w:][:w] }
	for k := range n {
		e := y[k*ld:][:w]
		f.elt.Sub(e, x[k*ld:][:w], hi)
		f.elt.Do1(eltwise.Exp, e, e, 0, 0)
		if k < lanes {
			copy(lane(k), e)
		} else {
			f.elt.Add(lane(k%lanes), lane(k%lanes), e)
		}
	}
	// The tree of a sum. Lanes that no element fell to are zero and add nothing: an
	// exponential is not -0.
	for used, h := min(n, lanes), lanes/2; h > 0; used, h = min(used, h), h/2 {
		for l := 0; l+h < used; l++ {
			f.elt.Add(lane(l), lane(l), lane(l+h))
		}
	}
	for k := range n {
		f.elt.Div(y[k*ld:][:w], y[k*ld:][:w], lane(0))
	}
}

// turn normalizes short rows from the given one on.
func (s *state) turn(tmp []float32, first int) {
	w := min(s.width, s.rows-first)
	buf, tmp := tmp[:s.n*w], tmp[s.n*w:]
	x, y := s.x[first*s.n:][:w*s.n], s.y[first*s.n:][:w*s.n]
	for k := range s.n {
		to := buf[k*w:][:w]
		for r := range to {
			to[r] = x[r*s.n+k]
		}
	}
	s.f.across(buf, buf, s.n, w, w, tmp)
	for k := range s.n {
		for r, v := range buf[k*w:][:w] {
			y[r*s.n+k] = v
		}
	}
}

// gather copies w columns into rows, normalizes them and puts them back.
func (s *state) gather(buf []float32, base, w int) {
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
