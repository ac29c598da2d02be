package reduce

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// F32_avx2 reduces with AVX2.
var F32_avx2 = kernel.Desc{ID: "reduce.f32.avx2", Op: OpF32, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: prepareAVX2, Run: run, Scratch: scratchBytes}

func prepareAVX2(c *kernel.Call) (any, error) { return prepare(&AVX2, c) }

// F32_avx512 reduces with AVX-512.
var F32_avx512 = kernel.Desc{ID: "reduce.f32.avx512", Op: OpF32, Arch: "amd64", Needs: cpu.AVX512, Fast: true, Prepare: prepareAVX512, Run: run, Scratch: scratchBytes}

func prepareAVX512(c *kernel.Call) (any, error) { return prepare(&AVX512, c) }

// F32_neon reduces with NEON. It does not run on this architecture.
var F32_neon = kernel.Desc{ID: "reduce.f32.neon", Op: OpF32, Arch: "arm64", Needs: cpu.NEON, Fast: true}
