package dwconv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// F32_avx2 is the depthwise convolution with AVX2. It does not run on this architecture.
var F32_avx2 = kernel.Desc{ID: "dwconv.f32.avx2", Op: OpF32, Format: FormatPlain, Arch: "amd64", Needs: cpu.AVX2, Fast: true}

// F32_avx512 is the depthwise convolution with AVX-512. It does not run on this architecture.
var F32_avx512 = kernel.Desc{ID: "dwconv.f32.avx512", Op: OpF32, Format: FormatPlain, Arch: "amd64", Needs: cpu.AVX512, Fast: true}

// F32_neon is the depthwise convolution with NEON.
var F32_neon = kernel.Desc{ID: "dwconv.f32.neon", Op: OpF32, Format: FormatPlain, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: prepareNEON, Run: run, Scratch: scratchBytes}

var neon = funcs{&eltwise.NEON, taps_neon, evensNEON}

func prepareNEON(c *kernel.Call) (any, error) { return prepare(&neon, c) }

func evensNEON(dst, src []float32) {
	n := wholeEvens(len(dst), 4)
	if n > 0 {
		evens_neon(&dst[0], &src[0], n)
	}
	for i := n; i < len(dst); i++ {
		dst[i] = src[2*i]
	}
}
