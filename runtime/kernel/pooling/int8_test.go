package pooling_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/pooling"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// MaxPool of bytes is ref.MaxPool's: windows that hang over, that meet padding
// more than input, and strides that are read by evens and one by one.
func TestMaxOfBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var cases []kerneltest.Case
	for range 60 {
		d := []dtype.DType{dtype.U8, dtype.I8}[r.IntN(2)]
		k, s, dil := []int64{1 + r.Int64N(4), 1 + r.Int64N(4)}, []int64{1 + r.Int64N(3), 1 + r.Int64N(3)}, []int64{1 + r.Int64N(2), 1 + r.Int64N(2)}
		p := []int64{r.Int64N(k[0]), r.Int64N(k[1]), r.Int64N(k[0]), r.Int64N(k[1])}
		x := tensor.New(d, 1+r.IntN(2), 1+r.IntN(3), int((k[0]-1)*dil[0])+1+r.IntN(9), int((k[1]-1)*dil[1])+1+r.IntN(70))
		lo, hi := d.IntRange()
		for i := range x.Len() {
			x.SetInt(i, lo+r.Int64N(hi-lo+1))
		}
		a := attr.Map{"kernel_shape": attr.Ints(k...), "strides": attr.Ints(s...), "dilations": attr.Ints(dil...), "pads": attr.Ints(p...),
			"ceil_mode": attr.Bool(r.IntN(2) == 0), "auto_pad": attr.Str("NOTSET"), "storage_order": attr.Int(0)}
		cases = append(cases, kerneltest.Case{Name: fmt.Sprint(x.Type(), k, s, dil, p), In: tensor.Vs(x), Attrs: a, Tol: tensor.Exact,
			Want: kerneltest.Eval(t, ref.MaxPool, a, 1, tensor.V(x))})
	}
	kerneltest.All(t, []*kernel.Desc{&pooling.MaxI8_avx2, &pooling.MaxI8_neon, &pooling.MaxI8_generic}, cases)
}
