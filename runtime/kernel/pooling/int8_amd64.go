package pooling

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// MaxI8_avx2 is MaxPool of bytes with AVX2.
var MaxI8_avx2 = kernel.Desc{ID: "maxpool.i8.avx2", Op: OpMaxI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: maxI8AVX2, Run: runMaxI8}

func maxI8AVX2(c *kernel.Call) (any, error) { return prepareMaxI8(c, &quant.AVX2) }
