package ref

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

type testCtx struct{ context.Context }

func (testCtx) New(_ int, d dtype.DType, dims ...int) *tensor.Tensor {
	t := tensor.New(d, dims...)
	return &t
}
func (testCtx) Region(int, []tensor.Value, []tensor.Value) error { panic("no region here") }
func (testCtx) Rand() *rand.Rand                                 { return nil }

// whole is a tensor of small whole numbers, so that sums are exact in every
// order and in every float type.
func whole(r *rand.Rand, d dtype.DType, dims ...int) tensor.Tensor {
	t := tensor.New(d, dims...)
	for i := range t.Len() {
		t.SetFloat(i, float64(r.IntN(7)-3))
	}
	return t
}

func run1(t *testing.T, f kernel.RefFunc, a attr.Map, in ...tensor.Tensor) tensor.Tensor {
	t.Helper()
	out := make([]tensor.Value, 1)
	if err := f(testCtx{context.Background()}, tensor.Vs(in...), out, a); err != nil {
		t.Fatal(err)
	}
	return out[0].Tensor
}

// convCase is a random geometry over two spatial axes.
type convCase struct {
	dt                 dtype.DType
	n, group, cg, mg   int
	in, k, s, d, p, pe [2]int
}

func randomConv(r *rand.Rand) convCase {
	c := convCase{dt: []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16}[r.IntN(4)],
		n: 1 + r.IntN(2), group: 1 + r.IntN(2), cg: 1 + r.IntN(2), mg: 1 + r.IntN(10)}
	for i := range 2 {
		c.k[i], c.s[i], c.d[i], c.p[i], c.pe[i] = 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(2), r.IntN(3), r.IntN(3)
		c.in[i] = c.d[i]*(c.k[i]-1) + 1 + r.IntN(16)
	}
	return c
}

func (c *convCase) attrs() attr.Map {
	l := func(v [2]int) attr.Value { return attr.Ints(int64(v[0]), int64(v[1])) }
	return attr.Map{"group": attr.Int(c.group), "strides": l(c.s), "dilations": l(c.d),
		"pads": attr.Ints(int64(c.p[0]), int64(c.p[1]), int64(c.pe[0]), int64(c.pe[1]))}
}

// pairs visits every (input position, output position, tap) that meet, by the
// definition o*stride + k*dil - pad = i.
func (c *convCase) pairs(out [2]int, f func(i, o, k int)) {
	for oy := range out[0] {
		for ox := range out[1] {
			for ky := range c.k[0] {
				for kx := range c.k[1] {
					iy, ix := oy*c.s[0]+ky*c.d[0]-c.p[0], ox*c.s[1]+kx*c.d[1]-c.p[1]
					if iy >= 0 && iy < c.in[0] && ix >= 0 && ix < c.in[1] {
						f(iy*c.in[1]+ix, oy*out[1]+ox, ky*c.k[1]+kx)
					}
				}
			}
		}
	}
}

// Conv and its three adjoints against the definition, term by term.
func TestConvDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		c := randomConv(r)
		m, ch, taps, in := c.group*c.mg, c.group*c.cg, c.k[0]*c.k[1], c.in[0]*c.in[1]
		x, w := whole(r, c.dt, c.n, ch, c.in[0], c.in[1]), whole(r, c.dt, m, c.cg, c.k[0], c.k[1])
		bias := whole(r, c.dt, m)
		y := run1(t, Conv, c.attrs(), x, w, bias)
		o := [2]int{y.Dim(2), y.Dim(3)}
		for i := range 2 {
			if want := (c.in[i]+c.p[i]+c.pe[i]-c.d[i]*(c.k[i]-1)-1)/c.s[i] + 1; o[i] != want {
				t.Fatalf("%+v: extent %d, want %d", c, o[i], want)
			}
		}
		dy := whole(r, c.dt, y.Dims()...)
		dx := run1(t, ConvGradX, c.attrs(), dy, w, tensor.Int64s(int64(c.n), int64(ch), int64(c.in[0]), int64(c.in[1])))
		dw := run1(t, ConvGradW, c.attrs(), dy, x, tensor.Int64s(int64(m), int64(c.cg), int64(c.k[0]), int64(c.k[1])))

		wantY, wantX, wantW := make([]float64, y.Len()), make([]float64, x.Len()), make([]float64, w.Len())
		for b := range c.n {
			for mi := range m {
				base := (b*m + mi) * o[0] * o[1]
				for q := range o[0] * o[1] {
					wantY[base+q] += bias.Float(mi)
				}
				for ci := range c.cg {
					xb, wb := (b*ch+mi/c.mg*c.cg+ci)*in, (mi*c.cg+ci)*taps
					c.pairs(o, func(i, q, k int) {
						wantY[base+q] += x.Float(xb+i) * w.Float(wb+k)
						wantX[xb+i] += dy.Float(base+q) * w.Float(wb+k)
						wantW[wb+k] += dy.Float(base+q) * x.Float(xb+i)
					})
				}
			}
		}
		equalRounded(t, "Conv", &y, wantY)
		equalRounded(t, "ConvGradX", &dx, wantX)
		equalRounded(t, "ConvGradW", &dw, wantW)

		// ConvTranspose is the same adjoint, with the extent that it finds itself.
		grown := c
		for i := range 2 {
			grown.in[i] = c.s[i]*(o[i]-1) + c.d[i]*(c.k[i]-1) + 1 - c.p[i] - c.pe[i]
		}
		if grown.in[0] <= 0 || grown.in[1] <= 0 {
			continue
		}
		z := run1(t, ConvTranspose, c.attrs(), dy, w)
		wantZ := make([]float64, z.Len())
		for b := range c.n {
			for mi := range m {
				for ci := range c.cg {
					zb := (b*ch + mi/c.mg*c.cg + ci) * grown.in[0] * grown.in[1]
					grown.pairs(o, func(i, q, k int) {
						wantZ[zb+i] += dy.Float((b*m+mi)*o[0]*o[1]+q) * w.Float((mi*c.cg+ci)*taps+k)
					})
				}
			}
		}
		equalRounded(t, "ConvTranspose", &z, wantZ)
	}
}

// equalRounded compares with exact values rounded once.
func equalRounded(t *testing.T, name string, have *tensor.Tensor, want []float64) {
	t.Helper()
	w := tensor.New(have.DType(), have.Dims()...)
	if w.Len() != len(want) {
		t.Fatalf("%s: %v, want %d elements", name, have.Dims(), len(want))
	}
	for i, v := range want {
		w.SetFloat(i, v)
	}
	if err := tensor.Exact.CompareTensors(have, &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// A sum of f16 products is rounded once: 2048 + 1 + 1 is 2050, not 2048 twice.
func TestHalfRoundsOnce(t *testing.T) {
	a, b := tensor.New(dtype.F16, 1, 3), tensor.New(dtype.F16, 3, 1)
	for i, v := range []float64{2048, 1, 1} {
		a.SetFloat(i, v)
		b.SetFloat(i, 1)
	}
	if y := run1(t, MatMul, nil, a, b); y.Float(0) != 2050 {
		t.Errorf("MatMul: %g, want 2050", y.Float(0))
	}
	x, _ := a.View(1, 3, 1)
	w, _ := b.View(1, 3, 1)
	if y := run1(t, Conv, attr.Map{"group": attr.Int(1)}, x, w); y.Float(0) != 2050 {
		t.Errorf("Conv: %g, want 2050", y.Float(0))
	}
}

func TestMaxPoolNaNAndTies(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	x := tensor.MustOf([]float32{nan, 2, 2, nan, nan, inf}, 1, 1, 6)
	out := make([]tensor.Value, 2)
	a := attr.Map{"kernel_shape": attr.Ints(2), "strides": attr.Ints(1)}
	if err := MaxPool(testCtx{context.Background()}, tensor.Vs(x), out, a); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{2, 2, 2, inf, inf} {
		if v := tensor.Slice[float32](&out[0].Tensor)[i]; v != want {
			t.Errorf("window %d: %g, want %g", i, v, want)
		}
	}
	for i, want := range []int64{1, 1, 2, -1, 5} {
		if v := tensor.Slice[int64](&out[1].Tensor)[i]; v != want {
			t.Errorf("window %d: index %d, want %d", i, v, want)
		}
	}
}

func TestIntegersWrap(t *testing.T) {
	a, b := tensor.MustOf([]int32{1 << 30, 1 << 30}, 1, 2), tensor.MustOf([]int32{4, 1}, 2, 1)
	if y := run1(t, MatMul, nil, a, b); y.Int(0) != 1<<30 {
		t.Errorf("have %d, want %d: 2^32 wraps to 0", y.Int(0), 1<<30)
	}
	u := tensor.MustOf([]uint64{1 << 63, 1}, 1, 2)
	v := tensor.MustOf([]uint64{2, 5}, 2, 1)
	if y := run1(t, MatMul, nil, u, v); y.Int(0) != 5 {
		t.Errorf("have %d, want 5: 2^64 wraps to 0", y.Int(0))
	}
}

// Planned runs make no garbage.
func TestLinearAllocs(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	f := func(dims ...int) tensor.Value { return tensor.V(whole(r, dtype.F32, dims...)) }
	pool := attr.Map{"kernel_shape": attr.Ints(2, 2), "count_include_pad": attr.Int(0)}
	for _, c := range []struct {
		d    *kernel.Desc
		a    attr.Map
		in   []tensor.Value
		nout int
	}{
		{&ConvDesc, attr.Map{"group": attr.Int(1)}, []tensor.Value{f(1, 3, 8, 8), f(4, 3, 3, 3), f(4)}, 1},
		{&ConvTransposeDesc, attr.Map{"group": attr.Int(1)}, []tensor.Value{f(1, 3, 8, 8), f(3, 4, 3, 3)}, 1},
		{&MaxPoolDesc, pool, []tensor.Value{f(1, 3, 8, 8)}, 2},
		{&AveragePoolDesc, pool, []tensor.Value{f(1, 3, 8, 8)}, 1},
		{&GlobalAveragePoolDesc, nil, []tensor.Value{f(1, 3, 8, 8)}, 1},
		{&MatMulDesc, nil, []tensor.Value{f(2, 3, 4), f(4, 5)}, 1},
		{&GemmDesc, attr.Map{"alpha": attr.Float(1)}, []tensor.Value{f(3, 4), f(4, 5), f(5)}, 1},
		{&BatchNormalizationDesc, nil, []tensor.Value{f(2, 3, 4), f(3), f(3), f(3), f(3)}, 1},
		{&LayerNormalizationDesc, attr.Map{"axis": attr.Int(-1), "stash_type": attr.Int(1)}, []tensor.Value{f(2, 3, 4), f(4), f(4)}, 3},
		{&LSTMDesc, attr.Map{"direction": attr.Str("forward")}, []tensor.Value{f(4, 2, 3), f(1, 20, 3), f(1, 20, 5), f(1, 40)}, 3},
	} {
		out := make([]tensor.Value, c.nout)
		var ctx kernel.Ctx = testCtx{context.Background()}
		once := func() {
			if err := c.d.Ref(ctx, c.in, out, c.a); err != nil {
				t.Fatal(c.d.ID, err)
			}
		}
		once()
		if n := testing.AllocsPerRun(5, once); n != 0 {
			t.Errorf("%s: %g allocations", c.d.ID, n)
		}
	}
}

// Extents that inference could not prove are checked at the run.
func TestLinearRunErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	f := func(dims ...int) tensor.Value { return tensor.V(whole(r, dtype.F32, dims...)) }
	g1 := attr.Map{"group": attr.Int(1)}
	for _, c := range []struct {
		d    *kernel.Desc
		a    attr.Map
		in   []tensor.Value
		want string
	}{
		{&ConvDesc, g1, []tensor.Value{f(1, 4, 8), f(4, 3, 3)}, "W input channels: have 3, want 4"},
		{&ConvDesc, g1, []tensor.Value{f(1, 3, 2), f(4, 3, 3)}, "padded input on spatial axis 0: have 2, want at least the window's 3"},
		{&ConvDesc, g1, []tensor.Value{f(1, 3, 8), f(4, 3, 3), f(3)}, "B: have 3, want 4"},
		{&ConvDesc, g1, []tensor.Value{f(1, 3, 8), f(4, 3)}, "rank of W: have 2, want 3"},
		{&ConvTransposeDesc, g1, []tensor.Value{f(1, 4, 8), f(3, 3, 3)}, "W input channels: have 3, want 4"},
		{&ConvTransposeDesc, attr.Map{"group": attr.Int(1), "pads": attr.Ints(9, 9)}, []tensor.Value{f(1, 3, 8), f(3, 3, 3)}, "output on spatial axis 0: have -8, want 0 or more"},
		{&MaxPoolDesc, attr.Map{"kernel_shape": attr.Ints(2)}, []tensor.Value{f(1, 1, 4, 4)}, "kernel axes: have 1, want 2"},
		{&MatMulDesc, nil, []tensor.Value{f(2, 3), f(4, 2)}, "B rows: have 4, want 3"},
		{&MatMulDesc, nil, []tensor.Value{f(2, 2, 3), f(3, 3, 2)}, "cannot broadcast the batches [2] and [3]"},
		{&GemmDesc, nil, []tensor.Value{f(2, 3), f(3, 2), f(3)}, "C: have [3], want broadcastable to [2 2]"},
		{&BatchNormalizationDesc, nil, []tensor.Value{f(2, 3, 4), f(3), f(3), f(2), f(3)}, "input_mean: have 2, want 3"},
		{&LayerNormalizationDesc, attr.Map{"axis": attr.Int(-1)}, []tensor.Value{f(2, 3), f(2)}, "broadcastable to [2 3]"},
		{&LSTMDesc, nil, []tensor.Value{f(4, 2, 3), f(1, 20, 3), f(1, 20, 4)}, "W: have [1 20 3], want [1 16 3]"},
		{&LSTMDesc, nil, []tensor.Value{f(4, 1, 3), f(1, 20, 3), f(1, 20, 5), {}, tensor.V(tensor.MustOf([]int32{5}, 1))}, "sequence_lens: have 5, want 0..4"},
	} {
		err := c.d.Ref(testCtx{context.Background()}, c.in, make([]tensor.Value, 1), c.a)
		if err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v, want ... %s", c.d.ID, err, c.want)
		}
	}
}
