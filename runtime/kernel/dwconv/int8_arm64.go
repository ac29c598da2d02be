package dwconv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// I8_neon is the quantized depthwise convolution with NEON.
var I8_neon = kernel.Desc{ID: "dwconv.i8.neon", Op: OpI8, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: i8NEON, Run: runI8, Scratch: scratchI8}

var neon8 = funcs8{taps8_neon, &quant.NEON}

func i8NEON(c *kernel.Call) (any, error) { return prepareI8(c, &neon8) }
