package grad

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// OpFake is mlc.FakeQuantize: In is x, lo, hi, all f32; Out is y, min, max (the
// last two may be absent); attributes axis and levels.
const OpFake = "fakequant.f32"

// OpFakeGrad is mlc.FakeQuantizeGrad: In is dY, x, lo, hi; Out is dX.
const OpFakeGrad = "fakequantgrad.f32"

// Fake quantization in plain Go.
var (
	Fake_generic     = kernel.Desc{ID: "fakequant.f32.generic", Op: OpFake, Prepare: fakeGeneric, Scratch: fakeScratch, Run: runFake}
	FakeGrad_generic = kernel.Desc{ID: "fakequantgrad.f32.generic", Op: OpFakeGrad, Prepare: fakeGradGeneric, Scratch: fakeScratch, Run: runFake}
)

func fakeGeneric(c *kernel.Call) (any, error)     { return prepareFake(c, nil, &reduce.Generic, false) }
func fakeGradGeneric(c *kernel.Call) (any, error) { return prepareFake(c, nil, &reduce.Generic, true) }

const (
	fakeTask  = 1 << 14 // elements of a unit of work
	fakeBlock = 1 << 11 // of it, how many are turned into bytes and back while they are near
)

// fake is the state of a call. Elements are seen as [outer, n, inner], each of
// n indices with its own steps.
type fake struct {
	n, inner int
	levels   int
	back     bool         // the gradient
	q        *quant.Funcs // nil: element by element
	r        *reduce.Funcs
	ranges   []fakeRange
	tasks    int
	call     *kernel.Call
}

// fakeRange is the steps of one index.
type fakeRange struct {
	scale  float32
	rule   quant.Rule // of bytes, and the bounds of x/scale
	lo, hi float32    // where nothing saturates
}

func prepareFake(c *kernel.Call, q *quant.Funcs, r *reduce.Funcs, back bool) (any, error) {
	ins, outs := 3, 3
	if back {
		ins, outs = 4, 1
	}
	if len(c.In) != ins || len(c.Out) < 1 || len(c.Out) > outs {
		return nil, diag.New(diag.Internal, "fake quantization with %d inputs and %d outputs", len(c.In), len(c.Out))
	}
	for i := range c.In {
		if t := &c.In[i].Tensor; !t.Valid() || t.DType() != dtype.F32 {
			return nil, diag.New(diag.Internal, "fake quantization of %v", c.In[i].Type())
		}
	}
	x, lo, hi := &c.In[ins-3].Tensor, &c.In[ins-2].Tensor, &c.In[ins-1].Tensor
	s := &fake{n: 1, inner: x.Len(), levels: c.Attrs.Int("levels"), back: back, q: q, r: r}
	if s.levels < 1 || s.levels > 255 {
		return nil, diag.New(diag.Internal, "fake quantization to %d levels", s.levels)
	}
	if lo.Rank() != 0 || hi.Rank() != 0 {
		axis := c.Attrs.Int("axis")
		if axis < 0 {
			axis += x.Rank()
		}
		if axis < 0 || axis >= x.Rank() {
			return nil, diag.New(diag.Internal, "fake quantization along axis %d of %v", axis, x.Type())
		}
		s.n, s.inner = x.Dim(axis), 1
		for _, d := range x.Dims()[axis+1:] {
			s.inner *= d
		}
	}
	ok := lo.Len() == s.n && hi.Len() == s.n && c.Out[0].Tensor.Len() == x.Len() && c.In[0].Tensor.Len() == x.Len()
	for i := range c.Out {
		t := &c.Out[i].Tensor
		ok = ok && (!c.Out[i].Present() && i > 0 || t.Valid() && t.DType() == dtype.F32 && (i == 0 || t.Len() == 1))
	}
	if !ok {
		return nil, &diag.Error{Kind: diag.Shape, Port: "fake quantization", Have: fmt.Sprint(lo.Type(), hi.Type(), " to ", c.Out[0].Type()), Want: "a range for " + x.Type().String()}
	}
	s.ranges = make([]fakeRange, s.n)
	s.tasks = (x.Len() + fakeTask - 1) / fakeTask
	return s, nil
}

// fakeScratch holds the extremes of each task and bytes for each worker.
func fakeScratch(c *kernel.Call, threads int) int {
	s := c.State.(*fake)
	return 8*s.tasks + max(1, threads)*fakeBlock
}

func runFake(c *kernel.Call) {
	s := c.State.(*fake)
	ins := len(c.In)
	lo, hi := floats(&c.In[ins-2]), floats(&c.In[ins-1])
	for i := range s.ranges {
		scale, zero := vecmath.Steps(float64(lo[i]), float64(hi[i]), s.levels)
		g := &s.ranges[i]
		g.scale, g.rule = scale, quant.Rule{Lo: float32(-zero), Hi: float32(s.levels - zero), Zero: int32(zero)}
		g.lo, g.hi = vecmath.Inside(scale, zero, s.levels)
	}
	s.call = c
	c.Pool.Run(s.tasks, s)
	s.call = nil
	if s.back {
		return
	}
	least, most := float32(0), float32(0)
	ends := gemm.Floats(c.Scratch)[:2*s.tasks]
	for i := 0; i < len(ends); i += 2 {
		least, most = min(least, ends[i]), max(most, ends[i+1])
	}
	for i, v := range [2]float32{least, most} {
		if i+1 < len(c.Out) && c.Out[i+1].Present() {
			floats(&c.Out[i+1])[0] = v + 0 // no -0
		}
	}
}

// Do implements pool.Task: a run of elements, cut where the range changes.
func (s *fake) Do(i, worker int) {
	c := s.call
	x := floats(&c.In[len(c.In)-3])
	from, to := i*fakeTask, min((i+1)*fakeTask, len(x))
	bytes := c.Scratch[8*s.tasks+worker*fakeBlock:][:fakeBlock]
	least, most := float32(0), float32(0)
	for from < to {
		g := &s.ranges[0]
		end := min(to, from+fakeBlock)
		if s.n > 1 {
			g = &s.ranges[from/s.inner%s.n]
			end = min(end, (from/s.inner+1)*s.inner)
		}
		part := x[from:end]
		l, m := s.extremes(part)
		if s.back {
			passInside(floats(&c.Out[0])[from:end], floats(&c.In[0])[from:end], part, g, g.lo <= l && m <= g.hi)
		} else {
			s.quantize(floats(&c.Out[0])[from:end], part, g, bytes, l != l)
			least, most = min(least, l), max(most, m)
		}
		from = end
	}
	if !s.back {
		ends := gemm.Floats(c.Scratch)[2*i:]
		ends[0], ends[1] = least, most
	}
}

// extremes are NaN where an element is.
func (s *fake) extremes(x []float32) (least, most float32) {
	if len(x) < 16 {
		least, most = x[0], x[0]
		for _, v := range x[1:] {
			least, most = min(least, v), max(most, v)
		}
		return least, most
	}
	return s.r.Min(x), s.r.Max(x)
}

// quantize writes a part of y: whole vectors as bytes and back, by what runs
// quantized models.
func (s *fake) quantize(y, x []float32, g *fakeRange, bytes []byte, nan bool) {
	whole := len(x) &^ 15
	if s.q == nil || g.scale != g.scale || nan {
		whole = 0
	}
	if whole > 0 {
		s.q.Quantize(whole, &x[0], g.scale, &g.rule, &bytes[0])
		s.q.Dequantize(whole, &bytes[0], 0, g.rule.Zero, g.scale, &y[0])
	}
	// Adding and taking off 1.5*2^23 rounds to whole numbers, halves to even.
	const round = 3 << 22
	scale, lo, hi := g.scale, g.rule.Lo, g.rule.Hi
	y, x = y[whole:], x[whole:]
	y = y[:len(x)]
	for i, v := range x {
		y[i] = float32(min(max(v/scale, lo), hi)+round-round) * scale
	}
}

// passInside writes dy where x is within g, else 0.
func passInside(dx, dy, x []float32, g *fakeRange, all bool) {
	if all {
		copy(dx, dy)
		return
	}
	dx, dy = dx[:len(x)], dy[:len(x)]
	lo, hi := g.lo, g.hi
	for i, v := range x {
		d := float32(0)
		if lo <= v && v <= hi {
			d = dy[i]
		}
		dx[i] = d
	}
}
