package passes

import (
	"context"

	"github.com/mlc-go/mlc/ir"
)

// FoldNorms brings m, in place, into the form that quantization starts from:
// canonical, with BatchNormalization and scales in the weights of what they
// follow, all weights plain constants. Of o it takes Ops, Target, Exec, Log,
// Bind and Data. Errors: as Run.
func FoldNorms(ctx context.Context, m *ir.Module, o Options) error {
	fold := Options{Ops: o.Ops, Target: o.Target, Data: o.Data, Exec: o.Exec, Log: o.Log, Bind: o.Bind, To: Weighted}
	fold.Level = 2
	if _, err := Run(ctx, m, fold); err != nil {
		return err
	}
	// What rules wrote on constants is computed now: weights must be plain.
	_, err := Run(ctx, m, Options{Ops: o.Ops, Exec: o.Exec, Log: o.Log, Spec: "fold,cse,dce"})
	return err
}
