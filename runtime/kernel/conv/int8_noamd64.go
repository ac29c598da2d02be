//go:build !amd64

package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// I8_14x32_avx512vnni does not run on this architecture.
var I8_14x32_avx512vnni = kernel.Desc{ID: "conv.i8.14x32.avx512vnni", Op: OpI8, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512 | cpu.AVX512VNNI, Fast: true}

// I8_6x16_avx2 does not run on this architecture.
var I8_6x16_avx2 = kernel.Desc{ID: "conv.i8.6x16.avx2", Op: OpI8, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true}

// I32_14x32_avx512vnni does not run on this architecture.
var I32_14x32_avx512vnni = kernel.Desc{ID: "conv.i32.14x32.avx512vnni", Op: OpI32, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512 | cpu.AVX512VNNI, Fast: true}

// I32_6x16_avx2 does not run on this architecture.
var I32_6x16_avx2 = kernel.Desc{ID: "conv.i32.6x16.avx2", Op: OpI32, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
