package quant_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// Quantizing by range gives exactly what the reference function gives: ranges
// on one side of zero, none, infinite, beyond float32, and so small that the
// scale is 0, with NaN and zeros of both signs in between.
func TestDynamic(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	odd := []float32{nan, math.Float32frombits(0x7fa00001), float32(math.Copysign(0, -1)), 0}
	var cases []kerneltest.Case
	for _, n := range []int{0, 1, 15, 16, 33, 500, 16<<10 + 17, 70001} {
		for _, c := range []struct {
			name string
			f    func() float32
		}{
			{"both", func() float32 { return float32(r.NormFloat64() * 3) }},
			{"positive", func() float32 { return 5 + r.Float32() }},
			{"negative", func() float32 { return -5 - r.Float32() }},
			{"zeros", func() float32 { return odd[2+r.IntN(2)] }},
			{"nothing", func() float32 { return nan }},
			{"infinite", func() float32 { return []float32{inf, 1, -2}[r.IntN(3)] }},
			{"infinite-", func() float32 { return []float32{-inf, 1, -2}[r.IntN(3)] }},
			{"all", func() float32 { return []float32{-inf, inf, -2}[r.IntN(3)] }},
			{"largest", func() float32 { return []float32{-math.MaxFloat32, math.MaxFloat32, 7}[r.IntN(3)] }},
			{"smallest", func() float32 { return math.Float32frombits(uint32(r.IntN(300))) }},
		} {
			x := tensor.New(dtype.F32, n)
			for i := range n {
				v := c.f()
				if r.IntN(9) == 0 {
					v = odd[r.IntN(len(odd))]
				}
				tensor.Slice[float32](&x)[i] = v
			}
			cases = append(cases, kerneltest.Case{Name: fmt.Sprint(c.name, n), In: tensor.Vs(x), Tol: tensor.Exact, Want: kerneltest.Eval(t, ref.DynamicQuantizeLinear, nil, 3, tensor.V(x))})
		}
	}
	kerneltest.All(t, []*kernel.Desc{&quant.Dynamic_avx2, &quant.Dynamic_neon, &quant.Dynamic_generic}, cases)
}
