package nn_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
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
		// With arguments: counted by hand, layer by layer.
		{"mlp:7,dropout=0.5", []int{5}, 5*7 + 7 + 7*3 + 3, 5*7 + 7 + 7*3 + 3, 2, 3},
		{"mlp:7,3", []int{5}, 5*7 + 7 + 7*3 + 3 + 3*2 + 2, 5*7 + 7 + 7*3 + 3 + 3*2 + 2, 2, 2},
		{"lenet:2,3,5,4", []int{1, 28, 28}, 26*2 + (50+1)*3 + (75+1)*5 + 6*4 + 5*2, 26*2 + (50+1)*3 + (75+1)*5 + 6*4 + 5*2, 1, 2},
		{"resnet8:2,stem=3,pool=2,stride=2", []int{1, 28, 28}, 18 + 4 + 2*(36+4) + 4 + 4 + 6, 18 + 4 + 2*(36+4) + 4 + 4 + 6, 1, 2},
		{"dscnn:8,blocks=1,stem=1", []int{1, 20, 8}, 320 + 16 + 72 + 16 + 64 + 16 + 18, 320 + 16 + 72 + 16 + 64 + 16 + 18, 1, 2},
		// ONNX's LSTM: 4 gates of I+H weights and two biases.
		{"lstm:6", []int{9, 3}, 24*(3+6+2) + 7*2, 24*(3+6+2) + 7*2, 2, 2},
		{"lstm:6,4,dropout=0.1", []int{9, 3}, 24*(3+6+2) + 16*(6+4+2) + 5*2, 24*(3+6+2) + 16*(6+4+2) + 5*2, 2, 2},
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
		{func() (*ir.Module, error) { return nn.Named("vgg", image, 10, nn.Options{}) }, `no model "vgg" (have mlp, lenet, resnet8, dscnn, lstm)`},
		{func() (*ir.Module, error) { return nn.Named("lenet", nn.Input{Dims: []int{8}}, 10, nn.Options{}) }, "want [channels height width]"},
		{func() (*ir.Module, error) { return nn.Named("lenet", image, 10, nn.Options{}) }, "window"},
		{func() (*ir.Module, error) { return nn.Named("lstm", image, 10, nn.Options{}) }, "want [steps features]"},
		{func() (*ir.Module, error) { return nn.Spec{}.Build(image, 10, nn.Options{}) }, "want one of ParseSpec"},
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

// A spec is read whole or refused with what is wrong in it.
func TestParseSpec(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"mlp", "mlp:64,64,dropout=0"},
		{"mlp:8", "mlp:8,dropout=0"},
		{"mlp:8,dropout=0.25,4", "mlp:8,4,dropout=0.25"},
		{"resnet8:stem=1", "resnet8:16,32,64,stem=1,pool=1,stride=1"},
		{"resnet8:4,8,stride=2,pool=3", "resnet8:4,8,stem=2,pool=3,stride=2"},
		{"dscnn:32,blocks=2", "dscnn:32,blocks=2,stem=2"},
		{"lstm:32", "lstm:32,dropout=0"},
	} {
		s, err := nn.ParseSpec(c.in)
		if err != nil || s.String() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.in, s, err, c.want)
			continue
		}
		if again, err := nn.ParseSpec(s.String()); err != nil || again.String() != c.want {
			t.Errorf("%s: again %v, %v", c.in, again, err)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"", `no model ""`},
		{"resnet:8", `no model "resnet" (did you mean resnet8, `},
		{"mlp:", `model mlp: width "": want a whole number of 1..8192`},
		{"mlp:64,,64", `model mlp: width "": want`},
		{"mlp:0", `model mlp: width "0": want`},
		{"mlp:-3", `model mlp: width "-3": want`},
		{"mlp:1e3", `model mlp: width "1e3": want`},
		{"mlp:8193", `model mlp: width "8193": want`},
		{"mlp:99999999999999999999", "model mlp: width"},
		{"mlp:relu", `model mlp: unknown argument "relu" (have dropout)`},
		{"mlp:dropout=1", "model mlp: dropout=1: want a number of 0..0.95"},
		{"mlp:dropout=NaN", "model mlp: dropout=NaN: want a number of 0..0.95"},
		{"mlp:dropout=", "model mlp: dropout=: want a number"},
		{"lenet:6,16", "model lenet: have 2 widths, want 4 (filters of the two convolutions"},
		{"lenet:stem=2", `model lenet: unknown argument "stem" (it takes widths only)`},
		{"resnet8:stm=2", `model resnet8: unknown argument "stm" (did you mean stem?)`},
		{"resnet8:stem=0", "model resnet8: stem=0: want a whole number of 1..8"},
		{"resnet8:stem=1.5", "model resnet8: stem=1.5: want a whole number of 1..8"},
		{"resnet8:stem=1,stem=1", "model resnet8: argument stem is given twice"},
		{"resnet8:1,2,3,4,5,6,7,8,9", "model resnet8: have 9 widths, want 1..8 (channels of the stages"},
		{"dscnn:8,8", "model dscnn: have 2 widths, want 1 (channels)"},
	} {
		if _, err := nn.ParseSpec(c.in); diag.KindOf(err) != diag.Usage || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: have %v, want %s", c.in, err, c.want)
		}
	}
}

// Strides of any size fit both ways through a residual stage.
func TestStrides(t *testing.T) {
	for k := 1; k <= 8; k++ {
		for h := 1; h <= 20; h++ {
			spec := fmt.Sprintf("resnet8:2,3,stem=1,stride=%d", k)
			if _, err := nn.Named(spec, nn.Input{Dims: []int{1, h, 1 + (h*7+k)%13}}, 2, nn.Options{}); err != nil {
				t.Errorf("%s on height %d: %v", spec, h, err)
			}
		}
	}
}

// Sizes that cannot be are errors, no panics.
func TestSizesRefused(t *testing.T) {
	images, steps := nn.Input{Dims: []int{1, 8, 8}}, nn.Input{Dims: []int{3, 4}}
	for _, n := range []int{-1, 0, math.MaxInt} {
		for _, c := range []struct {
			in    nn.Input
			layer nn.Layer
		}{
			{nn.Input{Dims: []int{4}}, nn.Dense(n)}, {images, nn.Conv2D(n, 3)}, {images, nn.Conv2D(2, n)}, {images, nn.DepthwiseConv(n)},
			{images, nn.Conv(2, [2]int{3, n})}, {steps, nn.LSTM(n)}, {images, nn.MaxPool(n)}, {images, nn.AvgPool(n)},
			{images, nn.Conv2D(2, 3, nn.Stride(n))},
		} {
			if _, err := nn.Sequential(c.in, nn.Options{}, c.layer); err == nil || !strings.Contains(err.Error(), "want") {
				t.Errorf("%d: %v", n, err)
			}
		}
	}
}
