package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// F32_14x32_avx512 convolves on gemm.AVX512_14x32.
var F32_14x32_avx512 = kernel.Desc{ID: "conv.f32.14x32.avx512", Op: OpConv, Format: gemm.FormatA, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
	Prepare: convAVX512, Scratch: convScratch, Run: runConv}

// F32_6x16_avx2 convolves on gemm.AVX2_6x16.
var F32_6x16_avx2 = kernel.Desc{ID: "conv.f32.6x16.avx2", Op: OpConv, Format: gemm.FormatA, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: convAVX2, Scratch: convScratch, Run: runConv}

// TransposeF32_14x32_avx512 convolves transposed on gemm.AVX512_14x32.
var TransposeF32_14x32_avx512 = kernel.Desc{ID: "convtranspose.f32.14x32.avx512", Op: OpTranspose, Format: FormatTranspose, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
	Prepare: transposedAVX512, Scratch: transposedScratch, Run: runTransposed}

// TransposeF32_6x16_avx2 convolves transposed on gemm.AVX2_6x16.
var TransposeF32_6x16_avx2 = kernel.Desc{ID: "convtranspose.f32.6x16.avx2", Op: OpTranspose, Format: FormatTranspose, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: transposedAVX2, Scratch: transposedScratch, Run: runTransposed}

func convAVX512(c *kernel.Call) (any, error) {
	return prepareConv(c, &gemm.AVX512_14x32, &eltwise.AVX512)
}

func convAVX2(c *kernel.Call) (any, error) {
	return prepareConv(c, &gemm.AVX2_6x16, &eltwise.AVX2)
}

func transposedAVX512(c *kernel.Call) (any, error) {
	return prepareTransposed(c, &gemm.AVX512_14x32, &eltwise.AVX512)
}

func transposedAVX2(c *kernel.Call) (any, error) {
	return prepareTransposed(c, &gemm.AVX2_6x16, &eltwise.AVX2)
}
