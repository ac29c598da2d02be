package plan

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Verify checks what a runtime trusts, whoever wrote p: every index lies
// inside what it points to, aliases end at a slot with memory of its own that
// may be written where it is written, live ranges cover reads, bodies form a
// tree, types are whole, launches give the parameters that their kernels take.
// Extents and element types of calls are the kernels' to check, when they are
// prepared; what kernels on a device do with addresses nobody can check. Error:
// kind BadModel, naming the function and instruction.
func Verify(p *Program) error {
	if len(p.Funcs) == 0 {
		return diag.New(diag.BadModel, "program has no function")
	}
	for _, part := range []func(*Program) error{verifySyms, verifyConsts, verifyStates} {
		if err := part(p); err != nil {
			return diag.New(diag.BadModel, "%v", err)
		}
	}
	kernels, err := entries(p.Code)
	if err != nil {
		return diag.New(diag.BadModel, "%v", err)
	}
	owned := make([]bool, len(p.Funcs)) // by an instruction
	for id, f := range p.Funcs {
		v := verifier{p: p, f: f, id: id, owned: owned, kernels: kernels}
		if err := v.function(); err != nil {
			return diag.New(diag.BadModel, "function %d (%s): %v", id, f.Name, err)
		}
	}
	return nil
}

func verifySyms(p *Program) error {
	seen := make(map[string]bool, len(p.Syms))
	for i, s := range p.Syms {
		if s.Name == "" || seen[s.Name] || s.Lo < 0 || s.Hi < s.Lo {
			return fmt.Errorf("symbol %d (%q, %d..%d) is malformed", i, s.Name, s.Lo, s.Hi)
		}
		seen[s.Name] = true
	}
	return nil
}

func verifyConsts(p *Program) error {
	for i := range p.Consts {
		c := &p.Consts[i]
		if _, ok := tensor.Count(c.Dims); !ok || !c.DType.Valid() || c.Data == nil {
			return fmt.Errorf("constant %d (%s) is malformed", i, c.Name)
		}
	}
	return nil
}

func verifyStates(p *Program) error {
	for i, s := range p.States {
		hi, ok := s.Type.Static()
		if !ok || !s.Type.DType.Valid() || len(s.Lo) != len(hi) || s.Init < -1 || s.Init >= len(p.Consts) || s.GrowAxis < -1 || s.GrowAxis >= len(hi) {
			return fmt.Errorf("state %d (%s) is malformed", i, s.Name)
		}
		for k := range hi {
			if s.Lo[k] < 0 || s.Lo[k] > int64(hi[k]) {
				return fmt.Errorf("state %d (%s): axis %d is of %d..%d", i, s.Name, k, s.Lo[k], hi[k])
			}
		}
		if s.Init < 0 {
			continue
		}
		c := &p.Consts[s.Init]
		if c.DType != s.Type.DType || len(c.Dims) != len(hi) {
			return fmt.Errorf("state %d (%s) of %v begins as %v%v", i, s.Name, s.Type, c.DType, c.Dims)
		}
		for k, n := range c.Dims {
			if int64(n) < s.Lo[k] || n > hi[k] {
				return fmt.Errorf("state %d (%s) of %v begins as %v%v", i, s.Name, s.Type, c.DType, c.Dims)
			}
		}
	}
	return nil
}

type verifier struct {
	p       *Program
	f       *Func
	id      int
	owned   []bool
	kernels map[string][]int
}

func (v *verifier) function() error {
	f := v.f
	if v.id > 0 && !v.owned[v.id] {
		return fmt.Errorf("no instruction runs it")
	}
	if v.id == 0 && len(f.Names) != len(f.Params)+len(f.Results) {
		return fmt.Errorf("%d names for %d parameters and results", len(f.Names), len(f.Params)+len(f.Results))
	}
	if err := v.writes(); err != nil {
		return err
	}
	for _, s := range f.Results {
		if !v.has(s) || f.Slots[s].Last != int32(len(f.Body)) {
			return fmt.Errorf("result is slot %d, or it does not live to the end", s)
		}
	}
	param := make([]bool, len(f.Slots))
	for _, s := range f.Params {
		if !v.has(s) || param[s] {
			return fmt.Errorf("parameter is slot %d, or twice", s)
		}
		if k := f.Slots[s].Kind; k != Input && (k != Held || v.id != 0) {
			return fmt.Errorf("parameter slot %d is no input", s)
		}
		param[s] = true
	}
	for i := range f.Slots {
		if k := f.Slots[i].Kind; (k == Input || k == Held) && !param[i] {
			return fmt.Errorf("slot %d is an input, but no parameter", i) // its extents would not be checked
		}
		if err := v.slot(SlotID(i)); err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
	}
	for i := range f.Body {
		if err := v.instr(i); err != nil {
			return fmt.Errorf("instruction %d (%s): %w", i, f.Body[i].Name, err)
		}
	}
	return nil
}

// writes checks that main alone writes states, each once.
func (v *verifier) writes() error {
	if len(v.f.Writes) != len(v.f.Results) {
		return fmt.Errorf("%d state writes for %d results", len(v.f.Writes), len(v.f.Results))
	}
	written := make([]bool, len(v.p.States))
	for _, w := range v.f.Writes {
		if w == -1 {
			continue
		}
		if w < 0 || w >= len(written) || written[w] || v.id != 0 {
			return fmt.Errorf("writes state %d", w)
		}
		written[w] = true
	}
	return nil
}

func (v *verifier) has(s SlotID) bool { return s >= 0 && int(s) < len(v.f.Slots) }

func (v *verifier) slot(i SlotID) error {
	s := &v.f.Slots[i]
	if err := wholeType(s.Type); err != nil {
		return err
	}
	switch s.Kind {
	case Fixed:
		if s.Index < 0 || s.Index >= len(v.p.Consts) {
			return fmt.Errorf("constant %d", s.Index)
		}
		c := &v.p.Consts[s.Index]
		if d, ok := shape.Consts(s.Type.Dims); !s.Type.Ranked() || !ok || s.Type.DType != c.DType || fmt.Sprint(d) != fmt.Sprint(c.Dims) {
			return fmt.Errorf("type %v of a constant of %v%v", s.Type, c.DType, c.Dims)
		}
	case Held:
		if s.Index < 0 || s.Index >= len(v.p.States) {
			return fmt.Errorf("state %d", s.Index)
		}
		if st := &v.p.States[s.Index]; !s.Type.Ranked() || s.Type.DType != st.Type.DType {
			return fmt.Errorf("type %v of a state of %v", s.Type, st.Type)
		}
	case Buf:
		if !s.Type.Ranked() || s.Type.DType.Bits() == 0 {
			return fmt.Errorf("buffer of type %v", s.Type)
		}
	case Obj, Input:
	default:
		return fmt.Errorf("kind %d", s.Kind)
	}
	if s.Space > Device || s.Space == Device && s.Kind != Buf && s.Kind != Fixed {
		return fmt.Errorf("space %d", s.Space)
	}
	if s.Space == Device && len(v.p.Code) == 0 {
		return fmt.Errorf("on a device, and the program has no code for one")
	}
	if s.Space == Device && s.Type.DType.Bits()%8 != 0 {
		return fmt.Errorf("%v on a device", s.Type.DType)
	}
	if s.Alias == None {
		return nil
	}
	if s.Kind != Buf {
		return fmt.Errorf("only a buffer may be an alias")
	}
	if !v.has(s.Alias) || v.f.Slots[s.Alias].Alias != None {
		return fmt.Errorf("alias of slot %d, which has no memory of its own", s.Alias)
	}
	root := &v.f.Slots[s.Alias]
	if root.Space != s.Space {
		return fmt.Errorf("alias of slot %d in another space", s.Alias)
	}
	if root.Kind == Obj || !root.Type.Ranked() || root.Type.DType != s.Type.DType {
		return fmt.Errorf("alias of %v as %v", root.Type, s.Type)
	}
	return nil
}

// wholeType checks a type all the way down.
func wholeType(t tensor.Type) error {
	for e := &t; ; e = e.Elem {
		switch e.Kind {
		case tensor.KindNone:
			return nil
		case tensor.KindTensor:
			if !e.DType.Valid() {
				return fmt.Errorf("no element type")
			}
			return nil
		}
		if e.Elem == nil {
			return fmt.Errorf("a container of nothing")
		}
	}
}

func (v *verifier) instr(i int) error {
	in := &v.f.Body[i]
	for _, s := range in.In {
		if s == None {
			continue
		}
		if !v.has(s) {
			return fmt.Errorf("reads slot %d", s)
		}
		if k := v.f.Slots[s].Kind; (k == Buf || k == Obj) && v.f.Slots[s].Last < int32(i) {
			return fmt.Errorf("reads slot %d after its range", s)
		}
	}
	if in.Op == Dim && len(in.Out) > 0 {
		return fmt.Errorf("malformed dim")
	}
	for _, s := range in.Out {
		if s == None {
			continue
		}
		if !v.has(s) || v.f.Slots[s].Kind != Buf && v.f.Slots[s].Kind != Obj || v.f.Slots[v.f.Root(s)].Kind != v.f.Slots[s].Kind {
			return fmt.Errorf("writes slot %d", s) // or through it what is not the run's own
		}
		if first := v.f.Slots[s].First; first > int32(i) || v.f.Slots[s].Last < int32(i) {
			return fmt.Errorf("writes slot %d outside its range", s)
		}
	}
	if in.Op != Launch && in.Op != Copy {
		for _, s := range append(in.In[:len(in.In):len(in.In)], in.Out...) {
			if s != None && v.f.Slots[s].Space != Host {
				return fmt.Errorf("slot %d is on the device", s)
			}
		}
	}
	for _, k := range in.Consts {
		if k < 0 || k >= len(v.p.Consts) {
			return fmt.Errorf("constant %d", k)
		}
	}
	return v.opcode(in)
}

func (v *verifier) opcode(in *Instr) error {
	switch in.Op {
	case Call, Region:
		if len(in.Alts) == 0 {
			return fmt.Errorf("no kernel")
		}
		if in.Op == Call {
			if len(in.Bodies) > 0 || in.NIn != 0 {
				return fmt.Errorf("a call with bodies")
			}
			return nil
		}
		if in.NIn < 0 || in.NIn > len(in.In) || len(in.Bodies) == 0 {
			return fmt.Errorf("malformed region")
		}
		for _, b := range in.Bodies {
			// Bodies follow their function and belong to one instruction: they
			// form a tree, so that there is no recursion.
			if b <= v.id || b >= len(v.p.Funcs) || v.owned[b] {
				return fmt.Errorf("body %d", b)
			}
			v.owned[b] = true
			if n := len(v.p.Funcs[b].Params); n < len(in.In)-in.NIn {
				return fmt.Errorf("body %d takes %d values, want at least %d", b, n, len(in.In)-in.NIn)
			}
		}
	case Dim:
		if len(in.In) != 1 || in.In[0] == None || in.Sym < 0 || in.Sym >= len(v.p.Syms) || v.p.Syms[in.Sym].Entry ||
			in.Axis < 0 || in.Axis >= v.f.Slots[in.In[0]].Type.Rank() {
			return fmt.Errorf("malformed dim")
		}
	case Copy:
		if len(in.In) != 1 || len(in.Out) != 1 || in.In[0] == None || in.Out[0] == None {
			return fmt.Errorf("malformed copy")
		}
		a, b := v.f.Slots[in.In[0]].Type, v.f.Slots[in.Out[0]].Type
		if x, y := &v.f.Slots[in.In[0]], &v.f.Slots[in.Out[0]]; x.Space != y.Space && (!a.Ranked() || x.Kind == Obj || y.Kind == Obj) {
			return fmt.Errorf("copies %v to %v in another space", a, b)
		}
		if v.f.Slots[in.Out[0]].Kind == Buf && (a.Kind != tensor.KindTensor || a.DType != b.DType || a.DType == dtype.String) {
			return fmt.Errorf("copies %v to %v", a, b)
		}
	case Launch:
		return v.launch(in)
	default:
		return fmt.Errorf("opcode %d", in.Op)
	}
	return nil
}

// maxBlock is how many threads a block of any device has at most, maxBlockZ how
// many along its last axis.
const maxBlock, maxBlockZ = 1024, 64

// launch checks the grid and that every operand is on the device.
func (v *verifier) launch(in *Instr) error {
	g := in.Grid
	if g == nil || g.Kernel == "" || len(v.p.Code) == 0 || len(in.Consts)+len(in.Alts)+len(in.Bodies) > 0 {
		return fmt.Errorf("malformed launch")
	}
	threads := 1
	for i := range 3 {
		if g.Tile[i] < 1 || g.Block[i] < 1 || g.Block[i] > maxBlock {
			return fmt.Errorf("blocks of %v over tiles of %v", g.Block, g.Tile)
		}
		threads *= g.Block[i]
	}
	if threads > maxBlock || g.Block[2] > maxBlockZ {
		return fmt.Errorf("blocks of %v threads, want at most %d, %d along the last axis", g.Block, maxBlock, maxBlockZ)
	}
	for _, s := range append(in.In[:len(in.In):len(in.In)], in.Out...) {
		if s != None && v.f.Slots[s].Space != Device {
			return fmt.Errorf("slot %d is not on the device", s)
		}
	}
	sizes, ok := v.kernels[g.Kernel]
	if !ok || len(sizes) != len(g.Args) {
		return fmt.Errorf("the code has no kernel %s of %d parameters", g.Kernel, len(g.Args))
	}
	for i, a := range g.Args {
		if number := a.Kind == ArgDim; number != (sizes[i] == 4) {
			return fmt.Errorf("parameter %d of kernel %s has %d bytes", i, g.Kernel, sizes[i])
		}
		list := in.In
		switch a.Kind {
		case ArgIn:
		case ArgOut:
			list = in.Out
		case ArgDim, ArgFault:
			continue
		default:
			return fmt.Errorf("parameter %d of kind %d", i, a.Kind)
		}
		if a.I < 0 || a.I >= len(list) || list[a.I] == None {
			return fmt.Errorf("parameter %d is operand %d", i, a.I)
		}
	}
	return nil
}
