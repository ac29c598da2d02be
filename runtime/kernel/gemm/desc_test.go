package gemm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

var products = []*kernel.Desc{&gemm.F32_14x32_avx512, &gemm.F32_6x16_avx2, &gemm.F32_4x16_neon, &gemm.F32_generic}

var matmuls = []*kernel.Desc{&gemm.MatMulF32_14x32_avx512, &gemm.MatMulF32_6x16_avx2, &gemm.MatMulF32_4x16_neon, &gemm.MatMulF32_generic}

// tol is what float32 sums of some hundred normal products may be off.
var tol = tensor.Custom(1e-5, 1e-4)

func f32(v *tensor.Value) []float32 { return tensor.Slice[float32](&v.Tensor) }

// packed is B[k,n] as the constant of a product.
func packed(b tensor.Value, k, n int, trans bool) tensor.Tensor {
	t := tensor.New(b.Tensor.DType(), gemm.PackedB(k, n))
	ld := n
	if trans {
		ld = k
	}
	gemm.PackB(tensor.Slice[float32](&t), f32(&b), k, n, ld, trans)
	return t
}

func TestProduct(t *testing.T) {
	var cases []kerneltest.Case
	for i, s := range [][]int{{1, 1, 1}, {3, 17, 5}, {0, 4, 3}, {2, 0, 3}, {2, 3, 0}, {1, 300, 70}, {15, 512, 33}, {150, 70, 65}, {6, 257, 16}, {33, 1024, 10}} {
		m, k, n := s[0], s[1], s[2]
		for _, special := range []bool{false, true} {
			a, b := kerneltest.Random(uint64(i), special, m, k), kerneltest.Random(uint64(100+i), special, k, n)
			c := kerneltest.Case{Name: fmt.Sprintf("m=%d k=%d n=%d special=%v", m, k, n, special), In: []tensor.Value{a},
				Consts: []tensor.Tensor{packed(b, k, n, false)}, Want: kerneltest.Eval(t, ref.MatMul, nil, 1, a, b), Tol: tol}
			if special {
				c.Tol = tensor.Custom(1e-4, 1e-3)
			}
			cases = append(cases, c)
		}
	}
	kerneltest.All(t, products, cases)
}

func TestProductForms(t *testing.T) {
	a, b, bias := kerneltest.Random(1, false, 2, 3, 4, 40), kerneltest.Random(2, false, 40, 35), kerneltest.Random(3, false, 35)
	res := kerneltest.Random(4, false, 2, 3, 4, 35)
	y := kerneltest.Eval(t, ref.MatMul, nil, 1, a, b)
	biased := kerneltest.Eval(t, ref.Add, nil, 1, y[0], bias)
	added := kerneltest.Eval(t, ref.Add, nil, 1, biased[0], res)
	relu := kerneltest.Eval(t, ref.Relu, nil, 1, added[0])
	v := kerneltest.Random(5, false, 40)
	kerneltest.All(t, products, []kerneltest.Case{
		{Name: "rank 4", In: []tensor.Value{a}, Consts: []tensor.Tensor{packed(b, 40, 35, false)}, Want: y, Tol: tol},
		{Name: "vector", In: []tensor.Value{v}, Consts: []tensor.Tensor{packed(b, 40, 35, false)}, Want: kerneltest.Eval(t, ref.MatMul, nil, 1, v, b), Tol: tol},
		{Name: "bias", In: []tensor.Value{a}, Consts: []tensor.Tensor{packed(b, 40, 35, false), bias.Tensor},
			Attrs: attr.Map{eltwise.AttrProg: attr.Strs("add %0 %1")}, Want: biased, Tol: tol},
		{Name: "bias, sum, relu", In: []tensor.Value{a, res}, Consts: []tensor.Tensor{packed(b, 40, 35, false), bias.Tensor},
			Attrs: attr.Map{eltwise.AttrProg: attr.Strs("add %0 %2", "add %3 %1", "relu %4")}, Want: relu, Tol: tol},
	})
}

func TestMatMul(t *testing.T) {
	var cases []kerneltest.Case
	for i, s := range []struct{ a, b []int }{
		{[]int{3, 4}, []int{4, 5}}, {[]int{2, 3, 4}, []int{4, 17}}, {[]int{2, 3, 4}, []int{2, 4, 17}}, {[]int{6, 1, 5, 64}, []int{1, 7, 64, 33}},
		{[]int{40}, []int{40}}, {[]int{40}, []int{40, 9}}, {[]int{50, 40}, []int{40}}, {[]int{3, 50, 40}, []int{40}}, {[]int{3, 50, 40}, []int{3, 40, 1}},
		{[]int{40}, []int{3, 40, 9}}, {[]int{1, 4, 8}, []int{5, 8, 3}}, {[]int{0, 4, 8}, []int{8, 3}}, {[]int{2, 4, 0}, []int{0, 3}}, {[]int{12, 30, 64}, []int{12, 64, 30}},
		{[]int{2, 130, 300}, []int{2, 300, 50}}, {[]int{1, 700}, []int{700, 1}},
	} {
		a, b := kerneltest.Random(uint64(i), false, s.a...), kerneltest.Random(uint64(100+i), false, s.b...)
		cases = append(cases, kerneltest.Case{Name: fmt.Sprint(s.a, s.b), In: []tensor.Value{a, b}, Want: kerneltest.Eval(t, ref.MatMul, nil, 1, a, b), Tol: tol})
	}
	for _, s := range [][3]int{{3, 4, 5}, {60, 50, 1}, {1, 30, 1}, {33, 300, 20}, {128, 64, 128}} {
		for f := range 4 {
			ta, tb := f&1, f>>1
			m, k, n := s[0], s[1], s[2]
			da, db := []int{m, k}, []int{k, n}
			if ta == 1 {
				da = []int{k, m}
			}
			if tb == 1 {
				db = []int{n, k}
			}
			at := attr.Map{"transA": attr.Int(ta), "transB": attr.Int(tb), "alpha": attr.Float(1), "beta": attr.Float(1)}
			a, b, bias := kerneltest.Random(9, false, da...), kerneltest.Random(10, false, db...), kerneltest.Random(11, false, n)
			cases = append(cases, kerneltest.Case{Name: fmt.Sprint(s, ta, tb), In: []tensor.Value{a, b}, Attrs: at, Want: kerneltest.Eval(t, ref.Gemm, at, 1, a, b), Tol: tol})
			e := at.Clone()
			e[eltwise.AttrProg] = attr.Strs("add %0 %1")
			cases = append(cases, kerneltest.Case{Name: fmt.Sprint(s, ta, tb, "bias"), In: []tensor.Value{a, b}, Consts: []tensor.Tensor{bias.Tensor}, Attrs: e,
				Want: kerneltest.Eval(t, ref.Gemm, at, 1, a, b, bias), Tol: tol})
		}
	}
	kerneltest.All(t, matmuls, cases)
}

// Wrong extents are errors when a call is prepared, never of its run.
func TestPrepareChecks(t *testing.T) {
	x := func(dims ...int) tensor.Value { return kerneltest.Random(1, false, dims...) }
	b := packed(x(40, 20), 40, 20, false)
	for _, c := range []struct {
		name string
		d    *kernel.Desc
		call kernel.Call
		want string
	}{
		{"rows", &gemm.F32_generic, kernel.Call{In: []tensor.Value{x(3, 40)}, Out: []tensor.Value{x(4, 20)}, Consts: []tensor.Tensor{b}}, "rows of the product: have [4 20], want [3]"},
		{"packed", &gemm.F32_generic, kernel.Call{In: []tensor.Value{x(3, 41)}, Out: []tensor.Value{x(3, 20)}, Consts: []tensor.Tensor{b}}, "B: have 1280 packed elements"},
		{"inner", &gemm.MatMulF32_generic, kernel.Call{In: []tensor.Value{x(3, 4), x(5, 6)}, Out: []tensor.Value{x(3, 6)}}, "f32[3,4] by f32[5,6] to f32[3,6]"},
		{"batch", &gemm.MatMulF32_generic, kernel.Call{In: []tensor.Value{x(2, 3, 4), x(3, 4, 6)}, Out: []tensor.Value{x(2, 3, 6)}}, "want matrices that fit"},
		{"scalar", &gemm.MatMulF32_generic, kernel.Call{In: []tensor.Value{x(), x(3, 4, 6)}, Out: []tensor.Value{x(2, 3, 6)}}, "want matrices that fit"},
	} {
		if _, err := c.d.Prepare(&c.call); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: have %v, want %q", c.name, err, c.want)
		}
	}
}
