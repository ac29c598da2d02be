//go:build !arm64

package pooling

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// MaxI8_neon does not run on this architecture.
var MaxI8_neon = kernel.Desc{ID: "maxpool.i8.neon", Op: OpMaxI8, Arch: "arm64", Needs: cpu.NEON, Fast: true}
