package softmax

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/pool"
)

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func exec(t *testing.T, d *kernel.Desc, c *kernel.Call) {
	t.Helper()
	st, err := d.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	c.State = st
	c.Scratch = tensor.AlignedBytes(d.Scratch(c, c.Pool.Threads()))
	d.Run(c)
}

func TestAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	for _, c := range []struct {
		dims []int
		axis int
	}{
		{[]int{1}, -1}, {[]int{10}, 0}, {[]int{300, 17}, -1}, {[]int{3, 1000}, 1}, {[]int{2, 5, 33}, 1}, {[]int{7, 2, 3}, 0},
		{[]int{1000, 2}, -1}, {[]int{131, 16}, -1}, {[]int{2, 16, 300}, 1}, {[]int{3, 70, 129}, 1}, {[]int{5000, 3}, 0},
		{[]int{2, 5000}, -1}, {[]int{4, 21, 50}, -2}, {[]int{0, 3}, 1}, {[]int{3, 0}, 1}, {[]int{2, 3, 4, 4}, 1},
	} {
		x := tensor.New(dtype.F32, c.dims...)
		for i := range x.Len() {
			x.SetFloat(i, r.NormFloat64()*20)
		}
		n := c.dims[(c.axis+len(c.dims))%len(c.dims)]
		inner := 1
		for _, d := range c.dims[(c.axis+len(c.dims))%len(c.dims)+1:] {
			inner *= d
		}
		var first []float32
		for _, d := range append([]*kernel.Desc{&F32_generic}, fast...) {
			if !d.Runnable(cpu.Detect()) {
				continue
			}
			for _, p := range pools {
				y := tensor.New(dtype.F32, c.dims...)
				call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(y), Pool: p, Attrs: attr.Map{"axis": attr.Int(c.axis)}}
				exec(t, d, call)
				have := tensor.Slice[float32](&y)
				if first == nil {
					first = have
				}
				for i, v := range have {
					if !same(v, first[i]) {
						t.Fatalf("%s %v %d: element %d is %x, generic %x", d.ID, c.dims, c.axis, i, v, first[i])
					}
					if n > 1000 && i%97 != 0 { // the definition takes a pass an element
						continue
					}
					at := i/(n*inner)*n*inner + i%inner
					hi, sum := math.Inf(-1), 0.0
					for k := range n {
						hi = max(hi, x.Float(at+k*inner))
					}
					for k := range n {
						sum += math.Exp(x.Float(at+k*inner) - hi)
					}
					if want := math.Exp(x.Float(i)-hi) / sum; math.Abs(float64(v)-want) > (1e-6+(hi-x.Float(i))*0x1p-23)*want+1e-38 { // x-max is rounded
						t.Fatalf("%s %v %d: element %d is %v, want %v", d.ID, c.dims, c.axis, i, v, want)
					}
				}
				if p == nil { // spinning workers stall under AllocsPerRun
					if n := testing.AllocsPerRun(3, func() { d.Run(call) }); n != 0 {
						t.Errorf("%s: %v allocations", d.ID, n)
					}
				}
			}
		}
	}
}

// TestBitsOfRows: however rows lie and however many are normalized together, each
// has the bits of one that stands alone.
func TestBitsOfRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Copysign(0, -1)), 0, 1e30, -1e30}
	for _, c := range []struct{ outer, n, inner int }{
		{500, 1, 1}, {500, 2, 1}, {129, 7, 1}, {300, 15, 1}, {300, 16, 1}, {30, 17, 1}, {2, 1, 40}, {3, 2, 500}, {2, 15, 127}, {2, 16, 128}, {2, 17, 129}, {1, 33, 7}, {1, 4096, 3}, {1, 4097, 3},
	} {
		x := tensor.New(dtype.F32, c.outer, c.n, c.inner)
		v := tensor.Slice[float32](&x)
		for i := range v {
			if v[i] = float32(r.NormFloat64() * 10); r.IntN(40) == 0 {
				v[i] = odd[r.IntN(len(odd))]
			}
		}
		for _, d := range append([]*kernel.Desc{&F32_generic}, fast...) {
			if !d.Runnable(cpu.Detect()) {
				continue
			}
			y := tensor.New(dtype.F32, c.outer, c.n, c.inner)
			exec(t, d, &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(y), Attrs: attr.Map{"axis": attr.Int(1)}})
			have, row := tensor.Slice[float32](&y), make([]float32, c.n)
			for k := range c.outer * c.inner {
				at := k/c.inner*c.n*c.inner + k%c.inner
				for i := range row {
					row[i] = v[at+i*c.inner]
				}
				generic.row(row)
				for i, want := range row {
					if got := have[at+i*c.inner]; !same(got, want) {
						t.Fatalf("%s %+v: row %d, element %d is %x, alone %x", d.ID, c, k, i, got, want)
					}
				}
			}
			in := x.Clone()
			exec(t, d, &kernel.Call{In: tensor.Vs(in), Out: tensor.Vs(in), Attrs: attr.Map{"axis": attr.Int(1)}})
			for i, got := range tensor.Slice[float32](&in) {
				if !same(got, have[i]) {
					t.Fatalf("%s %+v: in place element %d is %x, want %x", d.ID, c, i, got, have[i])
				}
			}
		}
	}
}

// Rows with infinities and NaN, by hand: e^-inf is 0, inf-inf is NaN.
func TestSpecialRows(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct{ x, want []float32 }{
		{[]float32{-inf, 0, -inf}, []float32{0, 1, 0}},
		{[]float32{-inf, -inf}, []float32{nan, nan}},
		{[]float32{inf, 0}, []float32{nan, nan}},
		{[]float32{nan, 0}, []float32{nan, nan}},
		{[]float32{100, 100, 100, 100}, []float32{.25, .25, .25, .25}},
	} {
		for _, d := range append([]*kernel.Desc{&F32_generic}, fast...) {
			if !d.Runnable(cpu.Detect()) {
				continue
			}
			y := tensor.New(dtype.F32, len(c.x))
			call := &kernel.Call{In: tensor.Vs(tensor.MustOf(c.x, len(c.x))), Out: tensor.Vs(y)}
			exec(t, d, call)
			for i, v := range tensor.Slice[float32](&y) {
				if w := c.want[i]; !same(v, w) {
					t.Errorf("%s of %v: element %d is %v, want %v", d.ID, c.x, i, v, w)
				}
			}
		}
	}
}
