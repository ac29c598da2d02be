package rewrite

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Match is a place where a pattern fits.
type Match struct {
	Root  *ir.Node
	names []binding
	nodes []*ir.Node // matched operators, operands before readers
	b     *ir.Builder
}

type binding struct {
	name string
	v    *ir.Value // nil: absent
	n    *ir.Node  // nil for leaves
}

// Value is the value captured under name, nil if it was absent.
func (m *Match) Value(name string) *ir.Value {
	for _, b := range m.names {
		if b.name == name {
			return b.v
		}
	}
	return nil
}

// Node is the operator captured under name, nil if there is none.
func (m *Match) Node(name string) *ir.Node {
	for _, b := range m.names {
		if b.name == name {
			return b.n
		}
	}
	return nil
}

// Nodes are the matched operators, operands before their readers, Root last.
func (m *Match) Nodes() []*ir.Node { return m.nodes }

// Emit is an emitter that writes before Root; its nodes carry the source names
// of the named captures, or of all matched operators if none is named.
// Constants carry none: they belong to no source node.
func (m *Match) Emit(captures ...string) ir.Emitter {
	ns := m.nodes
	if len(captures) > 0 {
		ns = nil
		for _, c := range captures {
			ns = append(ns, m.Node(c))
		}
	}
	return &emitter{m.b, Sources(ns...)}
}

// Sources concatenates the source names of nodes, each name once.
func Sources(ns ...*ir.Node) []string {
	var out []string
	for _, n := range ns {
		if n == nil {
			continue
		}
		for _, s := range n.Source {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// emitter shares one builder, so that everything a rule writes stands in the
// order written, and gives its own provenance to each node.
type emitter struct {
	*ir.Builder
	src []string
}

func (e *emitter) OpN(name string, nout int, a attr.Map, regions []*ir.Func, in ...*ir.Value) []*ir.Value {
	e.Source = e.src
	return e.Builder.OpN(name, nout, a, regions, in...)
}

func (e *emitter) Op(name string, a attr.Map, in ...*ir.Value) *ir.Value {
	return e.OpN(name, 1, a, nil, in...)[0]
}

func (e *emitter) Region(name string, body func(ir.Emitter, *ir.Func)) *ir.Func {
	e.Source = e.src
	return e.Builder.Region(name, body)
}

func (e *emitter) ConstOf(c *ir.Const) *ir.Value {
	e.Source = nil
	return e.Builder.ConstOf(c)
}

func (e *emitter) Const(t tensor.Tensor) *ir.Value { return e.ConstOf(ir.NewConst(t)) }
func (e *emitter) Ints(v ...int64) *ir.Value       { return e.Const(tensor.Int64s(v...)) }
func (e *emitter) Scalar(d dtype.DType, v float64) *ir.Value {
	return e.Const(tensor.Scalar(d, v))
}

// matchAt tries p with its root at n.
func matchAt(p *Pat, n *ir.Node) (*Match, bool) {
	m := &Match{Root: n}
	if !m.root(p, n) {
		return nil, false
	}
	return m, true
}

func (m *Match) root(p *Pat, n *ir.Node) bool {
	if p.kind == patOr {
		for i := range p.in {
			mark, nodes := len(m.names), len(m.nodes)
			if m.root(&p.in[i], n) {
				return true
			}
			m.names, m.nodes = m.names[:mark], m.nodes[:nodes]
		}
		return false
	}
	if p.out >= len(n.Out) {
		return false
	}
	return m.node(p, n, n.Out[p.out])
}

// value matches p against v, which is nil for an absent operand.
func (m *Match) value(p *Pat, v *ir.Value) bool {
	switch p.kind {
	case patNone:
		return v == nil
	case patOpt:
		if v == nil {
			return m.bind(p.name, nil, nil)
		}
	case patOr:
		for i := range p.in {
			mark, nodes := len(m.names), len(m.nodes)
			if m.value(&p.in[i], v) {
				return true
			}
			m.names, m.nodes = m.names[:mark], m.nodes[:nodes]
		}
		return false
	case patConst:
		if v.Const() == nil {
			return false
		}
	case patOp:
		if v == nil || v.Node == nil || p.out >= len(v.Node.Out) || v.Node.Out[p.out] != v {
			return false
		}
		return m.node(p, v.Node, v)
	}
	return v != nil && m.thats(p, v) && m.bind(p.name, v, nil)
}

func (m *Match) thats(p *Pat, v *ir.Value) bool {
	for _, f := range p.value {
		if v == nil || !f(v) {
			return false
		}
	}
	return true
}

func (m *Match) node(p *Pat, n *ir.Node, v *ir.Value) bool {
	if !slices.Contains(p.ops, n.Def.FullName()) || !m.thats(p, v) {
		return false
	}
	if p.once && !OneReader(n) {
		return false
	}
	if len(n.In) > len(p.in) && !p.rest {
		return false
	}
	for _, f := range p.node {
		if !f(n) {
			return false
		}
	}
	for i := range p.in {
		var in *ir.Value
		if i < len(n.In) {
			in = n.In[i]
		}
		if !m.value(&p.in[i], in) {
			return false
		}
	}
	m.nodes = append(m.nodes, n)
	return m.bind(p.name, v, n)
}

// bind captures v; a name used twice must capture the same value.
func (m *Match) bind(name string, v *ir.Value, n *ir.Node) bool {
	if name == "" {
		return true
	}
	for _, b := range m.names {
		if b.name == name {
			return b.v == v
		}
	}
	m.names = append(m.names, binding{name, v, n})
	return true
}

// OneReader says whether all outputs of n together are read in one place.
func OneReader(n *ir.Node) bool {
	uses := 0
	for _, v := range n.Out {
		if v != nil {
			uses += len(v.Uses())
		}
	}
	return uses == 1
}
