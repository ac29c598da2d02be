package conv

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// F32_4x16_neon convolves on gemm.NEON_4x16.
var F32_4x16_neon = kernel.Desc{ID: "conv.f32.4x16.neon", Op: OpConv, Format: gemm.FormatA, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: convNEON, Scratch: convScratch, Run: runConv}

// TransposeF32_4x16_neon convolves transposed on gemm.NEON_4x16.
var TransposeF32_4x16_neon = kernel.Desc{ID: "convtranspose.f32.4x16.neon", Op: OpTranspose, Format: FormatTranspose, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: transposedNEON, Scratch: transposedScratch, Run: runTransposed}

func convNEON(c *kernel.Call) (any, error) {
	return prepareConv(c, &gemm.NEON_4x16, &eltwise.NEON)
}

func transposedNEON(c *kernel.Call) (any, error) {
	return prepareTransposed(c, &gemm.NEON_4x16, &eltwise.NEON)
}
