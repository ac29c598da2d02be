package gemm_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

func randomBytes(r *rand.Rand, d dtype.DType, extreme bool, dims ...int) tensor.Value {
	t := tensor.New(d, dims...)
	lo, hi := d.IntRange()
	for i := range t.Len() {
		v := lo + r.Int64N(hi-lo+1)
		if extreme {
			v = []int64{lo, hi, v}[r.IntN(3)]
		}
		t.SetInt(i, v)
	}
	return tensor.V(t)
}

// TestSums: exact products of signed and unsigned activations by weights with
// and without zero points, some at extremes, are what MatMulInteger says.
func TestSums(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var cases []kerneltest.Case
	for _, s := range [][]int{{1, 1, 1}, {1, 7, 12}, {3, 33, 40}, {6, 64, 16}, {17, 130, 29}, {22, 61, 100}, {49, 300, 7}, {100, 35, 70}, {0, 5, 6}, {700, 12, 30}} {
		for kind := range 6 {
			rows, k, n := s[0], s[1], s[2]
			d := []dtype.DType{dtype.U8, dtype.I8}[kind%2]
			x, w := randomBytes(r, d, kind > 3, rows, k), randomBytes(r, dtype.I8, kind > 3, k, n)
			zx := randomBytes(r, d, kind > 3)
			sums := tensor.New(dtype.I32, n)
			for i, v := range tensor.Slice[int8](&w.Tensor) {
				tensor.Slice[int32](&sums)[i%n] += int32(v)
			}
			packed := tensor.New(dtype.I8, n*4*gemm.Groups(k))
			gemm.PackI8(tensor.Slice[int8](&packed), tensor.Slice[int8](&w.Tensor), n, k, n, true)
			c := kerneltest.Case{Name: fmt.Sprint(s, kind), In: []tensor.Value{x, zx}, Consts: []tensor.Tensor{packed, sums}, Tol: tensor.Exact}
			in := []tensor.Value{x, w, zx}
			switch {
			case kind >= 2:
				zw := randomBytes(r, dtype.I8, kind > 3, n)
				in = append(in, zw)
				wide := tensor.New(dtype.I32, n)
				for i, v := range tensor.Slice[int8](&zw.Tensor) {
					tensor.Slice[int32](&wide)[i] = int32(v)
				}
				c.Consts = append(c.Consts, wide)
			case kind == 1:
				c.In, c.Attrs = c.In[:1], attr.Map{quant.AttrXZero: attr.Int(int(zx.Tensor.Int(0)))}
			}
			c.Want = kerneltest.Eval(t, ref.MatMulInteger, nil, 1, in...)
			cases = append(cases, c)
		}
	}
	kerneltest.All(t, []*kernel.Desc{&gemm.I32_14x32_avx512vnni, &gemm.I32_6x16_avx2, &gemm.I32_4x16_dotprod, &gemm.I32_4x16_neon, &gemm.I32_generic}, cases)
}
