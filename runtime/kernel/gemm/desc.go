package gemm

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// F32_generic multiplies activations by a constant on the tiles in plain Go.
var F32_generic = kernel.Desc{ID: "gemm.f32.generic", Op: "gemm.f32", Format: FormatB,
	Prepare: productGeneric, Scratch: productScratch, Run: runProduct}

// MatMulF32_generic multiplies activations by activations in plain Go.
var MatMulF32_generic = kernel.Desc{ID: "matmul.f32.generic", Op: "matmul.f32",
	Prepare: matmulGeneric, Scratch: matmulScratch, Run: runMatMul}

func productGeneric(c *kernel.Call) (any, error) {
	return prepareProduct(c, &Generic, &eltwise.Generic)
}

func matmulGeneric(c *kernel.Call) (any, error) {
	return prepareMatMul(c, &Generic, &eltwise.Generic)
}
