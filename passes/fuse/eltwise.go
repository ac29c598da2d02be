package fuse

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Eltwise is the pass fuse-eltwise: two or more elementwise operators of one
// floating type whose results all have the shape of the last, which alone is
// read from outside. Operands broadcast against that shape, provably.
func Eltwise() pass.Pass {
	return pass.Pass{
		Name: "fuse-eltwise", Level: 2, Run: eltwises,
		Rules: []rewrite.Rule{
			{Name: "eltwise-tree", Doc: "Elementwise operators over one shape are one loop."},
		},
		Doc: "group elementwise operators over one shape that feed each other",
	}
}

// elementwise are the operators that groups hold: those that a loop over
// elements computes from values of one type, one instruction or polynomial
// each. What can be said with them is expanded before (Expand).
var elementwise = []string{
	"Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu",
	"Neg", "Abs", "Sqrt", "Floor", "Ceil", "Round", "Exp", "Log", "Erf",
	"Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "Gelu",
}

// bytes are the types that groups cast from: loops over elements read them.
var bytes = []dtype.DType{dtype.U8, dtype.I8, dtype.Bool}

// groupType says whether groups compute values of the type.
func groupType(d dtype.DType) bool { return d == dtype.F32 || d == dtype.F16 }

func eltwises(c *rewrite.Ctx, m *ir.Module) error {
	order := rewrite.OrderAll(m)
	rank := make(map[*ir.Node]int, len(order))
	for i, n := range order {
		rank[n] = i
	}
	for _, root := range slices.Backward(order) {
		if !rewrite.Live(root) || inGroup(root) || !groupable(root) {
			continue
		}
		nodes := collect(root)
		if len(nodes) < 2 || !c.Fire("eltwise-tree", root) {
			continue
		}
		slices.SortFunc(nodes, func(a, b *ir.Node) int { return rank[a] - rank[b] })
		if _, err := group(c, KindEltwise, nodes); err != nil {
			return err
		}
	}
	return nil
}

// groupable says whether n may be part of a group.
func groupable(n *ir.Node) bool {
	if len(n.Out) != 1 || !n.Out[0].Type.Ranked() {
		return false
	}
	out := n.Out[0].Type
	if n.Is("Cast") {
		x := n.In[0].Type
		return slices.Contains(bytes, x.DType) && groupType(out.DType) && x.Ranked() && !rewrite.IsConst(n.Out[0])
	}
	if !slices.Contains(elementwise, n.Def.FullName()) {
		return false
	}
	if !groupType(out.DType) || len(n.In) > 2 && !n.Is("Clip") {
		return false
	}
	if n.Is("Clip") {
		for _, b := range n.In[1:] {
			if b != nil && !rewrite.IsConst(b) {
				return false
			}
		}
	}
	for _, v := range n.In {
		if v == nil {
			continue
		}
		if v.Type.DType != out.DType || !v.Type.Ranked() || v.Type.Rank() > len(out.Dims) {
			return false
		}
		lead := len(out.Dims) - v.Type.Rank()
		for i, d := range v.Type.Dims {
			if !d.Is(1) && !d.Equal(out.Dims[lead+i]) {
				return false
			}
		}
	}
	return !rewrite.IsConst(n.Out[0])
}

// maxGroup is how many nodes a group holds at most: kernels take programs of
// bounded length, and growing a group takes time with its square.
const maxGroup = 64

// collect grows the largest group that ends in root: a producer joins when it
// gives a value of root's type that the group alone reads, so that nothing
// leaves the group but root's value and nothing comes back into it.
func collect(root *ir.Node) []*ir.Node {
	nodes := []*ir.Node{root}
	in := map[*ir.Node]bool{root: true}
	for i := 0; i < len(nodes) && len(nodes) < maxGroup; i++ {
		// Producers of earlier members may have become free to join: look at
		// all again after each that joined.
		for _, n := range nodes {
			for _, v := range n.In {
				if v == nil || v.Node == nil || in[v.Node] || len(nodes) == maxGroup || v.Func != root.Func ||
					!groupable(v.Node) || !rewrite.Same(v, root.Out[0]) || !readInside(v, in) {
					continue
				}
				in[v.Node] = true
				nodes = append(nodes, v.Node)
			}
		}
	}
	return nodes
}

func readInside(v *ir.Value, in map[*ir.Node]bool) bool {
	for _, u := range v.Uses() {
		if u.Node == nil || !in[u.Node] {
			return false
		}
	}
	return true
}
