package dwconv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// I8_avx2 is the quantized depthwise convolution with AVX2.
var I8_avx2 = kernel.Desc{ID: "dwconv.i8.avx2", Op: OpI8, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: i8AVX2, Run: runI8, Scratch: scratchI8}

var avx28 = funcs8{taps8_avx2, &quant.AVX2}

func i8AVX2(c *kernel.Call) (any, error) { return prepareI8(c, &avx28) }
