package rewrite

import "github.com/mlc-go/mlc/ir"

// Order lists the nodes of f (not those of its regions) in canonical order:
// Stateful and Random nodes keep their order, everything else stands right
// before its first reader, operands left to right, results last. The order
// depends on what the function computes, not on how its nodes stand now, so
// that passes that visit nodes in it give the same module for every legal
// order. Nodes nobody reads come last.
func Order(f *ir.Func) []*ir.Node { return newOrders().of(f) }

// orders remembers what regions capture: the order of a function needs it of
// every region inside, at every level, and would take exponential time in the
// depth without.
type orders struct {
	funcs    map[*ir.Func][]*ir.Node
	captured map[*ir.Node][]*ir.Value
}

func newOrders() *orders {
	return &orders{map[*ir.Func][]*ir.Node{}, map[*ir.Node][]*ir.Value{}}
}

// of is Order; regions come out of the memo, or go into it.
func (o *orders) of(f *ir.Func) []*ir.Node {
	if out, ok := o.funcs[f]; ok {
		return out
	}
	s := &sorter{o: o, f: f, done: make(map[*ir.Node]bool, len(f.Nodes)), out: make([]*ir.Node, 0, len(f.Nodes))}
	for _, n := range f.Nodes {
		if !n.Def.Has(ir.Pure) {
			s.visit(n)
		}
	}
	for _, r := range f.Results {
		if r.Value.Func == f && r.Value.Node != nil {
			s.visit(r.Value.Node)
		}
	}
	for _, n := range f.Nodes {
		s.visit(n)
	}
	o.funcs[f] = s.out
	return s.out
}

// OrderAll is Order for every function of m and, before their owners, for
// regions.
func OrderAll(m *ir.Module) []*ir.Node {
	var out []*ir.Node
	o := newOrders()
	var add func(f *ir.Func)
	add = func(f *ir.Func) {
		for _, n := range o.of(f) {
			for _, r := range n.Regions {
				add(r)
			}
			out = append(out, n)
		}
	}
	for _, f := range m.Funcs {
		add(f)
	}
	return out
}

// Sort puts the nodes of every function and region into canonical order.
func Sort(m *ir.Module) {
	o := newOrders()
	var sort func(f *ir.Func)
	sort = func(f *ir.Func) {
		for _, n := range f.Nodes {
			for _, r := range n.Regions {
				sort(r)
			}
		}
		copy(f.Nodes, o.of(f))
	}
	for _, f := range m.Funcs {
		sort(f)
	}
}

type sorter struct {
	o    *orders
	f    *ir.Func
	done map[*ir.Node]bool
	out  []*ir.Node
}

type frame struct {
	n    *ir.Node
	deps []*ir.Node
}

// visit appends n after what it reads. The stack is explicit: a chain in a
// hostile model can be longer than a goroutine's stack is deep.
func (s *sorter) visit(n *ir.Node) {
	if s.done[n] {
		return
	}
	s.done[n] = true
	stack := []frame{{n, s.deps(n)}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.deps) == 0 {
			s.out = append(s.out, top.n)
			stack = stack[:len(stack)-1]
			continue
		}
		d := top.deps[0]
		top.deps = top.deps[1:]
		if !s.done[d] {
			s.done[d] = true
			stack = append(stack, frame{d, s.deps(d)})
		}
	}
}

// deps are the nodes of f that n reads, by its operands and from inside its
// regions.
func (s *sorter) deps(n *ir.Node) []*ir.Node {
	var out []*ir.Node
	add := func(v *ir.Value) {
		if v != nil && v.Func == s.f && v.Node != nil {
			out = append(out, v.Node)
		}
	}
	for _, v := range n.In {
		add(v)
	}
	for _, v := range s.o.outer(n) {
		add(v)
	}
	return out
}

// Captured lists the values that the regions of n read from outside of them,
// each once, in canonical order of the reading nodes.
func Captured(n *ir.Node) []*ir.Value { return newOrders().outer(n) }

// outer is Captured.
func (o *orders) outer(n *ir.Node) []*ir.Value {
	if len(n.Regions) == 0 {
		return nil
	}
	if out, ok := o.captured[n]; ok {
		return out
	}
	var out []*ir.Value
	seen := map[*ir.Value]bool{}
	add := func(v *ir.Value) {
		if v != nil && !seen[v] {
			if seen[v] = true; !within(v.Func, n) {
				out = append(out, v)
			}
		}
	}
	for _, r := range n.Regions {
		for _, k := range o.of(r) {
			for _, v := range k.In {
				add(v)
			}
			for _, v := range o.outer(k) {
				add(v)
			}
		}
		for _, res := range r.Results {
			add(res.Value)
		}
	}
	o.captured[n] = out
	return out
}

// within says whether f is a region of n or inside one.
func within(f *ir.Func, n *ir.Node) bool {
	for ; f.Owner != nil; f = f.Owner.Func {
		if f.Owner == n {
			return true
		}
	}
	return false
}

// Live says whether n still stands in a module: neither it nor a node around
// it was removed.
func Live(n *ir.Node) bool {
	for n != nil {
		if n.Func == nil {
			return false
		}
		n = n.Func.Owner
	}
	return true
}
