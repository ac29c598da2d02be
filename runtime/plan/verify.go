package plan

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Verify checks that every index in p lies inside what it points to, that
// aliases end, and that live ranges cover reads: what a runtime trusts. Error:
// kind BadModel, naming the function and instruction.
func Verify(p *Program) error {
	if len(p.Funcs) == 0 {
		return diag.New(diag.BadModel, "program has no function")
	}
	for i, s := range p.States {
		if s.Init < -1 || s.Init >= len(p.Consts) || !s.Type.Ranked() || s.GrowAxis >= len(s.Type.Dims) {
			return diag.New(diag.BadModel, "state %d is malformed", i)
		}
		if _, ok := s.Type.Static(); !ok {
			return diag.New(diag.BadModel, "state %s has open extents", s.Name)
		}
	}
	for id, f := range p.Funcs {
		v := verifier{p: p, f: f, id: id}
		if err := v.function(); err != nil {
			return diag.New(diag.BadModel, "function %d (%s): %v", id, f.Name, err)
		}
	}
	return nil
}

type verifier struct {
	p  *Program
	f  *Func
	id int
}

func (v *verifier) function() error {
	f := v.f
	if v.id == 0 && len(f.Names) != len(f.Params)+len(f.Results) {
		return fmt.Errorf("%d names for %d parameters and results", len(f.Names), len(f.Params)+len(f.Results))
	}
	if len(f.Writes) != len(f.Results) {
		return fmt.Errorf("%d state writes for %d results", len(f.Writes), len(f.Results))
	}
	for _, w := range f.Writes {
		if w < -1 || w >= len(v.p.States) {
			return fmt.Errorf("state %d", w)
		}
	}
	for i := range f.Slots {
		if err := v.slot(SlotID(i)); err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
	}
	for _, s := range append(append([]SlotID{}, f.Params...), f.Results...) {
		if !v.has(s) {
			return fmt.Errorf("parameter or result is slot %d", s)
		}
	}
	for _, s := range f.Params {
		if k := f.Slots[s].Kind; k != Input && k != Held {
			return fmt.Errorf("parameter slot %d is no input", s)
		}
	}
	for i := range f.Body {
		if err := v.instr(i); err != nil {
			return fmt.Errorf("instruction %d (%s): %w", i, f.Body[i].Name, err)
		}
	}
	return nil
}

func (v *verifier) has(s SlotID) bool { return s >= 0 && int(s) < len(v.f.Slots) }

func (v *verifier) slot(i SlotID) error {
	s := &v.f.Slots[i]
	switch s.Kind {
	case Fixed:
		if s.Index < 0 || s.Index >= len(v.p.Consts) {
			return fmt.Errorf("constant %d", s.Index)
		}
		if c := &v.p.Consts[s.Index]; !s.Type.IsTensor() || s.Type.DType != c.DType {
			return fmt.Errorf("type %v of a constant of %v", s.Type, c.DType)
		}
	case Held:
		if s.Index < 0 || s.Index >= len(v.p.States) {
			return fmt.Errorf("state %d", s.Index)
		}
	case Buf:
		if !s.Type.Ranked() || s.Type.DType.Bits() == 0 {
			return fmt.Errorf("buffer of type %v", s.Type)
		}
	case Obj, Input:
	default:
		return fmt.Errorf("kind %d", s.Kind)
	}
	if s.Alias == None {
		return nil
	}
	if s.Kind != Buf {
		return fmt.Errorf("only a buffer may be an alias")
	}
	steps := 0
	for r := i; v.f.Slots[r].Alias != None; steps++ {
		if r = v.f.Slots[r].Alias; !v.has(r) || steps > len(v.f.Slots) {
			return fmt.Errorf("alias of slot %d", r)
		}
	}
	root := &v.f.Slots[v.f.Root(i)]
	if root.Kind == Obj || !root.Type.Ranked() || root.Type.DType != s.Type.DType {
		return fmt.Errorf("alias of %v as %v", root.Type, s.Type)
	}
	return nil
}

func (v *verifier) instr(i int) error {
	in := &v.f.Body[i]
	for _, s := range in.In {
		if s != None && (!v.has(s) || v.f.Slots[s].Kind == Buf && v.f.Slots[s].Last < int32(i)) {
			return fmt.Errorf("reads slot %d outside its range", s)
		}
	}
	for _, s := range in.Out {
		if s != None && (!v.has(s) || v.f.Slots[s].Kind != Buf && v.f.Slots[s].Kind != Obj) {
			return fmt.Errorf("writes slot %d", s)
		}
	}
	for _, k := range in.Consts {
		if k < 0 || k >= len(v.p.Consts) {
			return fmt.Errorf("constant %d", k)
		}
	}
	switch in.Op {
	case Call, Region:
		if len(in.Alts) == 0 {
			return fmt.Errorf("no kernel")
		}
		if in.Op == Region && (in.NIn < 0 || in.NIn > len(in.In) || len(in.Bodies) == 0) {
			return fmt.Errorf("malformed region")
		}
		for _, b := range in.Bodies {
			if b <= v.id || b >= len(v.p.Funcs) { // bodies follow their function: no recursion
				return fmt.Errorf("body %d", b)
			}
			if n := len(v.p.Funcs[b].Params); n < len(in.In)-in.NIn {
				return fmt.Errorf("body %d takes %d values, want at least %d", b, n, len(in.In)-in.NIn)
			}
		}
	case Dim:
		if len(in.In) != 1 || in.In[0] == None || in.Sym < 0 || in.Sym >= len(v.p.Syms) || in.Axis < 0 || in.Axis >= v.f.Slots[in.In[0]].Type.Rank() {
			return fmt.Errorf("malformed dim")
		}
	case Copy:
		if len(in.In) != 1 || len(in.Out) != 1 || in.In[0] == None || in.Out[0] == None {
			return fmt.Errorf("malformed copy")
		}
		a, b := v.f.Slots[in.In[0]].Type, v.f.Slots[in.Out[0]].Type
		if v.f.Slots[in.Out[0]].Kind == Buf && (a.Kind != tensor.KindTensor || a.DType != b.DType) {
			return fmt.Errorf("copies %v to %v", a, b)
		}
	default:
		return fmt.Errorf("opcode %d", in.Op)
	}
	return nil
}
