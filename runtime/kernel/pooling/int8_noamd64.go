//go:build !amd64

package pooling

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// MaxI8_avx2 does not run on this architecture.
var MaxI8_avx2 = kernel.Desc{ID: "maxpool.i8.avx2", Op: OpMaxI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
