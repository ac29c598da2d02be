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

// The convolutions on gemm.AVX512_14x32.
var (
	Conv_14x32_avx512 = kernel.Desc{ID: "convopen.f32.14x32.avx512", Op: OpConv, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
		Prepare: convAVX512, Scratch: innerScratch, Run: runInner}
	GradX_14x32_avx512 = kernel.Desc{ID: "convgradx.f32.14x32.avx512", Op: OpGradX, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
		Prepare: gradXAVX512, Scratch: innerScratch, Run: runInner}
	GradW_14x32_avx512 = kernel.Desc{ID: "convgradw.f32.14x32.avx512", Op: OpGradW, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
		Prepare: gradWAVX512, Scratch: gradWScratch, Run: runGradW}
)

var avx512 = kernels{&conv.F32_14x32_avx512, &conv.TransposeF32_14x32_avx512, &dwconv.F32_avx512}

func convAVX512(c *kernel.Call) (any, error)  { return prepareConv(c, avx512) }
func gradXAVX512(c *kernel.Call) (any, error) { return prepareGradX(c, avx512) }
func gradWAVX512(c *kernel.Call) (any, error) { return prepareGradW(c, &gemm.AVX512_14x32) }

// The convolutions on gemm.AVX2_6x16.
var (
	Conv_6x16_avx2 = kernel.Desc{ID: "convopen.f32.6x16.avx2", Op: OpConv, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: convAVX2, Scratch: innerScratch, Run: runInner}
	GradX_6x16_avx2 = kernel.Desc{ID: "convgradx.f32.6x16.avx2", Op: OpGradX, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: gradXAVX2, Scratch: innerScratch, Run: runInner}
	GradW_6x16_avx2 = kernel.Desc{ID: "convgradw.f32.6x16.avx2", Op: OpGradW, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: gradWAVX2, Scratch: gradWScratch, Run: runGradW}
)

var avx2 = kernels{&conv.F32_6x16_avx2, &conv.TransposeF32_6x16_avx2, &dwconv.F32_avx2}

func convAVX2(c *kernel.Call) (any, error)  { return prepareConv(c, avx2) }
func gradXAVX2(c *kernel.Call) (any, error) { return prepareGradX(c, avx2) }
func gradWAVX2(c *kernel.Call) (any, error) { return prepareGradW(c, &gemm.AVX2_6x16) }

// Normalization on the functions of AVX512.
var (
	Norm_avx512 = kernel.Desc{ID: "batchnorm.f32.avx512", Op: OpNorm, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
		Prepare: normAVX512, Scratch: normScratch, Run: runNorm}
	NormGrad_avx512 = kernel.Desc{ID: "batchnormgrad.f32.avx512", Op: OpNormGrad, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
		Prepare: normGradAVX512, Scratch: normScratch, Run: runNorm}
)

func normAVX512(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.AVX512, &reduce.AVX512, false)
}

func normGradAVX512(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.AVX512, &reduce.AVX512, true)
}

// Normalization on the functions of AVX2.
var (
	Norm_avx2 = kernel.Desc{ID: "batchnorm.f32.avx2", Op: OpNorm, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: normAVX2, Scratch: normScratch, Run: runNorm}
	NormGrad_avx2 = kernel.Desc{ID: "batchnormgrad.f32.avx2", Op: OpNormGrad, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: normGradAVX2, Scratch: normScratch, Run: runNorm}
)

func normAVX2(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.AVX2, &reduce.AVX2, false)
}

func normGradAVX2(c *kernel.Call) (any, error) {
	return prepareNorm(c, &eltwise.AVX2, &reduce.AVX2, true)
}

// Fake quantization on the functions of AVX2.
var (
	Fake_avx2     = kernel.Desc{ID: "fakequant.f32.avx2", Op: OpFake, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: fakeAVX2, Scratch: fakeScratch, Run: runFake}
	FakeGrad_avx2 = kernel.Desc{ID: "fakequantgrad.f32.avx2", Op: OpFakeGrad, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: fakeGradAVX2, Scratch: fakeScratch, Run: runFake}
)

func fakeAVX2(c *kernel.Call) (any, error) {
	return prepareFake(c, &quant.AVX2, &reduce.AVX2, false)
}

func fakeGradAVX2(c *kernel.Call) (any, error) {
	return prepareFake(c, &quant.AVX2, &reduce.AVX2, true)
}
