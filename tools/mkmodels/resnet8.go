package main

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// norm is a batch normalization whose numbers differ from channel to channel.
func (k *maker) norm(x *ir.Value, c int) *ir.Value {
	vary := func(at, by float32) *ir.Value {
		v := k.filled(at, c)
		t, err := v.Const().Tensor()
		if err != nil {
			k.Fail(err)
			return v
		}
		for i, e := range tensor.Slice[float32](&t) {
			tensor.Slice[float32](&t)[i] = e + by*float32(i%7)
		}
		return v
	}
	s, b, m, v := vary(0.8, 0.1), vary(-0.1, 0.05), vary(0.1, -0.03), vary(0.5, 0.15)
	k.node("norm")
	return k.Op("BatchNormalization", nil, x, s, b, m, v)
}

// resnet8 has the shape of ResNet-8 for 32x32 pictures (Banbury et al. 2021),
// with its batch normalizations.
func resnet8() (*ir.Module, error) {
	k := newMaker("resnet8", 3000)
	x := k.f.AddParam("x", tensor.T(dtype.F32, k.batch(), shape.Int(3), shape.Int(32), shape.Int(32)))
	y := k.relu(k.norm(k.conv(x, 3, 16, 3, 1, 1), 16))
	c := 16
	for stage := range 3 {
		w, stride := 16<<stage, 1+min(stage, 1)
		z := k.relu(k.norm(k.conv(y, c, w, 3, stride, 1), w))
		z = k.norm(k.conv(z, w, w, 3, 1, 1), w)
		r := y
		if stride != 1 {
			r = k.conv(y, c, w, 1, stride, 1)
		}
		k.node("add")
		y = k.relu(k.Op("Add", nil, z, r))
		c = w
	}
	k.node("pool")
	y = k.Op("AveragePool", attr.Map{"kernel_shape": attr.Ints(8, 8)}, y)
	k.node("flatten")
	y = k.Op("Flatten", nil, y)
	y = k.dense(y, c, 10)
	k.node("softmax")
	return k.finish("y", k.Op("Softmax", nil, y))
}
