package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// I8_14x32_avx512vnni convolves quantized on gemm.VNNI_I8_14x32.
var I8_14x32_avx512vnni = kernel.Desc{ID: "conv.i8.14x32.avx512vnni", Op: OpI8, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512 | cpu.AVX512VNNI, Fast: true,
	Prepare: i8VNNI, Scratch: scratchI8, Run: runI8}

// I8_6x16_avx2 convolves quantized on gemm.AVX2_I8_6x16.
var I8_6x16_avx2 = kernel.Desc{ID: "conv.i8.6x16.avx2", Op: OpI8, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: i8AVX2, Scratch: scratchI8, Run: runI8}

func i8VNNI(c *kernel.Call) (any, error) { return prepareI8(c, &gemm.VNNI_I8_14x32) }

func i8AVX2(c *kernel.Call) (any, error) { return prepareI8(c, &gemm.AVX2_I8_6x16) }

// I32_14x32_avx512vnni convolves integers on gemm.VNNI_I8_14x32.
var I32_14x32_avx512vnni = kernel.Desc{ID: "conv.i32.14x32.avx512vnni", Op: OpI32, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512 | cpu.AVX512VNNI, Fast: true,
	Prepare: i32VNNI, Scratch: scratchI8, Run: runI8}

// I32_6x16_avx2 convolves integers on gemm.AVX2_I8_6x16.
var I32_6x16_avx2 = kernel.Desc{ID: "conv.i32.6x16.avx2", Op: OpI32, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: i32AVX2, Scratch: scratchI8, Run: runI8}

func i32VNNI(c *kernel.Call) (any, error) { return prepareI32(c, &gemm.VNNI_I8_14x32) }

func i32AVX2(c *kernel.Call) (any, error) { return prepareI32(c, &gemm.AVX2_I8_6x16) }
