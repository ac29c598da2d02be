package gemm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// I8_4x16_dotprod multiplies quantized activations by constant weights on Dot_I8_4x16.
var I8_4x16_dotprod = kernel.Desc{ID: "gemm.i8.4x16.dotprod", Op: OpI8, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true,
	Prepare: i8Dot, Scratch: scratchI8, Run: runI8}

// I8_4x16_neon multiplies quantized activations by constant weights on NEON_I8_4x16.
var I8_4x16_neon = kernel.Desc{ID: "gemm.i8.4x16.neon", Op: OpI8, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: i8NEON, Scratch: scratchI8, Run: runI8}

func i8Dot(c *kernel.Call) (any, error) { return prepareI8(c, &Dot_I8_4x16) }

func i8NEON(c *kernel.Call) (any, error) { return prepareI8(c, &NEON_I8_4x16) }

// I32_4x16_dotprod multiplies integers by constant weights on Dot_I8_4x16.
var I32_4x16_dotprod = kernel.Desc{ID: "gemm.i32.4x16.dotprod", Op: OpI32, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON | cpu.DotProd, Fast: true,
	Prepare: i32Dot, Scratch: scratchI8, Run: runI8}

// I32_4x16_neon multiplies integers by constant weights on NEON_I8_4x16.
var I32_4x16_neon = kernel.Desc{ID: "gemm.i32.4x16.neon", Op: OpI32, Format: FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: i32NEON, Scratch: scratchI8, Run: runI8}

func i32Dot(c *kernel.Call) (any, error) { return prepareI32(c, &Dot_I8_4x16) }

func i32NEON(c *kernel.Call) (any, error) { return prepareI32(c, &NEON_I8_4x16) }
