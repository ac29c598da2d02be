package conv

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// F32_generic convolves on the tiles in plain Go.
var F32_generic = kernel.Desc{ID: "conv.f32.generic", Op: OpConv, Format: gemm.FormatA,
	Prepare: convGeneric, Scratch: convScratch, Run: runConv}

// TransposeF32_generic convolves transposed on the tiles in plain Go.
var TransposeF32_generic = kernel.Desc{ID: "convtranspose.f32.generic", Op: OpTranspose, Format: FormatTranspose,
	Prepare: transposedGeneric, Scratch: transposedScratch, Run: runTransposed}

func convGeneric(c *kernel.Call) (any, error) {
	return prepareConv(c, &gemm.Generic, &eltwise.Generic)
}

func transposedGeneric(c *kernel.Call) (any, error) {
	return prepareTransposed(c, &gemm.Generic, &eltwise.Generic)
}
