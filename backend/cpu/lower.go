package cpu

import (
	"context"
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Options of lowering.
type Options struct {
	Target target.Target
	Set    *kernel.Set // every kernel to choose from, those of foreign architectures included
	// Remark is told what was chosen and why something slow was; may be nil.
	Remark func(node, msg string)
	// Retarget, if not nil, may replace the instructions of each function, and
	// its slots, before memory is planned.
	Retarget func(p *plan.Program, f *plan.Func) error
}

// Lower turns m, which must be verified, into a Program. m is not changed.
// Errors: what the plan cannot express (Unsupported), a constant that cannot
// be computed.
func Lower(ctx context.Context, m *ir.Module, opt Options) (*plan.Program, error) {
	p := &plan.Program{Name: m.Name, Arch: opt.Target.Arch, Target: opt.Target.String()}
	for _, x := range m.Meta {
		p.Meta = append(p.Meta, plan.Meta{Key: x.Key, Value: x.Value})
	}
	l := &lowerer{ctx: ctx, opt: opt, m: m, p: p, syms: map[string]int{}, consts: map[constKey]int{}, folded: map[*ir.Value]bool{}, computed: map[*ir.Value]*ir.Const{}, same: map[*ir.Value]*ir.Value{}}
	for _, d := range m.Dims {
		l.syms[d.Name] = len(p.Syms)
		p.Syms = append(p.Syms, plan.Sym{Name: d.Name, Lo: d.Lo, Hi: d.Hi})
	}
	main := m.Main()
	if main == nil {
		return nil, diag.New(diag.BadModel, "module %s has no function", m.Name)
	}
	for _, v := range main.Params {
		for _, d := range v.Type.Dims {
			if s, ok := d.Symbol(); ok {
				p.Syms[l.syms[s]].Entry = true
			}
		}
	}
	for _, s := range m.States {
		hi, ok := s.Type.Static()
		if !ok {
			return nil, &diag.Error{Kind: diag.Unsupported, Node: "state " + s.Name, Have: s.Type.String(), Want: "extents that are numbers (bind its symbols)"}
		}
		st := plan.State{Name: s.Name, Type: s.Type, Lo: make([]int64, len(hi)), Init: -1, GrowAxis: s.GrowAxis}
		for i := range hi {
			st.Lo[i] = int64(hi[i])
			if i < len(s.Lo) && s.Lo[i] >= 0 {
				st.Lo[i] = s.Lo[i]
			}
		}
		if s.Init != nil {
			st.Init = l.addConst(s.Name, s.Init)
		}
		p.States = append(p.States, st)
	}
	if _, err := l.function(main, nil); err != nil {
		return nil, err
	}
	return p, nil
}

type constKey struct {
	v      any // *ir.Const or *ir.Value
	format string
}

// lowerer holds what is shared by all functions of a program.
type lowerer struct {
	ctx      context.Context
	opt      Options
	m        *ir.Module
	p        *plan.Program
	syms     map[string]int
	consts   map[constKey]int
	folded   map[*ir.Value]bool      // memo of isConst
	computed map[*ir.Value]*ir.Const // small results in regions
	room     int64                   // bytes that a constant may take to compute, 0: not known yet
	same     map[*ir.Value]*ir.Value // parameters of inlined groups
}

// funcLowerer lowers one function.
type funcLowerer struct {
	*lowerer
	f     *plan.Func
	slots map[*ir.Value]plan.SlotID
	bound map[string]bool             // run-time symbols bound by Dim instructions so far
	wide  map[plan.SlotID]plan.SlotID // float32 copies of float16 slots
}

// function lowers f; captures are outer values that follow its parameters.
func (l *lowerer) function(f *ir.Func, captures []*ir.Value) (int, error) {
	id := len(l.p.Funcs)
	pf := &plan.Func{Name: f.Name}
	l.p.Funcs = append(l.p.Funcs, pf)
	fl := &funcLowerer{lowerer: l, f: pf, slots: map[*ir.Value]plan.SlotID{}, bound: map[string]bool{}, wide: map[plan.SlotID]plan.SlotID{}}
	for _, v := range append(slices.Clone(f.Params), captures...) {
		s := plan.Slot{Kind: plan.Input, Type: v.Type, Name: v.Name, Alias: plan.None, First: -1}
		if v.State != nil {
			s.Kind, s.Index = plan.Held, l.stateIndex(v.State)
		}
		pf.Params = append(pf.Params, fl.bind(v, s))
		if id == 0 {
			pf.Names = append(pf.Names, v.Name)
		}
	}
	for _, p := range pf.Params {
		fl.dims(p)
	}
	for _, n := range f.Nodes {
		if err := l.ctx.Err(); err != nil {
			return 0, err
		}
		if n.Const != nil || l.isConst(n.Out[0]) {
			continue // materialized where it is read
		}
		if err := fl.node(n); err != nil {
			return 0, diag.At(n.Label(), n.Def.VersionedName(), diag.Internal, err)
		}
	}
	for _, r := range f.Results {
		s, err := fl.slot(r.Value)
		if err != nil {
			return 0, err
		}
		pf.Results = append(pf.Results, s)
		w := -1
		if r.State != nil {
			w = l.stateIndex(r.State)
		}
		pf.Writes = append(pf.Writes, w)
		if id == 0 {
			pf.Names = append(pf.Names, r.Name)
		}
	}
	if l.opt.Retarget != nil {
		if err := l.opt.Retarget(l.p, pf); err != nil {
			return 0, err
		}
	}
	liveRanges(pf)
	inPlace(pf)
	shorten(pf)
	return id, nil
}

func (l *lowerer) stateIndex(s *ir.State) int { return slices.Index(l.m.States, s) }

// bind makes a slot for v.
func (fl *funcLowerer) bind(v *ir.Value, s plan.Slot) plan.SlotID {
	id := fl.temp(s)
	fl.slots[v] = id
	return id
}

func (fl *funcLowerer) temp(s plan.Slot) plan.SlotID {
	fl.f.Slots = append(fl.f.Slots, s)
	return plan.SlotID(len(fl.f.Slots) - 1)
}

// placed says whether a value of type t can be given memory before the run:
// a ranked tensor whose extents follow from the entry symbols.
func (l *lowerer) placed(t ir.Type) bool {
	if !t.Ranked() || t.DType == dtype.String {
		return false
	}
	for _, d := range t.Dims {
		for _, s := range d.Symbols(nil) {
			if i, ok := l.syms[s]; !ok || !l.p.Syms[i].Entry {
				return false
			}
		}
	}
	return true
}

// result makes the slot for output v of a node.
func (fl *funcLowerer) result(v *ir.Value) plan.SlotID {
	k := plan.Obj
	if fl.placed(v.Type) {
		k = plan.Buf
	}
	return fl.bind(v, plan.Slot{Kind: k, Type: v.Type, Name: v.Name, Alias: plan.None})
}

// buffer makes a temporary of type t, which must be placed or data-dependent
// like the value it stands beside.
func (fl *funcLowerer) buffer(name string, t ir.Type) plan.SlotID {
	k := plan.Obj
	if fl.placed(t) {
		k = plan.Buf
	}
	return fl.temp(plan.Slot{Kind: k, Type: t, Name: name, Alias: plan.None})
}

// slot gives the slot of v, materializing constants; None for nil.
func (fl *funcLowerer) slot(v *ir.Value) (plan.SlotID, error) {
	if v = fl.resolve(v); v == nil {
		return plan.None, nil
	}
	if s, ok := fl.slots[v]; ok {
		return s, nil
	}
	if !fl.isConst(v) {
		return plan.None, diag.New(diag.Internal, "%%%s is read before it is computed", v.Name)
	}
	c, err := fl.constOf(v)
	if err != nil {
		return plan.None, err
	}
	i := fl.addConst(v.Name, c)
	return fl.bind(v, plan.Slot{Kind: plan.Fixed, Type: c.Type(), Index: i, Name: v.Name, Alias: plan.None, First: -1}), nil
}

// emit appends an instruction and binds the run-time dims that its outputs
// bring.
func (fl *funcLowerer) emit(in plan.Instr) {
	fl.f.Body = append(fl.f.Body, in)
	for _, o := range in.Out {
		if o != plan.None {
			fl.dims(o)
		}
	}
}

// dims emits Dim instructions for run-time symbols that slot s's type names
// for the first time.
func (fl *funcLowerer) dims(s plan.SlotID) {
	t := fl.f.Slots[s].Type
	if !t.Ranked() {
		return
	}
	for axis, d := range t.Dims {
		name, ok := d.Symbol()
		if !ok || fl.bound[name] || fl.p.Syms[fl.syms[name]].Entry {
			continue
		}
		fl.bound[name] = true
		fl.f.Body = append(fl.f.Body, plan.Instr{Op: plan.Dim, In: []plan.SlotID{s}, Sym: fl.syms[name], Axis: axis})
	}
}

// node lowers one node: as a view, by a family's function, or as a call of
// its reference function.
func (fl *funcLowerer) node(n *ir.Node) error {
	if n.Def.NumRegions > 0 && !n.Is("mlc.Fused") {
		return fl.region(n)
	}
	if n.Def.Has(ir.View) && fl.view(n) {
		return nil
	}
	if f := selectors[n.OpName()]; f != nil && fl.sized(n) {
		done, err := f(fl, n)
		if done || err != nil {
			return err
		}
	}
	if n.Is("mlc.Fused") {
		return fl.inline(n)
	}
	return fl.reference(n)
}

// view lets a shape-only operator's output share its input's memory.
func (fl *funcLowerer) view(n *ir.Node) bool {
	for _, v := range n.Out[1:] {
		if v != nil && len(v.Uses()) > 0 {
			return false
		}
	}
	for _, v := range n.In[1:] {
		if v != nil && v.Ints == nil && !fl.isConst(v) {
			return false // the run may give extents that do not fit: its reference function sees to that
		}
	}
	in, err := fl.slot(n.In[0])
	if err != nil || !fl.placed(n.Out[0].Type) {
		return false
	}
	if k := fl.f.Slots[fl.f.Root(in)].Kind; k == plan.Obj {
		return false
	}
	fl.bind(n.Out[0], plan.Slot{Kind: plan.Buf, Type: n.Out[0].Type, Name: n.Out[0].Name, Alias: fl.f.Root(in)})
	return true
}

// reference lowers n to a call of its reference function.
func (fl *funcLowerer) reference(n *ir.Node) error {
	if n.Def.Ref == nil {
		return &diag.Error{Kind: diag.Unsupported, Port: "kernel", Have: "none", Want: "a reference function"}
	}
	in, err := fl.operands(n.In)
	if err != nil {
		return err
	}
	alts := fl.refAlts(n)
	if fl.opt.Remark != nil && len(alts) == 1 {
		fl.opt.Remark(n.Label(), fmt.Sprintf("%s runs as its reference function", n.OpName()))
	}
	fl.emit(plan.Instr{Op: plan.Call, Name: n.Def.Ref.Op, Alts: alts, Attrs: fl.attrs(n),
		In: in, Out: fl.results(n), Source: n.Source, MACs: macs(n)})
	return nil
}

// refAlts lists the kernels that compute what n's reference function does: the
// user's own, where the Set has any, then that function.
func (fl *funcLowerer) refAlts(n *ir.Node) []plan.Alt {
	var out []plan.Alt
	for _, d := range fl.opt.Set.Pick(n.Def.Ref.Op, "", fl.opt.Target.Arch, fl.opt.Target.Features) {
		if d.ID != n.Def.Ref.ID && (d.Ref != nil || fl.sized(n)) {
			out = append(out, plan.Alt{Kernel: d.ID})
		}
	}
	return append(out, plan.Alt{Kernel: n.Def.Ref.ID})
}

// attrs are the node's attributes as the plan keeps them.
func (fl *funcLowerer) attrs(n *ir.Node) attr.Map { return n.Attrs }

func (fl *funcLowerer) operands(vs []*ir.Value) ([]plan.SlotID, error) {
	out := make([]plan.SlotID, len(vs))
	for i, v := range vs {
		s, err := fl.slot(v)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

func (fl *funcLowerer) results(n *ir.Node) []plan.SlotID {
	out := make([]plan.SlotID, len(n.Out))
	for i, v := range n.Out {
		out[i] = plan.None
		if v != nil {
			out[i] = fl.result(v)
		}
	}
	return out
}

// region lowers If, Loop and their kin: bodies become functions that take
// their parameters, then everything they capture.
func (fl *funcLowerer) region(n *ir.Node) error {
	var captures []*ir.Value
	for _, r := range n.Regions {
		captures = captured(r, r, captures)
	}
	captures = slices.DeleteFunc(captures, fl.isConst)
	var bodies []int
	for _, r := range n.Regions {
		id, err := fl.function(r, captures)
		if err != nil {
			return err
		}
		bodies = append(bodies, id)
	}
	in, err := fl.operands(append(slices.Clone(n.In), captures...))
	if err != nil {
		return err
	}
	fl.emit(plan.Instr{Op: plan.Region, Name: n.Def.Ref.Op, Alts: []plan.Alt{{Kernel: n.Def.Ref.ID}}, Attrs: n.Attrs,
		In: in, NIn: len(n.In), Out: fl.results(n), Bodies: bodies, Source: n.Source})
	return nil
}

// captured appends the values that f, nested regions included, reads from
// around root, each once in order of first use.
func captured(root, f *ir.Func, list []*ir.Value) []*ir.Value {
	add := func(v *ir.Value) {
		if v != nil && !inside(root, v.Func) && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	for _, n := range f.Nodes {
		for _, v := range n.In {
			add(v)
		}
		for _, r := range n.Regions {
			list = captured(root, r, list)
		}
	}
	for _, r := range f.Results {
		add(r.Value)
	}
	return list
}

// inside says whether g is root or nested in it.
func inside(root, g *ir.Func) bool {
	for g != root {
		if g.Owner == nil {
			return false
		}
		g = g.Owner.Func
	}
	return true
}

// inline lowers a fused group that no selector takes node by node.
func (fl *funcLowerer) inline(n *ir.Node) error {
	body := n.Regions[0]
	for i, p := range body.Params {
		fl.same[p] = n.In[i]
	}
	if fl.opt.Remark != nil {
		fl.opt.Remark(n.Label(), fmt.Sprintf("fused group %q has no kernel here: its %d operators run one by one", n.Attrs.Str("kind"), len(body.Nodes)))
	}
	for _, c := range body.Nodes {
		if c.Const != nil {
			continue
		}
		if err := fl.node(c); err != nil {
			return diag.At(c.Label(), c.Def.VersionedName(), diag.Internal, err)
		}
	}
	for i, r := range body.Results {
		s, err := fl.slot(r.Value)
		if err != nil {
			return err
		}
		fl.slots[n.Out[i]] = s
	}
	return nil
}

// macs is the number of multiply-adds of a matrix-like node, else 0.
func macs(n *ir.Node) int64 {
	switch n.OpName() {
	case "Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "ConvInteger", "MatMulInteger":
		if n.Def.Cost != nil {
			flop, _ := n.Def.Cost(n)
			return flop / 2
		}
	}
	return 0
}

// typeF32 is t with float32 elements.
func typeF32(t ir.Type) ir.Type { return tensor.T(dtype.F32, t.Dims...) }
