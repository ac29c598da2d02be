package exec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// enter sets a frame's parameters and runs its body.
func (s *Session) enter(b *binding, fr *frame, params []tensor.Value) error {
	fn := fr.fn
	for i, p := range fn.Params {
		if fn.Slots[p].Kind == plan.Held {
			fr.vals[p] = s.states[fn.Slots[p].Index]
			continue
		}
		if fr.id > 0 && !fr.takes(p, &params[i]) {
			return &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("value %q of a branch or loop", fn.Slots[p].Name), Have: params[i].Type().String(), Want: fn.Slots[p].Type.String()}
		}
		fr.vals[p] = params[i]
	}
	for _, v := range fr.fresh {
		if err := s.review(fr, v); err != nil {
			return err
		}
	}
	for i := range fn.Body {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		var t0 time.Time
		if s.prof != nil {
			t0 = time.Now()
		}
		if err := s.step(b, fr, i); err != nil {
			return err
		}
		if s.prof != nil {
			if s.m.device != nil && (fn.Body[i].Op == plan.Launch || fn.Body[i].Op == plan.Copy) {
				if err := s.device.queue.Wait(s.ctx); err != nil {
					return err
				}
			}
			s.prof(fr.id, i, time.Since(t0))
		}
	}
	if s.m.device != nil && s.m.device.watched[fr.id] {
		return s.checkFaults()
	}
	return nil
}

// takes says whether v is what parameter p of a body was prepared for: what a
// loop carries may change from one iteration to the next, but not more than
// its type says.
func (fr *frame) takes(p plan.SlotID, v *tensor.Value) bool {
	t := &fr.fn.Slots[p].Type
	if t.Kind == tensor.KindNone {
		return true
	}
	if v.Kind != t.Kind {
		return v.Kind == tensor.KindNone && t.Kind == tensor.KindOptional
	}
	if t.Kind != tensor.KindTensor {
		return true
	}
	if v.Tensor.DType() != t.DType || t.Ranked() && v.Tensor.Rank() != len(t.Dims) {
		return false
	}
	dims := fr.place.Dims[p]
	return dims == nil || slices.Equal(v.Tensor.Dims(), dims)
}

// review points a view at what it aliases now.
func (s *Session) review(fr *frame, v plan.SlotID) error {
	root := &fr.vals[fr.fn.Root(v)].Tensor
	dims := fr.place.Dims[v]
	if dims == nil {
		var err error
		if dims, err = plan.EvalDims(fr.fn.Slots[v].Type, s.env); err != nil {
			return diag.New(diag.Shape, "value %q: %v", fr.fn.Slots[v].Name, err)
		}
	}
	if n, ok := tensor.Count(dims); !ok || n != root.Len() {
		return &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("value %q", fr.fn.Slots[v].Name), Have: fmt.Sprintf("%v elements as %v", root.Len(), dims)}
	}
	if root.DType() == dtype.String {
		t, err := root.View(dims...)
		fr.vals[v] = tensor.V(t)
		return err
	}
	fr.vals[v].Kind = tensor.KindTensor
	fr.vals[v].Tensor.Rebind(root.DType(), dims, root.Bytes())
	return nil
}

func (s *Session) step(b *binding, fr *frame, i int) error {
	in, c := &fr.fn.Body[i], &fr.calls[i]
	switch in.Op {
	case plan.Dim:
		t := &fr.vals[in.In[0]].Tensor
		s.symv[in.Sym], s.bound[in.Sym] = int64(t.Dim(in.Axis)), true
		return nil
	case plan.Copy:
		if fr.fn.Slots[in.In[0]].Space != plan.Host || fr.fn.Slots[in.Out[0]].Space != plan.Host {
			return s.cross(fr, in.In[0], in.Out[0])
		}
		return s.copyValue(fr, in)
	case plan.Launch:
		if err := s.runLaunch(in, c.launch); err != nil {
			return at(in, err)
		}
		return nil
	}
	for _, m := range c.moving {
		c.In[m.port] = fr.vals[m.slot]
	}
	if c.dynamic {
		if err := s.ready(b, fr, i); err != nil {
			return at(in, err)
		}
	}
	c.Scratch = s.scratch
	if c.desc.Run != nil {
		c.desc.Run(&c.Call)
	} else {
		c.env.err = nil
		if err := c.desc.Ref(&c.env, c.In[:c.env.nin(in)], c.Out, in.Attrs); err != nil {
			return at(in, err)
		}
		if err := s.settle(fr, in, c); err != nil {
			return at(in, err)
		}
	}
	if c.dynamic {
		for p, sl := range in.Out {
			if sl != plan.None && !c.planned[p].Present() {
				s.put(fr, sl, c.Out[p])
				c.Out[p] = tensor.Value{}
			}
		}
	}
	if c.dying != nil {
		s.bury(fr, c)
	}
	return nil
}

// ready prepares a call whose extents are known only now.
func (s *Session) ready(b *binding, fr *frame, i int) error {
	in, c := &fr.fn.Body[i], &fr.calls[i]
	copy(c.Out, c.planned)
	for p, sl := range in.Out {
		if sl == plan.None || c.planned[p].Present() {
			continue
		}
		c.Out[p] = tensor.Value{}
		t := fr.fn.Slots[sl].Type
		if dims, err := plan.EvalDims(t, s.env); err == nil && t.IsTensor() {
			if _, ok := tensor.Count(dims); !ok {
				return diag.New(diag.Shape, "output %d: extents %v", p, dims)
			}
			if err := s.checkAlloc(t.DType, dims); err != nil {
				return err
			}
			c.Out[p] = tensor.V(tensor.New(t.DType, dims...))
		}
	}
	if in.Op == plan.Region {
		return nil
	}
	if err := s.prepare(b, fr, i); err != nil {
		return err
	}
	return s.needScratch(b.scratch)
}

// settle moves what a reference function gave elsewhere into the planned
// buffers and checks its extents against the plan.
func (s *Session) settle(fr *frame, in *plan.Instr, c *call) error {
	if c.env.err != nil {
		return c.env.err
	}
	for p, sl := range in.Out {
		if sl == plan.None || !c.planned[p].Present() {
			continue
		}
		got, want := &c.Out[p].Tensor, &c.planned[p].Tensor
		if got.DType() != want.DType() || !slices.Equal(got.Dims(), want.Dims()) {
			return &diag.Error{Kind: diag.Shape, Port: "output " + fr.fn.Slots[sl].Name, Have: fmt.Sprintf("%v%v", got.DType(), got.Dims()), Want: fmt.Sprintf("%v%v", want.DType(), want.Dims())}
		}
		if unsafe.SliceData(got.Bytes()) != unsafe.SliceData(want.Bytes()) {
			copy(want.Bytes(), got.Bytes())
			c.Out[p] = c.planned[p]
		}
	}
	return nil
}

func (s *Session) copyValue(fr *frame, in *plan.Instr) error {
	src := &fr.vals[in.In[0]]
	if fr.fn.Slots[in.Out[0]].Kind == plan.Buf {
		copy(fr.vals[in.Out[0]].Tensor.Bytes(), src.Tensor.Bytes())
		return nil
	}
	s.put(fr, in.Out[0], src.Clone())
	return nil
}

// callCtx is the kernel.Ctx of one instruction.
type callCtx struct {
	s    *Session
	b    *binding
	fr   *frame
	i    int
	rng  *rand.Rand
	err  error
	args [][]tensor.Value // per region: its parameters
}

func (c *callCtx) nin(in *plan.Instr) int {
	if in.Op == plan.Region {
		return in.NIn
	}
	return len(in.In)
}

// The context of the run.
func (c *callCtx) Deadline() (time.Time, bool) { return c.s.ctx.Deadline() }
func (c *callCtx) Done() <-chan struct{}       { return c.s.ctx.Done() }
func (c *callCtx) Err() error                  { return c.s.ctx.Err() }
func (c *callCtx) Value(k any) any             { return c.s.ctx.Value(k) }

var _ context.Context = (*callCtx)(nil)

// New implements kernel.Ctx. A planned output of other extents is a fault of
// the run's shapes: the function gets a buffer all the same, and the error
// surfaces when it returns.
func (c *callCtx) New(i int, d dtype.DType, dims ...int) *tensor.Tensor {
	call := &c.fr.calls[c.i]
	if i < len(call.planned) && call.planned[i].Present() {
		p := &call.planned[i].Tensor
		if p.DType() == d && slices.Equal(p.Dims(), dims) {
			t := *p
			return &t
		}
	}
	if err := c.s.checkAlloc(d, dims); err != nil {
		panic(err) // Run's recover gives it to the caller: a reference function has no way to stop here
	}
	t := tensor.New(d, dims...)
	return &t
}

// Region implements kernel.Ctx. Every body takes its own parameters, then all
// that the instruction captures.
func (c *callCtx) Region(i int, in, out []tensor.Value) error {
	instr := &c.fr.fn.Body[c.i]
	fr := c.b.frames[instr.Bodies[i]]
	captured := c.fr.calls[c.i].In[instr.NIn:]
	own := len(fr.fn.Params) - len(captured)
	if len(in) != own {
		return diag.New(diag.Internal, "region %d takes %d values, have %d", i, own, len(in))
	}
	if c.args == nil {
		c.args = make([][]tensor.Value, len(instr.Bodies))
	}
	if c.args[i] == nil {
		c.args[i] = make([]tensor.Value, len(fr.fn.Params))
	}
	copy(c.args[i], in)
	copy(c.args[i][own:], captured)
	if err := c.s.enter(c.b, fr, c.args[i]); err != nil {
		return err
	}
	for j, r := range fr.fn.Results {
		if j < len(out) {
			out[j] = fr.vals[r]
		}
	}
	return nil
}

// RegionTypes gives the result types of region i, for loops that never run;
// extents whose symbols are bound are numbers.
func (c *callCtx) RegionTypes(i int) []tensor.Type {
	fn := c.b.frames[c.fr.fn.Body[c.i].Bodies[i]].fn
	out := make([]tensor.Type, len(fn.Results))
	for j, r := range fn.Results {
		t := fn.Slots[r].Type
		t.Dims = slices.Clone(t.Dims)
		for k, d := range t.Dims {
			if n, err := d.Eval(c.s.env); err == nil {
				t.Dims[k] = shape.Int(n)
			}
		}
		out[j] = t
	}
	return out
}

// Rand implements kernel.Ctx.
func (c *callCtx) Rand() *rand.Rand {
	if c.rng == nil {
		c.rng = randFor(c.fr.id, c.i)
	}
	return c.rng
}
