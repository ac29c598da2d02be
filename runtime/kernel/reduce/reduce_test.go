package reduce

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
	"github.com/mlc-go/mlc/runtime/pool"
)

type impl struct {
	f     *Funcs
	d     *kernel.Desc
	needs cpu.Features
}

func runnable() []impl {
	out := []impl{{&Generic, &F32_generic, 0}}
	for _, im := range impls {
		if cpu.Detect().Has(im.needs) {
			out = append(out, im)
		}
	}
	return out
}

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func sample(r *rand.Rand) float32 {
	switch r.IntN(400) {
	case 0:
		return math.Float32frombits(r.Uint32())
	case 1:
		return float32(math.Copysign(0, -1))
	}
	return float32(r.NormFloat64())
}

func TestFoldsAreEqual(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 15, 16, 17, 33, 100, 4095, 4096, 4097, 9000, 20000} {
		for range 10 {
			x := make([]float32, n)
			for i := range x {
				x[i] = sample(r)
			}
			sum, hi, lo := vecmath.Sum(x), Generic.Max(x), Generic.Min(x)
			for _, im := range runnable() {
				if v := im.f.Sum(x); !same(v, sum) {
					t.Errorf("%s: Sum of %d is %x, want %x", im.f.Name, n, v, sum)
				}
				if v := im.f.Max(x); !same(v, hi) {
					t.Errorf("%s: Max of %d is %x, want %x", im.f.Name, n, v, hi)
				}
				if v := im.f.Min(x); !same(v, lo) {
					t.Errorf("%s: Min of %d is %x, want %x", im.f.Name, n, v, lo)
				}
			}
		}
	}
}

func TestExtremes(t *testing.T) {
	nan, zero, minus0 := float32(math.NaN()), float32(0), float32(math.Copysign(0, -1))
	for _, im := range runnable() {
		for i := range 40 {
			x := make([]float32, 40)
			x[i] = nan
			if v := im.f.Max(x); v == v {
				t.Errorf("%s: Max ignores NaN at %d", im.f.Name, i)
			}
			if v := im.f.Min(x); v == v {
				t.Errorf("%s: Min ignores NaN at %d", im.f.Name, i)
			}
			x[i] = minus0
			if v := im.f.Min(x); !same(v, minus0) {
				t.Errorf("%s: Min is %x", im.f.Name, v)
			}
			if v := im.f.Max(x); !same(v, zero) {
				t.Errorf("%s: Max is %x", im.f.Name, v)
			}
			x[i] = 2
			if v := im.f.Max(x); v != 2 {
				t.Errorf("%s: Max is %v", im.f.Name, v)
			}
		}
	}
}

// exact is the definition in float64.
func exact(kind string, x []float64) float64 {
	acc := map[string]float64{"prod": 1, "max": math.Inf(-1), "min": math.Inf(1)}[kind]
	for _, v := range x {
		switch kind {
		case "sum", "mean":
			acc += v
		case "max":
			acc = max(acc, v)
		case "min":
			acc = min(acc, v)
		case "prod":
			acc *= v
		case "sumsquare", "l2":
			acc += float64(v * v)
		case "l1":
			acc += math.Abs(v)
		}
	}
	switch kind {
	case "mean":
		acc /= float64(len(x))
	case "l2":
		acc = math.Sqrt(acc)
	}
	return acc
}

// TestColumns: results that are computed together have the bits of each alone.
func TestColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		dims []int
		axes []int64
	}{
		{[]int{33, 40}, []int64{0}}, {[]int{1, 8}, []int64{0}}, {[]int{2, 16, 100}, []int64{1}}, {[]int{3, 5, 7, 9}, []int64{0, 2}},
		{[]int{4096, 17}, []int64{0}}, {[]int{4097, 17}, []int64{0}}, {[]int{6, 31}, []int64{0}}, {[]int{2, 3, 4, 5, 19}, []int64{1, 3}},
	} {
		x := tensor.New(dtype.F32, c.dims...)
		v := tensor.Slice[float32](&x)
		for i := range v {
			v[i] = sample(r)
		}
		for _, name := range []string{"sum", "mean", "max", "min", "prod", "sumsquare", "l1", "l2"} {
			k, _ := kindOf(name)
			kept, n := []int{}, 1
			for i, d := range c.dims {
				if slices.Contains(c.axes, int64(i)) {
					n *= d
				} else {
					kept = append(kept, d)
				}
			}
			// The elements of each result, in row-major order.
			rows := map[int][]float32{}
			idx := make([]int, len(c.dims))
			for _, e := range v {
				o := 0
				for i, d := range c.dims {
					if !slices.Contains(c.axes, int64(i)) {
						o = o*d + idx[i]
					}
				}
				rows[o] = append(rows[o], e)
				k.each.do(rows[o][len(rows[o])-1:])
				for a := len(idx) - 1; a >= 0; a-- {
					if idx[a]++; idx[a] < c.dims[a] {
						break
					}
					idx[a] = 0
				}
			}
			for _, im := range runnable() {
				y := tensor.New(dtype.F32, kept...)
				call := &kernel.Call{In: tensor.Vs(x, tensor.MustOf(c.axes, len(c.axes))), Out: tensor.Vs(y), Attrs: attr.Map{"kind": attr.Str(name), "keepdims": attr.Int(0)}}
				st, err := im.d.Prepare(call)
				if err != nil {
					t.Fatal(err)
				}
				call.State, call.Scratch = st, nil
				call.Scratch = tensor.AlignedBytes(im.d.Scratch(call, 1))
				im.d.Run(call)
				for o, have := range tensor.Slice[float32](&y) {
					want := Generic.all(k.op, rows[o])
					if k.finish != nil {
						want = k.finish(want, n)
					}
					if !same(have, want) {
						t.Fatalf("%s %s of %v over %v: result %d is %x, alone %x", im.d.ID, name, c.dims, c.axes, o, have, want)
					}
				}
			}
		}
	}
}

func TestKernelsAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	for i, c := range []struct {
		dims []int
		axes []int64
	}{
		{[]int{10}, nil}, {[]int{3, 5000}, []int64{1}}, {[]int{5000, 3}, []int64{0}}, {[]int{2, 3, 7, 7}, []int64{2, 3}},
		{[]int{2, 3, 4, 5}, []int64{0, 2}}, {[]int{2, 3, 4, 5}, []int64{-1, 1}}, {[]int{4, 1, 6}, []int64{1}}, {[]int{}, nil},
		{[]int{0, 3}, []int64{1}}, {[]int{3, 0}, []int64{1}}, {[]int{40, 1000}, []int64{1}}, {[]int{3, 70, 70, 2}, []int64{1, 2}},
	} {
		for _, kind := range []string{"sum", "mean", "max", "min", "prod", "sumsquare", "l1", "l2"} {
			keep := i%2 == 0
			x := tensor.New(dtype.F32, c.dims...)
			for j := range x.Len() {
				x.SetFloat(j, 1+r.NormFloat64()*0.01)
			}
			marks := make([]bool, len(c.dims))
			for _, a := range c.axes {
				marks[(int(a)+len(c.dims))%len(c.dims)] = true
			}
			var out []int
			for a, d := range c.dims {
				if c.axes != nil && !marks[a] {
					out = append(out, d)
				} else if keep {
					out = append(out, 1)
				}
			}
			y := tensor.New(dtype.F32, out...)
			lists := make([][]float64, y.Len())
			for j := range x.Len() {
				o, rest, weight := 0, j, 1
				for a := len(c.dims) - 1; a >= 0; a-- {
					if c.axes != nil && !marks[a] {
						o += rest % c.dims[a] * weight
						weight *= c.dims[a]
					}
					rest /= c.dims[a]
				}
				lists[o] = append(lists[o], x.Float(j))
			}
			call := &kernel.Call{In: []tensor.Value{tensor.V(x)}, Out: tensor.Vs(y), Attrs: attr.Map{"kind": attr.Str(kind), "keepdims": attr.Bool(keep)}}
			if c.axes != nil {
				call.In = append(call.In, tensor.V(tensor.Int64s(c.axes...)))
			}
			var first []float32
			for _, im := range runnable() {
				for _, p := range pools {
					call.Pool = p
					st, err := im.d.Prepare(call)
					if err != nil {
						t.Fatal(err)
					}
					call.State = st
					call.Scratch = tensor.AlignedBytes(im.d.Scratch(call, p.Threads()))
					im.d.Run(call)
					have := append([]float32(nil), tensor.Slice[float32](&y)...)
					if first == nil {
						first = have
					}
					for o, v := range have {
						if !same(v, first[o]) {
							t.Fatalf("%s %s over %v %v, %d threads: result %d is %x, generic %x", im.d.ID, kind, c.dims, c.axes, p.Threads(), o, v, first[o])
						}
						if want := exact(kind, lists[o]); math.Abs(float64(v)-want) > 1e-4*math.Abs(want) {
							t.Fatalf("%s %s over %v %v: result %d is %v, want %v", im.d.ID, kind, c.dims, c.axes, o, v, want)
						}
					}
					if p == nil { // spinning workers stall under AllocsPerRun
						if n := testing.AllocsPerRun(3, func() { im.d.Run(call) }); n != 0 {
							t.Errorf("%s %s: %v allocations", im.d.ID, kind, n)
						}
					}
				}
			}
		}
	}
}

func TestNoopAndErrors(t *testing.T) {
	x := tensor.MustOf([]float32{1, 2, 3, 4}, 2, 2)
	call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(tensor.New(dtype.F32, 2, 2)), Attrs: attr.Map{"kind": attr.Str("sum"), "noop_with_empty_axes": attr.Int(1)}}
	st, err := F32_generic.Prepare(call)
	if err != nil {
		t.Fatal(err)
	}
	call.State = st
	F32_generic.Run(call)
	if have := fmt.Sprint(tensor.Slice[float32](&call.Out[0].Tensor)); have != "[1 2 3 4]" {
		t.Errorf("noop gives %s", have)
	}
	call.Attrs = attr.Map{"kind": attr.Str("frob")}
	if _, err := F32_generic.Prepare(call); err == nil {
		t.Error("unknown kind: no error")
	}
	call.Attrs = attr.Map{"kind": attr.Str("sum")}
	if _, err := F32_generic.Prepare(call); err == nil || diag.KindOf(err) != diag.Shape {
		t.Errorf("wrong output: have %v", err)
	}
	call.In = tensor.Vs(x, tensor.Int64s(2))
	if _, err := F32_generic.Prepare(call); err == nil || diag.KindOf(err) != diag.Shape {
		t.Errorf("axis out of range: have %v", err)
	}
}
