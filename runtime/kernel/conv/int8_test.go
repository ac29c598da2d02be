package conv_test

import (
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

var convs8 = []*kernel.Desc{&conv.I8_14x32_avx512vnni, &conv.I8_6x16_avx2, &conv.I8_4x16_dotprod, &conv.I8_4x16_neon, &conv.I8_generic}

// randomBytes are bytes of a type; of three, two are extremes where extreme.
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

func scalar(d dtype.DType, v float64) tensor.Value {
	t := tensor.New(d)
	t.SetFloat(0, v)
	return tensor.V(t)
}

// test8 makes a case whose Want is what QLinearConv says.
func (s *spec) test8(t *testing.T, r *rand.Rand) kerneltest.Case {
	types := []dtype.DType{dtype.U8, dtype.I8}
	xd, yd := types[r.IntN(2)], types[r.IntN(2)]
	m, k := s.w[0], count(s.w[1:])
	x, w := randomBytes(r, xd, s.special, s.x...), randomBytes(r, dtype.I8, s.special, s.w...)
	lo, hi := xd.IntRange()
	zx := lo + r.Int64N(hi-lo+1)
	lo, hi = yd.IntRange()
	zy := lo + r.Int64N(hi-lo+1)
	sw, bias := tensor.New(dtype.F32, m), tensor.New(dtype.I32, m)
	factors, sums := tensor.New(dtype.F32, m), tensor.New(dtype.I32, m)
	sx, sy := float32(0.01+r.Float32()), float32(30+100*r.Float32())
	for i := range m {
		v := float32(0.01 + 0.1*r.Float32())
		sw.SetFloat(i, float64(v))
		factors.SetFloat(i, float64(float32(float64(sx)*float64(v)/float64(sy))))
		bias.SetInt(i, r.Int64N(20000)-10000)
		sum := int64(0)
		for q := range k {
			sum += w.Tensor.Int(i*k + q)
		}
		sums.SetInt(i, sum)
	}
	packed := tensor.New(dtype.I8, m*4*gemm.Groups(k))
	gemm.PackI8(tensor.Slice[int8](&packed), tensor.Slice[int8](&w.Tensor), m, k, k, false)
	a := s.attrs()
	c := kerneltest.Case{Name: s.name(), In: []tensor.Value{x}, Consts: []tensor.Tensor{packed, factors, bias, sums}, Attrs: a.Clone(), Tol: tensor.Exact}
	c.Attrs[quant.AttrXZero], c.Attrs[quant.AttrYZero] = attr.Int(int(zx)), attr.Int(int(zy))
	c.Attrs[quant.AttrYLow], c.Attrs[quant.AttrYHigh] = attr.Int(int(lo)), attr.Int(int(hi))
	c.Want = kerneltest.Eval(t, ref.QLinearConv, a, 1, x, scalar(dtype.F32, float64(sx)), scalar(xd, float64(zx)),
		w, tensor.V(sw), tensor.Value{}, scalar(dtype.F32, float64(sy)), scalar(yd, float64(zy)), tensor.V(bias))
	return c
}

var convs32 = []*kernel.Desc{&conv.I32_14x32_avx512vnni, &conv.I32_6x16_avx2, &conv.I32_4x16_dotprod, &conv.I32_4x16_neon, &conv.I32_generic}

// test32 makes a case whose Want is what ConvInteger says.
func (s *spec) test32(t *testing.T, r *rand.Rand) kerneltest.Case {
	xd := []dtype.DType{dtype.U8, dtype.I8}[r.IntN(2)]
	m, k := s.w[0], count(s.w[1:])
	x, w, zx := randomBytes(r, xd, s.special, s.x...), randomBytes(r, dtype.I8, s.special, s.w...), randomBytes(r, xd, false)
	packed, sums := tensor.New(dtype.I8, m*4*gemm.Groups(k)), tensor.New(dtype.I32, m)
	gemm.PackI8(tensor.Slice[int8](&packed), tensor.Slice[int8](&w.Tensor), m, k, k, false)
	for i := range m {
		for _, v := range tensor.Slice[int8](&w.Tensor)[i*k : (i+1)*k] {
			tensor.Slice[int32](&sums)[i] += int32(v)
		}
	}
	a := s.attrs()
	c := kerneltest.Case{Name: s.name(), In: []tensor.Value{x, zx}, Consts: []tensor.Tensor{packed, sums}, Attrs: a, Tol: tensor.Exact}
	in := []tensor.Value{x, w, zx}
	if r.IntN(2) == 0 {
		zw, wide := randomBytes(r, dtype.I8, s.special, m), tensor.New(dtype.I32, m)
		for i := range m {
			wide.SetInt(i, zw.Tensor.Int(i))
		}
		in, c.Consts = append(in, zw), append(c.Consts, wide)
	}
	c.Want = kerneltest.Eval(t, ref.ConvInteger, a, 1, in...)
	if r.IntN(3) == 0 {
		c.In, c.Attrs = c.In[:1], a.Clone()
		c.Attrs[quant.AttrXZero] = attr.Int(int(zx.Tensor.Int(0)))
	}
	return c
}

// Outputs of every width around those of a panel and its runs, with padding,
// strides, dilations, groups, and weights and activations at extremes, are
// exactly what QLinearConv and ConvInteger say.
func TestConvI8(t *testing.T) {
	p1, p3, two := []int64{1, 1, 1, 1}, []int64{3, 3, 3, 3}, []int64{2, 2}
	specs := []spec{
		{x: []int{1, 1, 1, 1}, w: []int{1, 1, 1, 1}},
		{x: []int{2, 7, 5, 6}, w: []int{9, 7, 1, 1}},
		{x: []int{1, 16, 56, 56}, w: []int{20, 16, 3, 3}, p: p1, special: true},
		{x: []int{1, 24, 28, 28}, w: []int{20, 24, 3, 3}, p: p1},
		{x: []int{1, 24, 14, 14}, w: []int{70, 24, 3, 3}, p: p1},
		{x: []int{2, 40, 7, 7}, w: []int{40, 40, 3, 3}, p: p1, special: true},
		{x: []int{1, 3, 64, 64}, w: []int{20, 3, 7, 7}, p: p3, s: two},
		{x: []int{1, 16, 28, 28}, w: []int{40, 16, 1, 1}, s: two},
		{x: []int{1, 16, 28, 28}, w: []int{40, 16, 3, 3}, p: p1, s: two},
		{x: []int{1, 20, 16, 16}, w: []int{80, 20, 3, 3}}, // the input itself, and its end
		{x: []int{1, 20, 6, 6}, w: []int{80, 20, 3, 3}},   // rows of four
		{x: []int{3, 20, 40, 3}, w: []int{200, 20, 3, 3}}, // columns of one
		{x: []int{1, 4, 3, 3}, w: []int{4, 4, 3, 3}, p: []int64{9, 9, 9, 9}},
		{x: []int{1, 6, 9, 9}, w: []int{6, 3, 3, 3}, group: 2, p: p1, s: []int64{2, 1}},
		{x: []int{1, 5, 50}, w: []int{8, 5, 3}, p: []int64{1, 1}},
		{x: []int{0, 4, 3, 3}, w: []int{4, 4, 3, 3}, p: p1},
	}
	r := rand.New(rand.NewPCG(7, 8))
	for ow := 1; ow <= 34; ow++ {
		kw := 2 + r.IntN(3)
		specs = append(specs, spec{x: []int{1, 1 + r.IntN(6), 2 + r.IntN(9), ow}, w: []int{1 + r.IntN(90), 0, 2, kw}, p: []int64{1, int64(kw-1) / 2, 0, int64(kw) / 2}, special: ow%2 == 0})
		s := &specs[len(specs)-1]
		s.w[1] = s.x[1]
	}
	for range 40 {
		group, cg, mg := 1+r.IntN(3), 1+r.IntN(4), 1+r.IntN(20)
		kh, kw := 1+r.IntN(4), 1+r.IntN(4)
		s := spec{group: group, w: []int{group * mg, cg, kh, kw}, s: []int64{1 + r.Int64N(3), 1 + r.Int64N(4)}, d: []int64{1 + r.Int64N(3), 1 + r.Int64N(3)},
			p: []int64{r.Int64N(4), r.Int64N(4), r.Int64N(4), r.Int64N(4)}, special: r.IntN(2) == 0}
		s.x = []int{1 + r.IntN(3), group * cg, (kh-1)*int(s.d[0]) + 1 + r.IntN(20), (kw-1)*int(s.d[1]) + 1 + r.IntN(40)}
		specs = append(specs, s)
	}
	var cases, sums []kerneltest.Case
	for i := range specs {
		cases = append(cases, specs[i].test8(t, r))
		sums = append(sums, specs[i].test32(t, r))
	}
	t.Run("i8", func(t *testing.T) { kerneltest.All(t, convs8, cases) })
	t.Run("i32", func(t *testing.T) { kerneltest.All(t, convs32, sums) })
}
