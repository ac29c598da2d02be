package exec

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// binding is the program prepared for one set of entry symbol values.
type binding struct {
	syms    []int64 // values of entry symbols, by symbol; others 0
	frames  []*frame
	size    int      // bytes of arena
	device  int      // bytes of arena on the device
	scratch int      // bytes of scratch
	own     []uint64 // memory on the device of buffers that are scattered
}

// frame is one function prepared: its values and calls. Bodies are not
// re-entrant (a function never calls itself), so one frame each is enough.
type frame struct {
	fn    *plan.Func
	id    int
	base  int
	dbase int      // base on the device
	addr  []uint64 // per slot: address on the device
	place *plan.Frame
	vals  []tensor.Value
	calls []call
	bytes []int64       // sizes of the values made while running; nil: there are none
	fresh []plan.SlotID // Buf and Obj views of parameters and states: re-pointed at entry
}

// call is one instruction prepared.
type call struct {
	kernel.Call
	desc    *kernel.Desc
	launch  *launch
	env     callCtx
	dynamic bool    // extents known only while running: prepare at every run
	moving  []moved // inputs to copy from vals before running
	planned []tensor.Value
	dying   []plan.SlotID // values made while running that this call is the last to read
}

type moved struct {
	port int
	slot plan.SlotID
}

// env looks up a symbol among the entry symbols of b and, while running, those
// that Dim instructions have bound.
func (s *Session) env(name string) (int64, bool) {
	i, ok := s.m.syms[name]
	if !ok || !s.bound[i] {
		return 0, false
	}
	return s.symv[i], true
}

// bind prepares the program for the entry symbols that s.symv holds.
func (s *Session) bind() (*binding, error) {
	b := &binding{syms: slices.Clone(s.symv)}
	for id, fn := range s.m.prog.Funcs {
		place, err := plan.Layout(fn, s.env)
		if err != nil {
			return nil, err
		}
		b.frames = append(b.frames, &frame{fn: fn, id: id, base: b.size, dbase: b.device, place: place})
		if b.device += place.Device; b.device < 0 {
			return nil, diag.New(diag.Limit, "memory on the device: more than can be addressed")
		}
		if b.size += place.Size; int64(b.size) > s.memLimit || b.size < 0 {
			return nil, &diag.Error{Kind: diag.Limit, Port: "memory for intermediate values", Have: fmt.Sprintf("%d bytes or more", uint64(b.size)), Want: fmt.Sprintf("at most %d (see MemoryLimit)", s.memLimit)}
		}
	}
	if b.size > len(s.arena) { // older bindings point into the old arena
		if err := s.dropBindings(); err != nil {
			return nil, err
		}
		s.arena = tensor.AlignedBytes(b.size)
	}
	if s.m.device != nil {
		if err := s.deviceArena(b.device); err != nil {
			return nil, err
		}
	}
	for _, fr := range b.frames {
		if err := s.fill(b, fr); err != nil {
			return nil, errors.Join(err, s.drop(b))
		}
	}
	if err := s.needScratch(b.scratch); err != nil {
		return nil, errors.Join(err, s.drop(b))
	}
	return b, nil
}

// dropBindings forgets all preparations.
func (s *Session) dropBindings() error {
	var err error
	for _, b := range s.bindings {
		err = errors.Join(err, s.drop(b))
	}
	s.bindings = s.bindings[:0]
	return err
}

// drop lets go of what b has.
func (s *Session) drop(b *binding) error {
	s.forget(b)
	if len(b.own) == 0 {
		return nil
	}
	err := s.device.queue.Wait(context.Background())
	for _, a := range b.own {
		err = errors.Join(err, s.m.device.dev.Free(a))
	}
	b.own = nil
	return err
}

// fill points the frame's values into the arena and prepares its calls.
func (s *Session) fill(b *binding, fr *frame) error {
	fn := fr.fn
	fr.vals = make([]tensor.Value, len(fn.Slots))
	volatile := make([]bool, len(fn.Slots))
	for i := range fn.Slots {
		sl := &fn.Slots[i]
		if sl.Kind == plan.Obj && fr.bytes == nil {
			fr.bytes = make([]int64, len(fn.Slots))
		}
		root := fn.Root(plan.SlotID(i))
		switch rk := fn.Slots[root].Kind; {
		case sl.Space == plan.Device: // addresses gives its place
		case sl.Kind == plan.Fixed:
			fr.vals[i] = s.m.consts[sl.Index]
		case rk == plan.Fixed && fr.place.Dims[i] != nil:
			t := s.m.consts[fn.Slots[root].Index].Tensor
			if n, ok := tensor.Count(fr.place.Dims[i]); !ok || n != t.Len() {
				return diag.New(diag.Shape, "value %q: %v of the elements of %v", sl.Name, fr.place.Dims[i], t.Dims())
			}
			if t.DType() == dtype.String {
				v, err := t.View(fr.place.Dims[i]...)
				if err != nil {
					return diag.New(diag.Shape, "value %q: %v", sl.Name, err)
				}
				fr.vals[i] = tensor.V(v)
				continue
			}
			t.Rebind(t.DType(), fr.place.Dims[i], t.Bytes())
			fr.vals[i] = tensor.V(t)
		case sl.Kind == plan.Buf && fr.place.Offset[i] >= 0:
			var t tensor.Tensor
			n, _ := tensor.Count(fr.place.Dims[i])
			off := fr.base + fr.place.Offset[i]
			t.Rebind(sl.Type.DType, fr.place.Dims[i], s.arena[off:off+sl.Type.DType.Bytes(n)])
			fr.vals[i] = tensor.V(t)
		default:
			volatile[i] = true
			if sl.Alias != plan.None && (rk == plan.Input || rk == plan.Held) {
				fr.fresh = append(fr.fresh, plan.SlotID(i))
			}
		}
	}
	fr.calls = make([]call, len(fn.Body))
	for i := range fn.Slots {
		if sl := &fn.Slots[i]; sl.Kind == plan.Obj && sl.Last >= 0 && int(sl.Last) < len(fn.Body) {
			c := &fr.calls[sl.Last]
			c.dying = append(c.dying, plan.SlotID(i))
		}
	}
	if s.m.device != nil {
		if err := s.addresses(b, fr); err != nil {
			return err
		}
	}
	for i := range fn.Body {
		if err := s.prepareInstr(b, fr, i, volatile); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) prepareInstr(b *binding, fr *frame, i int, volatile []bool) error {
	in := &fr.fn.Body[i]
	c := &fr.calls[i]
	c.env = callCtx{s: s, b: b, fr: fr, i: i}
	switch in.Op {
	case plan.Dim, plan.Copy:
		return nil
	case plan.Launch:
		if err := s.prepareLaunch(fr, i); err != nil {
			return at(in, err)
		}
		return nil
	}
	c.Attrs, c.Pool = in.Attrs, s.pool
	for _, k := range in.Consts {
		c.Consts = append(c.Consts, s.m.consts[k].Tensor)
	}
	c.In = make([]tensor.Value, len(in.In))
	for p, sl := range in.In {
		if sl == plan.None {
			continue
		}
		if volatile[sl] {
			c.moving = append(c.moving, moved{p, sl})
			if fr.place.Dims[sl] != nil && fr.fn.Slots[sl].Type.IsTensor() && fr.fn.Slots[sl].Kind != plan.Obj {
				// Known extents: Prepare may look at them before the first run.
				var t tensor.Tensor
				t.Rebind(fr.fn.Slots[sl].Type.DType, fr.place.Dims[sl], nil)
				c.In[p] = tensor.V(t)
			} else {
				c.dynamic = true
			}
			continue
		}
		c.In[p] = fr.vals[sl]
	}
	c.Out = make([]tensor.Value, len(in.Out))
	for p, sl := range in.Out {
		if sl == plan.None {
			continue
		}
		if volatile[sl] {
			c.dynamic = true
			continue
		}
		c.Out[p] = fr.vals[sl]
	}
	c.planned = slices.Clone(c.Out)
	if c.dynamic || in.Op == plan.Region {
		c.desc = s.m.alts[fr.id][i][0]
		return nil
	}
	return s.prepare(b, fr, i)
}

// prepare chooses the kernel for the extents at hand and readies it.
func (s *Session) prepare(b *binding, fr *frame, i int) error {
	in, c := &fr.fn.Body[i], &fr.calls[i]
	c.desc = nil
	for k, d := range s.m.alts[fr.id][i] {
		if s.holds(in.Alts[s.m.keep[fr.id][i][k]].When) {
			c.desc = d
			break
		}
	}
	if c.desc == nil {
		return at(in, diag.New(diag.Internal, "no kernel for these extents"))
	}
	c.State = nil
	if c.desc.Prepare != nil {
		st, err := c.desc.Prepare(&c.Call)
		if err != nil {
			return at(in, err)
		}
		c.State = st
	}
	if c.desc.Scratch != nil {
		b.scratch = max(b.scratch, c.desc.Scratch(&c.Call, s.threads))
	}
	return nil
}

func (s *Session) holds(when []plan.DimRange) bool {
	for _, w := range when {
		if v, err := w.Dim.Eval(s.env); err != nil || v < w.Lo || v > w.Hi {
			return false
		}
	}
	return true
}

// at adds the instruction's source node to an error.
func at(in *plan.Instr, err error) error {
	node := ""
	if len(in.Source) > 0 {
		node = in.Source[0]
	}
	return diag.At(node, in.Name, diag.Internal, err)
}

// randFor is the generator of one instruction: the same in every run.
func randFor(fn, i int) *rand.Rand { return rand.New(rand.NewPCG(uint64(fn)<<32|uint64(i), 0x6d6c63)) }
