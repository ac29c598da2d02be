package ir

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Type is the type of a value.
type Type = tensor.Type

// Module is one model: functions (the first is the entry), states, named dims
// and metadata.
type Module struct {
	Name   string
	Opset  map[string]int // domain ("ai.onnx", "mlc") to version
	Meta   []Meta         // in file order
	Dims   []DimDecl      // every symbol that a type may name
	States []*State
	Funcs  []*Func

	fresh int // last number given by FreshDim
}

// Meta is one metadata entry.
type Meta struct{ Key, Value string }

// DimDecl declares a symbol with inclusive bounds; Hi may be shape.Unbounded.
// Run-time dims (data-dependent extents that inference invents) are declared
// like any other.
type DimDecl struct {
	Name   string
	Lo, Hi int64
}

// State is a value that lives from one run of a session to the next.
type State struct {
	Name     string
	Type     Type    // with the largest extents
	Lo       []int64 // smallest extents, equal to Type's where fixed; nil: all fixed
	Init     *Const  // nil: zeros
	GrowAxis int     // axis along which a run appends, -1: replaced as a whole
}

// Func is a function or a region: parameters, nodes in order, results.
type Func struct {
	Name    string
	Params  []*Value
	Nodes   []*Node
	Results []Result
	Owner   *Node // of a region
	Module  *Module
}

// Result is one returned value under its public name.
type Result struct {
	Name  string // of main: the output's name; of a region: the value's
	Value *Value
	State *State // written by main's return: "-> %state"
}

// Node is one operation.
type Node struct {
	Def     *OpDef
	Attrs   attr.Map // complete: defaults filled in
	Regions []*Func
	In      []*Value // nil entries are absent optional inputs; change with SetIn only
	Out     []*Value // nil entries are outputs nobody wants
	Source  []string // names of the source nodes, outermost first
	Const   *Const   // of a const node (Def.Name == "const")
	Func    *Func
}

// Value is an SSA value: a node's output or a parameter.
type Value struct {
	Name  string // unique in its function and the functions around it
	Type  Type
	Ints  []shape.Dim // the elements of an integer scalar or vector, where inference knows them; nil: unknown
	Node  *Node       // nil for a parameter
	Func  *Func       // where it is defined
	State *State      // of a parameter that reads a state
	uses  []Use
}

// Use is one place where a value is read: input Index of Node, or result Index
// of Func (Node nil).
type Use struct {
	Node  *Node
	Func  *Func
	Index int
}

// Uses are the places where v is read, those inside regions included. The
// slice is valid until the module changes.
func (v *Value) Uses() []Use { return v.uses }

// Const gives the constant behind v, nil if v is not defined by a const node.
func (v *Value) Const() *Const {
	if v == nil || v.Node == nil {
		return nil
	}
	return v.Node.Const
}

// NewModule makes an empty module for the newest opset.
func NewModule(name string) *Module {
	return &Module{Name: name, Opset: map[string]int{"ai.onnx": NewestOpset}}
}

// NewestOpset is the ai.onnx opset in which the table speaks.
const NewestOpset = 28

// Main is the entry function.
func (m *Module) Main() *Func {
	if len(m.Funcs) == 0 {
		return nil
	}
	return m.Funcs[0]
}

// AddFunc appends an empty function.
func (m *Module) AddFunc(name string) *Func {
	f := &Func{Name: name, Module: m}
	m.Funcs = append(m.Funcs, f)
	return f
}

// Dim finds a declared symbol.
func (m *Module) Dim(name string) (DimDecl, bool) {
	for _, d := range m.Dims {
		if d.Name == name {
			return d, true
		}
	}
	return DimDecl{}, false
}

// DeclareDim declares a symbol, or narrows nothing if it is declared already.
func (m *Module) DeclareDim(name string, lo, hi int64) shape.Dim {
	if _, ok := m.Dim(name); !ok {
		m.Dims = append(m.Dims, DimDecl{name, lo, hi})
	}
	return shape.Sym(name)
}

// FreshDim declares a run-time dim with a name that is not used yet.
func (m *Module) FreshDim() shape.Dim {
	for {
		m.fresh++
		n := "u" + strconv.Itoa(m.fresh)
		if _, ok := m.Dim(n); !ok {
			return m.DeclareDim(n, 0, shape.Unbounded)
		}
	}
}

// DimBounds gives the declared bounds of a symbol: 0..Unbounded if undeclared.
func (m *Module) DimBounds(name string) (lo, hi int64) {
	if d, ok := m.Dim(name); ok {
		return d.Lo, d.Hi
	}
	return 0, shape.Unbounded
}

// State finds a state by name, nil if there is none.
func (m *Module) State(name string) *State {
	for _, s := range m.States {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// AddParam appends a parameter.
func (f *Func) AddParam(name string, t Type) *Value {
	v := &Value{Name: name, Type: t, Func: f}
	f.Params = append(f.Params, v)
	return v
}

// AddResult appends a result.
func (f *Func) AddResult(name string, v *Value) {
	f.Results = append(f.Results, Result{Name: name, Value: v})
	v.uses = append(v.uses, Use{Func: f, Index: len(f.Results) - 1})
}

// SetResult replaces the value of result i.
func (f *Func) SetResult(i int, v *Value) {
	u := Use{Func: f, Index: i}
	f.Results[i].Value.dropUse(u)
	f.Results[i].Value = v
	v.uses = append(v.uses, u)
}

func (v *Value) dropUse(u Use) {
	if i := slices.Index(v.uses, u); i >= 0 {
		v.uses = slices.Delete(v.uses, i, i+1)
	}
}

// SetIn replaces input i of n; v may be nil (absent).
func (n *Node) SetIn(i int, v *Value) {
	u := Use{Node: n, Index: i}
	if n.In[i] != nil {
		n.In[i].dropUse(u)
	}
	n.In[i] = v
	if v != nil {
		v.uses = append(v.uses, u)
	}
}

// ReplaceUses lets every reader of old read new instead.
func ReplaceUses(old, new *Value) {
	if old == new {
		return
	}
	for _, u := range slices.Clone(old.uses) {
		if u.Node != nil {
			u.Node.SetIn(u.Index, new)
		} else {
			u.Func.SetResult(u.Index, new)
		}
	}
}

// Depth is how many functions enclose f.
func (f *Func) Depth() int {
	d := 0
	for f.Owner != nil {
		f = f.Owner.Func
		d++
	}
	return d
}

// Root is the outermost function around f, f itself if it is no region.
func (f *Func) Root() *Func {
	for f.Owner != nil {
		f = f.Owner.Func
	}
	return f
}

// Encloses says whether values of f are visible in g (f is g or around it).
func (f *Func) Encloses(g *Func) bool {
	for ; g != nil; g = g.Owner.Func {
		if g == f {
			return true
		}
		if g.Owner == nil {
			return false
		}
	}
	return false
}

// InsertNode puts n, whose Def, In, Out, Attrs and Regions are set, into f at
// position at (len(f.Nodes) appends) and records its uses. Use an Emitter
// where you can: it infers types and checks.
func (f *Func) InsertNode(at int, n *Node) {
	n.Func = f
	for i, v := range n.In {
		if v != nil {
			v.uses = append(v.uses, Use{Node: n, Index: i})
		}
	}
	for _, v := range n.Out {
		if v != nil {
			v.Node, v.Func = n, f
		}
	}
	for _, r := range n.Regions {
		r.Owner, r.Module = n, f.Module
	}
	f.Nodes = slices.Insert(f.Nodes, at, n)
}

// Index is the position of n in its function, -1 if it was removed.
func (n *Node) Index() int {
	if n.Func == nil {
		return -1
	}
	return slices.Index(n.Func.Nodes, n)
}

// Remove takes n out of its function. It panics if an output is still read:
// that is a fault of the pass.
func (n *Node) Remove() {
	for _, v := range n.Out {
		if v != nil && len(v.uses) > 0 {
			panic(fmt.Sprintf("ir: node %s removed while %%%s is read", n.Def.Name, v.Name))
		}
	}
	n.dropUses()
	f := n.Func
	if i := n.Index(); i >= 0 {
		f.Nodes = slices.Delete(f.Nodes, i, i+1)
	}
	n.Func = nil
}

// RemoveNodes takes all nodes out of f for which dead says true, in one sweep
// from the end. Their outputs must not be read by nodes that stay.
func (f *Func) RemoveNodes(dead func(*Node) bool) int {
	kept := make([]*Node, 0, len(f.Nodes))
	removed := 0
	for i := len(f.Nodes) - 1; i >= 0; i-- {
		n := f.Nodes[i]
		if dead(n) {
			n.dropUses()
			n.Func = nil
			removed++
			continue
		}
		kept = append(kept, n)
	}
	slices.Reverse(kept)
	f.Nodes = kept
	return removed
}

// dropUses forgets every read made by n and by what its regions hold.
func (n *Node) dropUses() {
	for i, v := range n.In {
		if v != nil {
			v.dropUse(Use{Node: n, Index: i})
		}
	}
	for _, r := range n.Regions {
		for i, res := range r.Results {
			res.Value.dropUse(Use{Func: r, Index: i})
		}
		for _, c := range r.Nodes {
			c.dropUses()
		}
	}
}

// Walk visits f's nodes in order, each before what its regions hold.
func (f *Func) Walk(visit func(*Node)) {
	for _, n := range f.Nodes {
		visit(n)
		for _, r := range n.Regions {
			r.Walk(visit)
		}
	}
}

// Walk visits every node of every function.
func (m *Module) Walk(visit func(*Node)) {
	for _, f := range m.Funcs {
		f.Walk(visit)
	}
}

// Label is how messages name a node: its source, or its first output.
func (n *Node) Label() string {
	if len(n.Source) > 0 {
		return n.Source[0]
	}
	for _, v := range n.Out {
		if v != nil {
			return v.Name
		}
	}
	return n.Def.Name
}

// OpName is the operator with its domain unless that is ai.onnx: "Conv",
// "mlc.Fused".
func (n *Node) OpName() string { return n.Def.FullName() }

// Is says whether n is the operator of that full name; n may be nil.
func (n *Node) Is(name string) bool { return n != nil && n.Def.FullName() == name }
