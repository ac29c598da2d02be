package reduce_test

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

var descs = []*kernel.Desc{&reduce.F32_avx512, &reduce.F32_avx2, &reduce.F32_neon, &reduce.F32_generic}

// BenchmarkReduce is over maps, channels, the batch, and short rows.
func BenchmarkReduce(b *testing.B) {
	for _, s := range []struct {
		kind string
		dims []int
		axis int64
	}{
		{"mean", []int{64, 3136}, 1}, {"mean", []int{64, 16}, 1}, {"mean", []int{128, 3136}, 0}, {"sum", []int{64, 1000}, 0},
		{"l2", []int{128, 3136}, 0}, {"max", []int{21, 4096}, 0}, {"l2", []int{100, 768}, 1}, {"sum", []int{4420, 4}, 1},
	} {
		x := kerneltest.Random(1, false, s.dims...)
		c := kernel.Call{In: []tensor.Value{x, tensor.V(tensor.MustOf([]int64{s.axis}, 1))}, Out: tensor.Vs(tensor.New(dtype.F32, s.dims[1-s.axis])),
			Attrs: attr.Map{"kind": attr.Str(s.kind), "keepdims": attr.Int(0)}}
		for _, d := range descs {
			kerneltest.Bench(b, fmt.Sprintf("%s/%dx%d/%d", s.kind, s.dims[0], s.dims[1], s.axis), d, c, x.Tensor.Len())
		}
	}
}
