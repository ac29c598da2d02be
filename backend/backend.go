// Package backend gives a module to the backend of a target. It lowers nothing
// itself.
//
//	p, err := backend.Lower(ctx, m, backend.Options{Target: t, Set: all.Set()})
package backend

import (
	"context"

	"github.com/mlc-go/mlc/backend/cpu"
	"github.com/mlc-go/mlc/backend/cuda"
	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Options of lowering.
type Options struct {
	Target target.Target
	Set    *kernel.Set // host kernels to choose from
	// Remark is told what was chosen and why something slow was; may be nil.
	Remark func(node, msg string)
}

// Lower turns m, which must be verified and is not changed, into a Program for
// the target. Errors: what the plan cannot express (Unsupported), a constant
// that cannot be computed.
func Lower(ctx context.Context, m *ir.Module, o Options) (*plan.Program, error) {
	if o.Target.Device == target.CUDA {
		return cuda.Lower(ctx, m, cuda.Options{Target: o.Target, Set: o.Set, Remark: o.Remark})
	}
	return cpu.Lower(ctx, m, cpu.Options{Target: o.Target, Set: o.Set, Remark: o.Remark})
}
