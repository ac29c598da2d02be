package gemm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// F32_4x16_neon multiplies activations by a constant on NEON_4x16.
var F32_4x16_neon = kernel.Desc{ID: "gemm.f32.4x16.neon", Op: "gemm.f32", Format: FormatB, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: productNEON, Scratch: productScratch, Run: runProduct}

// MatMulF32_4x16_neon multiplies activations by activations on NEON_4x16.
var MatMulF32_4x16_neon = kernel.Desc{ID: "matmul.f32.4x16.neon", Op: "matmul.f32", Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: matmulNEON, Scratch: matmulScratch, Run: runMatMul}

func productNEON(c *kernel.Call) (any, error) { return prepareProduct(c, &NEON_4x16, &eltwise.NEON) }

func matmulNEON(c *kernel.Call) (any, error) { return prepareMatMul(c, &NEON_4x16, &eltwise.NEON) }
