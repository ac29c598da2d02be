package norm_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/norm"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

var layers = []*kernel.Desc{&norm.Layer_avx512, &norm.Layer_avx2, &norm.Layer_neon, &norm.Layer_generic}

// TestLayer: the reference's results over shapes and axes, with a bias and without.
func TestLayer(t *testing.T) {
	var cases []kerneltest.Case
	for _, s := range []struct {
		dims []int
		axis int
		bias bool
	}{
		{[]int{1}, 0, true}, {[]int{7}, -1, false}, {[]int{3, 16}, -1, true}, {[]int{128, 768}, 1, true}, {[]int{2, 5, 33}, 1, true},
		{[]int{2, 3, 4, 5}, -3, false}, {[]int{2, 5000}, -1, true}, {[]int{0, 3}, 1, true}, {[]int{3, 0}, 1, true}, {[]int{40, 300}, 0, true},
	} {
		row := s.dims[(s.axis+len(s.dims))%len(s.dims):]
		in := []tensor.Value{kerneltest.Random(1, false, s.dims...), kerneltest.Random(2, false, row...), {}}
		if s.bias {
			in[2] = kerneltest.Random(3, false, row...)
		}
		a := attr.Map{"axis": attr.Int(s.axis), "epsilon": attr.Float(1e-3), "stash_type": attr.Int(1)}
		cases = append(cases, kerneltest.Case{Name: fmt.Sprint(s.dims, s.axis, s.bias), In: in, Attrs: a,
			Want: kerneltest.Eval(t, ref.LayerNormalization, a, 1, in...), Tol: tensor.Custom(1e-5, 1e-5)})
	}
	kerneltest.All(t, layers, cases)
}

// TestLayerByHand: a row of equal elements has no deviation, and is the bias; a row
// with an infinity or NaN is NaN.
func TestLayerByHand(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	pair := func(a, b float32) tensor.Value { return tensor.V(tensor.MustOf([]float32{a, b}, 2)) }
	var cases []kerneltest.Case
	for _, c := range []struct {
		x, want tensor.Value
		eps     float32
	}{
		{pair(5, 5), pair(7, 8), 1},
		{pair(-1, 1), pair(6, 10), 0}, // mean 0, variance 1, scale 1 and 2
		{pair(inf, 0), pair(nan, nan), 0},
		{pair(nan, 0), pair(nan, nan), 0},
	} {
		cases = append(cases, kerneltest.Case{Name: fmt.Sprint(c.x.Tensor.Float(0), c.x.Tensor.Float(1)), In: []tensor.Value{c.x, pair(1, 2), pair(7, 8)},
			Attrs: attr.Map{"epsilon": attr.Float(c.eps)}, Want: []tensor.Value{c.want}, Tol: tensor.Exact})
	}
	kerneltest.All(t, layers, cases)
}

// TestLayerInPlace: the output may be the buffer of X.
func TestLayerInPlace(t *testing.T) {
	x, scale := kerneltest.Random(1, false, 5, 50), kerneltest.Random(2, false, 50)
	for _, d := range layers {
		if d.Run == nil || !kerneltest.Has(t, d.Needs) {
			continue
		}
		run := func(x, y tensor.Value) {
			c := &kernel.Call{In: []tensor.Value{x, scale}, Out: []tensor.Value{y}}
			st, err := d.Prepare(c)
			if err != nil {
				t.Fatal(err)
			}
			c.State, c.Scratch = st, nil
			c.Scratch = tensor.AlignedBytes(d.Scratch(c, 1))
			d.Run(c)
		}
		y, own := tensor.V(tensor.New(dtype.F32, 5, 50)), x.Clone()
		run(x, y)
		run(own, own)
		if err := tensor.Exact.Compare(own, y); err != nil {
			t.Errorf("%s: %v", d.ID, err)
		}
	}
}

func TestLayerRefused(t *testing.T) {
	f := func(dims ...int) tensor.Tensor { return tensor.New(dtype.F32, dims...) }
	for name, c := range map[string]struct {
		in   []tensor.Tensor
		out  tensor.Tensor
		axis int
		kind diag.Kind
	}{
		"one input":  {[]tensor.Tensor{f(2, 3)}, f(2, 3), -1, diag.Internal},
		"output":     {[]tensor.Tensor{f(2, 3), f(3)}, f(3, 2), -1, diag.Shape},
		"axis":       {[]tensor.Tensor{f(2, 3), f(3)}, f(2, 3), 2, diag.Shape},
		"scalar":     {[]tensor.Tensor{f(), f()}, f(), -1, diag.Shape},
		"scale":      {[]tensor.Tensor{f(2, 3), f(2)}, f(2, 3), -1, diag.Shape},
		"bias":       {[]tensor.Tensor{f(2, 3), f(3), f(1)}, f(2, 3), -1, diag.Shape},
		"their type": {[]tensor.Tensor{f(2, 3), tensor.New(dtype.F64, 3)}, f(2, 3), -1, diag.Internal},
	} {
		_, err := norm.Layer_generic.Prepare(&kernel.Call{In: tensor.Vs(c.in...), Out: tensor.Vs(c.out), Attrs: attr.Map{"axis": attr.Int(c.axis)}})
		if err == nil || diag.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want kind %v", name, err, c.kind)
		}
	}
}

// BenchmarkLayer is a layer of a small transformer.
func BenchmarkLayer(b *testing.B) {
	x := kerneltest.Random(1, false, 128, 768)
	c := kernel.Call{In: []tensor.Value{x, kerneltest.Random(2, false, 768), kerneltest.Random(3, false, 768)}, Out: tensor.Vs(tensor.New(dtype.F32, 128, 768))}
	for _, d := range layers {
		kerneltest.Bench(b, "128x768", d, c, x.Tensor.Len())
	}
}
