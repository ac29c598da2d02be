package gemm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// F32_14x32_avx512 multiplies activations by a constant on AVX512_14x32.
var F32_14x32_avx512 = kernel.Desc{ID: "gemm.f32.14x32.avx512", Op: "gemm.f32", Format: FormatB, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
	Prepare: productAVX512, Scratch: productScratch, Run: runProduct}

// F32_6x16_avx2 multiplies activations by a constant on AVX2_6x16.
var F32_6x16_avx2 = kernel.Desc{ID: "gemm.f32.6x16.avx2", Op: "gemm.f32", Format: FormatB, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: productAVX2, Scratch: productScratch, Run: runProduct}

// MatMulF32_14x32_avx512 multiplies activations by activations on
// AVX512_14x32.
var MatMulF32_14x32_avx512 = kernel.Desc{ID: "matmul.f32.14x32.avx512", Op: "matmul.f32", Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
	Prepare: matmulAVX512, Scratch: matmulScratch, Run: runMatMul}

// MatMulF32_6x16_avx2 multiplies activations by activations on AVX2_6x16.
var MatMulF32_6x16_avx2 = kernel.Desc{ID: "matmul.f32.6x16.avx2", Op: "matmul.f32", Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: matmulAVX2, Scratch: matmulScratch, Run: runMatMul}

func productAVX512(c *kernel.Call) (any, error) {
	return prepareProduct(c, &AVX512_14x32, &eltwise.AVX512)
}

func productAVX2(c *kernel.Call) (any, error) { return prepareProduct(c, &AVX2_6x16, &eltwise.AVX2) }

func matmulAVX512(c *kernel.Call) (any, error) {
	return prepareMatMul(c, &AVX512_14x32, &eltwise.AVX512)
}

func matmulAVX2(c *kernel.Call) (any, error) { return prepareMatMul(c, &AVX2_6x16, &eltwise.AVX2) }
