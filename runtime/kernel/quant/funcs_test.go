package quant

import (
	"bytes"
	"math"
	"math/rand"
	"runtime"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
)

// TestTwins: every instruction set writes the bytes of the loops in Go, for
// sums at the ends of int32, ties, infinities and NaN too.
func TestTwins(t *testing.T) {
	kerneltest.Need(t, (cpu.AVX2|cpu.NEON)&cpu.All(runtime.GOARCH))
	r := rand.New(rand.NewSource(2))
	for name, f := range impls {
		for range 300 {
			n := 16 * (1 + r.Intn(5))
			d, zero := dtype.U8, r.Intn(256)
			lo, hi := 0, 255
			if r.Intn(2) == 0 {
				d, zero, lo, hi = dtype.I8, zero-128, -128, 127
			}
			if r.Intn(3) == 0 {
				lo, hi = zero, min(hi, zero+r.Intn(100))
			}
			rule := NewRule(d, zero, lo, hi)
			acc, corr, m, x := make([]int32, n), make([]int32, n), make([]float32, n), make([]float32, n)
			a, b := make([]byte, n), make([]byte, n)
			r.Read(a)
			r.Read(b)
			for i := range acc {
				acc[i], corr[i] = int32(r.Uint32()), int32(r.Intn(2000)-1000)
				m[i], x[i] = float32(math.Ldexp(r.Float64(), -r.Intn(31))), float32(r.NormFloat64()*100)
				switch r.Intn(8) {
				case 0:
					acc[i], m[i] = int32(r.Intn(512)-256), 0.5 // ties
					x[i] = float32(r.Intn(512)-256) / 2
				case 1:
					acc[i] = []int32{math.MinInt32, math.MaxInt32, 0}[r.Intn(3)]
					x[i] = []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, float32(math.Copysign(0, -1)), math.Float32frombits(0x7f800001)}[r.Intn(6)]
				}
			}
			sum := Sum{XorA: Sign(d), XorB: 0, ZeroA: int32(r.Intn(256)), ZeroB: int32(r.Intn(256)), A: r.Float32(), B: r.Float32(), Y: r.Float32() + 0.1}
			run := func(f *Funcs) [][]byte {
				var out [10][]byte
				for i := range out {
					out[i] = make([]byte, n)
				}
				words := func(i int, u uint32) { out[i] = append(out[i], byte(u), byte(u>>8), byte(u>>16), byte(u>>24)) }
				f.Requant(n, &acc[0], corr[0], m[0], &rule, &out[0][0])
				f.RequantCols(n, &acc[0], &corr[0], &m[0], &rule, &out[1][0])
				f.Quantize(n, &x[0], 0.5, &rule, &out[2][0])
				f.Add(n, &a[0], &b[0], &sum, &rule, &out[3][0])
				copy(out[6], b)
				copy(out[7], b)
				two := append(append([]byte{}, a...), b...)
				f.Evens(n, &out[5][0], &two[0])
				f.MaxU8(n, &out[6][0], &a[0])
				f.MaxS8(n, &out[7][0], &a[0])
				y := make([]float32, n)
				f.Dequantize(n, &a[0], Sign(d), int32(zero), 0.37, &y[0])
				out[4] = nil
				for _, v := range y {
					words(4, math.Float32bits(v))
				}
				var ranges [32]float32
				f.Bounds(n, &x[0], &ranges[0], &ranges[16])
				for _, v := range ranges {
					words(8, math.Float32bits(v))
				}
				moved := make([]int32, n)
				f.Offset(n, &acc[0], corr[0], &moved[0])
				for _, v := range moved {
					words(9, uint32(v))
				}
				return out[:]
			}
			want, have := run(&Generic), run(f)
			for i := range want {
				if !bytes.Equal(have[i], want[i]) {
					t.Fatalf("%s: function %d: have %v, want %v", name, i, have[i], want[i])
				}
			}
		}
	}
}

// TestRule: hand calculations, halves going to the even side.
func TestRule(t *testing.T) {
	for _, c := range []struct {
		d      dtype.DType
		zero   int
		lo, hi int
		v      float32
		want   int
	}{
		{dtype.U8, 0, 0, 255, 0.5, 0}, {dtype.U8, 0, 0, 255, 1.5, 2}, {dtype.U8, 3, 0, 255, 2.5, 5}, {dtype.U8, 10, 0, 255, -11, 0},
		{dtype.I8, -128, -128, 127, 300, 127}, {dtype.I8, -128, -128, 127, 255, 127}, {dtype.I8, 5, -128, 127, -3.5, 1},
		{dtype.I8, 5, 5, 127, -3.5, 5}, {dtype.U8, 7, 0, 255, float32(math.NaN()), 7},
	} {
		r := NewRule(c.d, c.zero, c.lo, c.hi)
		have := int(r.Byte(c.v))
		if c.d == dtype.I8 {
			have = int(int8(have))
		}
		if have != c.want {
			t.Errorf("%v zero %d [%d,%d]: %v gives %d, want %d", c.d, c.zero, c.lo, c.hi, c.v, have, c.want)
		}
	}
}
