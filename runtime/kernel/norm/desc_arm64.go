package norm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// Layer_avx2 is LayerNormalization with AVX2. It does not run on this architecture.
var Layer_avx2 = kernel.Desc{ID: "layernorm.f32.avx2", Op: OpLayer, Arch: "amd64", Needs: cpu.AVX2, Fast: true}

// Layer_avx512 is LayerNormalization with AVX-512. It does not run on this architecture.
var Layer_avx512 = kernel.Desc{ID: "layernorm.f32.avx512", Op: OpLayer, Arch: "amd64", Needs: cpu.AVX512, Fast: true}

// Layer_neon is LayerNormalization with NEON.
var Layer_neon = kernel.Desc{ID: "layernorm.f32.neon", Op: OpLayer, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: layerNEON, Run: runLayer, Scratch: layerScratch}

var neon = funcs{&eltwise.NEON, &reduce.NEON}

func layerNEON(c *kernel.Call) (any, error) { return prepareLayer(&neon, c) }
