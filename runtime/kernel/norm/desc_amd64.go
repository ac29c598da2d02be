package norm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// Layer_avx2 is LayerNormalization with AVX2.
var Layer_avx2 = kernel.Desc{ID: "layernorm.f32.avx2", Op: OpLayer, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: layerAVX2, Run: runLayer, Scratch: layerScratch}

var avx2 = funcs{&eltwise.AVX2, &reduce.AVX2}

func layerAVX2(c *kernel.Call) (any, error) { return prepareLayer(&avx2, c) }

// Layer_avx512 is LayerNormalization with AVX-512.
var Layer_avx512 = kernel.Desc{ID: "layernorm.f32.avx512", Op: OpLayer, Arch: "amd64", Needs: cpu.AVX512, Fast: true, Prepare: layerAVX512, Run: runLayer, Scratch: layerScratch}

var avx512 = funcs{&eltwise.AVX512, &reduce.AVX512}

func layerAVX512(c *kernel.Call) (any, error) { return prepareLayer(&avx512, c) }

// Layer_neon is LayerNormalization with NEON. It does not run on this architecture.
var Layer_neon = kernel.Desc{ID: "layernorm.f32.neon", Op: OpLayer, Arch: "arm64", Needs: cpu.NEON, Fast: true}
