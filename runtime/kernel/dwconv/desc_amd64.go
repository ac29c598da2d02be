package dwconv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// F32_avx2 is the depthwise convolution with AVX2.
var F32_avx2 = kernel.Desc{ID: "dwconv.f32.avx2", Op: OpF32, Format: FormatPlain, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: prepareAVX2, Run: run, Scratch: scratchBytes}

// F32_avx512 is the depthwise convolution with AVX-512.
var F32_avx512 = kernel.Desc{ID: "dwconv.f32.avx512", Op: OpF32, Format: FormatPlain, Arch: "amd64", Needs: cpu.AVX512, Fast: true, Prepare: prepareAVX512, Run: run, Scratch: scratchBytes}

// F32_neon is the depthwise convolution with NEON. It does not run on this architecture.
var F32_neon = kernel.Desc{ID: "dwconv.f32.neon", Op: OpF32, Format: FormatPlain, Arch: "arm64", Needs: cpu.NEON, Fast: true}

var avx2 = funcs{&eltwise.AVX2, taps_avx2, evensAVX2}

func prepareAVX2(c *kernel.Call) (any, error) { return prepare(&avx2, c) }

var avx512 = funcs{&eltwise.AVX512, taps_avx512, evensAVX2}

func prepareAVX512(c *kernel.Call) (any, error) { return prepare(&avx512, c) }

func evensAVX2(dst, src []float32) {
	n := wholeEvens(len(dst), 8)
	if n > 0 {
		evens_avx2(&dst[0], &src[0], n)
	}
	for i := n; i < len(dst); i++ {
		dst[i] = src[2*i]
	}
}
