package fuse

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Epilogue is the pass fuse-epilogue: a convolution or product, then, each at
// most once and in this order, the Add of a constant vector along its channels
// (the last axis of Gemm and MatMul), the Add of a tensor of its own type and
// an activation with constant parameters. The body holds the nodes in that
// order.
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

// activations are applied to one element at a time; parameters beside the
// first operand must be constant.
var activations = []string{
	"Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Gelu", "Elu",
}

func epilogues(c *rewrite.Ctx, m *ir.Module) error {
	for _, n := range rewrite.OrderAll(m) {
		if !slices.Contains(anchors, n.Def.FullName()) || !rewrite.Live(n) || inGroup(n) || len(n.Out) == 0 {
			continue
		}
		if !n.Out[0].Type.Ranked() || rewrite.IsConst(n.Out[0]) {
			continue
		}
		chain := followers(n)
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

// followers lists n and the nodes after it that make its epilogue.
func followers(n *ir.Node) []*ir.Node {
	chain := []*ir.Node{n}
	stage := 0 // 1 after the bias, 2 after the sum, 3 after the activation
	for stage < 3 {
		cur := chain[len(chain)-1]
		next := onlyReader(cur)
		if next == nil || next.Func != n.Func || len(next.Out) != 1 || !rewrite.Same(next.Out[0], n.Out[0]) {
			break
		}
		k := stageOf(n, next, cur.Out[0])
		if k <= stage {
			break
		}
		chain, stage = append(chain, next), k
	}
	return chain
}

// onlyReader is the node that alone reads n's first output, nil if it is
// read elsewhere or is a result.
func onlyReader(n *ir.Node) *ir.Node {
	if u := n.Out[0].Uses(); len(u) == 1 && rewrite.OneReader(n) {
		return u[0].Node
	}
	return nil
}

// stageOf tells what next does to x, a value of anchor n's type: 1 adds a bias
// vector, 2 adds a tensor of its type, 3 activates, 0 something else.
func stageOf(n, next *ir.Node, x *ir.Value) int {
	name := next.Def.FullName()
	if slices.Contains(activations, name) {
		if next.In[0] != x {
			return 0
		}
		for _, p := range next.In[1:] {
			if p != nil && !rewrite.IsConst(p) {
				return 0
			}
		}
		return 3
	}
	if name != "Add" {
		return 0
	}
	other := next.In[0]
	if other == x {
		other = next.In[1]
	}
	switch {
	case rewrite.IsConst(other) && rewrite.PerAxis(other.Type, x.Type.Dims, channelAxis(n)):
		return 1
	case other != x && rewrite.Same(other, x):
		return 2
	}
	return 0
}

// channelAxis is the axis of n's output along which a bias varies.
func channelAxis(n *ir.Node) int {
	if n.Is("Conv") || n.Is("ConvTranspose") {
		return 1
	}
	return n.Out[0].Type.Rank() - 1
}
