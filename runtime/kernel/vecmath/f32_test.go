package vecmath

import (
	"math"
	"testing"
)

// ulps32 is the distance of y from the exact value in units of the last place
// of float32 at that value.
func ulps32(y float32, exact float64) float64 {
	if float64(y) == exact || math.IsNaN(exact) && y != y {
		return 0
	}
	w := float32(exact)
	if math.IsInf(float64(w), 0) {
		if y == w {
			return 0
		}
		w = math.Float32frombits(math.Float32bits(w) - 1)
	}
	if y-y != 0 { // NaN, or infinity where a number was expected
		return math.Inf(1)
	}
	_, e := math.Frexp(math.Abs(float64(w)))
	return math.Abs(float64(y)-exact) / math.Ldexp(1, max(e-24, -149))
}

func exactSigmoid(x float64) float64 {
	if x < 0 {
		e := math.Exp(x)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-x))
}

// The float64 functions of package math are good to 1e-15, which is plenty as
// an oracle for float32.
func TestF32AgainstFloat64(t *testing.T) {
	step := uint32(397)
	if testing.Short() {
		step = 40009
	}
	for _, c := range []struct {
		name string
		f    func(float32) float32
		want func(float64) float64
		ulps float64
	}{
		{"exp", Exp32, math.Exp, 1},
		{"log", Log32, math.Log, 1},
		{"tanh", Tanh32, math.Tanh, 2.5},
		{"sigmoid", Sigmoid32, exactSigmoid, 2.5},
		{"erf", Erf32, math.Erf, 2},
		{"sqrt", Sqrt32, math.Sqrt, 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			worst, at := 0.0, float32(0)
			try := func(x float32) {
				if u := ulps32(c.f(x), c.want(float64(x))); u > worst {
					worst, at = u, x
				}
			}
			for b := uint64(0); b < 1<<32; b += uint64(step) {
				try(math.Float32frombits(uint32(b)))
			}
			for x := float32(-110); x < 110; x += 0x1p-9 { // where results are neither 0 nor huge
				try(x)
			}
			t.Logf("worst %.3f ulp at %x", worst, at)
			if worst > c.ulps {
				t.Errorf("%.3f ulp at %x: have %x, want %x", worst, at, c.f(at), c.want(float64(at)))
			}
		})
	}
}

func TestGelu32(t *testing.T) {
	exact := func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }
	tanh := func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	for x := float32(-30); x < 30; x += 0x1p-11 {
		unit := math.Abs(float64(x)) * 0x1p-24
		if d := math.Abs(float64(Gelu32(x)) - exact(float64(x))); d > 2*unit {
			t.Fatalf("Gelu32(%x) = %x, want %x", x, Gelu32(x), exact(float64(x)))
		}
		if d := math.Abs(float64(GeluTanh32(x)) - tanh(float64(x))); d > 3*unit {
			t.Fatalf("GeluTanh32(%x) = %x, want %x (%g)", x, GeluTanh32(x), tanh(float64(x)), d/unit)
		}
	}
}

func TestF32Special(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	minus0 := float32(math.Copysign(0, -1))
	for _, c := range []struct {
		name    string
		f       func(float32) float32
		x, want float32
	}{
		{"exp", Exp32, inf, inf}, {"exp", Exp32, -inf, 0}, {"exp", Exp32, nan, nan}, {"exp", Exp32, minus0, 1},
		{"exp max", Exp32, 0x1.62e42ep+6, 0x1.ffff08p+127}, {"exp over", Exp32, 0x1.62e43p+6, inf},
		{"exp least", Exp32, -103.5, 0x1p-149}, {"exp under", Exp32, -104, 0},
		{"log", Log32, inf, inf}, {"log", Log32, 0, -inf}, {"log", Log32, minus0, -inf}, {"log", Log32, -1, nan},
		{"log", Log32, -inf, nan}, {"log", Log32, nan, nan}, {"log", Log32, 1, 0},
		{"tanh", Tanh32, inf, 1}, {"tanh", Tanh32, -inf, -1}, {"tanh", Tanh32, minus0, minus0}, {"tanh", Tanh32, nan, nan},
		{"tanh", Tanh32, 0x1p-149, 0x1p-149},
		{"sigmoid", Sigmoid32, inf, 1}, {"sigmoid", Sigmoid32, -inf, 0}, {"sigmoid", Sigmoid32, nan, nan}, {"sigmoid", Sigmoid32, minus0, 0.5},
		{"erf", Erf32, inf, 1}, {"erf", Erf32, -inf, -1}, {"erf", Erf32, minus0, minus0}, {"erf", Erf32, nan, nan},
		{"gelu", Gelu32, inf, inf}, {"gelu", Gelu32, nan, nan}, {"sqrt", Sqrt32, -1, nan}, {"sqrt", Sqrt32, minus0, minus0},
	} {
		if have := c.f(c.x); !same(have, c.want) {
			t.Errorf("%s(%x) = %x, want %x", c.name, c.x, have, c.want)
		}
	}
}
