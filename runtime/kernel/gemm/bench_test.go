package gemm

import (
	"fmt"
	"math/rand"
	"testing"
	"time"
	"unsafe"

	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/pool"
)

// aligned returns n elements from an address divisible by 64.
func aligned(n int) []float32 {
	b := make([]float32, n+16)
	o := int(-uintptr(unsafe.Pointer(&b[0])) & 63 / 4)
	return b[o : o+n : o+n]
}

func benchMicros(b *testing.B, f func(b *testing.B, m *Micro)) {
	for _, m := range allMicros {
		if m != &Generic && cpu.Host().Has(m.Needs) {
			b.Run(m.Name, func(b *testing.B) { f(b, m) })
		}
	}
}

// best runs f b.N times and reports the speed of the fastest run: on a machine
// shared with others the mean says little.
func best(b *testing.B, macs int, f func()) {
	least := time.Duration(1 << 62)
	for b.Loop() {
		start := time.Now()
		f()
		least = min(least, time.Since(start))
	}
	b.ReportMetric(2*float64(macs)/float64(least), "best-GFLOP/s")
}

// BenchmarkPeak is the speed of the highest tile with all operands in L1: what
// the multiply-add units give.
func BenchmarkPeak(b *testing.B) {
	benchMicros(b, func(b *testing.B, m *Micro) {
		const kc = 64
		x, y, c := aligned(m.MR*kc), aligned(m.NP*16*kc), aligned(m.MR*m.NP*16)
		best(b, 100*m.MR*m.NP*16*kc, func() {
			for range 100 {
				m.call(m.MR, m.NP, 1, kc, &x[0], kc, &y[0], kc*16, &c[0], m.NP*16, 0)
			}
		})
	})
}

// BenchmarkPeak8 is the speed of the highest 8-bit tile with all operands in L1.
func BenchmarkPeak8(b *testing.B) {
	for _, m := range append([]*Micro8{&Generic8}, micros8...) {
		if m.Needs&^cpu.Host() != 0 {
			continue
		}
		b.Run(m.Name, func(b *testing.B) {
			const k = 64
			x, y, c := aligned(m.MR*k), aligned(m.NP*m.PanelBytes(k)/4), aligned(m.MR*m.NP*Panel)
			panel, sums, next := (*uint8)(unsafe.Pointer(&y[0])), (*int32)(unsafe.Pointer(&c[0])), (*int8)(unsafe.Pointer(&x[0]))
			lda := k
			best(b, 100*m.MR*m.NP*Panel*k, func() {
				for range 100 {
					m.call(m.MR, m.NP, 1, Groups(k), unsafe.Pointer(&x[0]), lda, panel, m.PanelBytes(k), sums, m.NP*Panel, next)
				}
			})
		})
	}
}

// BenchmarkGemm multiplies activations by a packed constant, or a constant by
// packed activations ("rows"), or two activations ("dynamic").
func BenchmarkGemm(b *testing.B) {
	for _, s := range []struct {
		m, n, k, threads int
		kind             string
	}{
		{512, 512, 512, 1, "const"}, {512, 512, 512, 2, "const"}, {1024, 1024, 1024, 1, "const"},
		{128, 3072, 768, 1, "const"}, {1, 4096, 4096, 1, "const"}, {1, 512, 512, 1, "const"}, {4, 1024, 1024, 1, "const"},
		{64, 3136, 576, 1, "rows"}, {64, 3136, 576, 2, "rows"}, {512, 49, 4608, 1, "rows"}, {512, 49, 4608, 2, "rows"},
		{128, 128, 64, 1, "dynamic"}, {128, 128, 64, 1, "dynamicT"}, {128, 64, 128, 1, "dynamic"},
	} {
		b.Run(fmt.Sprintf("%dx%dx%d/%s/threads=%d", s.m, s.n, s.k, s.kind, s.threads), func(b *testing.B) {
			benchMicros(b, func(b *testing.B, m *Micro) { benchGemm(b, m, s.m, s.n, s.k, s.threads, s.kind) })
		})
	}
}

func benchGemm(b *testing.B, micro *Micro, m, n, k, threads int, kind string) {
	var p *pool.Pool
	if threads > 1 {
		p = pool.New(threads)
		defer p.Close()
	}
	r := rand.New(rand.NewSource(1))
	a, x, c := aligned(m*k), aligned(PackedB(k, n)), aligned(m*n)
	fill(r, a, false)
	fill(r, x, false)
	params := Params{M: m, N: n, K: k, A: a, LdA: k, B: x, C: c, LdC: n}
	switch kind {
	case "rows":
		params.LdA = 0
		params.Pack = &Source{B: x, K: k, N: n, Ld: n, Micro: micro}
	case "dynamic":
		params.Pack = &Source{B: x, K: k, N: n, Ld: n, Micro: micro}
	case "dynamicT":
		params.Pack = &Source{B: x, K: k, N: n, Ld: k, Trans: true, Micro: micro}
	}
	job := micro.Prepare(params, threads)
	scratch := aligned(job.Scratch())
	best(b, m*n*k, func() { job.Run(p, scratch) })
}

// BenchmarkPack moves 576 x 3136 elements into panels of blocks of 256 columns.
func BenchmarkPack(b *testing.B) {
	const k, n = 576, 3136
	src, dst := aligned(k*n), aligned(BlockK*blockCols)
	fill(rand.New(rand.NewSource(1)), src, false)
	for _, trans := range []bool{false, true} {
		b.Run(fmt.Sprintf("trans=%v", trans), func(b *testing.B) {
			benchMicros(b, func(b *testing.B, m *Micro) {
				s := &Source{B: src, K: k, N: n, Ld: n, Trans: trans, Micro: m}
				if trans {
					s.Ld = k
				}
				least := time.Duration(1 << 62)
				for b.Loop() {
					start := time.Now()
					for n0 := 0; n0 < n; n0 += blockCols {
						nc := min(blockCols, n-n0)
						for k0 := 0; k0 < k; k0 += BlockK {
							kc := min(BlockK, k-k0)
							s.Pack(dst[:kc*panels(nc)*Panel], k0, kc, n0, nc, 0)
						}
					}
					least = min(least, time.Since(start))
				}
				b.ReportMetric(k*n*4/float64(least), "best-GB/s")
			})
		})
	}
}
