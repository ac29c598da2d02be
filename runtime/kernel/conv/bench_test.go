package conv_test

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/pool"
)

// benchCall binds a call of s; out are the output's extents.
func benchCall(b *testing.B, d *kernel.Desc, s *spec, p *pool.Pool, out ...int) *kernel.Call {
	n := count(s.w)
	k := kerneltest.Random(1, false, n)
	c := &kernel.Call{In: []tensor.Value{kerneltest.Random(2, false, s.x...)}, Out: []tensor.Value{tensor.V(tensor.New(dtype.F32, out...))},
		Consts: []tensor.Tensor{k.Tensor}, Attrs: s.attrs(), Pool: p}
	st, err := d.Prepare(c)
	if err != nil {
		b.Fatal(err)
	}
	c.State = st
	c.Scratch = tensor.AlignedBytes(d.Scratch(c, p.Threads()))
	return c
}

func BenchmarkConv(b *testing.B) {
	p1, p3 := []int64{1, 1, 1, 1}, []int64{3, 3, 3, 3}
	two := []int64{2, 2}
	for _, x := range []struct {
		name string
		s    spec
		out  []int
	}{
		{"3x3x64x64x56", spec{x: []int{1, 64, 56, 56}, w: []int{64, 64, 3, 3}, p: p1}, []int{1, 64, 56, 56}},
		{"3x3x128x128x28", spec{x: []int{1, 128, 28, 28}, w: []int{128, 128, 3, 3}, p: p1}, []int{1, 128, 28, 28}},
		{"3x3x256x256x14", spec{x: []int{1, 256, 14, 14}, w: []int{256, 256, 3, 3}, p: p1}, []int{1, 256, 14, 14}},
		{"3x3x512x512x7", spec{x: []int{1, 512, 7, 7}, w: []int{512, 512, 3, 3}, p: p1}, []int{1, 512, 7, 7}},
		{"3x3x64x128x56s2", spec{x: []int{1, 64, 56, 56}, w: []int{128, 64, 3, 3}, p: p1, s: two}, []int{1, 128, 28, 28}},
		{"1x1x256x64x56", spec{x: []int{1, 256, 56, 56}, w: []int{64, 256, 1, 1}}, []int{1, 64, 56, 56}},
		{"1x1x512x2048x7", spec{x: []int{1, 512, 7, 7}, w: []int{2048, 512, 1, 1}}, []int{1, 2048, 7, 7}},
		{"1x1x24x144x56", spec{x: []int{1, 24, 56, 56}, w: []int{144, 24, 1, 1}}, []int{1, 144, 56, 56}},
		{"1x1x256x512x56s2", spec{x: []int{1, 256, 56, 56}, w: []int{512, 256, 1, 1}, s: two}, []int{1, 512, 28, 28}},
		{"3x39x8x8x172x264", spec{x: []int{1, 8, 172, 264}, w: []int{8, 8, 3, 39}, p: []int64{1, 19, 1, 19}}, []int{1, 8, 172, 264}},
		{"7x3x32x1x172x88", spec{x: []int{1, 32, 172, 88}, w: []int{1, 32, 7, 3}, p: []int64{3, 1, 3, 1}}, []int{1, 1, 172, 88}},
		{"3x3x64x64x4", spec{x: []int{1, 64, 4, 4}, w: []int{64, 64, 3, 3}, p: p1}, []int{1, 64, 4, 4}},
		{"3x3x64x64x7", spec{x: []int{1, 64, 7, 7}, w: []int{64, 64, 3, 3}, p: p1}, []int{1, 64, 7, 7}},
		{"3x3x32x64x14s2", spec{x: []int{1, 32, 14, 14}, w: []int{64, 32, 3, 3}, p: p1, s: two}, []int{1, 64, 7, 7}},
		{"3x3x1x32x28", spec{x: []int{1, 1, 28, 28}, w: []int{32, 1, 3, 3}, p: p1}, []int{1, 32, 28, 28}},
		{"7x7x3x64x224s2", spec{x: []int{1, 3, 224, 224}, w: []int{64, 3, 7, 7}, p: p3, s: two}, []int{1, 64, 112, 112}},
		{"3x3x3x32x224s2", spec{x: []int{1, 3, 224, 224}, w: []int{32, 3, 3, 3}, p: p1, s: two}, []int{1, 32, 112, 112}},
	} {
		for _, d := range convs[:3] {
			if !d.Runnable(cpu.Host()) || d.Run == nil {
				continue
			}
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%s/%d", x.name, d.ID, threads), func(b *testing.B) {
					p := pool.New(threads)
					defer p.Close()
					c := benchCall(b, d, &x.s, p, x.out...)
					for b.Loop() {
						d.Run(c)
					}
					macs := float64(count(x.out)) * float64(count(x.s.w[1:]))
					b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
				})
			}
		}
	}
}

func BenchmarkTranspose(b *testing.B) {
	s := spec{x: []int{1, 64, 28, 28}, w: []int{64, 32, 4, 4}, s: []int64{2, 2}, p: []int64{1, 1, 1, 1}}
	for _, d := range transposes[:3] {
		if !d.Runnable(cpu.Host()) || d.Run == nil {
			continue
		}
		b.Run(d.ID, func(b *testing.B) {
			c := benchCall(b, d, &s, nil, 1, 32, 56, 56)
			for b.Loop() {
				d.Run(c)
			}
			b.ReportMetric(float64(64*28*28*32*16)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}
