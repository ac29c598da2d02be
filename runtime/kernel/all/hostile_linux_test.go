package all

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/copy"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/norm"
	"github.com/mlc-go/mlc/runtime/kernel/pooling"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
	"github.com/mlc-go/mlc/runtime/kernel/rnn"
	"github.com/mlc-go/mlc/runtime/kernel/softmax"
	"github.com/mlc-go/mlc/runtime/pool"
)

// operand is a tensor of a call as a plan describes it.
type operand struct {
	dt   dtype.DType
	dims []int
	ints []int64 // elements of a shape operand
}

func f32(dims ...int) operand  { return operand{dt: dtype.F32, dims: dims} }
func u8(dims ...int) operand   { return operand{dt: dtype.U8, dims: dims} }
func i8(dims ...int) operand   { return operand{dt: dtype.I8, dims: dims} }
func i32(dims ...int) operand  { return operand{dt: dtype.I32, dims: dims} }
func i64(v ...int64) operand   { return operand{dtype.I64, []int{len(v)}, v} }
func (o operand) size() uint64 { return uint64(o.dt.Bytes(int(o.count()))) }

// count is the number of elements, 2^62 where it is more.
func (o operand) count() uint64 {
	n, ok := tensor.Count(o.dims)
	if !ok {
		return 1 << 62
	}
	return uint64(n)
}

// planned is a call as a plan describes it.
type planned struct {
	in, consts, out []operand
	attrs           attr.Map
}

func (p planned) clone() planned {
	c := planned{attrs: p.attrs.Clone()}
	for i, l := range [...][]operand{p.in, p.consts, p.out} {
		to := [...]*[]operand{&c.in, &c.consts, &c.out}[i]
		for _, o := range l {
			*to = append(*to, operand{o.dt, slices.Clone(o.dims), slices.Clone(o.ints)})
		}
	}
	return c
}

// honest has calls of each operation that its kernels take.
var honest = map[string][]planned{
	"gemm.f32": {{in: []operand{f32(3, 5)}, consts: []operand{f32(gemm.PackedB(5, 20))}, out: []operand{f32(3, 20)}},
		{in: []operand{f32(2, 3, 5)}, consts: []operand{f32(gemm.PackedB(5, 20)), f32(20)}, out: []operand{f32(2, 3, 20)}, attrs: attr.Map{eltwise.AttrProg: attr.Strs("add %0 %1", "relu %2")}}},
	"matmul.f32": {{in: []operand{f32(2, 3, 5), f32(5, 18)}, out: []operand{f32(2, 3, 18)}},
		{in: []operand{f32(2, 5, 3), f32(2, 18, 5), f32(18)}, out: []operand{f32(2, 3, 18)}, attrs: attr.Map{"transA": attr.Int(1), "transB": attr.Int(1), eltwise.AttrProg: attr.Strs("add %0 %1")}}},
	conv.OpConv: {{in: []operand{f32(1, 4, 6, 7)}, consts: []operand{f32(6 * 2 * 9), f32(1, 6, 1, 1)}, out: []operand{f32(1, 6, 3, 7)},
		attrs: attr.Map{"kernel_shape": attr.Ints(3, 3), "pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1), "group": attr.Int(2), eltwise.AttrProg: attr.Strs("add %0 %1")}},
		{in: []operand{f32(2, 4, 9)}, consts: []operand{f32(6 * 4 * 3)}, out: []operand{f32(2, 6, 7)}, attrs: attr.Map{"kernel_shape": attr.Ints(3), "auto_pad": attr.Str("VALID")}}},
	conv.OpTranspose: {{in: []operand{f32(1, 4, 3, 4)}, consts: []operand{f32(4 * 3 * 4)}, out: []operand{f32(1, 6, 6, 8)},
		attrs: attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2), "group": attr.Int(2), "output_padding": attr.Ints(0, 0), "pads": attr.Ints(0, 0, 0, 0)}}},
	dwconv.OpF32: {{in: []operand{f32(1, 4, 6, 70), f32(8)}, consts: []operand{f32(8, 1, 3, 3)}, out: []operand{f32(1, 8, 3, 70)},
		attrs: attr.Map{"group": attr.Int(4), "pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1)}}},
	eltwise.OpF32: {{in: []operand{f32(3, 1, 5), f32(4, 1)}, consts: []operand{f32(1)}, out: []operand{f32(3, 4, 5)}, attrs: attr.Map{eltwise.AttrProg: attr.Strs("add %0 %1", "mul %3 %2", "tanh %4")}},
		{in: []operand{{dt: dtype.U8, dims: []int{2, 300}}, {dt: dtype.I8, dims: []int{300}}}, out: []operand{f32(2, 300)}, attrs: attr.Map{eltwise.AttrProg: attr.Strs("max %0 %1")}},
		{in: []operand{{dt: dtype.F16, dims: []int{300}}, f32(2, 1)}, out: []operand{{dt: dtype.F16, dims: []int{2, 300}}}, attrs: attr.Map{eltwise.AttrProg: attr.Strs("max %0 %1")}}},
	reduce.OpF32: {{in: []operand{f32(3, 4, 5), i64(-1, 0)}, out: []operand{f32(1, 4, 1)}, attrs: attr.Map{"kind": attr.Str("sum"), "keepdims": attr.Int(1)}},
		{in: []operand{f32(3, 4, 50), i64(1)}, out: []operand{f32(3, 50)}, attrs: attr.Map{"kind": attr.Str("l2"), "keepdims": attr.Int(0)}}},
	softmax.OpF32: {{in: []operand{f32(3, 4, 5)}, out: []operand{f32(3, 4, 5)}, attrs: attr.Map{"axis": attr.Int(1)}},
		{in: []operand{f32(3, 4, 50)}, out: []operand{f32(3, 4, 50)}, attrs: attr.Map{"axis": attr.Int(1)}}, {in: []operand{f32(70, 3)}, out: []operand{f32(70, 3)}}},
	norm.OpLayer:     {{in: []operand{f32(3, 4, 5), f32(5), f32(5)}, out: []operand{f32(3, 4, 5)}}, {in: []operand{f32(3, 40), f32(3, 40)}, out: []operand{f32(3, 40)}, attrs: attr.Map{"axis": attr.Int(0)}}},
	pooling.OpMax:    {{in: []operand{f32(1, 2, 6, 7)}, out: []operand{f32(1, 2, 3, 4)}, attrs: attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2), "pads": attr.Ints(0, 0, 1, 1), "ceil_mode": attr.Int(0), "dilations": attr.Ints(1, 1)}}},
	pooling.OpAvg:    {{in: []operand{f32(1, 2, 6, 7)}, out: []operand{f32(1, 2, 3, 4)}, attrs: attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2), "pads": attr.Ints(0, 0, 1, 1), "count_include_pad": attr.Int(1)}}},
	pooling.OpGlobal: {{in: []operand{f32(2, 3, 4, 5)}, out: []operand{f32(2, 3, 1, 1)}}},
	copy.OpTranspose: {{in: []operand{f32(3, 4, 5)}, out: []operand{f32(5, 3, 4)}, attrs: attr.Map{"perm": attr.Ints(2, 0, 1)}}},
	copy.OpConcat:    {{in: []operand{f32(3, 4), f32(3, 2)}, out: []operand{f32(3, 6)}, attrs: attr.Map{"axis": attr.Int(1)}}},
	copy.OpSlice:     {{in: []operand{f32(6, 5), i64(1, -1), i64(5, -100), i64(0, 1), i64(2, -1)}, out: []operand{f32(2, 5)}}},
	copy.OpPad:       {{in: []operand{f32(3, 4), i64(1, -1, 2, 0)}, out: []operand{f32(6, 3)}, attrs: attr.Map{"mode": attr.Str("constant")}}},
	rnn.OpLSTM: {{in: []operand{f32(4, 2, 3), {dtype.I32, []int{2}, []int64{4, 2}}, f32(2, 2, 5), f32(2, 2, 5)},
		consts: []operand{f32(2 * gemm.PackedB(3, 20)), f32(2 * gemm.PackedB(5, 20)), f32(2, 20), f32(2, 15)},
		out:    []operand{f32(4, 2, 2, 5), f32(2, 2, 5), f32(2, 2, 5)}, attrs: attr.Map{"direction": attr.Str("bidirectional")}}},
}

// bytesAttrs are the attributes of quantized calls, beside others.
func bytesAttrs(more attr.Map) attr.Map {
	m := attr.Map{quant.AttrXScale: attr.Float(0.5), quant.AttrXZero: attr.Int(3), quant.AttrBScale: attr.Float(0.25), quant.AttrBZero: attr.Int(4),
		quant.AttrYScale: attr.Float(0.5), quant.AttrYZero: attr.Int(2), quant.AttrYLow: attr.Int(2), quant.AttrYHigh: attr.Int(100)}
	maps.Copy(m, more)
	return m
}

// honestBytes has the calls of quantized operations.
var honestBytes = map[string][]planned{
	gemm.OpI8: {{in: []operand{u8(3, 5)}, consts: []operand{i8(20 * 8), f32(20), i32(20), i32(20)}, out: []operand{u8(3, 20)}, attrs: bytesAttrs(nil)},
		{in: []operand{i8(2, 17, 9)}, consts: []operand{i8(3 * 12), f32(3), i32(3), i32(3)}, out: []operand{u8(2, 17, 3)}, attrs: bytesAttrs(nil)}},
	conv.OpI8: {{in: []operand{u8(1, 4, 6, 7)}, consts: []operand{i8(6 * 20), f32(6), i32(6), i32(6)}, out: []operand{u8(1, 6, 3, 7)},
		attrs: bytesAttrs(attr.Map{"kernel_shape": attr.Ints(3, 3), "pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1), "group": attr.Int(2)})},
		{in: []operand{i8(2, 4, 9)}, consts: []operand{i8(6 * 12), f32(6), i32(6), i32(6)}, out: []operand{i8(2, 6, 7)},
			attrs: bytesAttrs(attr.Map{"kernel_shape": attr.Ints(3), "auto_pad": attr.Str("VALID")})}},
	gemm.OpI32: {{in: []operand{u8(3, 5), u8()}, consts: []operand{i8(20 * 8), i32(20)}, out: []operand{i32(3, 20)}, attrs: attr.Map{quant.AttrXZero: attr.Int(3)}},
		{in: []operand{i8(2, 17, 9)}, consts: []operand{i8(3 * 12), i32(3), i32(3)}, out: []operand{i32(2, 17, 3)}, attrs: attr.Map{quant.AttrXZero: attr.Int(-3)}}},
	conv.OpI32: {{in: []operand{u8(1, 4, 6, 7), u8(1)}, consts: []operand{i8(6 * 20), i32(6)}, out: []operand{i32(1, 6, 3, 7)},
		attrs: attr.Map{quant.AttrXZero: attr.Int(3), "kernel_shape": attr.Ints(3, 3), "pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1), "group": attr.Int(2)}},
		{in: []operand{i8(2, 4, 9)}, consts: []operand{i8(6 * 12), i32(6), i32(6)}, out: []operand{i32(2, 6, 7)}, attrs: attr.Map{quant.AttrXZero: attr.Int(3), "kernel_shape": attr.Ints(3), "auto_pad": attr.Str("VALID")}}},
	quant.OpDynamic: {{in: []operand{f32(3, 13)}, out: []operand{u8(3, 13), f32(), u8()}}, {in: []operand{f32(16)}, out: []operand{u8(16)}}},
	dwconv.OpI8: {{in: []operand{u8(1, 4, 6, 70)}, consts: []operand{i8(8 * 12), f32(8), i32(8), i32(8)}, out: []operand{i8(1, 8, 3, 70)},
		attrs: bytesAttrs(attr.Map{"kernel_shape": attr.Ints(3, 3), "group": attr.Int(4), "pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1)})},
		{in: []operand{u8(2, 3, 5, 9)}, consts: []operand{i8(3 * 8), f32(3), i32(3), i32(3)}, out: []operand{u8(2, 3, 4, 4)},
			attrs: bytesAttrs(attr.Map{"kernel_shape": attr.Ints(2, 3), "group": attr.Int(3), "strides": attr.Ints(1, 2), "pads": attr.Ints(0, 0, 0, 0), "auto_pad": attr.Str("VALID")})}},
	pooling.OpMaxI8: {{in: []operand{u8(1, 2, 6, 7)}, out: []operand{u8(1, 2, 3, 4)}, attrs: attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2), "pads": attr.Ints(0, 0, 1, 1), "ceil_mode": attr.Int(0), "dilations": attr.Ints(1, 1)}},
		{in: []operand{i8(2, 3, 20)}, out: []operand{i8(2, 3, 20)}, attrs: attr.Map{"kernel_shape": attr.Ints(3), "pads": attr.Ints(1, 1), "strides": attr.Ints(1), "auto_pad": attr.Str("")}}},
	pooling.OpMeanI8: {{in: []operand{u8(1, 2, 6, 7)}, out: []operand{u8(1, 2, 3, 4)}, attrs: bytesAttrs(attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2), "pads": attr.Ints(0, 0, 1, 1), "count_include_pad": attr.Int(1)})},
		{in: []operand{i8(2, 3, 4)}, out: []operand{u8(2, 3, 4)}, attrs: bytesAttrs(attr.Map{"kernel_shape": attr.Ints(3), "strides": attr.Ints(1), "pads": attr.Ints(2, 2), "dilations": attr.Ints(2), "auto_pad": attr.Str("")})},
		{in: []operand{i8(2, 3, 4, 5)}, out: []operand{u8(2, 3, 1, 1)}, attrs: bytesAttrs(attr.Map{pooling.AttrGlobal: attr.Int(1)})}},
	quant.OpQuantize:   {{in: []operand{f32(3, 13)}, out: []operand{u8(3, 13)}, attrs: bytesAttrs(nil)}, {in: []operand{f32(16)}, out: []operand{i8(16)}, attrs: bytesAttrs(nil)}},
	quant.OpDequantize: {{in: []operand{u8(3, 13)}, out: []operand{f32(3, 13)}, attrs: bytesAttrs(nil)}, {in: []operand{i8(16)}, out: []operand{f32(16)}, attrs: bytesAttrs(nil)}},
	quant.OpAdd:        {{in: []operand{u8(3, 13), i8(3, 13)}, out: []operand{i8(3, 13)}, attrs: bytesAttrs(nil)}, {in: []operand{u8(32), u8(32)}, out: []operand{u8(32)}, attrs: bytesAttrs(nil)}},
	quant.OpTable:      {{in: []operand{u8(3, 13)}, consts: []operand{u8(256)}, out: []operand{i8(3, 13)}}},
}

// pooled are attributes of a pool of windows of 2 by 2.
var pooled = attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2), "pads": attr.Ints(0, 0, 1, 1), "ceil_mode": attr.Int(0), "dilations": attr.Ints(1, 1), "count_include_pad": attr.Int(1)}

// honestGrads has the calls of training.
var honestGrads = map[string][]planned{
	grad.OpConv: {{in: []operand{f32(1, 4, 6, 7), f32(6, 2, 3, 3), f32(1, 6, 1, 1)}, out: []operand{f32(1, 6, 3, 7)},
		attrs: attr.Map{"pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1), "group": attr.Int(2), eltwise.AttrProg: attr.Strs("add %0 %1")}},
		{in: []operand{f32(2, 4, 9), f32(6, 4, 3)}, out: []operand{f32(2, 6, 7)}},
		{in: []operand{f32(1, 4, 6, 70), f32(8, 1, 3, 3), f32(8, 1, 1)}, out: []operand{f32(1, 8, 6, 70)},
			attrs: attr.Map{"auto_pad": attr.Str("SAME_UPPER"), "group": attr.Int(4), eltwise.AttrProg: attr.Strs("add %0 %1")}}},
	grad.OpGradX: {{in: []operand{f32(1, 6, 3, 7), f32(6, 2, 3, 3)}, out: []operand{f32(1, 4, 6, 7)},
		attrs: attr.Map{"pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1), "group": attr.Int(2)}},
		{in: []operand{f32(1, 6, 6, 7), f32(6, 4, 3, 3)}, out: []operand{f32(1, 4, 6, 7)}, attrs: attr.Map{"auto_pad": attr.Str("SAME_LOWER")}},
		{in: []operand{f32(2, 6, 7), f32(6, 4, 3)}, out: []operand{f32(2, 4, 9)}},
		{in: []operand{f32(1, 4, 6, 7), f32(4, 1, 3, 3)}, out: []operand{f32(1, 4, 6, 7)}, attrs: attr.Map{"group": attr.Int(4), "pads": attr.Ints(1, 1, 1, 1)}}},
	grad.OpGradW: {{in: []operand{f32(2, 6, 3, 7), f32(2, 4, 6, 7)}, out: []operand{f32(6, 2, 3, 3)},
		attrs: attr.Map{"pads": attr.Ints(1, 1, 1, 1), "strides": attr.Ints(2, 1), "dilations": attr.Ints(1, 1), "group": attr.Int(2)}},
		{in: []operand{f32(3, 6, 7), f32(3, 4, 9)}, out: []operand{f32(6, 4, 3)}, attrs: attr.Map{"auto_pad": attr.Str("VALID")}},
		{in: []operand{f32(2, 6, 3, 4), f32(2, 4, 3, 4)}, out: []operand{f32(6, 4, 1, 1)}}},
	grad.OpMaxPool: {{in: []operand{f32(1, 2, 3, 4), f32(1, 2, 6, 7)}, out: []operand{f32(1, 2, 6, 7)}, attrs: pooled},
		{in: []operand{f32(1, 2, 3, 4), f32(1, 2, 6, 8)}, out: []operand{f32(1, 2, 6, 8)}, attrs: attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2)}},
		{in: []operand{f32(2, 3, 20), f32(2, 3, 20)}, out: []operand{f32(2, 3, 20)}, attrs: attr.Map{"kernel_shape": attr.Ints(3), "auto_pad": attr.Str("SAME_UPPER")}}},
	grad.OpAvgPool: {{in: []operand{f32(1, 2, 3, 4)}, out: []operand{f32(1, 2, 6, 7)}, attrs: pooled},
		{in: []operand{f32(2, 3, 20)}, out: []operand{f32(2, 3, 20)}, attrs: attr.Map{"kernel_shape": attr.Ints(3), "auto_pad": attr.Str("SAME_UPPER")}}},
	grad.OpFake: {{in: []operand{f32(2, 300), f32(), f32()}, out: []operand{f32(2, 300), f32(), f32()}, attrs: attr.Map{"axis": attr.Int(1), "levels": attr.Int(255)}},
		{in: []operand{f32(2, 3, 40), f32(3), f32(3)}, out: []operand{f32(2, 3, 40)}, attrs: attr.Map{"axis": attr.Int(-2), "levels": attr.Int(254)}}},
	grad.OpFakeGrad: {{in: []operand{f32(2, 300), f32(2, 300), f32(), f32()}, out: []operand{f32(2, 300)}, attrs: attr.Map{"axis": attr.Int(1), "levels": attr.Int(255)}},
		{in: []operand{f32(2, 3, 40), f32(2, 3, 40), f32(3), f32(3)}, out: []operand{f32(2, 3, 40)}, attrs: attr.Map{"axis": attr.Int(1), "levels": attr.Int(254)}}},
	rnn.OpOpen: {{in: []operand{f32(4, 2, 3), f32(2, 20, 3), f32(2, 20, 5), f32(2, 40), {dtype.I32, []int{2}, []int64{4, 2}}, f32(2, 2, 5), f32(2, 2, 5), f32(2, 15)},
		out: []operand{f32(4, 2, 2, 5), f32(2, 2, 5), f32(2, 2, 5)}, attrs: attr.Map{"direction": attr.Str("bidirectional")}},
		{in: []operand{f32(3, 5, 4), f32(1, 8, 4), f32(1, 8, 2)}, out: []operand{{}, f32(1, 5, 2)}}},
	rnn.OpGrad: {{in: []operand{f32(4, 2, 3), f32(2, 20, 3), f32(2, 20, 5), f32(2, 40), {dtype.I32, []int{2}, []int64{4, 2}}, f32(2, 2, 5), f32(2, 2, 5), f32(2, 15),
		f32(4, 2, 2, 5), f32(2, 2, 5), f32(2, 2, 5)}, out: []operand{f32(4, 2, 3), f32(2, 20, 3), f32(2, 20, 5), f32(2, 40), f32(2, 2, 5), f32(2, 2, 5), f32(2, 15)},
		attrs: attr.Map{"direction": attr.Str("bidirectional")}},
		{in: []operand{f32(3, 5, 4), f32(1, 8, 4), f32(1, 8, 2), f32(1, 16), {}, {}, {}, {}, {}, f32(1, 5, 2)}, out: []operand{{}, f32(1, 8, 4), f32(1, 8, 2), f32(1, 16)}, attrs: attr.Map{"direction": attr.Str("reverse")}}},
	grad.OpMask: {{in: []operand{i64(1, 2)}, out: []operand{f32(300, 40)}, attrs: attr.Map{"ratio": attr.Float(0.5)}},
		{in: []operand{i64(7)}, out: []operand{f32(3)}, attrs: attr.Map{"ratio": attr.Float(0)}}},
	grad.OpGate: {{in: []operand{f32(3, 5), f32(3, 5)}, out: []operand{f32(3, 5)}}},
	grad.OpNorm: {{in: []operand{f32(2, 3, 4, 5), f32(3), f32(3), f32(3), f32(3)}, out: []operand{f32(2, 3, 4, 5), f32(3), f32(3)}, attrs: attr.Map{"epsilon": attr.Float(1e-5), "momentum": attr.Float(0.9)}},
		{in: []operand{f32(7, 3), f32(3), f32(3), f32(3), f32(3)}, out: []operand{f32(7, 3)}, attrs: attr.Map{"epsilon": attr.Float(1e-5)}}},
	grad.OpNormGrad: {{in: []operand{f32(2, 3, 4, 5), f32(2, 3, 4, 5), f32(3)}, out: []operand{f32(2, 3, 4, 5), f32(3), f32(3)}, attrs: attr.Map{"epsilon": attr.Float(1e-5)}}},
}

var wild = []int64{math.MinInt64, -1 << 40, math.MinInt32, -2, -1, 0, 1, 2, 3, 4, 5, 8, 33, 1 << 16, 1 << 20, 1<<20 + 1, math.MaxInt32, 1 << 40, 1 << 62, 1<<62 + 1, math.MaxInt64}

// corrupt changes some things of a call.
func corrupt(r *rand.Rand, p planned) planned {
	p = p.clone()
	any := func() *operand {
		for {
			if l := [...][]operand{p.in, p.consts, p.out}[r.IntN(3)]; len(l) > 0 {
				return &l[r.IntN(len(l))]
			}
		}
	}
	for range 1 + r.IntN(4) {
		switch r.IntN(9) {
		case 0, 1:
			if o := any(); len(o.dims) > 0 && o.ints == nil {
				o.dims[r.IntN(len(o.dims))] = int(max(0, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 18, 64, 1 << 20, 1 << 40, math.MaxInt64}[r.IntN(14)]) & math.MaxInt)
			}
		case 2:
			if o := any(); len(o.dims) > 0 && o.ints == nil {
				o.dims = o.dims[1:]
			}
		case 3:
			if o := any(); o.ints == nil {
				o.dims = append([]int{1 + r.IntN(2)}, o.dims...)
			}
		case 4:
			any().dt = []dtype.DType{dtype.F16, dtype.F64, dtype.I64, dtype.I32, dtype.U8, dtype.F32, dtype.I4, dtype.String}[r.IntN(8)]
		case 5:
			if o := any(); len(o.ints) > 0 {
				o.ints[r.IntN(len(o.ints))] = wild[r.IntN(len(wild))]
			}
		case 6:
			l := [...]*[]operand{&p.in, &p.consts, &p.out}[r.IntN(3)]
			if len(*l) > 0 && len(p.in)+len(p.consts)+len(p.out) > 1 && r.IntN(2) == 0 {
				*l = (*l)[:len(*l)-1]
			} else if len(*l) > 0 {
				(*l)[r.IntN(len(*l))] = operand{}
			}
		default:
			corruptAttr(r, p.attrs)
		}
	}
	return p
}

func corruptAttr(r *rand.Rand, m attr.Map) {
	names := m.Names()
	if len(names) == 0 {
		return
	}
	n := names[r.IntN(len(names))]
	switch v := m[n]; v.Kind {
	case attr.KindInt:
		m[n] = attr.Int(wild[r.IntN(len(wild))])
	case attr.KindInts:
		l := slices.Clone(v.Ints)
		if r.IntN(5) == 0 {
			l = l[:r.IntN(len(l)+1)]
		} else if len(l) > 0 {
			l[r.IntN(len(l))] = wild[r.IntN(len(wild))]
		}
		m[n] = attr.Ints(l...)
	case attr.KindFloat:
		m[n] = attr.Float([]float32{0, -1, 1e-38, 3e38, float32(math.NaN()), float32(math.Inf(1))}[r.IntN(6)])
	case attr.KindStrings:
		m[n] = attr.Strs([]string{"add %0 %9", "relu %0", "clip %0 1", "", "add 1 2", "max %0 nan"}[r.IntN(6)])
	default:
		m[n] = attr.Str([]string{"", "SAME_UPPER", "SAME_LOWER", "VALID", "reverse", "min", "l2", "edge"}[r.IntN(8)])
	}
}

// arena gives buffers that end where unmapped memory begins.
type arena struct{ mapped [][]byte }

func (a *arena) bytes(t *testing.T, n int) []byte {
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal("mmap: ", err)
	}
	a.mapped = append(a.mapped, m)
	if err := syscall.Mprotect(m[size:], syscall.PROT_NONE); err != nil {
		t.Fatal("mprotect: ", err)
	}
	off := size - n
	return m[off : off+n : off+n]
}

func (a *arena) free() {
	for _, m := range a.mapped {
		_ = syscall.Munmap(m)
	}
}

// small says whether all tensors can be made.
func (p planned) small() bool {
	for _, l := range [...][]operand{p.in, p.consts, p.out} {
		for _, o := range l {
			if o.count() > 1<<20 {
				return false
			}
		}
	}
	return true
}

func (p planned) bind(t *testing.T, a *arena, on *pool.Pool) *kernel.Call {
	c := &kernel.Call{Attrs: p.attrs, Pool: on}
	mk := func(o operand) tensor.Tensor {
		var x tensor.Tensor
		if o.dt == dtype.Invalid {
			return x
		}
		b := a.bytes(t, int(o.size()))
		x.Rebind(o.dt, o.dims, b)
		for i, v := range o.ints {
			if i < x.Len() && o.dt.IsInt() {
				x.SetInt(i, v)
			}
		}
		return x
	}
	val := func(o operand) tensor.Value {
		if o.dt == dtype.Invalid {
			return tensor.Value{}
		}
		return tensor.V(mk(o))
	}
	for _, o := range p.in {
		c.In = append(c.In, val(o))
	}
	for _, o := range p.consts {
		c.Consts = append(c.Consts, mk(o))
	}
	for _, o := range p.out {
		c.Out = append(c.Out, val(o))
	}
	return c
}

// try prepares and runs a call. Errors in Prepare are what it should do; a
// panic of Run is a *diag.Error where data do not fit, else a finding.
func try(t *testing.T, d *kernel.Desc, c *kernel.Call, a *arena) (ran bool, finding any) {
	debug.SetPanicOnFault(true)
	stage := "prepare"
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.As(err, new(*diag.Error)) {
				return
			}
			finding = fmt.Sprintf("%s: %v\n%s", stage, p, brief(debug.Stack()))
		}
	}()
	if d.Prepare != nil {
		st, err := d.Prepare(c)
		if err != nil {
			return false, nil
		}
		c.State = st
	}
	stage = "scratch"
	if d.Scratch != nil {
		n := d.Scratch(c, c.Pool.Threads())
		if n < 0 {
			return false, fmt.Sprintf("scratch of %d bytes", n)
		}
		if n > 1<<24 {
			return false, nil
		}
		c.Scratch = a.bytes(t, (n+63)&^63)[:n]
	}
	stage = "run"
	d.Run(c)
	return true, nil
}

// brief keeps the lines of a stack that name kernels.
func brief(stack []byte) string {
	var out []string
	for l := range strings.Lines(string(stack)) {
		if strings.Contains(l, "/runtime/kernel/") && strings.Contains(l, ".go:") && !strings.Contains(l, "hostile") {
			out = append(out, strings.TrimSpace(l))
		}
	}
	return strings.Join(out[:min(len(out), 6)], "\n")
}

// hostilePlans is how many corrupt calls each kernel gets.
const hostilePlans = 500

// TestHostilePlans hands kernels calls that no compiler makes: Prepare refuses
// them, or Run stays within its memory, on one thread and by turns on three (a
// fault on another thread than the caller's ends the test without ado).
func TestHostilePlans(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	three := pool.New(3)
	defer three.Close()
	for _, d := range fast {
		if d.Run == nil || !kerneltest.Has(t, d.Needs) {
			continue
		}
		t.Run(d.ID, func(t *testing.T) {
			bases := slices.Concat(honest[d.Op], honestBytes[d.Op], honestGrads[d.Op])
			if len(bases) == 0 {
				t.Fatalf("no honest call of %s", d.Op)
			}
			for i, b := range bases {
				a := &arena{}
				for _, on := range []*pool.Pool{nil, three} {
					if ran, f := try(t, d, b.bind(t, a, on), a); !ran || f != nil {
						_, err := d.Prepare(b.bind(t, a, on))
						t.Errorf("honest call %d on %d threads does not run: %v %v", i, on.Threads(), f, err)
					}
				}
				a.free()
			}
			r := rand.New(rand.NewPCG(7, uint64(len(d.ID))))
			ran := 0
			for i := range hostilePlans {
				p := corrupt(r, bases[r.IntN(len(bases))])
				if !p.small() {
					continue
				}
				a := &arena{}
				begin := time.Now()
				ok, f := try(t, d, p.bind(t, a, []*pool.Pool{nil, three}[i%2]), a)
				a.free()
				if f != nil {
					t.Fatalf("%v\n%+v", f, p)
				}
				if took := time.Since(begin); took > 5*time.Second {
					t.Fatalf("took %v: %+v", took, p)
				}
				if ok {
					ran++
				}
			}
			if ran == 0 {
				t.Error("no corrupt call ran: they are too corrupt to test Run")
			}
		})
	}
}
