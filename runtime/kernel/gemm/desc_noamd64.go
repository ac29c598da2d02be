//go:build !amd64

package gemm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels of amd64 as data, for building for it elsewhere.
var (
	F32_14x32_avx512       = kernel.Desc{ID: "gemm.f32.14x32.avx512", Op: "gemm.f32", Format: FormatB, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	F32_6x16_avx2          = kernel.Desc{ID: "gemm.f32.6x16.avx2", Op: "gemm.f32", Format: FormatB, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	MatMulF32_14x32_avx512 = kernel.Desc{ID: "matmul.f32.14x32.avx512", Op: "matmul.f32", Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	MatMulF32_6x16_avx2    = kernel.Desc{ID: "matmul.f32.6x16.avx2", Op: "matmul.f32", Arch: "amd64", Needs: cpu.AVX2, Fast: true}
)
