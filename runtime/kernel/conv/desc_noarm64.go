//go:build !arm64

package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// The kernels of arm64 as data, for building for it elsewhere.
var (
	F32_4x16_neon          = kernel.Desc{ID: "conv.f32.4x16.neon", Op: OpConv, Format: gemm.FormatA, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	TransposeF32_4x16_neon = kernel.Desc{ID: "convtranspose.f32.4x16.neon", Op: OpTranspose, Format: FormatTranspose, Arch: "arm64", Needs: cpu.NEON, Fast: true}
)
