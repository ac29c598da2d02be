package nn

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
)

// A Layer adds its operators behind x and gives its result. Errors stick to b.
type Layer func(b *Builder, x *ir.Value) *ir.Value

// Option changes a layer from its default.
type Option func(*settings)

// settings of a layer.
type settings struct {
	stride, pad [2]int
	bias        bool
	group       int
	sequence    bool
}

// Stride is the step of windows along both axes; 1 for convolutions, the
// window for pools.
func Stride(n int) Option { return func(s *settings) { s.stride = [2]int{n, n} } }

// Pad surrounds the input with n zeros (nothing, for pools); 0 unless given.
func Pad(n int) Option { return func(s *settings) { s.pad = [2]int{n, n} } }

// Pads is Pad with one number for each axis.
func Pads(h, w int) Option { return func(s *settings) { s.pad = [2]int{h, w} } }

// NoBias leaves off the bias, as before a BatchNorm.
func NoBias() Option { return func(s *settings) { s.bias = false } }

// Sequence makes an LSTM give its state after every step.
func Sequence() Option { return func(s *settings) { s.sequence = true } }

func settle(stride [2]int, opts []Option) settings {
	s := settings{stride: stride, bias: true, group: 1}
	for _, o := range opts {
		o(&s)
	}
	return s
}

// dim is a known extent of x, which must have rank axes.
func (b *Builder) dim(layer string, x *ir.Value, rank, axis int) int {
	if b.Err() != nil {
		return 1
	}
	if x.Type.Rank() == rank {
		if n, ok := x.Type.Dims[axis].Const(); ok && n > 0 {
			return int(n)
		}
	}
	b.Fail(&diag.Error{Kind: diag.Shape, Port: layer + " after", Have: x.Type.String(), Want: fmt.Sprintf("%d axes, axis %d of known extent", rank, axis)})
	return 1
}

// size is a size that a layer is asked for, between 1 and 2^24.
func (b *Builder) size(what string, n int) int {
	if n < 1 || n > 1<<24 {
		b.Fail(diag.New(diag.Usage, "%s %d: want 1..%d", what, n, 1<<24))
		return 1
	}
	return n
}

// Dense is x·W' + b over the last of two axes. Weights are drawn as He does,
// for a Relu that follows.
func Dense(units int, opts ...Option) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		s := settle([2]int{}, opts)
		units := b.size("Dense of units", units)
		name, k := b.name("dense"), b.dim("Dense", x, 2, 1)
		w := b.Weight(name+".weight", b.he(k, units, k))
		var bias *ir.Value
		if s.bias {
			bias = b.Weight(name+".bias", b.fill(0, units))
		}
		b.source(name)
		return b.Gemm(x, w, bias, build.TransB(1))
	}
}

// Conv2D convolves images [N, C, H, W] with square filters. Weights are drawn
// as He does.
func Conv2D(filters, kernel int, opts ...Option) Layer {
	return Conv(filters, [2]int{kernel, kernel}, opts...)
}

// Conv is Conv2D with filters of kernel[0] rows and kernel[1] columns.
func Conv(filters int, kernel [2]int, opts ...Option) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		c := b.dim("Conv", x, 4, 1)
		return b.conv("conv", x, filters, c, 1, kernel, settle([2]int{1, 1}, opts))
	}
}

// DepthwiseConv convolves each channel with one filter of its own.
func DepthwiseConv(kernel int, opts ...Option) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		c := b.dim("DepthwiseConv", x, 4, 1)
		return b.conv("depthwise", x, c, 1, c, [2]int{kernel, kernel}, settle([2]int{1, 1}, opts))
	}
}

func (b *Builder) conv(kind string, x *ir.Value, filters, channels, group int, k [2]int, s settings) *ir.Value {
	name := b.name(kind)
	filters = b.size("convolution of filters", filters)
	for i := range k {
		k[i] = b.size("convolution with a kernel of", k[i])
	}
	w := b.Weight(name+".weight", b.he(channels*k[0]*k[1], filters, channels, k[0], k[1]))
	var bias *ir.Value
	if s.bias {
		bias = b.Weight(name+".bias", b.fill(0, filters))
	}
	b.source(name)
	return b.Ops.Conv(x, w, bias, build.KernelShape(ints(k)...), build.Strides(ints(s.stride)...), build.Pads(ints(s.pad, s.pad)...), build.Group(int64(group)))
}

func ints(pairs ...[2]int) []int64 {
	var out []int64
	for _, p := range pairs {
		out = append(out, int64(p[0]), int64(p[1]))
	}
	return out
}

// BatchNorm normalizes each channel, by the running statistics until training
// switches it over.
func BatchNorm() Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		name, c := b.name("norm"), 1
		if b.Err() == nil {
			c = b.dim("BatchNorm", x, x.Type.Rank(), 1)
		}
		scale, bias := b.Weight(name+".scale", b.fill(1, c)), b.Weight(name+".bias", b.fill(0, c))
		mean, variance := b.Weight(name+".mean", b.fill(0, c)), b.Weight(name+".var", b.fill(1, c))
		b.source(name)
		return b.BatchNormalization(x, scale, bias, mean, variance)
	}
}

// MaxPool takes the largest of each window of k by k.
func MaxPool(k int, opts ...Option) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		s := settle([2]int{k, k}, opts)
		b.source(b.name("maxpool"))
		return b.Ops.MaxPool(x, ints([2]int{k, k}), build.Strides(ints(s.stride)...), build.Pads(ints(s.pad, s.pad)...))
	}
}

// AvgPool takes the mean of each window of k by k.
func AvgPool(k int, opts ...Option) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		s := settle([2]int{k, k}, opts)
		b.source(b.name("avgpool"))
		return b.AveragePool(x, ints([2]int{k, k}), build.Strides(ints(s.stride)...), build.Pads(ints(s.pad, s.pad)...))
	}
}

// GlobalAvgPool takes the mean of each channel: [N, C, ...] to [N, C].
func GlobalAvgPool() Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		b.source(b.name("globalpool"))
		return b.Ops.Flatten(b.GlobalAveragePool(x), build.Axis(1))
	}
}

// Flatten makes a row of each sample.
func Flatten() Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		b.source(b.name("flatten"))
		return b.Ops.Flatten(x, build.Axis(1))
	}
}

// Dropout drops a share p of the elements, in training alone.
func Dropout(p float64) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		if !(p >= 0 && p < 1) {
			b.Fail(diag.New(diag.Usage, "dropout of %v: want 0 to below 1", p))
		}
		b.source(b.name("dropout"))
		if b.Err() != nil {
			return x
		}
		return b.Ops.Dropout(x, b.Scalar(x.Type.DType, p), nil)
	}
}

// activations by name.
var activations = []string{"relu", "leakyrelu", "elu", "gelu", "sigmoid", "tanh", "hardswish", "softmax"}

// Activation is an elementwise function by name: relu, leakyrelu, elu, gelu,
// sigmoid, tanh, hardswish; or softmax over the last axis.
func Activation(name string) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		if !slices.Contains(activations, name) {
			b.Fail(diag.New(diag.Usage, "no activation %q (have %v)", name, activations))
			return x
		}
		b.source(b.name(name))
		switch name {
		case "relu":
			return b.Ops.Relu(x)
		case "leakyrelu":
			return b.LeakyRelu(x)
		case "elu":
			return b.Elu(x)
		case "gelu":
			return b.Gelu(x)
		case "sigmoid":
			return b.Sigmoid(x)
		case "tanh":
			return b.Tanh(x)
		case "hardswish":
			return b.HardSwish(x)
		}
		return b.Softmax(x)
	}
}

// Relu is Activation("relu").
func Relu() Layer { return Activation("relu") }

// Residual adds x to what the layers make of it. Where channels or extents
// differ, x passes a convolution of 1 by 1 with the stride that makes up for
// it, and a BatchNorm.
func Residual(layers ...Layer) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		y := x
		for _, l := range layers {
			y = l(b, y)
		}
		if b.Err() != nil {
			return y
		}
		if !x.Type.Equal(y.Type) && x.Type.Rank() == 4 && y.Type.Rank() == 4 {
			stride := 1
			for a := 2; a < 4; a++ {
				h, k := b.dim("Residual", x, 4, a), b.dim("Residual", y, 4, a)
				stride = max(stride, (h+k-1)/k)
			}
			x = Conv2D(b.dim("Residual", y, 4, 1), 1, Stride(stride), NoBias())(b, x)
			x = BatchNorm()(b, x)
		}
		b.source(b.name("add"))
		return b.Add(x, y)
	}
}

// LSTM runs over sequences [N, S, I] and gives the last hidden state [N,
// units]; with Sequence all of them [N, S, units], as a next LSTM wants.
// Weights are drawn as Glorot does; the forget gate's bias is 1.
func LSTM(units int, opts ...Option) Layer {
	return func(b *Builder, x *ir.Value) *ir.Value {
		s := settle([2]int{}, opts)
		units := b.size("LSTM of units", units)
		name, i := b.name("lstm"), b.dim("LSTM", x, 3, 2)
		w := b.Weight(name+".weight", b.glorot(i, units, 1, 4*units, i))
		r := b.Weight(name+".recurrent", b.glorot(units, units, 1, 4*units, units))
		bias := b.fill(0, 1, 8*units)
		for k := 2 * units; k < 3*units; k++ { // gates stand in the order i, o, f, c
			bias.SetFloat(k, 1)
		}
		b.source(name)
		xs := b.Transpose(x, build.Perm(1, 0, 2))
		out := b.LSTMN(2, xs, w, r, b.Weight(name+".bias", bias), nil, nil, nil, nil, build.HiddenSize(int64(units)))
		if s.sequence { // [S, 1, N, units]
			return b.Transpose(b.Squeeze(out[0], b.Ints(1)), build.Perm(1, 0, 2))
		}
		return b.Squeeze(out[1], b.Ints(0))
	}
}

// batch is the symbol in front of every input.
func (b *Builder) batch() shape.Dim { return b.Dim("N", 1, shape.Unbounded) }
