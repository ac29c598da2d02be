package softmax

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// F32_avx2 is the softmax with AVX2. It does not run on this architecture.
var F32_avx2 = kernel.Desc{ID: "softmax.f32.avx2", Op: OpF32, Arch: "amd64", Needs: cpu.AVX2, Fast: true}

// F32_avx512 is the softmax with AVX-512. It does not run on this architecture.
var F32_avx512 = kernel.Desc{ID: "softmax.f32.avx512", Op: OpF32, Arch: "amd64", Needs: cpu.AVX512, Fast: true}

// F32_neon is the softmax with NEON.
var F32_neon = kernel.Desc{ID: "softmax.f32.neon", Op: OpF32, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: prepareNEON, Run: run, Scratch: scratchBytes}

var neon = funcs{&eltwise.NEON, &reduce.NEON}

func prepareNEON(c *kernel.Call) (any, error) { return prepare(&neon, c) }
