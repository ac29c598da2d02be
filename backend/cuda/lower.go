package cuda

import (
	"context"

	"github.com/mlc-go/mlc/backend/cpu"
	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Options of lowering.
type Options struct {
	Target target.Target // with Device target.CUDA
	Set    *kernel.Set   // host kernels
	// Remark is told what stays on the host and why; may be nil.
	Remark func(node, msg string)

	// In tests: of all products.
	tiling *tiling
	parts  int
}

// Lower turns m, which must be verified, into a Program whose Launch
// instructions run its Code on a device. m is not changed. The program is the
// same on every machine. Errors: as cpu.Lower.
func Lower(ctx context.Context, m *ir.Module, opt Options) (*plan.Program, error) {
	if opt.Target.Device != target.CUDA {
		return nil, diag.New(diag.Usage, "target %v is no CUDA device", opt.Target)
	}
	c := &compiler{opt: opt, mod: ptx.NewModule(ptx.Options{SM: opt.Target.SM})}
	p, err := cpu.Lower(ctx, m, cpu.Options{Target: opt.Target, Set: opt.Set, Retarget: c.function})
	if err != nil {
		return nil, err
	}
	if c.launches > 0 {
		text, err := c.mod.Text()
		if err != nil {
			return nil, err
		}
		p.Code = []byte(text)
	}
	return p, nil
}

// compiler is what the functions of a program share.
type compiler struct {
	opt      Options
	mod      *ptx.Module
	launches int
}
