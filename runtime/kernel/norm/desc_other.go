//go:build !amd64 && !arm64

package norm

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Layer_avx2 is LayerNormalization with AVX2. It does not run on this architecture.
var Layer_avx2 = kernel.Desc{ID: "layernorm.f32.avx2", Op: OpLayer, Arch: "amd64", Needs: cpu.AVX2, Fast: true}

// Layer_avx512 is LayerNormalization with AVX-512. It does not run on this architecture.
var Layer_avx512 = kernel.Desc{ID: "layernorm.f32.avx512", Op: OpLayer, Arch: "amd64", Needs: cpu.AVX512, Fast: true}

// Layer_neon is LayerNormalization with NEON. It does not run on this architecture.
var Layer_neon = kernel.Desc{ID: "layernorm.f32.neon", Op: OpLayer, Arch: "arm64", Needs: cpu.NEON, Fast: true}
