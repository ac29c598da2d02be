package pooling

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// BenchmarkPool is the pools that nets have, random elements, one thread;
// ns/elem counts elements read.
func BenchmarkPool(b *testing.B) {
	for _, c := range []struct{ ch, size, k, s, pad int64 }{
		{32, 28, 2, 2, 0}, {8, 14, 2, 2, 0}, {64, 112, 3, 2, 1}, {64, 55, 3, 2, 0}, {64, 28, 3, 1, 1},
	} {
		out := (c.size+2*c.pad-c.k)/c.s + 1
		x, err := tensor.Random(dtype.F32, 1, 1, int(c.ch), int(c.size), int(c.size))
		if err != nil {
			b.Fatal(err)
		}
		y := tensor.New(dtype.F32, 1, int(c.ch), int(out), int(out))
		for _, ds := range append([][3]*kernel.Desc{{&Max_generic, &Avg_generic}}, fast...) {
			for _, d := range ds[:2] {
				if !d.Runnable(cpu.Detect()) {
					continue
				}
				b.Run(fmt.Sprintf("%dx%dx%d/k%ds%d/%s", c.ch, c.size, c.size, c.k, c.s, d.ID), func(b *testing.B) {
					call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(y), Attrs: attr.Map{"kernel_shape": attr.Ints(c.k, c.k),
						"strides": attr.Ints(c.s, c.s), "dilations": attr.Ints(1, 1), "pads": attr.Ints(c.pad, c.pad, c.pad, c.pad)}}
					st, err := d.Prepare(call)
					if err != nil {
						b.Fatal(err)
					}
					call.State = st
					call.Scratch = tensor.AlignedBytes(d.Scratch(call, 1))
					for b.Loop() {
						d.Run(call)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.Len()), "ns/elem")
				})
			}
		}
	}
}
