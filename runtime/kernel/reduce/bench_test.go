package reduce

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// BenchmarkReduce is over maps, channels, the batch, and short rows.
func BenchmarkReduce(b *testing.B) {
	for _, c := range []struct {
		kind string
		dims []int
		axis int64
	}{
		{"mean", []int{64, 3136}, 1}, {"mean", []int{64, 16}, 1}, {"mean", []int{128, 3136}, 0}, {"sum", []int{64, 1000}, 0},
		{"l2", []int{128, 3136}, 0}, {"max", []int{21, 4096}, 0}, {"l2", []int{100, 768}, 1}, {"sum", []int{4420, 4}, 1},
	} {
		x, err := tensor.Random(dtype.F32, 1, c.dims...)
		if err != nil {
			b.Fatal(err)
		}
		y := tensor.New(dtype.F32, c.dims[1-c.axis])
		for _, im := range runnable() {
			b.Run(fmt.Sprintf("%s/%dx%d/%d/%s", c.kind, c.dims[0], c.dims[1], c.axis, im.d.ID), func(b *testing.B) {
				call := &kernel.Call{In: tensor.Vs(x, tensor.MustOf([]int64{c.axis}, 1)), Out: tensor.Vs(y), Attrs: attr.Map{"kind": attr.Str(c.kind), "keepdims": attr.Int(0)}}
				st, err := im.d.Prepare(call)
				if err != nil {
					b.Fatal(err)
				}
				call.State = st
				call.Scratch = tensor.AlignedBytes(im.d.Scratch(call, 1))
				for b.Loop() {
					im.d.Run(call)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.Len()), "ns/elem")
			})
		}
	}
}
