package cuda

import (
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// placer divides one function between host and device: it goes through the
// host's instructions in order, takes a launch where a generator makes one,
// and copies a value to the other space where it is first needed there.
type placer struct {
	c     *compiler
	p     *plan.Program
	old   *plan.Func // as the host would run it
	slots []plan.Slot
	body  []plan.Instr
	at    map[key]plan.SlotID // slot of an old slot in a space
	valid map[key]bool        // by an old slot with memory of its own: it holds the value there
}

type key struct {
	slot  plan.SlotID
	space plan.Space
}

// function places the instructions of f.
func (c *compiler) function(p *plan.Program, f *plan.Func) error {
	old := *f
	x := &placer{c: c, p: p, old: &old, at: map[key]plan.SlotID{}, valid: map[key]bool{}}
	for i := range old.Params {
		s := old.Params[i]
		f.Params[i] = x.define(s, plan.Host)
	}
	for i := range old.Body {
		if err := x.instr(&old.Body[i]); err != nil {
			return err
		}
	}
	for i, r := range old.Results {
		f.Results[i] = x.slot(r, plan.Host)
	}
	f.Slots, f.Body = x.slots, x.body
	return nil
}

func (x *placer) instr(in *plan.Instr) error {
	if in.Op == plan.Call && x.placeable(in) {
		if g := generators[in.Name]; g != nil {
			o := &op{placer: x, in: in}
			done, err := g(o)
			if err != nil {
				return diag.At(first(in.Source), in.Name, diag.Internal, err)
			}
			if done {
				return nil
			}
			if o.n > 0 {
				return diag.At(first(in.Source), in.Name, diag.Internal, fmt.Errorf("%d launches for a call that stays on the host", o.n))
			}
		}
	}
	if in.Op == plan.Call && x.c.opt.Remark != nil {
		x.c.opt.Remark(first(in.Source), in.Name+" runs on the host: no device kernel for it, its types or extents")
	}
	host := *in
	host.In, host.Out = slices.Clone(in.In), slices.Clone(in.Out)
	for i, s := range in.In {
		host.In[i] = x.slot(s, plan.Host)
	}
	for i, s := range in.Out {
		host.Out[i] = x.define(s, plan.Host)
	}
	x.body = append(x.body, host)
	return nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// placeable says whether a device can hold all operands: tensors of whole
// bytes whose extents follow from the entry symbols, of less than 2^31 elements
// where that is known.
func (x *placer) placeable(in *plan.Instr) bool {
	for _, s := range append(in.In[:len(in.In):len(in.In)], in.Out...) {
		if s == plan.None {
			continue
		}
		for _, t := range []*plan.Slot{&x.old.Slots[s], &x.old.Slots[x.old.Root(s)]} {
			if t.Kind == plan.Obj || !x.sized(t.Type) {
				return false
			}
		}
	}
	return true
}

func (x *placer) sized(t tensor.Type) bool {
	if !t.IsTensor() || !t.Ranked() || t.DType == dtype.String || t.DType.Bits()%8 != 0 {
		return false
	}
	if n, known := shape.Prod(t.Dims).Const(); known && n > math.MaxInt32 {
		return false
	}
	for _, d := range t.Dims {
		for _, name := range d.Symbols(nil) {
			i := slices.IndexFunc(x.p.Syms, func(s plan.Sym) bool { return s.Name == name })
			if i < 0 || !x.p.Syms[i].Entry {
				return false
			}
		}
	}
	return true
}

// slot gives old slot s in a space, copying there what is not.
func (x *placer) slot(s plan.SlotID, space plan.Space) plan.SlotID {
	if s == plan.None {
		return s
	}
	root := x.old.Root(s)
	if !x.valid[key{root, space}] && x.old.Slots[root].Kind != plan.Fixed {
		from := x.twin(root, plan.Device-space)
		to := x.twin(root, space)
		x.body = append(x.body, plan.Instr{Op: plan.Copy, In: []plan.SlotID{from}, Out: []plan.SlotID{to}})
		x.valid[key{root, space}] = true
	}
	return x.twin(s, space)
}

// define gives the slot of old slot s, which an instruction is about to write
// in a space, or which is there from the beginning.
func (x *placer) define(s plan.SlotID, space plan.Space) plan.SlotID {
	if s == plan.None {
		return s
	}
	x.valid[key{x.old.Root(s), space}] = true
	return x.twin(s, space)
}

// twin is the slot of old slot s in a space; a view's is a view there.
func (x *placer) twin(s plan.SlotID, space plan.Space) plan.SlotID {
	if id, ok := x.at[key{s, space}]; ok {
		return id
	}
	t := x.old.Slots[s]
	t.Space = space
	if r := x.old.Root(s); r != s {
		t.Alias = x.twin(r, space)
	} else if space == plan.Device && t.Kind != plan.Fixed {
		t.Kind, t.Index = plan.Buf, 0
	}
	id := x.temp(t)
	x.at[key{s, space}] = id
	return id
}

func (x *placer) temp(s plan.Slot) plan.SlotID {
	x.slots = append(x.slots, s)
	return plan.SlotID(len(x.slots) - 1)
}
