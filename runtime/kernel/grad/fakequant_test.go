package grad_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

var (
	fakes     = []*kernel.Desc{&grad.Fake_avx2, &grad.Fake_neon, &grad.Fake_generic}
	fakeGrads = []*kernel.Desc{&grad.FakeGrad_avx2, &grad.FakeGrad_neon, &grad.FakeGrad_generic}
)

func scalar(v float32) tensor.Value { return tensor.V(tensor.MustOf([]float32{v})) }

// extremes puts what rounding and saturation may stumble over into x, in steps
// of scale s.
func extremes(x *tensor.Tensor, s float64) {
	v := tensor.Slice[float32](x)
	inf := math.Inf(1)
	odd := []float64{0, math.Copysign(0, -1), 0.5 * s, 1.5 * s, 2.5 * s, -0.5 * s, -1.5 * s, 127.5 * s, 254.5 * s, 255.5 * s, 256 * s, -128.5 * s,
		1e-45, -1e-45, 1e38, -1e38, math.MaxFloat32, -math.MaxFloat32, inf, -inf, 8388607.5 * s, 4194304.5 * s, 1 << 31, -1 << 31, 1 << 33}
	for i := range v {
		if i%3 == 1 {
			v[i] = float32(odd[i/3%len(odd)])
		}
	}
}

// pair is QuantizeLinear, then DequantizeLinear, of a scalar or a vector of
// scales, in the reference.
func pair(t *testing.T, x tensor.Value, lo, hi []float32, axis, levels int) tensor.Value {
	t.Helper()
	scales, zeros := make([]float32, len(lo)), make([]uint8, len(lo))
	for i := range lo {
		s, z := vecmath.Steps(float64(lo[i]), float64(hi[i]), levels)
		scales[i], zeros[i] = s, uint8(z)
	}
	s, z := tensor.V(tensor.MustOf(scales, len(lo))), tensor.V(tensor.MustOf(zeros, len(lo)))
	a := attr.Map{"axis": attr.Int(int64(axis)), "block_size": attr.Int(0), "saturate": attr.Int(1)}
	q := kerneltest.Eval(t, ref.QuantizeLinear, a, 1, x, s, z)
	for i, b := range q[0].Tensor.Bytes() { // i8 weights use 254 of 255 steps
		q[0].Tensor.Bytes()[i] = min(b, uint8(levels))
	}
	return kerneltest.Eval(t, ref.DequantizeLinear, a, 1, q[0], s, z)[0]
}

// Forward equals the pair that a quantized model has, bit for bit, for a scale
// of all and one for each channel, with extremes among the elements.
func TestFakeQuantize(t *testing.T) {
	var cases []kerneltest.Case
	a := func(axis, levels int) attr.Map {
		return attr.Map{"axis": attr.Int(int64(axis)), "levels": attr.Int(int64(levels))}
	}
	for i, n := range []int{0, 1, 15, 16, 17, 2047, 1<<14 + 3, 50_000} {
		for _, r := range [][2]float32{{0, 2.55}, {-1, 1}, {-3.7, 0}, {0, 0}, {-0.1, 6e4}, {1, 2}, {-2e-39, 1e-39}} {
			for _, odd := range []bool{false, true} {
				x := kerneltest.Random(uint64(i), false, n)
				if odd {
					s, _ := vecmath.Steps(float64(r[0]), float64(r[1]), 255)
					extremes(&x.Tensor, float64(s))
				}
				want := pair(t, x, []float32{r[0]}, []float32{r[1]}, 0, 255)
				least, most := float32(0), float32(0)
				for _, v := range tensor.Slice[float32](&x.Tensor) {
					least, most = min(least, v), max(most, v)
				}
				cases = append(cases, kerneltest.Case{Name: fmt.Sprint(n, r, odd), In: []tensor.Value{x, scalar(r[0]), scalar(r[1])}, Attrs: a(1, 255),
					Want: []tensor.Value{want, scalar(least), scalar(most)}})
			}
		}
	}
	for i, d := range [][]int{{8, 3, 3, 3}, {5, 7}, {3, 4, 40}, {2, 6, 17, 19}} {
		for axis := range d {
			x := kerneltest.Random(uint64(i)+50, false, d...)
			lo, hi := make([]float32, d[axis]), make([]float32, d[axis])
			for k := range hi {
				hi[k] = float32(k) * 0.37 // the first has no range
				lo[k] = -hi[k]
			}
			v := func(s []float32) tensor.Value { return tensor.V(tensor.MustOf(s, len(s))) }
			cases = append(cases, kerneltest.Case{Name: fmt.Sprint(d, " along ", axis), In: []tensor.Value{x, v(lo), v(hi)}, Attrs: a(axis, 254),
				Want: []tensor.Value{pair(t, x, lo, hi, axis, 254)}})
		}
	}
	kerneltest.All(t, fakes, cases)
	for _, c := range cases { // and so does the reference, to the sign of 0
		have := kerneltest.Eval(t, ref.FakeQuantize, c.Attrs, len(c.Want), c.In...)
		for i := range have {
			if !bytes.Equal(have[i].Tensor.Bytes(), c.Want[i].Tensor.Bytes()) {
				t.Errorf("%s: output %d of the reference: %v", c.Name, i, tensor.Exact.Compare(have[i], c.Want[i]))
			}
		}
	}
}

// The gradient passes within half a step of what the steps reach: ranges and
// elements by hand calculation.
func TestFakeQuantizeGrad(t *testing.T) {
	var cases []kerneltest.Case
	for _, n := range []int{0, 1, 15, 16, 5000, 40_000} {
		for _, wide := range []bool{false, true} {
			// 0 to 25.5 has scale 0.1 and zero 0; -12.8 to 12.7 has zero 128.
			lo, hi, from, to := float32(0), float32(25.5), -0.05, 25.55
			if wide {
				lo, hi, from, to = -12.8, 12.7, -12.85, 12.75
			}
			x, dy, want := kerneltest.Random(1, false, n), kerneltest.Random(2, true, n), kerneltest.Random(3, false, n)
			for i := range n {
				v := x.Tensor.Float(i) * 20
				if math.Abs(v-from) < 1e-3 || math.Abs(v-to) < 1e-3 {
					v = 0
				}
				x.Tensor.SetFloat(i, v)
				want.Tensor.SetFloat(i, 0)
				if v > from && v < to {
					want.Tensor.SetFloat(i, dy.Tensor.Float(i))
				}
			}
			cases = append(cases, kerneltest.Case{Name: fmt.Sprint(n, wide), In: []tensor.Value{dy, x, scalar(lo), scalar(hi)},
				Attrs: attr.Map{"axis": attr.Int(1), "levels": attr.Int(255)}, Want: []tensor.Value{want}})
		}
	}
	// Symmetric weights never saturate: all passes, the largest too.
	w, dy := kerneltest.Random(4, false, 6, 30), kerneltest.Random(5, false, 6, 30)
	lo, hi := tensor.New(dtype.F32, 6), tensor.New(dtype.F32, 6)
	for i, v := range tensor.Slice[float32](&w.Tensor) {
		h := tensor.Slice[float32](&hi)
		h[i/30] = max(h[i/30], float32(math.Abs(float64(v))))
		tensor.Slice[float32](&lo)[i/30] = -h[i/30]
	}
	cases = append(cases, kerneltest.Case{Name: "weights", In: []tensor.Value{dy, w, tensor.V(lo), tensor.V(hi)},
		Attrs: attr.Map{"axis": attr.Int(0), "levels": attr.Int(254)}, Want: []tensor.Value{dy}})
	kerneltest.All(t, fakeGrads, cases)
}

// What is not a number is not hidden: an element stays one and shows in the
// extremes, and a range makes one of all.
func TestFakeQuantizeNaN(t *testing.T) {
	nan := float32(math.NaN())
	x := kerneltest.Random(1, false, 5000)
	tensor.Slice[float32](&x.Tensor)[77] = nan
	want := pair(t, x, []float32{-1}, []float32{1}, 0, 255)
	tensor.Slice[float32](&want.Tensor)[77] = nan
	a := attr.Map{"axis": attr.Int(1), "levels": attr.Int(255)}
	cases := []kerneltest.Case{{Name: "element", In: []tensor.Value{x, scalar(-1), scalar(1)}, Attrs: a, Want: []tensor.Value{want, scalar(nan), scalar(nan)}}}
	all := kerneltest.Random(2, false, 40)
	for i := range 40 {
		all.Tensor.SetFloat(i, math.NaN())
	}
	inf := float32(math.Inf(1))
	for _, r := range [][2]float32{{nan, 1}, {-1, nan}, {-inf, 1}, {-1, inf}, {1, -1}} {
		cases = append(cases, kerneltest.Case{Name: fmt.Sprint(r), In: []tensor.Value{kerneltest.Random(3, false, 40), scalar(r[0]), scalar(r[1])}, Attrs: a, Want: []tensor.Value{all}})
	}
	kerneltest.All(t, fakes, cases)
	for _, c := range cases {
		have := kerneltest.Eval(t, ref.FakeQuantize, c.Attrs, len(c.Want), c.In...)
		for i := range have {
			if err := tensor.Exact.Compare(have[i], c.Want[i]); err != nil {
				t.Errorf("%s: the reference: %v", c.Name, err)
			}
		}
	}
}

func BenchmarkFakeQuantize(b *testing.B) {
	const n = 64 * 16 * 28 * 28
	x, dy, y := kerneltest.Random(1, false, n), kerneltest.Random(2, false, n), kerneltest.Random(3, false, n)
	for _, d := range append(append([]*kernel.Desc{}, fakes...), fakeGrads...) {
		if d.Run == nil || !d.Runnable(cpu.Host()) {
			continue
		}
		b.Run(d.ID, func(b *testing.B) {
			c := &kernel.Call{In: []tensor.Value{x, scalar(-3), scalar(3)}, Out: []tensor.Value{y}, Attrs: attr.Map{"axis": attr.Int(1), "levels": attr.Int(255)}}
			if d.Op == grad.OpFakeGrad {
				c.In = append([]tensor.Value{dy}, c.In...)
			}
			st, err := d.Prepare(c)
			if err != nil {
				b.Fatal(err)
			}
			c.State = st
			c.Scratch = tensor.AlignedBytes(d.Scratch(c, 1))
			b.SetBytes(4 * n)
			for b.Loop() {
				d.Run(c)
			}
		})
	}
}
