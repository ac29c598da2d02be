package rewrite

import "github.com/mlc-go/mlc/ir"

// Order lists the nodes of f (not those of its regions) in canonical order:
// Stateful and Random nodes keep their order, everything else stands right
// before its first reader, operands left to right, results last. The order
// depends on what the function computes, not on how its nodes stand now, so
// that passes that visit nodes in it give the same module for every legal
// order. Nodes nobody reads come last.
func Order(f *ir.Func) []*ir.Node {
	s := &sorter{f: f, done: make(map[*ir.Node]bool, len(f.Nodes)), out: make([]*ir.Node, 0, len(f.Nodes))}
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
	return s.out
}

// OrderAll is Order for every function of m and, before their owners, for
// regions.
func OrderAll(m *ir.Module) []*ir.Node {
	var out []*ir.Node
	var add func(f *ir.Func)
	add = func(f *ir.Func) {
		for _, n := range Order(f) {
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
	var sort func(f *ir.Func)
	sort = func(f *ir.Func) {
		for _, n := range f.Nodes {
			for _, r := range n.Regions {
				sort(r)
			}
		}
		copy(f.Nodes, Order(f))
	}
	for _, f := range m.Funcs {
		sort(f)
	}
}

type sorter struct {
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
	for _, v := range Captured(n) {
		add(v)
	}
	return out
}

// Captured lists the values that the regions of n read from outside of them,
// each once, in canonical order of the reading nodes.
func Captured(n *ir.Node) []*ir.Value {
	if len(n.Regions) == 0 {
		return nil
	}
	var out []*ir.Value
	seen := map[*ir.Value]bool{}
	var read func(r *ir.Func)
	add := func(v *ir.Value) {
		if v == nil || seen[v] {
			return
		}
		seen[v] = true
		for f := v.Func; f != nil; f = f.Owner.Func {
			if f.Owner == n {
				return // defined inside
			}
			if f.Owner == nil {
				break
			}
		}
		out = append(out, v)
	}
	read = func(r *ir.Func) {
		for _, k := range Order(r) {
			for _, v := range k.In {
				add(v)
			}
			for _, q := range k.Regions {
				read(q)
			}
		}
		for _, res := range r.Results {
			add(res.Value)
		}
	}
	for _, r := range n.Regions {
		read(r)
	}
	return out
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
