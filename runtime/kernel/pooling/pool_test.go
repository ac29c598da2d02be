package pooling

import (
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

func exec(t *testing.T, d *kernel.Desc, c *kernel.Call) []float32 {
	t.Helper()
	st, err := d.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	c.State, c.Scratch = st, nil
	if d.Scratch != nil {
		c.Scratch = tensor.AlignedBytes(d.Scratch(c, c.Pool.Threads()))
	}
	d.Run(c)
	return append([]float32(nil), tensor.Slice[float32](&c.Out[0].Tensor)...)
}

type shape struct {
	x, k, s, d, p []int64
	ceil, count   bool
	out           []int64 // spatial; from ONNX's formula by hand
}

func ints(v []int64) (out []int) {
	for _, i := range v {
		out = append(out, int(i))
	}
	return out
}

// naive is the definition, for two spatial axes.
func naive(x *tensor.Tensor, c shape, mean bool, n, ch, oy, ox int) float64 {
	best, sum, count := math.Inf(-1), 0.0, 0
	h, w := int(c.x[2]), int(c.x[3])
	for t := range int(c.k[0] * c.k[1]) {
		iy := oy*int(c.s[0]) + t/int(c.k[1])*int(c.d[0]) - int(c.p[0])
		ix := ox*int(c.s[1]) + t%int(c.k[1])*int(c.d[1]) - int(c.p[1])
		if iy < 0 || iy >= h || ix < 0 || ix >= w {
			if c.count && iy < h+int(c.p[2]) && ix < w+int(c.p[3]) {
				count++
			}
			continue
		}
		v := x.Float(((n*int(c.x[1])+ch)*h+iy)*w + ix)
		if v > best {
			best = v
		}
		sum += v
		count++
	}
	if mean {
		return sum / float64(count)
	}
	return best
}

func TestAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	for _, c := range []shape{
		{[]int64{1, 3, 8, 8}, []int64{2, 2}, []int64{2, 2}, []int64{1, 1}, []int64{0, 0, 0, 0}, false, false, []int64{4, 4}},
		{[]int64{2, 3, 55, 55}, []int64{3, 3}, []int64{2, 2}, []int64{1, 1}, []int64{0, 0, 0, 0}, false, false, []int64{27, 27}},
		{[]int64{1, 2, 20, 33}, []int64{5, 5}, []int64{1, 1}, []int64{1, 1}, []int64{2, 2, 2, 2}, false, false, []int64{20, 33}},
		{[]int64{1, 2, 20, 33}, []int64{5, 5}, []int64{1, 1}, []int64{1, 1}, []int64{2, 2, 2, 2}, false, true, []int64{20, 33}},
		{[]int64{1, 2, 4, 4}, []int64{3, 3}, []int64{2, 2}, []int64{1, 1}, []int64{0, 0, 0, 0}, true, false, []int64{2, 2}},
		{[]int64{1, 2, 7, 10}, []int64{3, 2}, []int64{2, 3}, []int64{1, 2}, []int64{1, 1, 1, 0}, true, true, []int64{4, 4}},
		{[]int64{1, 1, 9, 9}, []int64{3, 3}, []int64{1, 1}, []int64{2, 2}, []int64{0, 0, 0, 0}, false, false, []int64{5, 5}},
		{[]int64{1, 5, 9, 37}, []int64{3, 3}, []int64{2, 2}, []int64{1, 1}, []int64{1, 1, 1, 1}, false, false, []int64{5, 19}},
		{[]int64{2, 3, 7, 29}, []int64{2, 5}, []int64{1, 3}, []int64{1, 1}, []int64{0, 2, 1, 1}, false, true, []int64{7, 10}},
		{[]int64{1, 4, 12, 50}, []int64{3, 3}, []int64{2, 4}, []int64{1, 2}, []int64{0, 0, 0, 0}, false, false, []int64{5, 12}},
		{[]int64{1, 2, 11, 61}, []int64{3, 3}, []int64{3, 5}, []int64{1, 1}, []int64{0, 0, 0, 0}, false, false, []int64{3, 12}},
		{[]int64{3, 40, 17, 19}, []int64{3, 3}, []int64{2, 2}, []int64{1, 1}, []int64{1, 1, 1, 1}, false, false, []int64{9, 10}},
		{[]int64{1, 1, 4, 9001}, []int64{2, 3}, []int64{2, 2}, []int64{1, 1}, []int64{0, 0, 0, 0}, false, false, []int64{2, 4500}},
		{[]int64{1, 3, 6, 6}, []int64{2, 2}, []int64{2, 2}, []int64{1, 1}, []int64{0, 0, 1, 1}, false, true, []int64{3, 3}},
		{[]int64{2, 3, 5, 16}, []int64{1, 1}, []int64{1, 1}, []int64{1, 1}, []int64{0, 0, 0, 0}, false, false, []int64{5, 16}},
		{[]int64{2, 3, 5, 16}, []int64{1, 1}, []int64{2, 2}, []int64{1, 1}, []int64{0, 0, 0, 0}, false, false, []int64{3, 8}},
		{[]int64{1, 2, 3, 0}, []int64{2, 2}, []int64{1, 1}, []int64{1, 1}, []int64{0, 3, 0, 3}, false, true, []int64{2, 5}},
		{[]int64{0, 1, 9, 9}, []int64{3, 3}, []int64{1, 1}, []int64{1, 1}, []int64{0, 0, 0, 0}, false, false, []int64{7, 7}},
	} {
		x := tensor.New(dtype.F32, ints(c.x)...)
		for i := range x.Len() {
			x.SetFloat(i, r.NormFloat64())
		}
		y := tensor.New(dtype.F32, int(c.x[0]), int(c.x[1]), int(c.out[0]), int(c.out[1]))
		call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(y), Attrs: attr.Map{"kernel_shape": attr.Ints(c.k...), "strides": attr.Ints(c.s...),
			"dilations": attr.Ints(c.d...), "pads": attr.Ints(c.p...), "ceil_mode": attr.Bool(c.ceil), "count_include_pad": attr.Bool(c.count)}}
		for which, mean := range []bool{false, true} {
			var first []float32
			for _, ds := range append([][3]*kernel.Desc{{&Max_generic, &Avg_generic, &Global_generic}}, fast...) {
				d := ds[which]
				if !d.Runnable(cpu.Detect()) {
					continue
				}
				for _, p := range pools {
					call.Pool = p
					have := exec(t, d, call)
					if first == nil {
						first = have
					}
					for i, v := range have {
						if !same(v, first[i]) {
							t.Fatalf("%s %+v: element %d is %x, generic %x", d.ID, c, i, v, first[i])
						}
						ox, oy, pl := i%int(c.out[1]), i/int(c.out[1])%int(c.out[0]), i/int(c.out[0]*c.out[1])
						want := naive(&x, c, mean, pl/int(c.x[1]), pl%int(c.x[1]), oy, ox)
						if math.Abs(float64(v)-want) > 1e-6 {
							t.Fatalf("%s %+v: element %d is %v, want %v", d.ID, c, i, v, want)
						}
					}
					if p == nil {
						if n := testing.AllocsPerRun(3, func() { d.Run(call) }); n != 0 {
							t.Errorf("%s: %v allocations", d.ID, n)
						}
					}
				}
			}
		}
	}
}

// NaN never is the largest element, and a window of nothing but NaN or padding
// gives the lowest value: ref.MaxPool.
func TestMaxOfNaN(t *testing.T) {
	nan := float32(math.NaN())
	for _, ds := range append([][3]*kernel.Desc{{&Max_generic}}, fast...) {
		if !ds[0].Runnable(cpu.Detect()) {
			continue
		}
		call := &kernel.Call{In: tensor.Vs(tensor.MustOf([]float32{nan, 1, nan, nan, nan, -3}, 1, 1, 6)), Out: tensor.Vs(tensor.New(dtype.F32, 1, 1, 3)),
			Attrs: attr.Map{"kernel_shape": attr.Ints(2), "strides": attr.Ints(2)}}
		for i, v := range exec(t, ds[0], call) {
			if want := []float32{1, float32(math.Inf(-1)), -3}[i]; v != want {
				t.Errorf("%s: element %d is %v, want %v", ds[0].ID, i, v, want)
			}
		}
	}
}

func TestGlobal(t *testing.T) {
	x := tensor.New(dtype.F32, 2, 3, 5, 7)
	for i := range x.Len() {
		x.SetFloat(i, float64(i))
	}
	for _, ds := range append([][3]*kernel.Desc{{nil, nil, &Global_generic}}, fast...) {
		if !ds[2].Runnable(cpu.Detect()) {
			continue
		}
		call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(tensor.New(dtype.F32, 2, 3, 1, 1))}
		for i, v := range exec(t, ds[2], call) {
			if want := float32(35*i + 17); v != want { // mean of 35 consecutive integers
				t.Errorf("%s: plane %d is %v, want %v", ds[2].ID, i, v, want)
			}
		}
	}
}

func TestPrepareErrors(t *testing.T) {
	f := func(dims ...int) tensor.Tensor { return tensor.New(dtype.F32, dims...) }
	for name, c := range map[string]*kernel.Call{
		"output": {In: tensor.Vs(f(1, 1, 8, 8)), Out: tensor.Vs(f(1, 1, 8, 8)), Attrs: attr.Map{"kernel_shape": attr.Ints(2, 2)}},
		"kernel": {In: tensor.Vs(f(1, 1, 8, 8)), Out: tensor.Vs(f(1, 1, 8, 8)), Attrs: attr.Map{}},
		"rank":   {In: tensor.Vs(f(1, 1, 8, 8, 8)), Out: tensor.Vs(f(1, 1, 7, 7, 7)), Attrs: attr.Map{"kernel_shape": attr.Ints(2, 2, 2)}},
	} {
		if _, err := Max_generic.Prepare(c); err == nil || diag.KindOf(err) == diag.Internal {
			t.Errorf("%s: have %v", name, err)
		}
	}
}

// A window whose area is 2^32, over one element of input amid padding: where an
// int has 32 bits, no work was to be divided by.
func TestWindowOfWholePadding(t *testing.T) {
	f := func() tensor.Tensor { return tensor.New(dtype.F32, 1, 1, 1, 1) }
	a := attr.Map{"kernel_shape": attr.Ints(1<<20, 1<<12), "pads": attr.Ints(1<<19, 1<<11, 1<<19-1, 1<<11-1)}
	x := f()
	x.SetFloat(0, 3)
	for _, d := range []*kernel.Desc{&Max_generic, &Avg_generic} {
		call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(f()), Attrs: a}
		if got := exec(t, d, call); got[0] != 3 {
			t.Errorf("%s: have %v, want 3", d.ID, got)
		}
	}
}
