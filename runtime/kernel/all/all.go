// Package all lists every kernel, those of foreign architectures included,
// best first within one operation. Only runtime and backend/cpu import it:
// programs that name their kernels one by one link no more than those.
package all

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/copy"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/kernel/norm"
	"github.com/mlc-go/mlc/runtime/kernel/pooling"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
	"github.com/mlc-go/mlc/runtime/kernel/rnn"
	"github.com/mlc-go/mlc/runtime/kernel/softmax"
)

// Set is the full set of kernels.
func Set() *kernel.Set {
	s, err := kernel.NewSet(append(append([]*kernel.Desc{}, fast...), refs...)...)
	if err != nil {
		panic(err) // two kernels of one name: a fault of the lists, caught by this package's test
	}
	return s
}

// fast are the kernels other than reference functions.
var fast = []*kernel.Desc{
	&gemm.F32_14x32_avx512, &gemm.F32_6x16_avx2, &gemm.F32_4x16_neon, &gemm.F32_generic,
	&gemm.MatMulF32_14x32_avx512, &gemm.MatMulF32_6x16_avx2, &gemm.MatMulF32_4x16_neon, &gemm.MatMulF32_generic,
	&conv.F32_14x32_avx512, &conv.F32_6x16_avx2, &conv.F32_4x16_neon, &conv.F32_generic,
	&conv.TransposeF32_14x32_avx512, &conv.TransposeF32_6x16_avx2, &conv.TransposeF32_4x16_neon, &conv.TransposeF32_generic,
	&dwconv.F32_avx512, &dwconv.F32_avx2, &dwconv.F32_neon, &dwconv.F32_generic,
	&eltwise.F32_avx512, &eltwise.F32_avx2, &eltwise.F32_neon, &eltwise.F32_generic,
	&reduce.F32_avx512, &reduce.F32_avx2, &reduce.F32_neon, &reduce.F32_generic,
	&softmax.F32_avx512, &softmax.F32_avx2, &softmax.F32_neon, &softmax.F32_generic,
	&norm.Layer_avx512, &norm.Layer_avx2, &norm.Layer_neon, &norm.Layer_generic,
	&pooling.Max_avx512, &pooling.Max_avx2, &pooling.Max_neon, &pooling.Max_generic,
	&pooling.Avg_avx512, &pooling.Avg_avx2, &pooling.Avg_neon, &pooling.Avg_generic,
	&pooling.Global_avx512, &pooling.Global_avx2, &pooling.Global_neon, &pooling.Global_generic,
	&copy.Transpose, &copy.Concat, &copy.Slice, &copy.Pad,
	&conv.I8_14x32_avx512vnni, &conv.I8_6x16_avx2, &conv.I8_4x16_dotprod, &conv.I8_4x16_neon, &conv.I8_generic,
	&gemm.I8_14x32_avx512vnni, &gemm.I8_6x16_avx2, &gemm.I8_4x16_dotprod, &gemm.I8_4x16_neon, &gemm.I8_generic,
	&conv.I32_14x32_avx512vnni, &conv.I32_6x16_avx2, &conv.I32_4x16_dotprod, &conv.I32_4x16_neon, &conv.I32_generic,
	&gemm.I32_14x32_avx512vnni, &gemm.I32_6x16_avx2, &gemm.I32_4x16_dotprod, &gemm.I32_4x16_neon, &gemm.I32_generic,
	&dwconv.I8_avx2, &dwconv.I8_neon, &dwconv.I8_generic,
	&pooling.MaxI8_avx2, &pooling.MaxI8_neon, &pooling.MaxI8_generic, &pooling.MeanI8,
	&quant.Quantize_avx2, &quant.Quantize_neon, &quant.Quantize_generic,
	&quant.Dynamic_avx2, &quant.Dynamic_neon, &quant.Dynamic_generic,
	&quant.Dequantize_avx2, &quant.Dequantize_neon, &quant.Dequantize_generic,
	&quant.Add_avx2, &quant.Add_neon, &quant.Add_generic, &quant.Table,
	&rnn.LSTMF32_14x32_avx512, &rnn.LSTMF32_6x16_avx2, &rnn.LSTMF32_4x16_neon, &rnn.LSTMF32_generic,
	&rnn.Open_14x32_avx512, &rnn.Open_6x16_avx2, &rnn.Open_4x16_neon, &rnn.Open_generic,
	&rnn.Grad_14x32_avx512, &rnn.Grad_6x16_avx2, &rnn.Grad_4x16_neon, &rnn.Grad_generic,
	&grad.Conv_14x32_avx512, &grad.Conv_6x16_avx2, &grad.Conv_4x16_neon, &grad.Conv_generic,
	&grad.GradX_14x32_avx512, &grad.GradX_6x16_avx2, &grad.GradX_4x16_neon, &grad.GradX_generic,
	&grad.GradW_14x32_avx512, &grad.GradW_6x16_avx2, &grad.GradW_4x16_neon, &grad.GradW_generic,
	&grad.Norm_avx512, &grad.Norm_avx2, &grad.Norm_neon, &grad.Norm_generic,
	&grad.NormGrad_avx512, &grad.NormGrad_avx2, &grad.NormGrad_neon, &grad.NormGrad_generic,
	&grad.MaxPool, &grad.AvgPool, &grad.Gate, &grad.Mask,
	&grad.Fake_avx2, &grad.Fake_neon, &grad.Fake_generic,
	&grad.FakeGrad_avx2, &grad.FakeGrad_neon, &grad.FakeGrad_generic,
}
