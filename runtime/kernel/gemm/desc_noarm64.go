//go:build !arm64

package gemm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels of arm64 as data, for building for it elsewhere.
var (
	F32_4x16_neon       = kernel.Desc{ID: "gemm.f32.4x16.neon", Op: "gemm.f32", Format: FormatB, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	MatMulF32_4x16_neon = kernel.Desc{ID: "matmul.f32.4x16.neon", Op: "matmul.f32", Arch: "arm64", Needs: cpu.NEON, Fast: true}
)
