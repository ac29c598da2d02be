package nn

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

type entry struct {
	name, doc string
	rank      int
	layers    func(out int) []Layer
}

// zoo lists the models by name: what Named takes, the axes of a sample that
// each wants (0: any), and its layers for a number of outputs.
var zoo = []entry{
	{"mlp", "two hidden layers of 64, for rows of numbers", 0, mlp},
	{"lenet", "LeNet-5 with Relu and maximum pools, for small images", 3, lenet},
	{"resnet8", "three residual stages of 16, 32 and 64 channels, 78 thousand parameters", 3, resnet8},
	{"dscnn", "a convolution and four depthwise separable ones of 64 channels, for spectrograms", 3, dscnn},
}

// Model describes one model by name.
type Model struct{ Name, Doc string }

// Models lists the models that Named builds.
func Models() []Model {
	var out []Model
	for _, z := range zoo {
		out = append(out, Model{z.name, z.doc})
	}
	return out
}

// Named builds a model by name that gives so many outputs (classes). Errors:
// no such model, a sample with other axes than it takes, or too small.
func Named(name string, in Input, outputs int, o Options) (*ir.Module, error) {
	i := slices.IndexFunc(zoo, func(m entry) bool { return m.name == name })
	if i < 0 {
		var have []string
		for _, z := range zoo {
			have = append(have, z.name)
		}
		return nil, diag.New(diag.Usage, "no model %q (have %v)", name, have)
	}
	if outputs < 1 {
		return nil, diag.New(diag.Usage, "model %s with %d outputs: want 1 or more", name, outputs)
	}
	if want := zoo[i].rank; want > 0 && len(in.Dims) != want {
		return nil, diag.New(diag.Usage, "model %s with samples of extents %v: want [channels height width]", name, in.Dims)
	}
	if o.Name == "" {
		o.Name = name
	}
	return Sequential(in, o, zoo[i].layers(outputs)...)
}

func mlp(out int) []Layer {
	return []Layer{Flatten(), Dense(64), Relu(), Dense(64), Relu(), Dense(out)}
}

func lenet(out int) []Layer {
	return []Layer{
		Conv2D(6, 5, Pad(2)), Relu(), MaxPool(2),
		Conv2D(16, 5), Relu(), MaxPool(2),
		Flatten(), Dense(120), Relu(), Dense(84), Relu(), Dense(out),
	}
}

func resnet8(out int) []Layer {
	stage := func(c, stride int) []Layer {
		return []Layer{Residual(
			Conv2D(c, 3, Stride(stride), Pad(1), NoBias()), BatchNorm(), Relu(),
			Conv2D(c, 3, Pad(1), NoBias()), BatchNorm(),
		), Relu()}
	}
	return slices.Concat(
		[]Layer{Conv2D(16, 3, Stride(2), Pad(1), NoBias()), BatchNorm(), Relu()},
		stage(16, 1), stage(32, 2), stage(64, 2),
		[]Layer{GlobalAvgPool(), Dense(out)},
	)
}

func dscnn(out int) []Layer {
	list := []Layer{Conv(64, [2]int{10, 4}, Stride(2), Pads(5, 1), NoBias()), BatchNorm(), Relu(), Dropout(0.2)}
	for range 4 {
		list = append(list, DepthwiseConv(3, Pad(1), NoBias()), BatchNorm(), Relu(), Conv2D(64, 1, NoBias()), BatchNorm(), Relu())
	}
	return append(list, Dropout(0.4), GlobalAvgPool(), Dense(out))
}
