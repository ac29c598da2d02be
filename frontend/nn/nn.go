package nn

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Input describes what a model reads: one sample, without the batch.
type Input struct {
	Name string // "x" unless given
	Dims []int
}

// Options of a model.
type Options struct {
	Name  string // of the module; "model" unless given
	Seed  uint64
	DType dtype.DType // of inputs and weights: F32 unless given, or F64
	Ops   *ir.OpSet   // nil: the built-in table
}

// Builder is what layers write to: the typed operators of build, weights drawn
// from the seed, and names counted by kind.
type Builder struct {
	*build.B
	dtype  dtype.DType
	seed   uint64
	drawn  uint64
	counts map[string]int
}

// New begins a model and gives its input.
func New(in Input, o Options) (*Builder, *ir.Value) {
	if o.Name == "" {
		o.Name = "model"
	}
	if o.DType == dtype.Invalid {
		o.DType = dtype.F32
	}
	if o.Ops == nil {
		o.Ops = op.Builtin()
	}
	if in.Name == "" {
		in.Name = "x"
	}
	b := &Builder{B: build.New(o.Name, o.Ops), dtype: o.DType, seed: o.Seed, counts: map[string]int{}}
	if o.DType != dtype.F32 && o.DType != dtype.F64 {
		b.Fail(diag.New(diag.Usage, "model of %v: want f32 or f64", o.DType))
	}
	dims := []shape.Dim{b.batch()}
	for _, d := range in.Dims {
		if d < 1 {
			b.Fail(diag.New(diag.Usage, "input %q of %v a sample: want extents of 1 or more", in.Name, in.Dims))
		}
		dims = append(dims, shape.Int(int64(max(1, d))))
	}
	return b, b.Param(in.Name, tensor.T(o.DType, dims...))
}

// Sequential builds a model of layers one after the other; its result is named
// "output".
func Sequential(in Input, o Options, layers ...Layer) (*ir.Module, error) {
	b, x := New(in, o)
	for _, l := range layers {
		if b.Err() != nil {
			break
		}
		x = l(b, x)
	}
	b.Result("output", x)
	return b.Finish()
}

// name counts the layers of a kind: conv1, conv2, ...
func (b *Builder) name(kind string) string {
	b.counts[kind]++
	return fmt.Sprint(kind, b.counts[kind])
}

// source gives the nodes that follow their source name.
func (b *Builder) source(name string) {
	if w, ok := b.Emitter.(*ir.Builder); ok {
		w.Source = []string{name}
	}
}

// maxWeight is the most bytes of one weight.
const maxWeight = 1 << 32

// weight is a tensor of zeros; where it would have more than maxWeight bytes, the
// builder fails and it is empty.
func (b *Builder) weight(dims []int) tensor.Tensor {
	n, ok := tensor.Count(dims)
	if !ok || int64(b.dtype.Bytes(n)) > maxWeight {
		b.Fail(&diag.Error{Kind: diag.Limit, Port: "weight of a layer", Have: fmt.Sprintf("%v%v", b.dtype, dims), Want: fmt.Sprintf("at most %d bytes", int64(maxWeight))})
		return tensor.New(b.dtype, 0)
	}
	return tensor.New(b.dtype, dims...)
}

// uniform draws from -bound..bound, every weight from a stream of its own.
func (b *Builder) uniform(bound float64, dims ...int) tensor.Tensor {
	t := b.weight(dims)
	b.drawn++
	r := rand.New(rand.NewPCG(b.seed, b.drawn))
	for i := range t.Len() {
		t.SetFloat(i, (2*r.Float64()-1)*bound)
	}
	return t
}

// he draws with variance 2/in.
func (b *Builder) he(in int, dims ...int) tensor.Tensor {
	return b.uniform(math.Sqrt(6/float64(max(1, in))), dims...)
}

// glorot draws with variance 2/(in+out).
func (b *Builder) glorot(in, out int, dims ...int) tensor.Tensor {
	return b.uniform(math.Sqrt(6/float64(max(1, in+out))), dims...)
}

// fill is a tensor of one value.
func (b *Builder) fill(v float64, dims ...int) tensor.Tensor {
	t := b.weight(dims)
	for i := range t.Len() {
		t.SetFloat(i, v)
	}
	return t
}
