package cuda

import (
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/kernel/rnn"
)

// generators has an entry for each host call that some kernel computes, by
// plan.Instr.Name.
var generators = map[string]generator{
	eltwise.OpF32:    eltwiseF32,
	"gemm.f32":       gemmF32,
	"matmul.f32":     matmulF32,
	conv.OpConv:      convF32,
	conv.OpTranspose: convTransposeF32,
	grad.OpConv:      convOpenF32,
	dwconv.OpF32:     dwconvF32,
	rnn.OpLSTM:       lstmF32,
}
