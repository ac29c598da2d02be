package nn_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
)

// Models by name verify, run on any batch, and have the sizes that their
// authors state: LeNet-5 61,706 (LeCun 1998 with whole connections), ResNet-8
// about 78 thousand (MLPerf Tiny), DS-CNN small about 24 thousand (Zhang 2017).
func TestNamed(t *testing.T) {
	for _, c := range []struct {
		name     string
		in       []int
		lo, hi   int
		n, class int
	}{
		{"mlp", []int{13}, 5_000, 6_000, 3, 3},
		{"lenet", []int{1, 28, 28}, 61_706, 61_706, 2, 10},
		{"resnet8", []int{3, 32, 32}, 77_000, 80_000, 1, 10},
		{"dscnn", []int{1, 49, 10}, 22_000, 26_000, 1, 12},
	} {
		m, err := nn.Named(c.name, nn.Input{Dims: c.in}, c.class, nn.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := verify.Module(m); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, w := range train.Weights(m) {
			if !w.Statistic {
				size += w.Value.Const().Len()
			}
		}
		if size < c.lo || size > c.hi {
			t.Errorf("%s has %d weights, want %d..%d", c.name, size, c.lo, c.hi)
		}
		x, err := tensor.Random(dtype.F32, 1, append([]int{c.n}, c.in...)...)
		if err != nil {
			t.Fatal(err)
		}
		out, err := eval.Run(context.Background(), m, tensor.Vs(x))
		if err != nil || out[0].Tensor.Dim(0) != c.n || out[0].Tensor.Dim(1) != c.class {
			t.Errorf("%s: %v, %v", c.name, out, err)
		}
	}
}

// One seed makes one model; another makes other weights.
func TestSeeds(t *testing.T) {
	make := func(seed uint64) string {
		m, err := nn.Named("lenet", nn.Input{Dims: []int{1, 28, 28}}, 10, nn.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return text.String(m)
	}
	first, again, other := make(1), make(1), make(2)
	if first != again || first == other {
		t.Error("seeds do not decide the weights")
	}
}

func TestRefused(t *testing.T) {
	image := nn.Input{Dims: []int{1, 8, 8}}
	for _, c := range []struct {
		make func() (*ir.Module, error)
		want string
	}{
		{func() (*ir.Module, error) { return nn.Named("vgg", image, 10, nn.Options{}) }, `no model "vgg" (have [mlp lenet resnet8 dscnn])`},
		{func() (*ir.Module, error) { return nn.Named("lenet", nn.Input{Dims: []int{8}}, 10, nn.Options{}) }, "want [channels height width]"},
		{func() (*ir.Module, error) { return nn.Named("lenet", image, 10, nn.Options{}) }, "window"},
		{func() (*ir.Module, error) { return nn.Named("mlp", image, 0, nn.Options{}) }, "0 outputs: want 1 or more"},
		{func() (*ir.Module, error) { return nn.Sequential(image, nn.Options{}, nn.Dense(3)) }, "Dense after: have f32[N,1,8,8], want 2 axes"},
		{func() (*ir.Module, error) { return nn.Sequential(image, nn.Options{}, nn.Activation("square")) }, `no activation "square"`},
		{func() (*ir.Module, error) { return nn.Sequential(image, nn.Options{}, nn.Dropout(1)) }, "dropout of 1"},
		{func() (*ir.Module, error) { return nn.Sequential(image, nn.Options{DType: dtype.I8}, nn.Relu()) }, "model of i8: want f32 or f64"},
	} {
		if _, err := c.make(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("have %v, want %s", err, c.want)
		}
	}
}
