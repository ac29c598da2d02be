package fuse

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// The kinds of groups made here.
const (
	KindEpilogue = "epilogue"
	KindEltwise  = "eltwise"
)

// FusedOp is the operator of groups.
const FusedOp = "mlc.Fused"

// group replaces nodes, which stand in order in one function, by one
// mlc.Fused with the last node's output as its own, under the same name. What
// else of theirs is read from outside (a DequantizeLinear) stays there too.
// The group reads its operands, constants too, through parameters, in order of
// first use.
func group(c *rewrite.Ctx, kind string, nodes []*ir.Node) (*ir.Node, error) {
	last := nodes[len(nodes)-1]
	f, old := last.Func, last.Out[0]
	def := c.Ops.Lookup(FusedOp)
	if def == nil {
		return nil, diag.New(diag.Internal, "the operator table has no %s", FusedOp)
	}
	body := &ir.Func{Name: kind, Module: f.Module, Owner: &ir.Node{Def: ir.ConstDef, Func: f}}
	cl := &ir.Cloner{Values: map[*ir.Value]*ir.Value{}}
	var in []*ir.Value
	inside := make(map[*ir.Node]bool, len(nodes))
	for _, n := range nodes {
		inside[n] = true
	}
	for _, n := range nodes {
		for _, v := range n.In {
			if v == nil || cl.Values[v] != nil {
				continue
			}
			p := body.AddParam(f.Module.FreshName(), v.Type)
			p.Ints = v.Ints
			cl.Values[v] = p
			in = append(in, v)
		}
		k := cl.Node(body, len(body.Nodes), n)
		if n == last || !readInside(n.Out[0], inside) {
			k.Out[0].Name = f.Module.FreshName()
		}
	}
	res := cl.Value(old)
	body.AddResult(res.Name, res)

	b := ir.NewBuilder(f, last.Index(), c.Ops, rewrite.Sources(nodes...)...)
	out := &ir.Value{Name: old.Name}
	g := b.Node(def, attr.Map{"kind": attr.Str(kind)}, []*ir.Func{body}, in, []*ir.Value{out})
	if err := b.Err(); err != nil {
		return nil, diag.At(last.Label(), FusedOp, diag.Internal, err)
	}
	if out.Type.Equal(old.Type) {
		out.Ints = old.Ints
	} else {
		return nil, diag.New(diag.Internal, "group %s at %s: type %v became %v", kind, last.Label(), old.Type, out.Type)
	}
	ir.ReplaceUses(old, out)
	for i := len(nodes) - 1; i >= 0; i-- {
		if rewrite.Unread(nodes[i]) { // an operand's DequantizeLinear may have other readers
			nodes[i].Remove()
		}
	}
	return g, nil
}

// Inline puts the nodes of an mlc.Fused group in its place. The value that it
// gave keeps its name.
func Inline(n *ir.Node) error {
	if !n.Is(FusedOp) || len(n.Regions) != 1 {
		return diag.New(diag.Internal, "%s at %s is no group", n.OpName(), n.Label())
	}
	out, err := rewrite.InlineRegion(n, n.Regions[0], n.In)
	if err != nil {
		return err
	}
	outer := n.Out
	for i, v := range outer {
		if v != nil {
			ir.ReplaceUses(v, out[i])
		}
	}
	n.Remove()
	for i, v := range outer {
		if v != nil && out[i].Node != nil && out[i].Func == n.Func && ir.IsUnnamed(out[i].Name) {
			out[i].Name = v.Name
		}
	}
	return nil
}

// InlineAll inlines every group of m for whose kind keep says false (nil:
// every group), those inside regions included, and says how many.
func InlineAll(m *ir.Module, keep func(kind string) bool) (int, error) {
	count := 0
	for _, n := range rewrite.OrderAll(m) {
		if !n.Is(FusedOp) || keep != nil && keep(n.Attrs.Str("kind")) {
			continue
		}
		if err := Inline(n); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}
