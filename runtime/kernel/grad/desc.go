package grad

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// The convolutions on the tiles in plain Go.
var (
	Conv_generic  = kernel.Desc{ID: "convopen.f32.generic", Op: OpConv, Prepare: convGeneric, Scratch: innerScratch, Run: runInner}
	GradX_generic = kernel.Desc{ID: "convgradx.f32.generic", Op: OpGradX, Prepare: gradXGeneric, Scratch: innerScratch, Run: runInner}
	GradW_generic = kernel.Desc{ID: "convgradw.f32.generic", Op: OpGradW, Prepare: gradWGeneric, Scratch: gradWScratch, Run: runGradW}
)

// Normalization in plain Go.
var (
	Norm_generic     = kernel.Desc{ID: "batchnorm.f32.generic", Op: OpNorm, Prepare: normGeneric, Scratch: normScratch, Run: runNorm}
	NormGrad_generic = kernel.Desc{ID: "batchnormgrad.f32.generic", Op: OpNormGrad, Prepare: normGradGeneric, Scratch: normScratch, Run: runNorm}
)

func normGeneric(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.Generic, &reduce.Generic, false)
}

func normGradGeneric(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.Generic, &reduce.Generic, true)
}

func convGeneric(c *kernel.Call) (any, error)  { return prepareConv(c, generic) }
func gradXGeneric(c *kernel.Call) (any, error) { return prepareGradX(c, generic) }
func gradWGeneric(c *kernel.Call) (any, error) { return prepareGradW(c, &gemm.Generic) }
