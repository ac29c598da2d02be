package quant

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The kernels with NEON.
var (
	Quantize_neon   = kernel.Desc{ID: "quantize.i8.neon", Op: OpQuantize, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: quantizeNEON, Run: run}
	Dequantize_neon = kernel.Desc{ID: "dequantize.i8.neon", Op: OpDequantize, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: dequantizeNEON, Run: run}
	Add_neon        = kernel.Desc{ID: "add.i8.neon", Op: OpAdd, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: addNEON, Run: run}
	Dynamic_neon    = kernel.Desc{ID: "dynquantize.i8.neon", Op: OpDynamic, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: dynamicNEON, Run: runDynamic}
)

func quantizeNEON(c *kernel.Call) (any, error) { return prepare(c, &NEON, quantizing) }

func dequantizeNEON(c *kernel.Call) (any, error) { return prepare(c, &NEON, dequantizing) }

func addNEON(c *kernel.Call) (any, error) { return prepare(c, &NEON, adding) }

func dynamicNEON(c *kernel.Call) (any, error) { return prepareDynamic(c, &NEON) }
