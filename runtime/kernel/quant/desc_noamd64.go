//go:build !amd64

package quant

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels with AVX2 as data, for building for it elsewhere.
var (
	Quantize_avx2   = kernel.Desc{ID: "quantize.i8.avx2", Op: OpQuantize, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Dequantize_avx2 = kernel.Desc{ID: "dequantize.i8.avx2", Op: OpDequantize, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Add_avx2        = kernel.Desc{ID: "add.i8.avx2", Op: OpAdd, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Dynamic_avx2    = kernel.Desc{ID: "dynquantize.i8.avx2", Op: OpDynamic, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
)
