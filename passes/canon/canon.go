// Package canon brings a Module into canonical form: operators that do
// nothing go, chains of views become one Reshape, branches whose condition is
// known are inlined. Every rewrite is exact, NaN, infinities and the sign of
// zero included. It computes nothing (passes/fold does) and makes no group.
//
//	err := rewrite.Apply(ctx, m, canon.Rules())
package canon

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Pass is the canonical form.
func Pass() pass.Pass {
	return pass.Pass{
		Name: "canon", Level: 1, Rules: Rules(),
		Doc: "remove operators that do nothing and merge chains of views, exactly",
	}
}

// Rules are the rewrites of the pass canon.
func Rules() []rewrite.Rule {
	return slices.Concat(identityRules(), arithRules(), viewRules(), moveRules(), padRules())
}

// to makes a rule's replacement one captured value.
func to(name string) func(*rewrite.Ctx, *rewrite.Match) []*ir.Value {
	return func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value { return []*ir.Value{m.Value(name)} }
}

// same is the condition that the root's first output has the type of a
// capture.
func same(name string) func(*rewrite.Match) bool {
	return func(m *rewrite.Match) bool { return rewrite.Same(m.Root.Out[0], m.Value(name)) }
}

// sameType is same for operators that cannot change extents: their types are
// enough, even where these leave the rank open.
func sameType(name string) func(*rewrite.Match) bool {
	return func(m *rewrite.Match) bool { return m.Root.Out[0].Type.Equal(m.Value(name).Type) }
}

// onlyFirst says whether nothing reads any output of n but the first.
func onlyFirst(n *ir.Node) bool {
	for _, v := range n.Out[1:] {
		if v != nil && len(v.Uses()) > 0 {
			return false
		}
	}
	return true
}
