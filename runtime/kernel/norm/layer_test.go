package norm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/pool"
)

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func exec(t testing.TB, d *kernel.Desc, c *kernel.Call) {
	t.Helper()
	st, err := d.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	c.State = st
	c.Scratch = tensor.AlignedBytes(d.Scratch(c, c.Pool.Threads()))
	d.Run(c)
}

func normal(r *rand.Rand, mean, dev float64, dims ...int) tensor.Tensor {
	t := tensor.New(dtype.F32, dims...)
	for i := range t.Len() {
		t.SetFloat(i, mean+dev*r.NormFloat64())
	}
	return t
}

// TestAgainstDefinition compares with the formula of ONNX in float64, and all
// kernels and numbers of threads bit for bit.
func TestAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	const eps = 1e-3
	for _, c := range []struct {
		dims []int
		axis int
		bias bool
	}{
		{[]int{1}, 0, true}, {[]int{7}, -1, false}, {[]int{3, 16}, -1, true}, {[]int{128, 768}, 1, true}, {[]int{2, 5, 33}, 1, true},
		{[]int{2, 3, 4, 5}, -3, false}, {[]int{2, 5000}, -1, true}, {[]int{0, 3}, 1, true}, {[]int{3, 0}, 1, true}, {[]int{40, 300}, 0, true},
	} {
		n := 1
		for _, d := range c.dims[(c.axis+len(c.dims))%len(c.dims):] {
			n *= d
		}
		x, scale, bias := normal(r, 3, 2, c.dims...), normal(r, 1, 1, n), normal(r, 0, 1, n)
		in := tensor.Vs(x, scale)
		if c.bias {
			in = append(in, tensor.V(bias))
		}
		var first []float32
		for _, d := range append([]*kernel.Desc{&Layer_generic}, fast...) {
			if !d.Runnable(cpu.Detect()) {
				continue
			}
			for _, p := range pools {
				y := tensor.New(dtype.F32, c.dims...)
				call := &kernel.Call{In: in, Out: tensor.Vs(y), Pool: p, Attrs: attr.Map{"axis": attr.Int(c.axis), "epsilon": attr.Float(eps)}}
				exec(t, d, call)
				have := tensor.Slice[float32](&y)
				if first == nil {
					first = have
				}
				for o := 0; n > 0 && o < len(have); o += n {
					mean, variance := 0.0, 0.0
					for k := range n {
						mean += x.Float(o+k) / float64(n)
					}
					for k := range n {
						d := x.Float(o+k) - mean
						variance += float64(d*d) / float64(n)
					}
					for k := range n {
						want := float64((x.Float(o+k) - mean) / math.Sqrt(variance+eps) * scale.Float(k))
						if c.bias {
							want += bias.Float(k)
						}
						if v := have[o+k]; !same(v, first[o+k]) || math.Abs(float64(v)-want) > 1e-5*(1+math.Abs(want)) {
							t.Fatalf("%s %v %d: element %d is %v, generic %v, want %v", d.ID, c.dims, c.axis, o+k, v, first[o+k], want)
						}
					}
				}
				if p == nil {
					if n := testing.AllocsPerRun(3, func() { d.Run(call) }); n != 0 {
						t.Errorf("%s: %v allocations", d.ID, n)
					}
				}
			}
			own := x.Clone()
			exec(t, d, &kernel.Call{In: append(tensor.Vs(own), in[1:]...), Out: tensor.Vs(own), Attrs: attr.Map{"axis": attr.Int(c.axis), "epsilon": attr.Float(eps)}})
			for i, v := range tensor.Slice[float32](&own) {
				if !same(v, first[i]) {
					t.Fatalf("%s %v: in place element %d is %v, want %v", d.ID, c.dims, i, v, first[i])
				}
			}
		}
	}
}

// By hand: a row of equal elements has no deviation, and is the bias; a row with
// an infinity or NaN is NaN.
func TestSpecialRows(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct{ x, want []float32 }{
		{[]float32{5, 5}, []float32{7, 8}},
		{[]float32{-1, 1}, []float32{6, 10}}, // mean 0, variance 1, epsilon 0, scale 1 and 2
		{[]float32{inf, 0}, []float32{nan, nan}},
		{[]float32{nan, 0}, []float32{nan, nan}},
	} {
		for _, d := range append([]*kernel.Desc{&Layer_generic}, fast...) {
			if !d.Runnable(cpu.Detect()) {
				continue
			}
			eps := float32(0)
			if c.x[0] == c.x[1] {
				eps = 1
			}
			y := tensor.New(dtype.F32, 2)
			exec(t, d, &kernel.Call{In: tensor.Vs(tensor.MustOf(c.x, 2), tensor.MustOf([]float32{1, 2}, 2), tensor.MustOf([]float32{7, 8}, 2)), Out: tensor.Vs(y),
				Attrs: attr.Map{"epsilon": attr.Float(eps)}})
			for i, v := range tensor.Slice[float32](&y) {
				if !same(v, c.want[i]) {
					t.Errorf("%s of %v: element %d is %v, want %v", d.ID, c.x, i, v, c.want[i])
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
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
		_, err := Layer_generic.Prepare(&kernel.Call{In: tensor.Vs(c.in...), Out: tensor.Vs(c.out), Attrs: attr.Map{"axis": attr.Int(c.axis)}})
		if err == nil || diag.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want kind %v", name, err, c.kind)
		}
	}
}

// BenchmarkLayer is a layer of a small transformer.
func BenchmarkLayer(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	x, scale, bias := normal(r, 0, 1, 128, 768), normal(r, 1, 1, 768), normal(r, 0, 1, 768)
	for _, d := range append([]*kernel.Desc{&Layer_generic}, fast...) {
		if !d.Runnable(cpu.Detect()) {
			continue
		}
		b.Run(fmt.Sprint("128x768/", d.ID), func(b *testing.B) {
			y := tensor.New(dtype.F32, 128, 768)
			c := &kernel.Call{In: tensor.Vs(x, scale, bias), Out: tensor.Vs(y)}
			exec(b, d, c)
			for b.Loop() {
				d.Run(c)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.Len()), "ns/elem")
		})
	}
}
