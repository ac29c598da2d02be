package fuse

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Epilogue is the pass fuse-epilogue. A group is a convolution or product and
// the elementwise operators after it: bias, sum, activation. Each works on
// values of the anchor's type, and its other operands are constants of one
// element or one element per channel (the last axis of Gemm and MatMul), or,
// once in a group, a tensor of the anchor's type: the residual. The body holds
// the nodes in order; nothing but the last value leaves it.
func Epilogue() pass.Pass {
	return pass.Pass{
		Name: "fuse-epilogue", Level: 2, Run: epilogues,
		Rules: []rewrite.Rule{
			{Name: "op-epilogue", Doc: "A convolution or product takes in what follows it."},
		},
		Doc: "group convolutions and products with the bias, sum and activation that follow",
	}
}

// anchors are the operators that take an epilogue.
var anchors = []string{"Conv", "ConvTranspose", "Gemm", "MatMul"}

// maxEpilogue bounds the operators of an epilogue.
const maxEpilogue = 16

func epilogues(c *rewrite.Ctx, m *ir.Module) error {
	order := rewrite.OrderAll(m)
	rank := make(map[*ir.Node]int, len(order))
	for i, n := range order {
		rank[n] = i
	}
	for _, n := range order {
		if !slices.Contains(anchors, n.Def.FullName()) || !rewrite.Live(n) || inGroup(n) {
			continue
		}
		if y := n.Out[0]; y == nil || !y.Type.Ranked() || !groupType(y.Type.DType) || rewrite.IsConst(y) {
			continue
		}
		chain := followers(n, rank)
		if len(chain) == 1 || !c.Fire("op-epilogue", n) {
			continue
		}
		if _, err := group(c, KindEpilogue, chain); err != nil {
			return err
		}
	}
	return nil
}

// inGroup says whether n stands in a group already.
func inGroup(n *ir.Node) bool { return n.Func != nil && n.Func.Owner.Is(FusedOp) }

// followers lists n and the nodes after it that make its epilogue: it adds
// readers that fit one by one, in canonical order, and gives the longest list
// of which only the last value is read from outside.
func followers(n *ir.Node, rank map[*ir.Node]int) []*ir.Node {
	e := &epilogue{anchor: n, nodes: []*ir.Node{n}, in: map[*ir.Node]bool{n: true}}
	best := 1
	for len(e.nodes) <= maxEpilogue {
		next := e.next(rank)
		if next == nil {
			break
		}
		e.nodes, e.in[next] = append(e.nodes, next), true
		if e.closed() {
			best = len(e.nodes)
		}
	}
	return e.nodes[:best]
}

type epilogue struct {
	anchor   *ir.Node
	nodes    []*ir.Node
	in       map[*ir.Node]bool
	residual bool
}

// next is the first reader of the group that fits, nil if none does.
func (e *epilogue) next(rank map[*ir.Node]int) *ir.Node {
	var best *ir.Node
	for _, n := range e.nodes {
		for _, u := range n.Out[0].Uses() {
			k := u.Node
			if k == nil || e.in[k] || k.Func != e.anchor.Func || best != nil && rank[k] >= rank[best] {
				continue
			}
			if _, ok := e.fits(k); ok {
				best = k
			}
		}
	}
	if best != nil {
		if residual, _ := e.fits(best); residual {
			e.residual = true
		}
	}
	return best
}

// fits says whether k may join, and whether it brings the residual.
func (e *epilogue) fits(k *ir.Node) (residual, ok bool) {
	y := e.anchor.Out[0]
	if !groupable(k) || !rewrite.Same(k.Out[0], y) {
		return false, false
	}
	for _, v := range k.In {
		switch {
		case v == nil || v.Node != nil && e.in[v.Node]:
		case rewrite.IsConst(v) && rewrite.PerAxis(v.Type, y.Type.Dims, channelAxis(e.anchor)):
		case !e.residual && !residual && rewrite.Same(v, y):
			residual = true
		default:
			return false, false
		}
	}
	return residual, true
}

// closed says whether nothing but the last value is read from outside.
func (e *epilogue) closed() bool {
	for _, n := range e.nodes[:len(e.nodes)-1] {
		for _, v := range n.Out {
			if v != nil && !readInside(v, e.in) {
				return false
			}
		}
	}
	return true
}

// channelAxis is the axis of n's output along which a bias varies.
func channelAxis(n *ir.Node) int {
	if n.Is("Conv") || n.Is("ConvTranspose") {
		return 1
	}
	return n.Out[0].Type.Rank() - 1
}
