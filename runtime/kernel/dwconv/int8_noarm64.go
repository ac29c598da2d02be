//go:build !arm64

package dwconv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// I8_neon does not run on this architecture.
var I8_neon = kernel.Desc{ID: "dwconv.i8.neon", Op: OpI8, Format: gemm.FormatI8, Arch: "arm64", Needs: cpu.NEON, Fast: true}
