package eltwise

import (
	"fmt"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// impl is one vector implementation and the features that it needs.
type impl struct {
	f     *Funcs
	d     *kernel.Desc
	needs cpu.Features
}

// eachImpl runs a test for every implementation that this machine can run.
func eachImpl(t *testing.T, test func(t *testing.T, im impl)) {
	for _, im := range impls {
		t.Run(im.f.Name, func(t *testing.T) {
			kerneltest.Need(t, im.needs)
			test(t, im)
		})
	}
}

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

var lengths = []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 1000, 1023}

var specials = []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0x1p-149, -0x1p-149, 0x1p-126, 0x1.fffffcp-127,
	math.MaxFloat32, -math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
	88.72, 88.73, -87.5, -103.9, -104.1, 0.5, 1.5, 2.5, -0.5, 0.875, 4, -4, 9, 16777216.5}

// sample gives a value of some class: small, any bits, or special.
func sample(r *rand.Rand) float32 {
	switch r.IntN(8) {
	case 0:
		return math.Float32frombits(r.Uint32())
	case 1:
		return specials[r.IntN(len(specials))]
	case 2:
		return float32(r.NormFloat64()) * 30
	}
	return float32(r.NormFloat64())
}

const guard = 64 // elements on either side that must stay as they are

const mark = 0x7fdeadbe

// guarded gives n random elements at some offset, and a check of what is
// around them.
func guarded(r *rand.Rand, n int) (x []float32, intact func() bool) {
	off := guard + r.IntN(16)
	buf := make([]float32, n+2*guard+16)
	for i := range buf {
		buf[i] = math.Float32frombits(mark)
	}
	x = buf[off : off+n : off+n]
	for i := range x {
		x[i] = sample(r)
	}
	return x, func() bool {
		for i, v := range buf {
			if (i < off || i >= off+n) && math.Float32bits(v) != mark {
				return false
			}
		}
		return true
	}
}

func TestFuncsEqualGeneric(t *testing.T) {
	eachImpl(t, func(t *testing.T, im impl) {
		r := rand.New(rand.NewPCG(1, 2))
		for op := Op(0); op < numOps; op++ {
			t.Run(fmt.Sprintf("%d%s", op, op), func(t *testing.T) {
				for _, n := range lengths {
					for range 20 {
						x, xok := guarded(r, n)
						y, yok := guarded(r, n)
						dst, dok := guarded(r, n)
						want := make([]float32, n)
						a, b := sample(r), sample(r)
						if op >= numUnary {
							Generic.Do2(op, want, x, y)
							im.f.Do2(op, dst, x, y)
						} else {
							Generic.Do1(op, want, x, a, b)
							im.f.Do1(op, dst, x, a, b)
						}
						check := func(have []float32, how string) {
							for i := range want {
								if !same(have[i], want[i]) {
									t.Fatalf("n=%d %s: f(%x, %x; %x, %x) = %x, want %x", n, how, x[i], y[i], a, b, have[i], want[i])
								}
							}
						}
						check(dst, "")
						if !xok() || !yok() || !dok() {
							t.Fatalf("n=%d: wrote outside of its slice", n)
						}
						in := append([]float32(nil), x...)
						if op >= numUnary {
							im.f.Do2(op, y, x, y)
							check(y, "in place of y")
						} else {
							im.f.Do1(op, in, in, a, b)
							check(in, "in place")
						}
					}
				}
			})
		}
	})
}

// Many more arguments for the functions with polynomials.
func TestPolynomialsEqualGeneric(t *testing.T) {
	step := uint32(2003)
	if testing.Short() {
		step = 40009
	}
	eachImpl(t, func(t *testing.T, im impl) {
		for _, op := range []Op{Exp, Log, Tanh, Sigmoid, Erf, Gelu, GeluTanh} {
			x, have, want := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
			b := uint64(op)
			for b < 1<<32 {
				for i := range x {
					x[i] = math.Float32frombits(uint32(b))
					b += uint64(step)
				}
				Generic.Do1(op, want, x, 0, 0)
				im.f.Do1(op, have, x, 0, 0)
				for i := range x {
					if !same(have[i], want[i]) {
						t.Fatalf("%v(%x) = %x, want %x", op, x[i], have[i], want[i])
					}
				}
			}
		}
	})
}

func TestF16(t *testing.T) {
	h := make([]uint16, 1<<16)
	for i := range h {
		h[i] = uint16(i)
	}
	eachImpl(t, func(t *testing.T, im impl) {
		f := make([]float32, len(h))
		im.f.FromF16(f, h)
		for i, v := range f {
			if !same(v, dtype.F16ToF32(h[i])) {
				t.Fatalf("FromF16(%#04x) = %x", h[i], v)
			}
		}
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range lengths {
			x := make([]float32, n)
			for i := range x {
				x[i] = sample(r)
				if r.IntN(2) == 0 { // a tie between two float16, or beside one
					x[i] = dtype.F16ToF32(uint16(r.Uint32()))
					x[i] += x[i] * 0x1p-11
				}
			}
			have := make([]uint16, n+1)
			have[n] = 0xdead
			im.f.ToF16(have[:n], x)
			for i, v := range x {
				if want := dtype.F32ToF16(v); have[i] != want && v == v {
					t.Fatalf("ToF16(%x) = %#04x, want %#04x", v, have[i], want)
				}
			}
			if have[n] != 0xdead {
				t.Fatal("wrote beyond its slice")
			}
		}
	})
}

// The definitions of the signed zeros and of NaN, by hand from the contract of
// Op.
func TestGenericCorners(t *testing.T) {
	zero, minus0 := float32(0), float32(math.Copysign(0, -1))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		op         Op
		x, y, want float32
	}{
		{Min, zero, minus0, minus0}, {Min, minus0, zero, minus0}, {Min, nan, 1, nan}, {Min, 1, nan, nan}, {Min, -inf, nan, nan},
		{Max, zero, minus0, zero}, {Max, minus0, zero, zero}, {Max, nan, 1, nan}, {Max, 1, nan, nan}, {Max, 2, 3, 3},
		{PRelu, -2, 3, -6}, {PRelu, 2, 3, 2}, {PRelu, minus0, inf, minus0}, {PRelu, nan, 1, nan}, {Sub, 3, 5, -2}, {Div, 1, zero, inf},
	} {
		var d [1]float32
		Generic.Do2(c.op, d[:], []float32{c.x}, []float32{c.y})
		if !same(d[0], c.want) {
			t.Errorf("%v(%v, %v) = %v, want %v", c.op, c.x, c.y, d[0], c.want)
		}
	}
	for _, c := range []struct {
		op            Op
		x, a, b, want float32
	}{
		{Relu, minus0, 0, 0, minus0}, {Relu, -1, 0, 0, 0}, {Relu, nan, 0, 0, nan}, {Relu, inf, 0, 0, inf},
		{Clip, nan, 0, 6, nan}, {Clip, 7, 0, 6, 6}, {Clip, -7, 0, 6, 0}, {Clip, 3, 5, 1, 1},
		{LeakyRelu, -2, 0.5, 0, -1}, {LeakyRelu, 2, 0.5, 0, 2}, {RSubS, 1, 3, 0, 2}, {RDivS, 4, 2, 0, 0.5},
		{Round, 2.5, 0, 0, 2}, {Round, -0.5, 0, 0, minus0}, {Floor, -0.5, 0, 0, -1}, {Ceil, -0.5, 0, 0, minus0},
		{Neg, 0, 0, 0, minus0}, {Abs, minus0, 0, 0, 0}, {ExpSub, 3, 3, 0, 1},
	} {
		var d [1]float32
		Generic.Do1(c.op, d[:], []float32{c.x}, c.a, c.b)
		if !same(d[0], c.want) {
			t.Errorf("%v(%v; %v, %v) = %v, want %v", c.op, c.x, c.a, c.b, d[0], c.want)
		}
	}
}

func BenchmarkFuncs(b *testing.B) {
	x, y := make([]float32, 1024), make([]float32, 1024)
	for i := range x {
		x[i] = float32(i%37)*0.1 - 1.5
	}
	all := []*Funcs{&Generic}
	for _, im := range impls {
		if cpu.Detect().Has(im.needs) {
			all = append(all, im.f)
		}
	}
	for _, f := range all {
		for _, op := range []Op{Add, Max, Relu, DivS, Exp, Log, Tanh, Sigmoid, Erf, Gelu} {
			b.Run(op.String()+"/"+f.Name, func(b *testing.B) {
				b.SetBytes(4096)
				for range b.N {
					if op >= numUnary {
						f.Do2(op, y, x, x)
					} else {
						f.Do1(op, y, x, 1, 2)
					}
				}
			})
		}
	}
}
