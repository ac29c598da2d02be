//go:build !amd64 && !arm64

package reduce

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// F32_avx2 reduces with AVX2. It does not run on this architecture.
var F32_avx2 = kernel.Desc{ID: "reduce.f32.avx2", Op: OpF32, Arch: "amd64", Needs: cpu.AVX2, Fast: true}

// F32_avx512 reduces with AVX-512. It does not run on this architecture.
var F32_avx512 = kernel.Desc{ID: "reduce.f32.avx512", Op: OpF32, Arch: "amd64", Needs: cpu.AVX512, Fast: true}

// F32_neon reduces with NEON. It does not run on this architecture.
var F32_neon = kernel.Desc{ID: "reduce.f32.neon", Op: OpF32, Arch: "arm64", Needs: cpu.NEON, Fast: true}
