//go:build !arm64

package gemm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// I8_4x16_dotprod does not run on this architecture.
var I8_4x16_dotprod = kernel.Desc{ID: "gemm.i8.4x16.dotprod", Op: OpI8, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true}

// I8_4x16_neon does not run on this architecture.
var I8_4x16_neon = kernel.Desc{ID: "gemm.i8.4x16.neon", Op: OpI8, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true}

// I32_4x16_dotprod does not run on this architecture.
var I32_4x16_dotprod = kernel.Desc{ID: "gemm.i32.4x16.dotprod", Op: OpI32, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true}

// I32_4x16_neon does not run on this architecture.
var I32_4x16_neon = kernel.Desc{ID: "gemm.i32.4x16.neon", Op: OpI32, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true}
