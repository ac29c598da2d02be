// Package dce removes what nobody reads: nodes, constants, optional outputs. It
// knows operators only by their traits, and keeps the public face of the
// module: parameters, results and states.
//
//	err := dce.Run(ctx, m)
package dce

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Pass is dead code elimination.
func Pass() pass.Pass {
	return pass.Pass{
		Name: "dce", Level: 1, Run: Run,
		Rules: []rewrite.Rule{
			{Name: "dead-node", Doc: "A node that nobody reads goes."},
			{Name: "dead-const", Doc: "A constant that nobody reads goes."},
			{Name: "dead-output", Doc: "An optional output that nobody reads goes."},
		},
		Doc: "remove nodes and constants that nobody reads, and outputs nobody wants",
	}
}

// Run removes dead nodes of every function and region. Stateful and Random
// nodes stay, with what they read. Results of regions stay: they are the
// outputs that the operator around them defines by position.
func Run(c *rewrite.Ctx, m *ir.Module) error {
	for _, f := range m.Funcs {
		sweep(c, f)
	}
	return nil
}

func sweep(c *rewrite.Ctx, f *ir.Func) {
	live := map[*ir.Node]bool{}
	var stack []*ir.Node
	mark := func(v *ir.Value) {
		if v != nil && v.Node != nil && !live[v.Node] {
			live[v.Node] = true
			stack = append(stack, v.Node)
		}
	}
	keep := func(f *ir.Func) {
		for _, n := range f.Nodes {
			if !pure(n) && !live[n] {
				live[n] = true
				stack = append(stack, n)
			}
		}
	}
	keep(f)
	for _, r := range f.Results {
		mark(r.Value)
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, v := range n.In {
			mark(v)
		}
		for _, r := range n.Regions {
			keep(r)
			for _, res := range r.Results {
				mark(res.Value)
			}
		}
	}
	remove(c, f, live)
}

// pure says whether n and all that its regions hold may be dropped.
func pure(n *ir.Node) bool {
	if !n.Def.Has(ir.Pure) {
		return false
	}
	for _, r := range n.Regions {
		for _, k := range r.Nodes {
			if !pure(k) {
				return false
			}
		}
	}
	return true
}

// remove drops dead nodes, readers first, so that a refused removal (fuel)
// keeps what it reads.
func remove(c *rewrite.Ctx, f *ir.Func, live map[*ir.Node]bool) {
	f.RemoveNodes(func(n *ir.Node) bool {
		return !live[n] && rewrite.Unread(n) && c.Fire(ruleOf(n), n)
	})
	for _, n := range f.Nodes {
		for _, r := range n.Regions {
			remove(c, r, live)
		}
		for i, v := range n.Out {
			if v != nil && len(v.Uses()) == 0 && optional(n.Def, i) && len(n.Out) > 1 && c.Fire("dead-output", n) {
				n.Out[i] = nil
			}
		}
		for len(n.Out) > 1 && n.Out[len(n.Out)-1] == nil {
			n.Out = n.Out[:len(n.Out)-1]
		}
	}
}

func ruleOf(n *ir.Node) string {
	if n.Const != nil {
		return "dead-const"
	}
	return "dead-node"
}

// optional says whether output i may be left out.
func optional(d *ir.OpDef, i int) bool {
	return i < len(d.Out) && d.Out[i].Optional
}
