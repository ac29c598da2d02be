package main

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// unary and binary name the assembly of each function; Copy has none.
var unary = []struct {
	name string
	op   eltwise.Op
}{
	{"neg", eltwise.Neg}, {"abs", eltwise.Abs}, {"sqrt", eltwise.Sqrt}, {"floor", eltwise.Floor},
	{"ceil", eltwise.Ceil}, {"round", eltwise.Round}, {"relu", eltwise.Relu}, {"exp", eltwise.Exp},
	{"expsub", eltwise.ExpSub}, {"log", eltwise.Log}, {"tanh", eltwise.Tanh}, {"sigmoid", eltwise.Sigmoid},
	{"erf", eltwise.Erf}, {"gelu", eltwise.Gelu}, {"gelutanh", eltwise.GeluTanh}, {"clip", eltwise.Clip},
	{"leakyrelu", eltwise.LeakyRelu}, {"adds", eltwise.AddS}, {"rsubs", eltwise.RSubS}, {"muls", eltwise.MulS},
	{"divs", eltwise.DivS}, {"rdivs", eltwise.RDivS}, {"mins", eltwise.MinS}, {"maxs", eltwise.MaxS},
}

var binary2 = []struct {
	name string
	op   eltwise.Op
}{
	{"add", eltwise.Add}, {"sub", eltwise.Sub}, {"mul", eltwise.Mul}, {"div", eltwise.Div},
	{"min", eltwise.Min}, {"max", eltwise.Max}, {"prelu", eltwise.PRelu}, {"maxnum", eltwise.MaxNum},
}

// lengths has every tail of one and of two vectors, and some longer ones.
func lengths() []int {
	var n []int
	for i := range 34 {
		n = append(n, i)
	}
	return append(n, 63, 64, 65, 127, 128, 129, 500)
}

// eltwiseCalls are all functions at all lengths, in place too, over all
// exponents and over all pairs of special values.
func eltwiseCalls(add func(*call)) {
	r := random(1)
	for _, f := range unary {
		do := func(label string, x []float32, a, b float32) *call {
			want := make([]float32, len(x))
			eltwise.Generic.Do1(f.op, want, x, a, b)
			c := newCall("eltwise", f.name+"_*", fmt.Sprintf("n=%d a=%x b=%x %s", len(x), a, b, label))
			if label == "in place" {
				out(c, f32, x, want).again()
			} else {
				in(out(c, f32, blank(len(x)), want), f32, x)
			}
			return c.ints(len(x)).floats(a, b)
		}
		for _, n := range lengths() {
			add(do("", values(r, n), value(r), value(r)))
		}
		add(do("in place", values(r, 77), value(r), value(r)))
		for _, a := range specials {
			add(do("specials", specials, a, specials[r.IntN(len(specials))]))
		}
		for range 8 {
			every := fill(4096, func(i int) float32 { return math.Float32frombits(uint32(i)<<20 | r.Uint32()>>12) })
			add(do("every exponent", every, 0.5, 2))
		}
	}
	for _, f := range binary2 {
		do := func(label string, x, y []float32) {
			want := make([]float32, len(x))
			eltwise.Generic.Do2(f.op, want, x, y)
			c := newCall("eltwise", f.name+"_*", fmt.Sprintf("n=%d %s", len(x), label))
			switch label {
			case "in place of x":
				in(out(c, f32, x, want).again(), f32, y)
			case "in place of y":
				in(c, f32, x)
				out(c, f32, y, want).again()
				// dst comes first: exchange the pointers of x and dst
				c.bufs[0].at[0], c.bufs[1].at[0], c.bufs[1].at[1] = 8, 0, 16
			default:
				in(in(out(c, f32, blank(len(x)), want), f32, x), f32, y)
			}
			add(c.ints(len(x)))
		}
		for _, n := range lengths() {
			do("", values(r, n), values(r, n))
		}
		do("in place of x", values(r, 77), values(r, 77))
		do("in place of y", values(r, 77), values(r, 77))
		k := len(specials)
		do("pairs of specials", fill(k*k, func(i int) float32 { return specials[i/k] }),
			fill(k*k, func(i int) float32 { return specials[i%k] }))
	}
}

// f16Calls widen every float16; and narrow the middles between neighbours,
// what is beside those, every float16 itself, and values of any bits.
func f16Calls(add func(*call)) {
	const chunk = 4096
	r := random(2)
	widen := func(h []uint16) {
		want := make([]float32, len(h))
		eltwise.Generic.FromF16(want, h)
		c := newCall("eltwise", "fromf16_*", fmt.Sprintf("n=%d from %#04x", len(h), h[0]))
		add(in(out(c, f32, blank(len(h)), want), f16, h).ints(len(h)))
	}
	narrow := func(x []float32) {
		want, before := make([]uint16, len(x)), make([]uint16, len(x))
		for i := range before {
			before[i] = 0xabab
		}
		eltwise.Generic.ToF16(want, x)
		c := newCall("eltwise", "tof16_*", fmt.Sprintf("n=%d from %x", len(x), x[0]))
		add(in(out(c, f16, before, want), f32, x).ints(len(x)))
	}
	h, x := make([]uint16, chunk), make([]float32, chunk)
	for base := 0; base < 1<<16; base += chunk {
		for i := range h {
			h[i] = uint16(base + i)
		}
		widen(h)
		for step := -1; step <= 1; step++ {
			for i := range x {
				lo, hi := dtype.F16ToF32(h[i]), dtype.F16ToF32(h[i]&0x8000|(h[i]+1)&0x7fff)
				if math.IsInf(float64(hi), 0) {
					hi = float32(math.Copysign(65536, float64(hi))) // where the next one would be
				}
				x[i] = (lo + hi) / 2
				if step != 0 {
					x[i] = math.Nextafter32(x[i], float32(step)*inf)
				}
			}
			narrow(x)
		}
		for i := range x {
			x[i] = dtype.F16ToF32(h[i])
		}
		narrow(x)
		narrow(fill(chunk, func(int) float32 { return math.Float32frombits(r.Uint32()) }))
	}
	for _, n := range []int{16, 32, 48, 64, 80, 144} { // whole vectors only, see the stubs
		widen(h[:n])
		narrow(values(r, n))
	}
}
