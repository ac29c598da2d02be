package pooling

import (
	"math"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// What the kernels of this package compute: the ONNX operators over float32 of
// rank 3 and 4, with their attributes. MaxPool has its first output only.
// GlobalAveragePool takes any rank from 2 on.
const (
	OpMax    = "maxpool.f32"
	OpAvg    = "avgpool.f32"
	OpGlobal = "globalavgpool.f32"
)

// The pools in plain Go.
var (
	Max_generic    = kernel.Desc{ID: "maxpool.f32.generic", Op: OpMax, Prepare: maxGeneric, Run: run, Scratch: scratchBytes}
	Avg_generic    = kernel.Desc{ID: "avgpool.f32.generic", Op: OpAvg, Prepare: avgGeneric, Run: run, Scratch: scratchBytes}
	Global_generic = kernel.Desc{ID: "globalavgpool.f32.generic", Op: OpGlobal, Prepare: globalGeneric, Run: runGlobal}
)

var generic = funcs{&eltwise.Generic, &reduce.Generic}

func maxGeneric(c *kernel.Call) (any, error)    { return prepare(&generic, false, c) }
func avgGeneric(c *kernel.Call) (any, error)    { return prepare(&generic, true, c) }
func globalGeneric(c *kernel.Call) (any, error) { return prepareGlobal(&generic, c) }

const (
	strip = 16      // rows of results a unit of work
	grain = 1 << 14 // elements read that are worth a task
)

// funcs are the vector functions of one instruction set.
type funcs struct {
	elt *eltwise.Funcs
	red *reduce.Funcs
}

// state is a prepared MaxPool or AveragePool, and the pool's Task.
type state struct {
	window
	f             *funcs
	mean          bool
	shareX        []float32 // of a mean, by column; products with the rows' are exact
	shareY        []float32
	strips, units int
	group         int // units a task
	x, y          []float32
	scratch       []float32
	per           int // floats of scratch a worker: a padded row
}

func checkCall(c *kernel.Call) error {
	if len(c.In) != 1 || len(c.Out) != 1 {
		return diag.New(diag.Internal, "pool: have %d inputs, %d outputs, want one each", len(c.In), len(c.Out))
	}
	for _, t := range []*tensor.Tensor{&c.In[0].Tensor, &c.Out[0].Tensor} {
		if t.DType() != dtype.F32 {
			return &diag.Error{Kind: diag.Internal, Port: "pool", Have: t.DType().String(), Want: "f32"}
		}
	}
	return nil
}

func prepare(f *funcs, mean bool, c *kernel.Call) (any, error) {
	if err := checkCall(c); err != nil {
		return nil, err
	}
	w, err := newWindow(c.Attrs, c.In[0].Tensor.Dims(), c.Out[0].Tensor.Dims())
	if err != nil {
		return nil, err
	}
	s := &state{window: w, f: f, mean: mean}
	if w.planes*w.out[0]*w.out[1] == 0 {
		return s, nil
	}
	if mean {
		padded := c.Attrs.Bool("count_include_pad")
		for o := range w.out[1] {
			s.shareX = append(s.shareX, float32(w.ax[1].Share(o, padded)))
		}
		for o := range w.out[0] {
			s.shareY = append(s.shareY, float32(w.ax[0].Share(o, padded)))
		}
	}
	s.strips = (w.out[0] + strip - 1) / strip
	s.units = w.planes * s.strips
	s.group = max(1, grain/max(1, min(strip, w.out[0])*w.ax[0].K*w.width()))
	s.per = kernel.WholeFloats(max(w.width(), w.ax[1].Pad+w.ax[1].In))
	return s, nil
}

func scratchBytes(c *kernel.Call, threads int) int { return c.State.(*state).per * 4 * threads }

func run(c *kernel.Call) {
	s := c.State.(*state)
	if s.units == 0 {
		return
	}
	s.x, s.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	s.scratch = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(c.Scratch))), len(c.Scratch)/4)
	c.Pool.Run((s.units+s.group-1)/s.group, s)
}

// Do runs one task; it is for the pool.
func (s *state) Do(i, worker int) {
	row := s.scratch[worker*s.per:][:s.per]
	neutral := float32(math.Inf(-1))
	if s.mean {
		neutral = 0
	}
	for u := i * s.group; u < min((i+1)*s.group, s.units); u++ {
		plane, o := u/s.strips, u%s.strips*strip
		x := s.x[plane*s.ax[0].In*s.ax[1].In:][:s.ax[0].In*s.ax[1].In]
		y := s.y[plane*s.out[0]*s.out[1]:][:s.out[0]*s.out[1]]
		for ; o < min(s.out[0], (u%s.strips+1)*strip); o++ {
			for k := range row {
				row[k] = neutral
			}
			s.down(row[s.ax[1].Pad:][:s.ax[1].In], x, o)
			s.along(y[o*s.out[1]:][:s.out[1]], row)
			if s.mean {
				s.divide(y[o*s.out[1]:][:s.out[1]], s.shareY[o])
			}
		}
	}
}

// down folds the rows under the windows of output row o into row.
func (s *state) down(row, x []float32, o int) {
	lo, hi := s.ax[0].Taps(o)
	for t := lo; t < hi; t++ {
		in := x[(o*s.ax[0].Stride-s.ax[0].Pad+t*s.ax[0].Dil)*s.ax[1].In:][:s.ax[1].In]
		if s.mean {
			s.f.elt.Add(row, row, in)
		} else {
			s.f.elt.Do2(eltwise.MaxNum, row, in, row)
		}
	}
}

// along folds each window's part of a padded row.
func (s *state) along(y, row []float32) {
	st := s.ax[1].Stride
	if st == 1 {
		copy(y, row)
		for t := 1; t < s.ax[1].K; t++ {
			in := row[t*s.ax[1].Dil:][:len(y)]
			if s.mean {
				s.f.elt.Add(y, y, in)
			} else {
				s.f.elt.Do2(eltwise.MaxNum, y, in, y)
			}
		}
		return
	}
	for o := range y {
		w := row[o*st:]
		v := w[0]
		for t := 1; t < s.ax[1].K; t++ {
			e := w[t*s.ax[1].Dil]
			if s.mean {
				v += e
			} else if e > v {
				v = e
			}
		}
		y[o] = v
	}
}

func (s *state) divide(y []float32, rows float32) {
	for o, v := range y {
		y[o] = v / (s.shareX[o] * rows)
	}
}

// global is a prepared GlobalAveragePool, and the pool's Task.
type global struct {
	f            *funcs
	planes, size int
	group        int
	x, y         []float32
}

func prepareGlobal(f *funcs, c *kernel.Call) (any, error) {
	if err := checkCall(c); err != nil {
		return nil, err
	}
	x, y := c.In[0].Tensor.Dims(), &c.Out[0].Tensor
	if len(x) < 2 {
		return nil, &diag.Error{Kind: diag.Shape, Port: "GlobalAveragePool", Have: "rank below 2", Want: "2 or more"}
	}
	g := &global{f: f, planes: x[0] * x[1], size: 1}
	for _, d := range x[2:] {
		g.size *= d
	}
	if y.Len() != g.planes {
		return nil, diag.New(diag.Shape, "GlobalAveragePool of %v: output is %v", x, y.Dims())
	}
	g.group = max(1, grain/max(1, g.size))
	return g, nil
}

func runGlobal(c *kernel.Call) {
	g := c.State.(*global)
	g.x, g.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	c.Pool.Run((g.planes+g.group-1)/g.group, g)
}

// Do runs one task; it is for the pool.
func (g *global) Do(i, _ int) {
	for p := i * g.group; p < min((i+1)*g.group, g.planes); p++ {
		g.y[p] = g.f.red.Sum(g.x[p*g.size:][:g.size]) / float32(g.size)
	}
}
