//go:build !arm64

package quant

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels with NEON as data, for building for it elsewhere.
var (
	Quantize_neon   = kernel.Desc{ID: "quantize.i8.neon", Op: OpQuantize, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Dequantize_neon = kernel.Desc{ID: "dequantize.i8.neon", Op: OpDequantize, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Add_neon        = kernel.Desc{ID: "add.i8.neon", Op: OpAdd, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Dynamic_neon    = kernel.Desc{ID: "dynquantize.i8.neon", Op: OpDynamic, Arch: "arm64", Needs: cpu.NEON, Fast: true}
)
