//go:build !arm64

package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// I8_4x16_dotprod does not run on this architecture.
var I8_4x16_dotprod = kernel.Desc{ID: "conv.i8.4x16.dotprod", Op: OpI8, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true}

// I8_4x16_neon does not run on this architecture.
var I8_4x16_neon = kernel.Desc{ID: "conv.i8.4x16.neon", Op: OpI8, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true}

// I32_4x16_dotprod does not run on this architecture.
var I32_4x16_dotprod = kernel.Desc{ID: "conv.i32.4x16.dotprod", Op: OpI32, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true}

// I32_4x16_neon does not run on this architecture.
var I32_4x16_neon = kernel.Desc{ID: "conv.i32.4x16.neon", Op: OpI32, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true}
