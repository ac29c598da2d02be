package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// I8_4x16_dotprod convolves quantized on gemm.Dot_I8_4x16.
var I8_4x16_dotprod = kernel.Desc{ID: "conv.i8.4x16.dotprod", Op: OpI8, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true,
	Prepare: i8Dot, Scratch: scratchI8, Run: runI8}

// I8_4x16_neon convolves quantized on gemm.NEON_I8_4x16.
var I8_4x16_neon = kernel.Desc{ID: "conv.i8.4x16.neon", Op: OpI8, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: i8NEON, Scratch: scratchI8, Run: runI8}

func i8Dot(c *kernel.Call) (any, error) { return prepareI8(c, &gemm.Dot_I8_4x16) }

func i8NEON(c *kernel.Call) (any, error) { return prepareI8(c, &gemm.NEON_I8_4x16) }

// I32_4x16_dotprod convolves integers on gemm.Dot_I8_4x16.
var I32_4x16_dotprod = kernel.Desc{ID: "conv.i32.4x16.dotprod", Op: OpI32, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true,
	Prepare: i32Dot, Scratch: scratchI8, Run: runI8}

// I32_4x16_neon convolves integers on gemm.NEON_I8_4x16.
var I32_4x16_neon = kernel.Desc{ID: "conv.i32.4x16.neon", Op: OpI32, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: i32NEON, Scratch: scratchI8, Run: runI8}

func i32Dot(c *kernel.Call) (any, error) { return prepareI32(c, &gemm.Dot_I8_4x16) }

func i32NEON(c *kernel.Call) (any, error) { return prepareI32(c, &gemm.NEON_I8_4x16) }
