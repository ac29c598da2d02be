//go:build !amd64

package grad

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels of amd64 as data, for building for it elsewhere.
var (
	Conv_14x32_avx512  = kernel.Desc{ID: "convopen.f32.14x32.avx512", Op: OpConv, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	GradX_14x32_avx512 = kernel.Desc{ID: "convgradx.f32.14x32.avx512", Op: OpGradX, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	GradW_14x32_avx512 = kernel.Desc{ID: "convgradw.f32.14x32.avx512", Op: OpGradW, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	Conv_6x16_avx2     = kernel.Desc{ID: "convopen.f32.6x16.avx2", Op: OpConv, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	GradX_6x16_avx2    = kernel.Desc{ID: "convgradx.f32.6x16.avx2", Op: OpGradX, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	GradW_6x16_avx2    = kernel.Desc{ID: "convgradw.f32.6x16.avx2", Op: OpGradW, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Norm_avx512        = kernel.Desc{ID: "batchnorm.f32.avx512", Op: OpNorm, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	NormGrad_avx512    = kernel.Desc{ID: "batchnormgrad.f32.avx512", Op: OpNormGrad, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	Norm_avx2          = kernel.Desc{ID: "batchnorm.f32.avx2", Op: OpNorm, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	NormGrad_avx2      = kernel.Desc{ID: "batchnormgrad.f32.avx2", Op: OpNormGrad, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Fake_avx2          = kernel.Desc{ID: "fakequant.f32.avx2", Op: OpFake, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	FakeGrad_avx2      = kernel.Desc{ID: "fakequantgrad.f32.avx2", Op: OpFakeGrad, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
)
