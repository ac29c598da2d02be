package nn

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// entry is a model by name.
type entry struct {
	Model
	rank   int // of a sample; 0: any
	most   int // widths at most; as many as by default at least, if least is 0
	least  int
	layers func(s Spec, out int) []Layer
}

// Samples as models want them.
const (
	anySample = "rows of numbers, or anything else as one row"
	images    = "[channels height width]"
	sequences = "[steps features]"
)

var (
	dropout = Arg{Name: "dropout", Doc: "share of the units that training drops behind each layer", Max: 0.95}
	stem    = Arg{Name: "stem", Doc: "stride of the first convolution", Default: 2, Min: 1, Max: 8}
)

// zoo lists the models by name.
var zoo = []entry{
	{Model{"mlp", "dense layers with Relu", anySample, []int{64, 64}, "units of the hidden layers", []Arg{dropout}},
		0, 32, 1, mlp},
	{Model{"lenet", "LeNet-5 with Relu and maximum pools, for small images", images, []int{6, 16, 120, 84},
		"filters of the two convolutions, units of the two hidden layers", nil},
		3, 4, 4, lenet},
	{Model{"resnet8", "residual stages of two convolutions each; with three stages 78 thousand weights", images, []int{16, 32, 64},
		"channels of the stages, each but the first with stride 2", []Arg{stem,
			{Name: "pool", Doc: "window and stride of a maximum pool behind the first convolution; 1: none", Default: 1, Min: 1, Max: 8},
			{Name: "stride", Doc: "stride of the first stage", Default: 1, Min: 1, Max: 8}}},
		3, 8, 1, resnet8},
	{Model{"dscnn", "a convolution and depthwise separable ones, for spectrograms", images, []int{64}, "channels",
		[]Arg{{Name: "blocks", Doc: "depthwise separable convolutions", Default: 4, Min: 1, Max: 32}, stem}},
		3, 1, 1, dscnn},
	{Model{"lstm", "LSTM layers, the state after the last step to a dense one, for sequences", sequences, []int{64},
		"units of the layers", []Arg{dropout}},
		2, 8, 1, lstm},
}

// Models lists the models that Named builds.
func Models() []Model {
	var out []Model
	for _, z := range zoo {
		z.Widths, z.Args = slices.Clone(z.Widths), slices.Clone(z.Args)
		out = append(out, z.Model)
	}
	return out
}

// Named builds the model that spec describes (see ParseSpec), with so many
// outputs (classes):
//
//	m, err := nn.Named("resnet8:8,16,32,stem=1", nn.Input{Dims: []int{1, 28, 28}}, 10, nn.Options{Seed: 1})
//
// The module is called by the model's name unless Options says otherwise.
// Errors: those of ParseSpec; a sample with other axes than the model takes,
// or too small for it.
func Named(spec string, in Input, outputs int, o Options) (*ir.Module, error) {
	s, err := ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	return s.Build(in, outputs, o)
}

// Build is Named for a spec that was parsed.
func (s Spec) Build(in Input, outputs int, o Options) (*ir.Module, error) {
	if s.of == nil {
		return nil, diag.New(diag.Usage, "an empty nn.Spec: want one of ParseSpec")
	}
	if outputs < 1 {
		return nil, diag.New(diag.Usage, "model %s with %d outputs: want 1 or more", s.Name, outputs)
	}
	if s.of.rank > 0 && len(in.Dims) != s.of.rank {
		return nil, diag.New(diag.Usage, "model %s with samples of extents %v: want %s", s.Name, in.Dims, s.of.Takes)
	}
	if o.Name == "" {
		o.Name = s.Name
	}
	return Sequential(in, o, s.of.layers(s, outputs)...)
}

func mlp(s Spec, out int) []Layer {
	list := []Layer{Flatten()}
	for _, n := range s.Widths {
		list = append(list, Dense(n), Relu())
		list = append(list, s.dropout()...)
	}
	return append(list, Dense(out))
}

func lenet(s Spec, out int) []Layer {
	w := s.Widths
	return []Layer{
		Conv2D(w[0], 5, Pad(2)), Relu(), MaxPool(2),
		Conv2D(w[1], 5), Relu(), MaxPool(2),
		Flatten(), Dense(w[2]), Relu(), Dense(w[3]), Relu(), Dense(out),
	}
}

func resnet8(s Spec, out int) []Layer {
	list := []Layer{Conv2D(s.Widths[0], 3, Stride(s.count("stem")), Pad(1), NoBias()), BatchNorm(), Relu()}
	if k := s.count("pool"); k > 1 {
		list = append(list, MaxPool(k))
	}
	stride := s.count("stride")
	for _, c := range s.Widths {
		list = append(list, Residual(
			Conv2D(c, 3, Stride(stride), Pad(1), NoBias()), BatchNorm(), Relu(),
			Conv2D(c, 3, Pad(1), NoBias()), BatchNorm(),
		), Relu())
		stride = 2
	}
	return append(list, GlobalAvgPool(), Dense(out))
}

func dscnn(s Spec, out int) []Layer {
	c := s.Widths[0]
	list := []Layer{Conv(c, [2]int{10, 4}, Stride(s.count("stem")), Pads(5, 1), NoBias()), BatchNorm(), Relu(), Dropout(0.2)}
	for range s.count("blocks") {
		list = append(list, DepthwiseConv(3, Pad(1), NoBias()), BatchNorm(), Relu(), Conv2D(c, 1, NoBias()), BatchNorm(), Relu())
	}
	return append(list, Dropout(0.4), GlobalAvgPool(), Dense(out))
}

func lstm(s Spec, out int) []Layer {
	var list []Layer
	last := len(s.Widths) - 1
	for i, n := range s.Widths {
		if i < last {
			list = append(list, LSTM(n, Sequence()))
		} else {
			list = append(list, LSTM(n))
		}
		list = append(list, s.dropout()...)
	}
	return append(list, Dense(out))
}

// dropout is a layer that drops as much as the spec says, if anything.
func (s Spec) dropout() []Layer {
	if p := s.args["dropout"]; p > 0 {
		return []Layer{Dropout(p)}
	}
	return nil
}
