package eval

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// ref finds a value: slot of the frame that is up levels out; slot -1 is an
// absent value.
type ref struct{ up, slot int }

// fn is a function or region with its values numbered.
type fn struct {
	f       *ir.Func
	slots   int
	params  []int
	steps   []step
	results []ref
}

// step is one node.
type step struct {
	n       *ir.Node
	in      []ref
	out     []int // -1: nobody wants it
	free    []int // slots of this frame that nothing reads after the step
	regions []*fn
	key     uint64 // of its random stream
}

// scope numbers the values of one function.
type scope struct {
	outer *scope
	slot  map[*ir.Value]int
	last  map[*ir.Value]int // last step of this function that reads the value, inside regions too
	step  int
}

func (s *scope) define(v *ir.Value) int {
	i := len(s.slot)
	s.slot[v] = i
	s.last[v] = s.step
	return i
}

// find resolves a read of v and notes it for freeing where v is defined.
func (s *scope) find(v *ir.Value) (ref, bool) {
	up := 0
	for c := s; c != nil; c = c.outer {
		if i, ok := c.slot[v]; ok {
			c.last[v] = c.step
			return ref{up, i}, true
		}
		up++
	}
	return ref{}, false
}

// compiler numbers whole modules.
type compiler struct {
	keys map[string]int
}

// function compiles params, nodes and results.
func (c *compiler) function(f *ir.Func, nodes []*ir.Node, results []*ir.Value, outer *scope) (*fn, error) {
	s := &scope{outer: outer, slot: map[*ir.Value]int{}, last: map[*ir.Value]int{}, step: -1}
	p := &fn{f: f, steps: make([]step, len(nodes))}
	if f != nil {
		for _, v := range f.Params {
			p.params = append(p.params, s.define(v))
		}
	}
	for i, n := range nodes {
		s.step = i
		st, err := c.node(n, s)
		if err != nil {
			return nil, err
		}
		p.steps[i] = st
	}
	s.step = len(nodes)
	for _, v := range results {
		r, ok := s.find(v)
		if !ok {
			return nil, diag.New(diag.Internal, "result %%%s is not defined", v.Name)
		}
		p.results = append(p.results, r)
	}
	p.slots = len(s.slot)
	for v, at := range s.last {
		if at >= 0 && at < len(nodes) {
			p.steps[at].free = append(p.steps[at].free, s.slot[v])
		}
	}
	return p, nil
}

func (c *compiler) node(n *ir.Node, s *scope) (step, error) {
	st := step{n: n, in: make([]ref, len(n.In)), out: make([]int, len(n.Out)), key: c.key(n)}
	for i, v := range n.In {
		st.in[i] = ref{slot: -1}
		if v == nil {
			continue
		}
		r, ok := s.find(v)
		if !ok {
			return st, diag.At(n.Label(), n.Def.VersionedName(), diag.Internal,
				diag.New(diag.Internal, "input %%%s is not defined before it", v.Name))
		}
		st.in[i] = r
	}
	for _, r := range n.Regions {
		p, err := c.function(r, r.Nodes, resultValues(r), s)
		if err != nil {
			return st, err
		}
		st.regions = append(st.regions, p)
	}
	for i, v := range n.Out {
		st.out[i] = -1
		if v != nil {
			st.out[i] = s.define(v)
		}
	}
	return st, nil
}

// key names a node's random stream by its source, so that it survives
// rewrites of other nodes; nodes of one source are told apart by their order.
func (c *compiler) key(n *ir.Node) uint64 {
	if c.keys == nil {
		c.keys = map[string]int{}
	}
	name := n.Label() + "\x00" + n.Def.FullName()
	k := c.keys[name]
	c.keys[name]++
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return (h ^ uint64(k)) * 1099511628211
}

func resultValues(f *ir.Func) []*ir.Value {
	out := make([]*ir.Value, len(f.Results))
	for i, r := range f.Results {
		out[i] = r.Value
	}
	return out
}
