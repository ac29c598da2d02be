package canon

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Order is the pass that puts nodes into canonical order: each right before
// its first reader, so that the same computation prints as the same text.
func Order() pass.Pass {
	return pass.Pass{
		Name: "order-nodes", Level: 0, Required: true,
		Doc: "put every node right before its first reader",
		Run: func(_ *rewrite.Ctx, m *ir.Module) error { rewrite.Sort(m); return nil },
	}
}
