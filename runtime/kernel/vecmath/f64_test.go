package vecmath

import (
	"hash/fnv"
	"math"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"testing"
)

var f64Funcs = map[string]func(float64) float64{
	"exp": Exp64, "expm1": Expm164, "log": Log64, "log1p": Log1p64, "tanh": Tanh64, "sigmoid": Sigmoid64,
	"erf": Erf64, "erfc": Erfc64, "sin": Sin64, "cos": Cos64, "tan": Tan64,
}

// f64Ulps is how many steps each function may be off, in quarters for the
// reader: the doc comments promise 1 or 2.
var f64Ulps = map[string]int64{"tanh": 2, "tan": 2, "sigmoid": 2, "erfc": 3}

func ulps64(a, b float64) int64 {
	o := func(f float64) int64 {
		if b := int64(math.Float64bits(f)); b < 0 {
			return math.MinInt64 - b
		} else {
			return b
		}
	}
	d := o(a) - o(b)
	return max(d, -d)
}

// The table in testdata/f64.txt was made with mpmath at 300 to 2400 bits:
// function, argument bits, bits of the correctly rounded value.
func TestF64AgainstMpmath(t *testing.T) {
	text, err := os.ReadFile("testdata/f64.txt")
	if err != nil {
		t.Fatal(err)
	}
	worst := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		w := strings.Fields(line)
		var v []float64
		for _, s := range w[1:] {
			b, err := strconv.ParseUint(s, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			v = append(v, math.Float64frombits(b))
		}
		var got float64
		if w[0] == "pow" {
			got = Pow64(v[0], v[1])
		} else {
			got = f64Funcs[w[0]](v[0])
		}
		want := v[len(v)-1]
		d := ulps64(got, want)
		if worst[w[0]] = max(worst[w[0]], d); d > max(1, f64Ulps[w[0]]) {
			t.Errorf("%s(%v) = %v, want %v (%d ulp)", w[0], v[:len(v)-1], got, want, d)
		}
	}
	t.Log("largest error in ulp:", worst)
}

// Special values are those of IEEE 754 and C's Annex F.
func TestF64Special(t *testing.T) {
	inf, nan, neg0 := math.Inf(1), math.NaN(), math.Copysign(0, -1)
	for _, c := range []struct {
		name    string
		x, want float64
	}{
		{"exp", inf, inf}, {"exp", -inf, 0}, {"exp", nan, nan}, {"exp", 0, 1}, {"exp", 710, inf}, {"exp", -746, 0},
		{"expm1", inf, inf}, {"expm1", -inf, -1}, {"expm1", neg0, neg0}, {"expm1", nan, nan}, {"expm1", 710, inf},
		{"log", 0, -inf}, {"log", -1, nan}, {"log", inf, inf}, {"log", 1, 0}, {"log", nan, nan}, {"log", 5e-324, -744.4400719213812},
		{"log1p", -1, -inf}, {"log1p", -2, nan}, {"log1p", neg0, neg0}, {"log1p", inf, inf},
		{"tanh", inf, 1}, {"tanh", -inf, -1}, {"tanh", neg0, neg0}, {"tanh", nan, nan},
		{"sigmoid", inf, 1}, {"sigmoid", -inf, 0}, {"sigmoid", 0, 0.5}, {"sigmoid", nan, nan},
		{"erf", inf, 1}, {"erf", -inf, -1}, {"erf", neg0, neg0}, {"erf", nan, nan},
		{"erfc", inf, 0}, {"erfc", -inf, 2}, {"erfc", 0, 1}, {"erfc", nan, nan},
		{"sin", inf, nan}, {"sin", neg0, neg0}, {"cos", 0, 1}, {"cos", nan, nan}, {"tan", neg0, neg0},
	} {
		got := f64Funcs[c.name](c.x)
		if math.Float64bits(got) != math.Float64bits(c.want) && !(got != got && c.want != c.want) {
			t.Errorf("%s(%v) = %v, want %v", c.name, c.x, got, c.want)
		}
	}
	for _, c := range [][3]float64{
		{nan, 0, 1}, {1, nan, 1}, {1, inf, 1}, {-1, inf, 1}, {2, inf, inf}, {0.5, inf, 0}, {2, -inf, 0}, {0, -3, inf},
		{neg0, -3, -inf}, {neg0, 3, neg0}, {neg0, 2, 0}, {-inf, 3, -inf}, {-inf, -3, neg0}, {-8, 1.0 / 3, nan},
		{-2, 3, -8}, {2, 10, 1024}, {10, -2, 0.01}, {0, 0, 1}, {inf, -1, 0}, {2, 1024, inf}, {2, -1080, 0}, {2, -1074, 5e-324}, {-2, 1e300, inf},
		{0, 0.5, 0}, {4, 0.5, 2}, {-1, 1e301, 1}, {nan, 2, nan},
	} {
		got := Pow64(c[0], c[1])
		if math.Float64bits(got) != math.Float64bits(c[2]) && !(got != got && c[2] != c[2]) {
			t.Errorf("Pow64(%v, %v) = %v, want %v", c[0], c[1], got, c[2])
		}
	}
}

// f64Bits is a digest of every function over pseudo-random arguments. It says
// nothing of accuracy: it is here so that a host or compiler whose bits differ
// is found.
const f64Bits = 0xd51fb75b4b2e268c

func TestF64SameBitsEverywhere(t *testing.T) {
	h := fnv.New64a()
	r := rand.New(rand.NewSource(7)) // not NormFloat64, which calls math.Log
	put := func(v float64) {
		b := math.Float64bits(v)
		if v != v {
			b = 1
		}
		for i := range 8 {
			h.Write([]byte{byte(b >> (8 * i))})
		}
	}
	for _, n := range []string{"cos", "erf", "erfc", "exp", "expm1", "log", "log1p", "sigmoid", "sin", "tan", "tanh"} {
		for range 3000 {
			put(f64Funcs[n](float64(r.Intn(1<<20)-1<<19) * 0x1p-16))
			put(f64Funcs[n](math.Float64frombits(r.Uint64())))
		}
	}
	for range 3000 {
		put(Pow64(float64(r.Intn(1<<20))*0x1p-17, float64(r.Intn(1<<20)-1<<19)*0x1p-15))
	}
	if have := h.Sum64(); have != f64Bits {
		t.Errorf("digest %#x, want %#x", have, uint64(f64Bits))
	}
}

func BenchmarkF64(b *testing.B) {
	for _, n := range []string{"exp", "log", "tanh", "erf", "sin"} {
		b.Run(n, func(b *testing.B) {
			s, f := 0.0, f64Funcs[n]
			for i := range b.N {
				s += f(float64(i&1023) * 0.005)
			}
			_ = s
		})
	}
	b.Run("pow", func(b *testing.B) {
		s := 0.0
		for i := range b.N {
			s += Pow64(float64(i&1023)*0.005, 1.7)
		}
		_ = s
	})
}
