package cuda_test

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// weight is a constant of random elements.
func weight(b *build.B, name string, seed uint64, dims ...int) *ir.Value {
	t, err := tensor.Random(dtype.F32, seed, dims...)
	if err != nil {
		panic(err) // float32 has random elements
	}
	return b.Weight(name, t)
}

// products are graphs whose kernels multiply: see product_test.go, conv_test.go
// and lstm_test.go for their edges; these are what mutants are made of.
var products = []graph{
	{name: "product", dims: []int{0, 37}, n: []int{1, 3, 70}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Relu(b.Add(b.MatMul(x, weight(b, "w", 1, 37, 70)), weight(b, "c", 2, 70))))
	}},
	{name: "product of large matrices", tol: tensor.Custom(1e-5, 1e-4), dims: []int{130, 300}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.MatMul(x, weight(b, "w", 1, 300, 131)))
	}},
	{name: "product of two operands", dims: []int{0, 9, 11}, n: []int{1, 3}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.MatMul(x, b.Transpose(x, build.Perm(0, 2, 1))))
	}},
	{name: "product of few rows", dims: []int{3, 700}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.MatMul(x, weight(b, "w", 1, 700, 45)))
	}},
	{name: "convolution", dims: []int{0, 5, 9, 7}, n: []int{1, 3}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Relu(b.Conv(x, weight(b, "w", 1, 18, 5, 3, 3), weight(b, "c", 2, 18), build.Pads(1, 0, 1, 2), build.Strides(2, 1))))
	}},
	{name: "depthwise", dims: []int{0, 5, 9, 7}, n: []int{1, 3}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Conv(x, weight(b, "w", 1, 5, 1, 3, 3), weight(b, "c", 2, 5), build.Group(5), build.Pads(1, 1, 1, 1), build.Strides(1, 2)))
	}},
	{name: "lstm", dims: []int{6, 0, 3}, n: []int{1, 2}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.LSTM(x, weight(b, "w", 1, 1, 20, 3), weight(b, "r", 2, 1, 20, 5), weight(b, "b", 3, 1, 40), nil, nil, nil, nil, build.HiddenSize(5)))
	}},
}
