//go:build !amd64

package dwconv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// I8_avx2 does not run on this architecture.
var I8_avx2 = kernel.Desc{ID: "dwconv.i8.avx2", Op: OpI8, Format: gemm.FormatI8, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
