package grad_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

var (
	convs  = []*kernel.Desc{&grad.Conv_14x32_avx512, &grad.Conv_6x16_avx2, &grad.Conv_4x16_neon, &grad.Conv_generic}
	gradXs = []*kernel.Desc{&grad.GradX_14x32_avx512, &grad.GradX_6x16_avx2, &grad.GradX_4x16_neon, &grad.GradX_generic}
	gradWs = []*kernel.Desc{&grad.GradW_14x32_avx512, &grad.GradW_6x16_avx2, &grad.GradW_4x16_neon, &grad.GradW_generic}
)

// tol is what float32 sums of some thousand normal products may be off.
var tol = tensor.Custom(1e-5, 3e-4)

// spec is a convolution with known extents.
type spec struct {
	x, w    []int
	group   int
	s, d, p []int64
	auto    string
}

func (s spec) attrs() attr.Map {
	a := attr.Map{"group": attr.Int(int64(max(1, s.group))), "auto_pad": attr.Str("NOTSET")}
	if s.auto != "" {
		a["auto_pad"] = attr.Str(s.auto)
	}
	for n, v := range map[string][]int64{"strides": s.s, "dilations": s.d, "pads": s.p} {
		if v != nil {
			a[n] = attr.Ints(v...)
		}
	}
	return a
}

func (s spec) String() string {
	return fmt.Sprintf("%v %v g%d s%v d%v p%v %s", s.x, s.w, s.group, s.s, s.d, s.p, s.auto)
}

// specs are the geometries that networks have, and random ones.
func specs() []spec {
	out := []spec{
		{x: []int{3, 1, 28, 28}, w: []int{6, 1, 5, 5}, p: []int64{2, 2, 2, 2}},
		{x: []int{5, 6, 14, 14}, w: []int{16, 6, 5, 5}},
		{x: []int{2, 16, 8, 8}, w: []int{32, 16, 3, 3}, s: []int64{2, 2}, p: []int64{1, 1, 1, 1}},
		{x: []int{19, 3, 5, 5}, w: []int{7, 3, 1, 1}},
		{x: []int{2, 4, 9, 8}, w: []int{5, 4, 1, 1}, s: []int64{2, 2}},
		{x: []int{2, 24, 7, 7}, w: []int{24, 1, 3, 3}, group: 24, p: []int64{1, 1, 1, 1}},
		{x: []int{2, 24, 9, 7}, w: []int{24, 1, 3, 3}, group: 24, s: []int64{2, 2}, p: []int64{1, 1, 1, 1}},
		{x: []int{2, 4, 9}, w: []int{6, 4, 3}, d: []int64{2}, p: []int64{3, 1}},
		{x: []int{2, 40, 6, 6}, w: []int{20, 40, 3, 3}, p: []int64{1, 1, 1, 1}},
		{x: []int{0, 2, 6, 6}, w: []int{4, 2, 3, 3}},
		{x: []int{1, 2, 6, 6}, w: []int{4, 2, 3, 3}, p: []int64{5, 4, 3, 2}},
		{x: []int{1, 2, 7, 8}, w: []int{4, 2, 3, 2}, s: []int64{2, 3}, auto: "SAME_UPPER"},
		{x: []int{1, 2, 7, 8}, w: []int{4, 2, 3, 2}, s: []int64{3, 2}, auto: "SAME_LOWER"},
	}
	r := rand.New(rand.NewPCG(3, 1))
	for range 60 {
		s := spec{group: 1 + r.IntN(3)}
		cg, mg, rank := 1+r.IntN(5), 1+r.IntN(6), 1+r.IntN(2)
		s.x, s.w = []int{1 + r.IntN(20), cg * s.group}, []int{mg * s.group, cg}
		begin, end := []int64{}, []int64{}
		for range rank {
			k, d := 1+r.IntN(4), 1+r.IntN(2)
			s.x, s.w = append(s.x, (k-1)*d+1+r.IntN(8)), append(s.w, k)
			s.s, s.d = append(s.s, int64(1+r.IntN(3))), append(s.d, int64(d))
			begin, end = append(begin, int64(r.IntN(3))), append(end, int64(r.IntN(3)))
		}
		s.p = append(begin, end...)
		out = append(out, s)
	}
	return out
}

func TestConvolutions(t *testing.T) {
	var fwd, dxs, dws []kerneltest.Case
	for i, s := range specs() {
		a := s.attrs()
		x, w := kerneltest.Random(uint64(i), false, s.x...), kerneltest.Random(uint64(i)+100, false, s.w...)
		y := kerneltest.Eval(t, ref.Conv, a, 1, x, w)
		fwd = append(fwd, kerneltest.Case{Name: s.String(), In: []tensor.Value{x, w}, Attrs: a, Want: y, Tol: tol})
		dy := kerneltest.Random(uint64(i)+200, false, y[0].Tensor.Dims()...)
		dxs = append(dxs, kerneltest.Case{Name: s.String(), In: []tensor.Value{dy, w}, Attrs: a, Tol: tol,
			Want: kerneltest.Eval(t, ref.ConvGradX, a, 1, dy, w, shape(s.x))})
		dws = append(dws, kerneltest.Case{Name: s.String(), In: []tensor.Value{dy, x}, Attrs: a, Tol: tol,
			Want: kerneltest.Eval(t, ref.ConvGradW, a, 1, dy, x, shape(s.w))})
	}
	t.Run("conv", func(t *testing.T) { kerneltest.All(t, convs, fwd) })
	t.Run("gradx", func(t *testing.T) { kerneltest.All(t, gradXs, dxs) })
	t.Run("gradw", func(t *testing.T) { kerneltest.All(t, gradWs, dws) })
}

func shape(d []int) tensor.Value {
	v := make([]int64, len(d))
	for i, x := range d {
		v[i] = int64(x)
	}
	return tensor.V(tensor.Int64s(v...))
}

// A bias and Relu behind the convolution are its epilogue.
func TestEpilogue(t *testing.T) {
	for _, s := range []spec{
		{x: []int{3, 4, 6, 5}, w: []int{7, 4, 3, 3}},
		{x: []int{3, 4, 6, 5}, w: []int{4, 1, 3, 3}, group: 4},
	} {
		x, w, b := kerneltest.Random(1, false, s.x...), kerneltest.Random(2, false, s.w...), kerneltest.Random(3, false, s.w[0])
		y := kerneltest.Eval(t, ref.Conv, s.attrs(), 1, x, w, b)
		want := kerneltest.Eval(t, ref.Relu, nil, 1, y...)
		b4, err := b.Tensor.View(s.w[0], 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		a := s.attrs()
		a[eltwise.AttrProg] = attr.Strs("add %0 %1", "relu %2")
		kerneltest.All(t, convs, []kerneltest.Case{{Name: s.String(), In: []tensor.Value{x, w, tensor.V(b4)}, Attrs: a, Want: want, Tol: tol}})
	}
}

func TestPools(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	var maxs, avgs []kerneltest.Case
	for i := range 60 {
		rank := 1 + r.IntN(2)
		x, a := []int{1 + r.IntN(3), 1 + r.IntN(4)}, attr.Map{}
		var k, s, d, begin, end []int64
		for range rank {
			kk, dd := 1+r.IntN(3), 1+r.IntN(2)
			if i%4 == 0 {
				kk, dd = 2, 1
			}
			x = append(x, (kk-1)*dd+1+r.IntN(7))
			k, d = append(k, int64(kk)), append(d, int64(dd))
			if i%4 == 0 {
				s, begin, end = append(s, 2), append(begin, 0), append(end, 0)
				continue
			}
			s = append(s, int64(1+r.IntN(3)))
			begin, end = append(begin, int64(r.IntN(kk))), append(end, int64(r.IntN(kk)))
		}
		a["kernel_shape"], a["strides"], a["dilations"], a["pads"] = attr.Ints(k...), attr.Ints(s...), attr.Ints(d...), attr.Ints(append(begin, end...)...)
		a["ceil_mode"] = attr.Int(int64(r.IntN(2)))
		a["count_include_pad"] = attr.Int(int64(r.IntN(2)))
		a["auto_pad"], a["storage_order"] = attr.Str("NOTSET"), attr.Int(0)
		name := fmt.Sprint(i, x, a)
		in := kerneltest.Random(uint64(i), false, x...)
		if i%8 == 4 { // ties, NaN and infinities
			for j := range in.Tensor.Len() {
				in.Tensor.SetFloat(j, []float64{0, 1, math.NaN(), math.Inf(-1), 1}[r.IntN(5)])
			}
		}
		y := kerneltest.Eval(t, ref.MaxPool, a, 1, in)
		dy := kerneltest.Random(uint64(i)+100, false, y[0].Tensor.Dims()...)
		maxs = append(maxs, kerneltest.Case{Name: name, In: []tensor.Value{dy, in}, Attrs: a, Tol: tol, Want: kerneltest.Eval(t, ref.MaxPoolGrad, a, 1, dy, in)})
		avgs = append(avgs, kerneltest.Case{Name: name, In: []tensor.Value{dy}, Attrs: a, Tol: tol, Want: kerneltest.Eval(t, ref.AveragePoolGrad, a, 1, dy, shape(x))})
	}
	t.Run("max", func(t *testing.T) { kerneltest.All(t, []*kernel.Desc{&grad.MaxPool}, maxs) })
	t.Run("average", func(t *testing.T) { kerneltest.All(t, []*kernel.Desc{&grad.AvgPool}, avgs) })
}

func TestNorm(t *testing.T) {
	var fwd, back []kerneltest.Case
	for i, d := range [][]int{{4, 3, 5, 5}, {64, 16}, {3, 2, 70, 71}, {1, 1, 2}, {9, 5, 8, 8}, {700, 3, 3, 3}, {3}, {2, 4, 0}} {
		c := 1
		if len(d) > 1 {
			c = d[1]
		}
		x, dy := kerneltest.Random(uint64(i), false, d...), kerneltest.Random(uint64(i)+10, false, d...)
		for j := range x.Tensor.Len() { // off zero, as activations are
			x.Tensor.SetFloat(j, x.Tensor.Float(j)+5)
		}
		v := func(seed uint64) tensor.Value { return kerneltest.Random(seed, false, c) }
		a := attr.Map{"epsilon": attr.Float(1e-3), "momentum": attr.Float(0.9), "training_mode": attr.Int(1)}
		in := []tensor.Value{x, v(20), v(21), v(22), v(23)}
		close := tensor.Custom(1e-4, 1e-4)
		fwd = append(fwd, kerneltest.Case{Name: fmt.Sprint(d), In: in, Attrs: a, Tol: close, Want: kerneltest.Eval(t, ref.BatchNormalization, a, 3, in...)})
		scale := v(20)
		scale.Tensor.SetFloat(0, math.Inf(1)) // no NaN by what rounding took off the mean
		in = []tensor.Value{x, scale, v(21), v(22), v(23)}
		fwd = append(fwd, kerneltest.Case{Name: fmt.Sprint(d, " infinite scale"), In: in, Attrs: a, Tol: close, Want: kerneltest.Eval(t, ref.BatchNormalization, a, 3, in...)})
		in = []tensor.Value{dy, x, v(20)}
		back = append(back, kerneltest.Case{Name: fmt.Sprint(d), In: in, Attrs: a, Tol: close, Want: kerneltest.Eval(t, ref.BatchNormGrad, a, 3, in...)})
	}
	t.Run("forward", func(t *testing.T) {
		kerneltest.All(t, []*kernel.Desc{&grad.Norm_avx512, &grad.Norm_avx2, &grad.Norm_neon, &grad.Norm_generic}, fwd)
	})
	t.Run("gradient", func(t *testing.T) {
		kerneltest.All(t, []*kernel.Desc{&grad.NormGrad_avx512, &grad.NormGrad_avx2, &grad.NormGrad_neon, &grad.NormGrad_generic}, back)
	})
}

func TestGate(t *testing.T) {
	var cases []kerneltest.Case
	for _, n := range []int{0, 1, 15, 1 << 14, 1<<14 + 1, 50_000} {
		x, dy, want := kerneltest.Random(1, true, n), kerneltest.Random(2, true, n), kerneltest.Random(3, false, n)
		for i := range n {
			want.Tensor.SetFloat(i, 0)
			if x.Tensor.Float(i) > 0 {
				want.Tensor.SetFloat(i, dy.Tensor.Float(i))
			}
		}
		cases = append(cases, kerneltest.Case{Name: fmt.Sprint(n), In: []tensor.Value{x, dy}, Want: []tensor.Value{want}})
	}
	kerneltest.All(t, []*kernel.Desc{&grad.Gate}, cases)
}

func BenchmarkLeNet(b *testing.B) {
	for _, s := range specs()[:2] {
		s.x[0] = 64
		x, w := kerneltest.Random(1, false, s.x...), kerneltest.Random(2, false, s.w...)
		y := []int{64, s.w[0], s.x[2] - s.w[2] + 1, s.x[3] - s.w[3] + 1}
		if s.p != nil {
			y[2], y[3] = s.x[2], s.x[3]
		}
		dy := kerneltest.Random(3, false, y...)
		out := tensor.V(tensor.New(w.Tensor.DType(), s.w...))
		for _, d := range gradWs {
			if d.Run == nil || !d.Runnable(cpu.Host()) {
				continue
			}
			b.Run(d.ID+s.String(), func(b *testing.B) {
				c := &kernel.Call{In: []tensor.Value{dy, x}, Out: []tensor.Value{out}, Attrs: s.attrs()}
				st, err := d.Prepare(c)
				if err != nil {
					b.Fatal(err)
				}
				c.State = st
				c.Scratch = tensor.AlignedBytes(d.Scratch(c, 1))
				for b.Loop() {
					d.Run(c)
				}
			})
		}
	}
}
