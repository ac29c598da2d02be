package softmax

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// F32_avx2 is the softmax with AVX2.
var F32_avx2 = kernel.Desc{ID: "softmax.f32.avx2", Op: OpF32, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: prepareAVX2, Run: run, Scratch: scratchBytes}

var avx2 = funcs{&eltwise.AVX2, &reduce.AVX2}

func prepareAVX2(c *kernel.Call) (any, error) { return prepare(&avx2, c) }

// F32_avx512 is the softmax with AVX-512.
var F32_avx512 = kernel.Desc{ID: "softmax.f32.avx512", Op: OpF32, Arch: "amd64", Needs: cpu.AVX512, Fast: true, Prepare: prepareAVX512, Run: run, Scratch: scratchBytes}

var avx512 = funcs{&eltwise.AVX512, &reduce.AVX512}

func prepareAVX512(c *kernel.Call) (any, error) { return prepare(&avx512, c) }

// F32_neon is the softmax with NEON. It does not run on this architecture.
var F32_neon = kernel.Desc{ID: "softmax.f32.neon", Op: OpF32, Arch: "arm64", Needs: cpu.NEON, Fast: true}
