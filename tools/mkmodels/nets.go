package main

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// nets by name; small are those that testdata holds.
var (
	nets = map[string]func() (*ir.Module, error){
		"digits": digits, "tagger": tagger, "resnet8": resnet8, "resnet18": resnet18, "mobilenetv2": mobileNetV2,
	}
	small = []string{"digits", "tagger"}
)

// maker builds one net with seeded weights.
type maker struct {
	*ir.Builder
	m    *ir.Module
	f    *ir.Func
	seed uint64
	n    int
}

func newMaker(name string, seed uint64) *maker {
	m := ir.NewModule(name)
	f := m.AddFunc("main")
	return &maker{Builder: ir.NewBuilder(f, -1, op.Builtin()), m: m, f: f, seed: seed}
}

// node names the next node's source.
func (k *maker) node(kind string) {
	k.n++
	k.Source = []string{fmt.Sprintf("%s%d", kind, k.n)}
}

// weight is a random constant of variance about 2/fan (He et al. 2015).
func (k *maker) weight(fan int, dims ...int) *ir.Value {
	k.seed++
	t, err := tensor.Random(dtype.F32, k.seed, dims...)
	if err != nil {
		k.Fail(err)
		return nil
	}
	s := float32(math.Sqrt(6 / float64(fan))) // uniform in [-s, s] has variance 2/fan
	for i, v := range tensor.Slice[float32](&t) {
		tensor.Slice[float32](&t)[i] = v * s
	}
	return k.NamedConst(fmt.Sprintf("w%d", k.seed), ir.NewConst(t))
}

// filled is a constant of one value.
func (k *maker) filled(v float32, n int) *ir.Value {
	t := tensor.New(dtype.F32, n)
	for i := range n {
		tensor.Slice[float32](&t)[i] = v
	}
	k.seed++
	return k.NamedConst(fmt.Sprintf("w%d", k.seed), ir.NewConst(t))
}

// conv is a square convolution with bias and "same" padding at stride 1.
func (k *maker) conv(x *ir.Value, in, out, size, stride, group int) *ir.Value {
	w := k.weight(in/group*size*size, out, in/group, size, size)
	b := k.weight(100, out)
	k.node("conv")
	p := int64(size / 2)
	return k.Op("Conv", attr.Map{"pads": attr.Ints(p, p, p, p), "strides": attr.Ints(int64(stride), int64(stride)), "group": attr.Int(group)}, x, w, b)
}

func (k *maker) relu(x *ir.Value) *ir.Value { k.node("relu"); return k.Op("Relu", nil, x) }

func (k *maker) dense(x *ir.Value, in, out int) *ir.Value {
	w, b := k.weight(in, out, in), k.weight(100, out)
	k.node("dense")
	return k.Op("Gemm", attr.Map{"transB": attr.Int(1)}, x, w, b)
}

func (k *maker) pool(x *ir.Value, size, stride, pad int64) *ir.Value {
	k.node("pool")
	return k.Op("MaxPool", attr.Map{"kernel_shape": attr.Ints(size, size), "strides": attr.Ints(stride, stride), "pads": attr.Ints(pad, pad, pad, pad)}, x)
}

func (k *maker) finish(name string, y *ir.Value) (*ir.Module, error) {
	if err := k.Err(); err != nil {
		return nil, err
	}
	y.Name = name
	k.f.AddResult(name, y)
	return k.m, nil
}

// batch is an open first dim.
func (k *maker) batch() shape.Dim { return k.m.DeclareDim("N", 1, shape.Unbounded) }

// digits is a small classifier of 28x28 pictures with batch normalization.
func digits() (*ir.Module, error) {
	k := newMaker("digits", 100)
	x := k.f.AddParam("image", tensor.T(dtype.F32, k.batch(), shape.Int(1), shape.Int(28), shape.Int(28)))
	y := k.conv(x, 1, 8, 3, 1, 1)
	k.node("norm")
	y = k.Op("BatchNormalization", nil, y, k.filled(1.5, 8), k.filled(0.1, 8), k.filled(0.2, 8), k.filled(0.8, 8))
	y = k.pool(k.relu(y), 2, 2, 0)
	y = k.conv(y, 8, 8, 3, 1, 8)
	y = k.relu(k.conv(k.relu(y), 8, 16, 1, 1, 1))
	y = k.pool(y, 2, 2, 0)
	k.node("flatten")
	y = k.Op("Flatten", nil, y)
	y = k.dense(k.relu(k.dense(y, 16*49, 32)), 32, 10)
	k.node("softmax")
	return k.finish("class", k.Op("Softmax", nil, y))
}

// tagger labels each step of a sequence of any length by a bidirectional LSTM.
func tagger() (*ir.Module, error) {
	const in, hidden, tags = 12, 16, 5
	k := newMaker("tagger", 200)
	t := k.m.DeclareDim("T", 1, shape.Unbounded)
	x := k.f.AddParam("steps", tensor.T(dtype.F32, t, k.batch(), shape.Int(in)))
	w, r := k.weight(in, 2, 4*hidden, in), k.weight(hidden, 2, 4*hidden, hidden)
	b := k.weight(50, 2, 8*hidden)
	k.node("lstm")
	y := k.Op("LSTM", attr.Map{"hidden_size": attr.Int(hidden), "direction": attr.Str("bidirectional")}, x, w, r, b) // [T, 2, N, H]
	k.node("transpose")
	y = k.Op("Transpose", attr.Map{"perm": attr.Ints(0, 2, 1, 3)}, y)
	k.node("reshape")
	y = k.Op("Reshape", nil, y, k.Ints(0, 0, 2*hidden))
	k.node("matmul")
	y = k.Op("MatMul", nil, y, k.weight(2*hidden, 2*hidden, tags))
	k.node("add")
	y = k.Op("Add", nil, y, k.filled(0.1, tags))
	k.node("softmax")
	return k.finish("tags", k.Op("Softmax", attr.Map{"axis": attr.Int(-1)}, y))
}

// resnet18 has the shape of ResNet-18 for 224x224 pictures, batch
// normalization folded (He et al. 2016).
func resnet18() (*ir.Module, error) {
	k := newMaker("resnet18", 1000)
	x := k.f.AddParam("x", tensor.T(dtype.F32, shape.Ints(1, 3, 224, 224)...))
	y := k.pool(k.relu(k.conv(x, 3, 64, 7, 2, 1)), 3, 2, 1)
	c := 64
	for stage := range 4 {
		w := 64 << stage
		for block := range 2 {
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			r := y
			z := k.conv(k.relu(k.conv(y, c, w, 3, stride, 1)), w, w, 3, 1, 1)
			if stride != 1 || c != w {
				r = k.conv(y, c, w, 1, stride, 1)
			}
			k.node("add")
			y = k.relu(k.Op("Add", nil, z, r))
			c = w
		}
	}
	return k.head(y, c)
}

// head is global pooling and a dense layer of 1000 classes.
func (k *maker) head(y *ir.Value, c int) (*ir.Module, error) {
	k.node("pool")
	y = k.Op("GlobalAveragePool", nil, y)
	k.node("flatten")
	y = k.Op("Flatten", nil, y)
	return k.finish("y", k.dense(y, c, 1000))
}

// mobileNetV2 has the shape of MobileNetV2 for 224x224 pictures, batch
// normalization folded (Sandler et al. 2018).
func mobileNetV2() (*ir.Module, error) {
	k := newMaker("mobilenetv2", 2000)
	relu6 := func(x *ir.Value) *ir.Value {
		k.node("clip")
		return k.Op("Clip", nil, x, k.Scalar(dtype.F32, 0), k.Scalar(dtype.F32, 6))
	}
	x := k.f.AddParam("x", tensor.T(dtype.F32, shape.Ints(1, 3, 224, 224)...))
	y := relu6(k.conv(x, 3, 32, 3, 2, 1))
	c := 32
	for _, s := range [][4]int{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range s[2] {
			stride := 1
			if i == 0 {
				stride = s[3]
			}
			h, z := c*s[0], y
			if s[0] != 1 {
				z = relu6(k.conv(z, c, h, 1, 1, 1))
			}
			z = k.conv(relu6(k.conv(z, h, h, 3, stride, h)), h, s[1], 1, 1, 1)
			if stride == 1 && c == s[1] {
				k.node("add")
				z = k.Op("Add", nil, y, z)
			}
			y, c = z, s[1]
		}
	}
	return k.head(relu6(k.conv(y, c, 1280, 1, 1, 1)), 1280)
}
