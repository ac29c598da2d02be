//go:build !arm64

package grad

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels of arm64 as data, for building for it elsewhere.
var (
	Conv_4x16_neon  = kernel.Desc{ID: "convopen.f32.4x16.neon", Op: OpConv, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	GradX_4x16_neon = kernel.Desc{ID: "convgradx.f32.4x16.neon", Op: OpGradX, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	GradW_4x16_neon = kernel.Desc{ID: "convgradw.f32.4x16.neon", Op: OpGradW, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Norm_neon       = kernel.Desc{ID: "batchnorm.f32.neon", Op: OpNorm, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	NormGrad_neon   = kernel.Desc{ID: "batchnormgrad.f32.neon", Op: OpNormGrad, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Fake_neon       = kernel.Desc{ID: "fakequant.f32.neon", Op: OpFake, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	FakeGrad_neon   = kernel.Desc{ID: "fakequantgrad.f32.neon", Op: OpFakeGrad, Arch: "arm64", Needs: cpu.NEON, Fast: true}
)
