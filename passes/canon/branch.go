package canon

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Branches is the pass that inlines the branch that an If with a constant
// condition takes.
func Branches() pass.Pass {
	return pass.Pass{
		Name: "inline-if", Level: 1, Run: inlineIfs,
		Rules: []rewrite.Rule{
			{Name: "const-branch", Doc: "An If whose condition is constant is the branch it takes."},
		},
		Doc: "replace an If whose condition is constant by the branch it takes",
	}
}

func inlineIfs(c *rewrite.Ctx, m *ir.Module) error {
	changed := false
	for again := true; again; {
		again = false
		for _, n := range rewrite.OrderAll(m) {
			if !n.Is("If") || !rewrite.Live(n) || n.In[0].Const() == nil {
				continue
			}
			cond, err := n.In[0].Const().Tensor()
			if err != nil {
				return err
			}
			if cond.Len() != 1 || !c.Fire("const-branch", n) {
				continue
			}
			branch := n.Regions[1] // else
			if cond.Int(0) != 0 {
				branch = n.Regions[0]
			}
			out, err := rewrite.InlineRegion(n, branch, nil)
			if err != nil {
				return err
			}
			for i, v := range n.Out {
				if v != nil {
					ir.ReplaceUses(v, out[i])
				}
			}
			n.Remove()
			changed, again = true, true
		}
	}
	if changed {
		return rewrite.Reinfer(m)
	}
	return nil
}
