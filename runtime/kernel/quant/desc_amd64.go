package quant

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels with AVX2.
var (
	Quantize_avx2   = kernel.Desc{ID: "quantize.i8.avx2", Op: OpQuantize, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: quantizeAVX2, Run: run}
	Dequantize_avx2 = kernel.Desc{ID: "dequantize.i8.avx2", Op: OpDequantize, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: dequantizeAVX2, Run: run}
	Add_avx2        = kernel.Desc{ID: "add.i8.avx2", Op: OpAdd, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: addAVX2, Run: run}
	Dynamic_avx2    = kernel.Desc{ID: "dynquantize.i8.avx2", Op: OpDynamic, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: dynamicAVX2, Run: runDynamic}
)

func quantizeAVX2(c *kernel.Call) (any, error) { return prepare(c, &AVX2, quantizing) }

func dequantizeAVX2(c *kernel.Call) (any, error) { return prepare(c, &AVX2, dequantizing) }

func addAVX2(c *kernel.Call) (any, error) { return prepare(c, &AVX2, adding) }

func dynamicAVX2(c *kernel.Call) (any, error) { return prepareDynamic(c, &AVX2) }
