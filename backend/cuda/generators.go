package cuda

import (
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/copy"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/kernel/pooling"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
	"github.com/mlc-go/mlc/runtime/kernel/rnn"
	"github.com/mlc-go/mlc/runtime/kernel/softmax"
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

	reduce.OpF32: reduceF32, softmax.OpF32: softmaxF32, "ref.LogSoftmax": logSoftmax,
	pooling.OpMax: maxPool, pooling.OpAvg: averagePool, pooling.OpGlobal: globalAverage,
	"ref.MaxPool": maxPool, "ref.AveragePool": averagePool, "ref.GlobalMaxPool": globalMax,

	copy.OpTranspose: transpose, copy.OpConcat: concat, copy.OpSlice: slice, copy.OpPad: pad, "ref.Pad": pad,
	"ref.Gather": gather, "ref.Where": where, "ref.Expand": expand, "ref.Tile": tiled, "ref.Split": split,
	"ref.Resize": resize, "ref.Shape": shapeOf, "ref.ConstantOfShape": constantOfShape, "ref.Cast": cast,
}
