package tflite

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/dtype"
)

// The part of TensorFlow Lite's schema, version 3, that is written: numbers of
// operators, of option tables and of their fields.

// code is a builtin operator.
type code int

const (
	opAdd               code = 0
	opAveragePool       code = 1
	opConcatenation     code = 2
	opConv              code = 3
	opDepthwiseConv     code = 4
	opDequantize        code = 6
	opFloor             code = 8
	opFullyConnected    code = 9
	opLogistic          code = 14
	opMaxPool           code = 17
	opMul               code = 18
	opRelu              code = 19
	opReluN1To1         code = 20
	opRelu6             code = 21
	opReshape           code = 22
	opResizeBilinear    code = 23
	opSoftmax           code = 25
	opTanh              code = 28
	opPad               code = 34
	opGather            code = 36
	opLess              code = 58
	opGreater           code = 61
	opGreaterEqual      code = 62
	opLessEqual         code = 63
	opEqual             code = 71
	opSelectV2          code = 123
	opTranspose         code = 39
	opMean              code = 40
	opSub               code = 41
	opDiv               code = 42
	opSequenceLSTM      code = 44
	opStridedSlice      code = 45
	opExp               code = 47
	opLogSoftmax        code = 50
	opCast              code = 53
	opPRelu             code = 54
	opMaximum           code = 55
	opMinimum           code = 57
	opNeg               code = 59
	opPadV2             code = 60
	opSlice             code = 65
	opTransposeConv     code = 67
	opTile              code = 69
	opLog               code = 73
	opSum               code = 74
	opSqrt              code = 75
	opPow               code = 78
	opReduceProd        code = 81
	opReduceMax         code = 82
	opReduceMin         code = 89
	opResizeNearest     code = 97
	opLeakyRelu         code = 98
	opMirrorPad         code = 100
	opAbs               code = 101
	opSplitV            code = 102
	opCeil              code = 104
	opReverse           code = 105
	opElu               code = 111
	opQuantize          code = 114
	opRound             code = 116
	opHardSwish         code = 117
	opBatchMatMul       code = 126
	opBroadcastTo       code = 130
	opGelu              code = 150
	opRelu0To1          code = 152
	opSign              code = 158
	placeholderForLarge      = 127
)

var codeNames = map[code]string{
	opGather: "GATHER", opLess: "LESS", opGreater: "GREATER", opGreaterEqual: "GREATER_EQUAL", opLessEqual: "LESS_EQUAL", opEqual: "EQUAL", opSelectV2: "SELECT_V2",
	opAdd: "ADD", opAveragePool: "AVERAGE_POOL_2D", opConcatenation: "CONCATENATION", opConv: "CONV_2D",
	opDepthwiseConv: "DEPTHWISE_CONV_2D", opDequantize: "DEQUANTIZE", opFloor: "FLOOR",
	opFullyConnected: "FULLY_CONNECTED", opLogistic: "LOGISTIC", opMaxPool: "MAX_POOL_2D", opMul: "MUL", opRelu: "RELU",
	opReluN1To1: "RELU_N1_TO_1", opRelu6: "RELU6", opReshape: "RESHAPE", opResizeBilinear: "RESIZE_BILINEAR", opSoftmax: "SOFTMAX",
	opTanh: "TANH", opPad: "PAD", opTranspose: "TRANSPOSE", opMean: "MEAN",
	opSub: "SUB", opDiv: "DIV", opSequenceLSTM: "UNIDIRECTIONAL_SEQUENCE_LSTM", opStridedSlice: "STRIDED_SLICE", opExp: "EXP",
	opLogSoftmax: "LOG_SOFTMAX", opCast: "CAST", opPRelu: "PRELU", opMaximum: "MAXIMUM", opMinimum: "MINIMUM",
	opNeg: "NEG", opPadV2: "PADV2", opSlice: "SLICE", opTransposeConv: "TRANSPOSE_CONV", opTile: "TILE",
	opLog: "LOG", opSum: "SUM", opSqrt: "SQRT", opPow: "POW", opReduceProd: "REDUCE_PROD", opReduceMax: "REDUCE_MAX",
	opReduceMin: "REDUCE_MIN", opResizeNearest: "RESIZE_NEAREST_NEIGHBOR", opLeakyRelu: "LEAKY_RELU",
	opMirrorPad: "MIRROR_PAD", opAbs: "ABS", opSplitV: "SPLIT_V", opCeil: "CEIL", opReverse: "REVERSE_V2", opElu: "ELU",
	opQuantize: "QUANTIZE", opRound: "ROUND", opHardSwish: "HARD_SWISH", opBatchMatMul: "BATCH_MATMUL", opBroadcastTo: "BROADCAST_TO",
	opGelu: "GELU", opRelu0To1: "RELU_0_TO_1", opSign: "SIGN",
}

func (c code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("builtin %d", int(c))
}

// options is an operator's option table with its number in the union.
type options struct {
	kind int
	t    *table
}

func opts(kind int) options { return options{kind, &table{}} }

// Padding of convolutions and pools.
const (
	padSame  = 0
	padValid = 1
)

// Activation functions that operators take in.
const (
	actNone    = 0
	actRelu    = 1
	actReluN1  = 2
	actRelu6   = 3
	actTanh    = 4
	maxPayload = 1<<31 - 1<<24
)

func convOptions(pad, sh, sw, dh, dw, act int) options {
	o := opts(1)
	o.t.i8(0, pad).i32(1, sw).i32(2, sh).i8(3, act).i32d(4, dw, 1).i32d(5, dh, 1)
	return o
}

func depthwiseOptions(pad, sh, sw, dh, dw, mult, act int) options {
	o := opts(2)
	o.t.i8(0, pad).i32(1, sw).i32(2, sh).i32(3, mult).i8(4, act).i32d(5, dw, 1).i32d(6, dh, 1)
	return o
}

func poolOptions(pad, sh, sw, kh, kw, act int) options {
	o := opts(5)
	o.t.i8(0, pad).i32(1, sw).i32(2, sh).i32(3, kw).i32(4, kh).i8(5, act)
	return o
}

func fcOptions(keep bool, act int) options {
	o := opts(8)
	o.t.i8(0, act).flag(2, keep)
	return o
}

func transposeConvOptions(pad, sh, sw, act int) options {
	o := opts(49)
	o.t.i8(0, pad).i32(1, sw).i32(2, sh).i8(3, act)
	return o
}

// binaryOptions are those of ADD, SUB, MUL and DIV.
func binaryOptions(c code, act int) options {
	kind := map[code]int{opAdd: 11, opSub: 28, opMul: 21, opDiv: 29}[c]
	if kind == 0 {
		return options{}
	}
	o := opts(kind)
	o.t.i8(0, act)
	return o
}

func concatOptions(axis int) options {
	o := opts(10)
	o.t.i32(0, axis)
	return o
}

func softmaxOptions() options {
	o := opts(9)
	o.t.f32(0, 1)
	return o
}

func reshapeOptions(dims []int) options {
	o := opts(17)
	o.t.put(0, int32s(dims))
	return o
}

func reduceOptions(keep bool) options {
	o := opts(27)
	o.t.flag(0, keep)
	return o
}

func int32s(v []int) []int32 {
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return out
}

// typeOf is the schema's number of an element type.
func typeOf(d dtype.DType) (int, bool) {
	switch d {
	case dtype.F32:
		return 0, true
	case dtype.F16:
		return 1, true
	case dtype.I32:
		return 2, true
	case dtype.U8:
		return 3, true
	case dtype.I64:
		return 4, true
	case dtype.Bool:
		return 6, true
	case dtype.I16:
		return 7, true
	case dtype.I8:
		return 9, true
	case dtype.F64:
		return 10, true
	}
	return 0, false
}
