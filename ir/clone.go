package ir

import (
	"maps"
	"slices"
	"strconv"
)

// Clone copies the module: functions, nodes, values and declarations are new,
// operators, constants and attribute values (which never change) are shared.
func (m *Module) Clone() *Module {
	c := &Module{
		Name: m.Name, Opset: maps.Clone(m.Opset), Meta: slices.Clone(m.Meta), Dims: slices.Clone(m.Dims), fresh: m.fresh,
	}
	states := make(map[*State]*State, len(m.States))
	for _, s := range m.States {
		t := *s
		t.Lo = slices.Clone(s.Lo)
		states[s] = &t
		c.States = append(c.States, &t)
	}
	for _, f := range m.Funcs {
		cl := &Cloner{Values: map[*Value]*Value{}, States: states}
		c.Funcs = append(c.Funcs, cl.Func(c, f))
	}
	return c
}

// FreshName gives a value name that no value of the module has; text prints
// such names as %0, %1, ...
func (m *Module) FreshName() string {
	m.fresh++
	return Unnamed + strconv.Itoa(m.fresh)
}

// Cloner copies nodes and functions. Values says what stands for a value of
// the original; values it does not know (those of enclosing functions that are
// not copied) stand for themselves.
type Cloner struct {
	Values map[*Value]*Value
	States map[*State]*State
	// Rename gives the name of a copied value; nil keeps names.
	Rename func(name string) string
}

// Value is what stands for v, nil for nil.
func (c *Cloner) Value(v *Value) *Value {
	if w, ok := c.Values[v]; ok {
		return w
	}
	return v
}

func (c *Cloner) state(s *State) *State {
	if t, ok := c.States[s]; ok {
		return t
	}
	return s
}

func (c *Cloner) fresh(v *Value) *Value {
	w := &Value{Name: v.Name, Type: v.Type, Ints: v.Ints, State: c.state(v.State)}
	if c.Rename != nil {
		w.Name = c.Rename(v.Name)
	}
	c.Values[v] = w
	return w
}

// Func copies a function with all that it holds into module m, without adding
// it to m's list. A region gets its Owner when its node is inserted.
func (c *Cloner) Func(m *Module, f *Func) *Func {
	g := &Func{Name: f.Name, Module: m, Nodes: make([]*Node, 0, len(f.Nodes))}
	for _, p := range f.Params {
		q := c.fresh(p)
		q.Func = g
		g.Params = append(g.Params, q)
	}
	for _, n := range f.Nodes {
		c.Node(g, len(g.Nodes), n)
	}
	for _, r := range f.Results {
		g.AddResult(r.Name, c.Value(r.Value))
		g.Results[len(g.Results)-1].State = c.state(r.State)
	}
	return g
}

// Node copies n into f at position at. Its inputs are what stands for the
// original's; its outputs come to stand for the original's.
func (c *Cloner) Node(f *Func, at int, n *Node) *Node {
	k := &Node{Def: n.Def, Attrs: n.Attrs.Clone(), Source: slices.Clone(n.Source), Const: n.Const}
	for _, v := range n.In {
		k.In = append(k.In, c.Value(v))
	}
	for _, r := range n.Regions {
		k.Regions = append(k.Regions, c.Func(f.Module, r))
	}
	for _, v := range n.Out {
		if v == nil {
			k.Out = append(k.Out, nil)
			continue
		}
		k.Out = append(k.Out, c.fresh(v))
	}
	f.InsertNode(at, k)
	return k
}
