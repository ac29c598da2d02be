package softmax_test

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
	"github.com/mlc-go/mlc/runtime/kernel/softmax"
)

var descs = []*kernel.Desc{&softmax.F32_avx512, &softmax.F32_avx2, &softmax.F32_neon, &softmax.F32_generic}

// TestWays: every way through the rows gives the reference's results and writes
// nothing else, whatever its scratch held.
func TestWays(t *testing.T) {
	var cases []kerneltest.Case
	for _, dims := range [][]int{{300, 2, 1}, {131, 16, 1}, {9, 17, 1}, {2, 21, 300}, {2, 70, 129}, {3, 16, 5}, {1, 5000, 9}} {
		x, a := kerneltest.Random(1, false, dims...), attr.Map{"axis": attr.Int(1)}
		cases = append(cases, kerneltest.Case{Name: fmt.Sprint(dims), In: []tensor.Value{x}, Attrs: a,
			Want: kerneltest.Eval(t, ref.Softmax, a, 1, x), Tol: tensor.Custom(1e-5, 1e-9)})
	}
	kerneltest.All(t, descs, cases)
}

// BenchmarkSoftmax is over short rows (a detector's scores), the channels of a map
// (a segmentation), rows of attention, and one row of classes.
func BenchmarkSoftmax(b *testing.B) {
	for _, dims := range [][]int{{4420, 2, 1}, {100, 10, 1}, {1, 21, 4096}, {1536, 128, 1}, {1, 1000, 1}, {64, 16, 7}} {
		x := kerneltest.Random(1, false, dims...)
		c := kernel.Call{In: []tensor.Value{x}, Out: tensor.Vs(tensor.New(dtype.F32, dims...)), Attrs: attr.Map{"axis": attr.Int(1)}}
		for _, d := range descs {
			kerneltest.Bench(b, fmt.Sprintf("%dx%dx%d", dims[0], dims[1], dims[2]), d, c, x.Tensor.Len())
		}
	}
}
