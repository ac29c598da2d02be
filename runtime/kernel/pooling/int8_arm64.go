package pooling

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// MaxI8_neon is MaxPool of bytes with NEON.
var MaxI8_neon = kernel.Desc{ID: "maxpool.i8.neon", Op: OpMaxI8, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: maxI8NEON, Run: runMaxI8}

func maxI8NEON(c *kernel.Call) (any, error) { return prepareMaxI8(c, &quant.NEON) }
