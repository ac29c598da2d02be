package softmax

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// BenchmarkSoftmax is over short rows (a detector's scores), the channels of a map
// (a segmentation), rows of attention, and one row of classes.
func BenchmarkSoftmax(b *testing.B) {
	for _, c := range [][3]int{{4420, 2, 1}, {100, 10, 1}, {1, 21, 4096}, {1536, 128, 1}, {1, 1000, 1}, {64, 16, 7}} {
		x, err := tensor.Random(dtype.F32, 1, c[:]...)
		if err != nil {
			b.Fatal(err)
		}
		y := tensor.New(dtype.F32, c[:]...)
		for _, d := range append([]*kernel.Desc{&F32_generic}, fast...) {
			if !d.Runnable(cpu.Detect()) {
				continue
			}
			b.Run(fmt.Sprintf("%dx%dx%d/%s", c[0], c[1], c[2], d.ID), func(b *testing.B) {
				call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(y), Attrs: attr.Map{"axis": attr.Int(1)}}
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
