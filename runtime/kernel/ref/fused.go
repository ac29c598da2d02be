package ref

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Fused runs its region: a fused group means what its body means.
func Fused(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return c.Region(0, in, out)
}

// FusedDesc describes Fused.
var FusedDesc = kernel.Desc{ID: "ref.mlc.Fused", Op: "ref.mlc.Fused", Ref: Fused}
