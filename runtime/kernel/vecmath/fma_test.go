package vecmath

import (
	"math"
	"math/big"
	"math/rand"
	"testing"
)

// exactFMA is a*b+c by arbitrary precision, for finite operands.
func exactFMA(a, b, c float32) float32 {
	x := new(big.Float).SetPrec(2000)
	y := new(big.Float).SetPrec(2000).SetFloat64(float64(b))
	x.SetFloat64(float64(a)).Mul(x, y)
	x.Add(x, y.SetFloat64(float64(c)))
	f, _ := x.Float32()
	return f
}

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func TestFMA32Exact(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	operand := func() float32 {
		switch r.Intn(4) {
		case 0: // few fraction bits: sums that hit the middle
			return math.Float32frombits(r.Uint32() & 0xfff80003)
		case 1: // near one
			return math.Float32frombits(0x3f800000 + uint32(r.Intn(64)) - 32)
		case 2: // denormal
			return math.Float32frombits(r.Uint32() & 0x807fffff)
		}
		return math.Float32frombits(r.Uint32())
	}
	finite := func(x float32) bool { return x-x == 0 }
	for range 400_000 {
		a, b, c := operand(), operand(), operand()
		if r.Intn(3) == 0 { // product and addend of equal size, at a tie or near it
			c = -float32(float64(a)*float64(b)) * float32(math.Ldexp(1, r.Intn(50)-25))
		}
		if !finite(a) || !finite(b) || !finite(c) {
			continue
		}
		want := exactFMA(a, b, c)
		if have := FMA32(a, b, c); have != want {
			t.Fatalf("FMA32(%x, %x, %x) = %x, want %x", a, b, c, have, want)
		}
	}
}

func TestFMA32Special(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	zero := float32(0)
	max := float32(math.MaxFloat32)
	for _, c := range []struct{ a, b, c, want float32 }{
		{1 + 0x1p-23, (1 - 0x1p-23) * 0x1p-14, 1024 + 0x1p-13, 1024 + 0x1p-13}, // math.FMA rounds twice
		{inf, 0, 1, nan}, {inf, 1, -inf, nan}, {inf, 1, 1, inf}, {nan, 1, 1, nan}, {1, 1, nan, nan},
		{max, max, -inf, -inf}, {max, 2, 0, inf}, {max, 2, -max, max},
		{-zero, 1, 0, 0}, {zero * -1, 1, zero * -1, float32(math.Copysign(0, -1))}, {1, 1, -1, 0},
		{0x1p-149, 0.5, 0, 0}, {0x1p-149, 0.75, 0, 0x1p-149},
	} {
		if have := FMA32(c.a, c.b, c.c); have != c.want && !same(have, c.want) {
			t.Errorf("FMA32(%x, %x, %x) = %x, want %x", c.a, c.b, c.c, have, c.want)
		}
	}
}

func TestSum(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	for _, n := range []int{0, 1, 15, 16, 17, 4095, 4096, 4097, 3 * 4096, 50_001} {
		x := make([]float32, n)
		exact := 0.0
		for i := range x {
			x[i] = r.Float32() - 0.5
			exact += float64(x[i])
		}
		var part []float32
		for rest := x; len(rest) > 0; rest = rest[min(Chunk, len(rest)):] {
			part = append(part, SumChunk(rest[:min(Chunk, len(rest))]))
		}
		if a, b := Sum(x), Tree(part); a != b || math.Abs(float64(a)-exact) > 1e-3 {
			t.Errorf("%d elements: Sum %g, Tree of chunks %g, exact %g", n, a, b, exact)
		}
	}
}

func TestHalf(t *testing.T) {
	for n, want := range map[int]int{2: 1, 3: 2, 4: 2, 5: 4, 8: 4, 9: 8} {
		if have := Half(n); have != want {
			t.Errorf("Half(%d) = %d, want %d", n, have, want)
		}
	}
}

func BenchmarkFMA32(b *testing.B) {
	var acc [16]float32
	x := make([]float32, 16)
	for i := range x {
		x[i] = float32(i) * 0.1
	}
	for i := 0; i < b.N; i += 16 {
		for j := range acc {
			acc[j] = FMA32(x[j], 0.9, acc[j]*0)
		}
	}
}
