package grad

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// The convolutions on gemm.NEON_4x16.
var (
	Conv_4x16_neon = kernel.Desc{ID: "convopen.f32.4x16.neon", Op: OpConv, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: convNEON, Scratch: innerScratch, Run: runInner}
	GradX_4x16_neon = kernel.Desc{ID: "convgradx.f32.4x16.neon", Op: OpGradX, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: gradXNEON, Scratch: innerScratch, Run: runInner}
	GradW_4x16_neon = kernel.Desc{ID: "convgradw.f32.4x16.neon", Op: OpGradW, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: gradWNEON, Scratch: gradWScratch, Run: runGradW}
)

var neon = kernels{&conv.F32_4x16_neon, &conv.TransposeF32_4x16_neon, &dwconv.F32_neon}

func convNEON(c *kernel.Call) (any, error)  { return prepareConv(c, neon) }
func gradXNEON(c *kernel.Call) (any, error) { return prepareGradX(c, neon) }
func gradWNEON(c *kernel.Call) (any, error) { return prepareGradW(c, &gemm.NEON_4x16) }

// Normalization on the functions of NEON.
var (
	Norm_neon = kernel.Desc{ID: "batchnorm.f32.neon", Op: OpNorm, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: normNEON, Scratch: normScratch, Run: runNorm}
	NormGrad_neon = kernel.Desc{ID: "batchnormgrad.f32.neon", Op: OpNormGrad, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: normGradNEON, Scratch: normScratch, Run: runNorm}
)

func normNEON(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.NEON, &reduce.NEON, false)
}

func normGradNEON(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.NEON, &reduce.NEON, true)
}

// Fake quantization on the functions of NEON.
var (
	Fake_neon     = kernel.Desc{ID: "fakequant.f32.neon", Op: OpFake, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: fakeNEON, Scratch: fakeScratch, Run: runFake}
	FakeGrad_neon = kernel.Desc{ID: "fakequantgrad.f32.neon", Op: OpFakeGrad, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: fakeGradNEON, Scratch: fakeScratch, Run: runFake}
)

func fakeNEON(c *kernel.Call) (any, error) {
	return prepareFake(c, &quant.NEON, &reduce.NEON, false)
}

func fakeGradNEON(c *kernel.Call) (any, error) {
	return prepareFake(c, &quant.NEON, &reduce.NEON, true)
}
