package pooling_test

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/pooling"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

var (
	maxs  = []*kernel.Desc{&pooling.Max_avx512, &pooling.Max_avx2, &pooling.Max_neon, &pooling.Max_generic}
	means = []*kernel.Desc{&pooling.Avg_avx512, &pooling.Avg_avx2, &pooling.Avg_neon, &pooling.Avg_generic}
)

// square is a pool of k x k with stride s over maps of ch channels, size x size.
type square struct{ ch, size, k, s, pad int }

func (c square) attrs() attr.Map {
	two := func(v int) attr.Value { return attr.Ints(int64(v), int64(v)) }
	return attr.Map{"kernel_shape": two(c.k), "strides": two(c.s), "dilations": two(1), "pads": attr.Ints(int64(c.pad), int64(c.pad), int64(c.pad), int64(c.pad)),
		"ceil_mode": attr.Int(0), "count_include_pad": attr.Int(0)}
}

func (c square) String() string {
	return fmt.Sprintf("%dx%dx%d/k%ds%d", c.ch, c.size, c.size, c.k, c.s)
}

// TestSquares: the reference's results, and nothing written but them, whatever
// the scratch held and wherever the input lies.
func TestSquares(t *testing.T) {
	for _, p := range []struct {
		descs []*kernel.Desc
		ref   kernel.RefFunc
	}{{maxs, ref.MaxPool}, {means, ref.AveragePool}} {
		var cases []kerneltest.Case
		for _, c := range []square{{32, 28, 2, 2, 0}, {8, 14, 2, 2, 0}, {3, 33, 3, 2, 1}, {5, 27, 3, 3, 1}, {4, 28, 3, 1, 1}, {2, 40, 5, 4, 2}, {2, 40, 5, 5, 2}, {3, 7, 7, 7, 0}, {2, 9, 1, 1, 0}, {2, 60, 51, 1, 0}, {2, 60, 51, 2, 3}} {
			x := kerneltest.Random(1, false, 2, c.ch, c.size, c.size)
			cases = append(cases, kerneltest.Case{Name: c.String(), In: []tensor.Value{x}, Attrs: c.attrs(), Want: kerneltest.Eval(t, p.ref, c.attrs(), 1, x), Tol: tensor.Custom(1e-5, 1e-6)})
		}
		kerneltest.All(t, p.descs, cases)
	}
}

// BenchmarkPool is the pools that nets have; ns/elem counts elements read.
func BenchmarkPool(b *testing.B) {
	for _, c := range []square{{32, 28, 2, 2, 0}, {8, 14, 2, 2, 0}, {64, 112, 3, 2, 1}, {64, 55, 3, 2, 0}, {64, 28, 3, 1, 1}} {
		out := (c.size+2*c.pad-c.k)/c.s + 1
		x := kerneltest.Random(1, false, 1, c.ch, c.size, c.size)
		call := kernel.Call{In: []tensor.Value{x}, Out: tensor.Vs(tensor.New(dtype.F32, 1, c.ch, out, out)), Attrs: c.attrs()}
		for i := range maxs {
			kerneltest.Bench(b, c.String(), maxs[i], call, x.Tensor.Len())
			kerneltest.Bench(b, c.String(), means[i], call, x.Tensor.Len())
		}
	}
}
