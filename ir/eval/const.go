package eval

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Node evaluates one node on the values given for its inputs (absent ones are
// zero Values), those that its regions capture excepted: it must capture
// nothing. It compares the outputs with their types.
func Node(ctx context.Context, n *ir.Node, in []tensor.Value, opts ...Option) ([]tensor.Value, error) {
	c := compiler{}
	s := &scope{slot: map[*ir.Value]int{}, last: map[*ir.Value]int{}}
	fr := &frame{m: New(opts...).machine(ctx), env: &env{}}
	for i, v := range n.In {
		if v == nil {
			continue
		}
		if i >= len(in) {
			return nil, diag.At(n.Label(), n.Def.VersionedName(), diag.Usage, diag.New(diag.Usage, "%d values for %d inputs", len(in), len(n.In)))
		}
		if _, ok := s.slot[v]; !ok {
			s.define(v)
			fr.vals = append(fr.vals, in[i])
		}
	}
	st, err := c.node(n, s)
	if err != nil {
		return nil, err
	}
	fr.vals = append(fr.vals, make([]tensor.Value, len(s.slot)-len(fr.vals))...)
	fr.bytes = make([]int64, len(s.slot))
	if err := fr.step(&st); err != nil {
		return nil, err
	}
	out := make([]tensor.Value, len(st.out))
	for i, slot := range st.out {
		if slot >= 0 {
			out[i] = fr.vals[slot]
		}
	}
	return out, nil
}

func (e *Executor) machine(ctx context.Context) *machine {
	return &machine{Context: ctx, trace: e.trace, rands: map[uint64]*rand.Rand{}, seed: e.seed, limit: e.limit}
}

// ErrNotConst is wrapped by Const's error where a value depends on a
// parameter, a state or chance.
var ErrNotConst = errors.New("value is not constant")

// IsConst says whether v is a constant or a chain of pure nodes over
// constants. It looks at no more than max nodes (0: no limit).
func IsConst(v *ir.Value, max int) bool {
	_, err := chain(v, max)
	return err == nil
}

// Const evaluates a constant or a chain of pure nodes over constants. Values
// of the chain are dropped as soon as nothing reads them, and Limit bounds
// what is alive. Errors: ErrNotConst, kind Limit, what a node reports.
func Const(v *ir.Value, opts ...Option) (tensor.Value, error) {
	if c := v.Const(); c != nil {
		t, err := c.Tensor()
		return tensor.V(t), err
	}
	nodes, err := chain(v, 0)
	if err != nil {
		return tensor.Value{}, err
	}
	c := compiler{}
	p, err := c.function(nil, nodes, []*ir.Value{v}, nil)
	if err != nil {
		return tensor.Value{}, err
	}
	out := make([]tensor.Value, 1)
	err = New(opts...).machine(context.Background()).run(p, nil, &env{}, nil, out)
	return out[0], err
}

// chain lists the nodes that v needs, each after those it reads. Error: one
// of them is not pure, or the list is longer than max.
func chain(v *ir.Value, max int) ([]*ir.Node, error) {
	var order []*ir.Node
	seen := map[*ir.Node]bool{} // true: listed
	type item struct {
		n    *ir.Node
		done bool
	}
	notConst := func(v *ir.Value) error {
		return &diag.Error{Kind: diag.Usage, Node: "value " + quote(v.Name), Err: ErrNotConst}
	}
	var stack []item
	push := func(v *ir.Value) error {
		if v == nil {
			return nil
		}
		if v.Node == nil || !v.Node.Def.Has(ir.Pure) {
			return notConst(v)
		}
		if _, ok := seen[v.Node]; !ok {
			stack = append(stack, item{n: v.Node})
		}
		return nil
	}
	if err := push(v); err != nil {
		return nil, err
	}
	for len(stack) > 0 {
		it := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if it.done {
			order = append(order, it.n)
			continue
		}
		if _, ok := seen[it.n]; ok {
			continue
		}
		seen[it.n] = true
		if max > 0 && len(seen) > max {
			return nil, notConst(v)
		}
		stack = append(stack, item{it.n, true})
		for i := len(it.n.In) - 1; i >= 0; i-- {
			if err := push(it.n.In[i]); err != nil {
				return nil, err
			}
		}
		if err := captured(it.n, push); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// captured calls visit for every value that the regions of n read from
// around n, and fails for impure nodes inside them.
func captured(n *ir.Node, visit func(*ir.Value) error) error {
	for _, r := range n.Regions {
		inside := func(v *ir.Value) bool { return v == nil || r.Encloses(v.Func) }
		for _, res := range r.Results {
			if !inside(res.Value) {
				if err := visit(res.Value); err != nil {
					return err
				}
			}
		}
		for _, c := range r.Nodes {
			if !c.Def.Has(ir.Pure) {
				return &diag.Error{Kind: diag.Usage, Node: c.Label(), Op: c.Def.VersionedName(), Err: ErrNotConst}
			}
			for _, v := range c.In {
				if !inside(v) {
					if err := visit(v); err != nil {
						return err
					}
				}
			}
			if err := captured(c, func(v *ir.Value) error {
				if inside(v) {
					return nil
				}
				return visit(v)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
