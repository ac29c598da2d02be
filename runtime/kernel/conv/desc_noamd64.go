//go:build !amd64

package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// The kernels of amd64 as data, for building for it elsewhere.
var (
	F32_14x32_avx512          = kernel.Desc{ID: "conv.f32.14x32.avx512", Op: OpConv, Format: gemm.FormatA, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	F32_6x16_avx2             = kernel.Desc{ID: "conv.f32.6x16.avx2", Op: OpConv, Format: gemm.FormatA, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	TransposeF32_14x32_avx512 = kernel.Desc{ID: "convtranspose.f32.14x32.avx512", Op: OpTranspose, Format: FormatTranspose, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	TransposeF32_6x16_avx2    = kernel.Desc{ID: "convtranspose.f32.6x16.avx2", Op: OpTranspose, Format: FormatTranspose, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
)
