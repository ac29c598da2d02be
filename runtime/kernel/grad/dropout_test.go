package grad_test

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// TestMask: the bits are those of the reference, whatever the ratio.
func TestMask(t *testing.T) {
	var cases []kerneltest.Case
	for i, ratio := range []float32{0, 0x1p-149, 0x1p-53, 0x1.8p-20, 0.1, 0.5, 0.75, 0x1.fffffep-1} {
		for _, dims := range [][]int64{{0}, {1}, {7, 5}, {3, 8192}, {20000}} {
			key := tensor.V(tensor.MustOf([]int64{-5, int64(i), 1 << 40}, 3))
			a := attr.Map{"ratio": attr.Float(ratio), "dtype": attr.Int(1)}
			c := kerneltest.Case{Name: fmt.Sprint(ratio, dims), In: []tensor.Value{key}, Attrs: a, Tol: tensor.Exact}
			c.Want = kerneltest.Eval(t, ref.DropoutMask, a, 1, key, tensor.V(tensor.MustOf(dims, len(dims))))
			cases = append(cases, c)
		}
	}
	kerneltest.All(t, []*kernel.Desc{&grad.Mask}, cases)
}
