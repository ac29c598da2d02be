package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// count is the f32 tensor 0, 1, 2, ... of the given extents.
func count(dims ...int) tensor.Tensor {
	t := tensor.New(dtype.F32, dims...)
	for i := range t.Len() {
		t.SetFloat(i, float64(i))
	}
	return t
}

// filled is the f32 tensor of the given extents that holds v everywhere.
func filled(v float64, dims ...int) tensor.Tensor {
	t := tensor.New(dtype.F32, dims...)
	for i := range t.Len() {
		t.SetFloat(i, v)
	}
	return t
}

func convExamples() []ir.Case {
	return []ir.Case{
		{Name: "3x3 over 5x5 with padding", Attrs: attr.Map{"kernel_shape": attr.Ints(3, 3), "pads": attr.Ints(1, 1, 1, 1)},
			In: tensor.Vs(count(1, 1, 5, 5), filled(1, 1, 1, 3, 3)),
			Out: tensor.Vs(tensor.MustOf([]float32{12, 21, 27, 33, 24, 33, 54, 63, 72, 51, 63, 99, 108, 117, 81,
				93, 144, 153, 162, 111, 72, 111, 117, 123, 84}, 1, 1, 5, 5)),
			Source: "ONNX Conv-22, example conv_with_padding"},
		{Name: "one axis with bias",
			In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3}, 1, 1, 3), tensor.MustOf([]float32{1, 10}, 1, 1, 2), tensor.MustOf([]float32{0.5}, 1)),
			Out:    tensor.Vs(tensor.MustOf([]float32{21.5, 32.5}, 1, 1, 2)),
			Source: "hand calculation"},
		{Name: "two groups, dilated, SAME_LOWER", Attrs: attr.Map{"group": attr.Int(2), "dilations": attr.Ints(2), "strides": attr.Ints(2), "auto_pad": attr.Str("SAME_LOWER")},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4, 5, 6}, 1, 2, 3), tensor.MustOf([]float32{1, 10, 1, 100}, 2, 1, 2)),
			Out:    tensor.Vs(tensor.MustOf([]float32{20, 2, 500, 5}, 1, 2, 2)),
			Source: "hand calculation: 2 outputs, pads 1 and 1, taps at o*2-1 and o*2+1"},
	}
}

func convTransposeExamples() []ir.Case {
	return []ir.Case{
		{Name: "stride 2 with output padding", Attrs: attr.Map{"strides": attr.Ints(2), "output_padding": attr.Ints(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 10, 100}, 1, 1, 3), tensor.MustOf([]float32{1, 2, 3}, 1, 1, 3)),
			Out:    tensor.Vs(tensor.MustOf([]float32{1, 2, 13, 20, 130, 200, 300, 0}, 1, 1, 8)),
			Source: "hand calculation"},
		{Name: "SAME_LOWER", Attrs: attr.Map{"auto_pad": attr.Str("SAME_LOWER")},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 10, 100}, 1, 1, 3), tensor.MustOf([]float32{1, 2, 3, 4}, 1, 1, 4)),
			Out:    tensor.Vs(tensor.MustOf([]float32{123, 234, 340}, 1, 1, 3)),
			Source: "onnxruntime 1.32"},
		{Name: "output_shape, two groups and bias", Attrs: attr.Map{"output_shape": attr.Ints(3), "group": attr.Int(2), "auto_pad": attr.Str("SAME_UPPER")},
			In: tensor.Vs(tensor.MustOf([]float32{1, 10, 100, 1, 1, 1}, 1, 2, 3),
				tensor.MustOf([]float32{1, 2, 3, 4, 1, 0, 0, 0}, 2, 1, 4), tensor.MustOf([]float32{0, 0.5}, 2)),
			Out:    tensor.Vs(tensor.MustOf([]float32{12, 123, 234, 1.5, 1.5, 0.5}, 1, 2, 3)),
			Source: "onnxruntime 1.32 (first group), hand calculation (second)"},
	}
}
