package ptx

import (
	"math"
	"testing"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// floats are the bit patterns that functions are tried at: edges, and numbers
// of all sizes and both signs.
func floats() []float32 {
	inf := float32(math.Inf(1))
	out := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0.5, 1.5, 2.5, -2.5, 3, inf, -inf, math.Float32frombits(vecmath.NaN32),
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0x1p-126, math.MaxFloat32, -math.MaxFloat32,
		88.7228, 88.73, 89, 1e4, -87.3, -103.9, -104, -105, 0.875, 0.8751, 4, 4.1, -20, -10, 1 << 23, 1<<24 + 2}
	for b := uint32(0x2f000000); b < 0x44000000; b += 0x4a1357 {
		out = append(out, math.Float32frombits(b), math.Float32frombits(b|1<<31))
	}
	for b := uint64(12345); b < 1<<32; b += 0x10f3d17 {
		out = append(out, math.Float32frombits(uint32(b)))
	}
	return out
}

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// TestFunctions: functions of one float give the bits that the CPU's give, of
// registers and of immediates.
func TestFunctions(t *testing.T) {
	round := func(f func(float64) float64) func(float32) float32 {
		return func(x float32) float32 { return float32(f(float64(x))) }
	}
	for _, c := range []struct {
		name string
		f    func(a F32) F32
		want func(x float32) float32
	}{
		{"exp", F32.Exp, vecmath.Exp32}, {"log", F32.Log, vecmath.Log32}, {"tanh", F32.Tanh, vecmath.Tanh32},
		{"sigmoid", F32.Sigmoid, vecmath.Sigmoid32}, {"erf", F32.Erf, vecmath.Erf32}, {"gelu", F32.Gelu, vecmath.Gelu32},
		{"gelutanh", F32.GeluTanh, vecmath.GeluTanh32}, {"sqrt", F32.Sqrt, round(math.Sqrt)},
		{"recip", F32.Recip, func(x float32) float32 { return 1 / x }},
		{"neg", F32.Neg, func(x float32) float32 { return -x }}, {"abs", F32.Abs, round(math.Abs)},
		{"floor", F32.Floor, round(math.Floor)}, {"ceil", F32.Ceil, round(math.Ceil)}, {"round", F32.RoundEven, round(math.RoundToEven)},
		{"relu", F32.Relu, func(x float32) float32 {
			if x < 0 {
				return 0
			}
			return x
		}},
		{"clip", func(a F32) F32 { return a.Clip(F(-1), F(6)) }, func(x float32) float32 {
			switch {
			case x < -1:
				return -1
			case x > 6:
				return 6
			}
			return x
		}},
		{"bits", func(a F32) F32 { return a.Bits().AsF32() }, func(x float32) float32 { return x }},
	} {
		m := NewModule(Options{SM: 75})
		k := m.Entry("f")
		p := k.ParamPtr("p")
		p.Off(4).StF32(c.f(p.LdF32()))
		m.Add(k)
		mc := load(t, m, 8)
		for _, x := range floats() {
			mc.put(0, math.Float32bits(x))
			mc.run(nil)
			got, want := math.Float32frombits(mc.u32(1)), c.want(x)
			if !same(got, want) {
				t.Errorf("%s(%g): have %g, want %g", c.name, x, got, want)
			}
			if folded, ok := c.f(F(x)).Known(); !ok || !same(folded, want) {
				t.Errorf("%s of the immediate %g: have %g (known: %t), want %g", c.name, x, folded, ok, want)
			}
		}
	}
}

// TestFloatOperands: functions of two floats give the same whichever operands
// are immediates.
func TestFloatOperands(t *testing.T) {
	nan := float32(math.NaN())
	one := func(f func(a, b F32) Pred) func(a, b F32) F32 {
		return func(a, b F32) F32 { return f(a, b).SelF32(F(1), F(0)) }
	}
	is := func(f func(x, y float32) bool) func(x, y float32) float32 {
		return func(x, y float32) float32 {
			if f(x, y) {
				return 1
			}
			return 0
		}
	}
	edges := floats()[:16]
	for _, c := range []struct {
		name string
		f    func(a, b F32) F32
		want func(x, y float32) float32
	}{
		{"add", F32.Add, func(x, y float32) float32 { return x + y }}, {"sub", F32.Sub, func(x, y float32) float32 { return x - y }},
		{"mul", F32.Mul, func(x, y float32) float32 { return x * y }}, {"div", F32.Div, func(x, y float32) float32 { return x / y }},
		{"min", F32.Min, func(x, y float32) float32 { return min(x, y) }}, {"max", F32.Max, func(x, y float32) float32 { return max(x, y) }},
		{"minnum", F32.MinNum, func(x, y float32) float32 {
			if x != x || y != y {
				return pick(x == x, x, y)
			}
			return min(x, y)
		}},
		{"maxnum", F32.MaxNum, func(x, y float32) float32 {
			if x != x || y != y {
				return pick(x == x, x, y)
			}
			return max(x, y)
		}},
		{"copysign", F32.CopySign, func(x, y float32) float32 { return float32(math.Copysign(float64(x), float64(y))) }},
		{"fma", func(a, b F32) F32 { return a.FMA(b, b) }, func(x, y float32) float32 { return vecmath.FMA32(x, y, y) }},
		{"eq", one(F32.Eq), is(func(x, y float32) bool { return x == y })}, {"ne", one(F32.Ne), is(func(x, y float32) bool { return x != y })},
		{"lt", one(F32.Lt), is(func(x, y float32) bool { return x < y })}, {"le", one(F32.Le), is(func(x, y float32) bool { return x <= y })},
		{"gt", one(F32.Gt), is(func(x, y float32) bool { return x > y })}, {"ge", one(F32.Ge), is(func(x, y float32) bool { return x >= y })},
		{"nan", one(func(a, b F32) Pred { return a.IsNaN().And(b.IsNaN().Not()) }), is(func(x, y float32) bool { return x != x && y == y })},
	} {
		for _, sm := range []int{75, 80} {
			for _, y := range edges {
				m := NewModule(Options{SM: sm})
				k := m.Entry("f")
				p := k.ParamPtr("p")
				a, b := p.LdF32(), p.Off(4).LdF32()
				p.Off(8).StF32(c.f(a, b))
				p.Off(12).StF32(c.f(a, F(y)))
				p.Off(16).StF32(c.f(F(y), a))
				m.Add(k)
				mc := load(t, m, 20)
				for _, x := range edges {
					mc.put(0, math.Float32bits(x))
					mc.put(1, math.Float32bits(y))
					mc.run(nil)
					imm, ok := c.f(F(x), F(y)).Known()
					if !ok {
						t.Fatalf("%s of immediates is none", c.name)
					}
					for i, got := range []float32{math.Float32frombits(mc.u32(2)), math.Float32frombits(mc.u32(3)), imm} {
						if want := c.want(x, y); !same(got, want) {
							t.Errorf("sm_%d: %s(%g, %g), form %d: have %g, want %g", sm, c.name, x, y, i, got, want)
						}
					}
					if got, want := math.Float32frombits(mc.u32(4)), c.want(y, x); !same(got, want) {
						t.Errorf("sm_%d: %s(imm %g, %g): have %g, want %g", sm, c.name, y, x, got, want)
					}
				}
			}
		}
	}
	for _, c := range []struct {
		x    float32
		s, u uint32
	}{{nan, 0, 0}, {-1.5, 1<<32 - 1, 0}, {2.9, 2, 2}, {1e20, 1<<31 - 1, 1<<32 - 1}, {-1e20, 1 << 31, 0}} {
		if s, u := F(c.x).ToS32().u(), F(c.x).ToU32().u(); s != c.s || u != c.u {
			t.Errorf("%g to an integer: have %d, %d, want %d, %d", c.x, s, u, c.s, c.u)
		}
	}
}

func pick(first bool, x, y float32) float32 {
	if first {
		return x
	}
	return y
}
