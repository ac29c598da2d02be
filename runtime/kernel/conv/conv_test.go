package conv_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

var convs = []*kernel.Desc{&conv.F32_14x32_avx512, &conv.F32_6x16_avx2, &conv.F32_4x16_neon, &conv.F32_generic}

var transposes = []*kernel.Desc{&conv.TransposeF32_14x32_avx512, &conv.TransposeF32_6x16_avx2, &conv.TransposeF32_4x16_neon, &conv.TransposeF32_generic}

// tol is what float32 sums of some thousand normal products may be off.
var tol = tensor.Custom(1e-5, 2e-4)

// spec is a convolution to test.
type spec struct {
	x, w    []int // with W as ONNX has it
	group   int
	s, d, p []int64
	auto    string
	extra   attr.Map
	epi     bool // bias, sum and relu
	special bool
}

func (s *spec) attrs() attr.Map {
	a := attr.Map{"group": attr.Int(max(1, s.group)), "auto_pad": attr.Str("NOTSET")}
	if s.auto != "" {
		a["auto_pad"] = attr.Str(s.auto)
	}
	var k []int64
	for _, d := range s.w[2:] {
		k = append(k, int64(d))
	}
	a["kernel_shape"] = attr.Ints(k...)
	for n, v := range map[string][]int64{"strides": s.s, "dilations": s.d, "pads": s.p} {
		if v != nil {
			a[n] = attr.Ints(v...)
		}
	}
	for n, v := range s.extra {
		a[n] = v
	}
	return a
}

func (s *spec) name() string {
	return fmt.Sprintf("%v %v g%d s%v d%v p%v %s %v epi=%v special=%v", s.x, s.w, s.group, s.s, s.d, s.p, s.auto, s.extra, s.epi, s.special)
}

func f32(v *tensor.Value) []float32 { return tensor.Slice[float32](&v.Tensor) }

func count(d []int) int {
	n := 1
	for _, x := range d {
		n *= x
	}
	return n
}

// test makes the case; transposed is ConvTranspose.
func (s *spec) test(t *testing.T, seed uint64, transposed bool) kerneltest.Case {
	x, w := kerneltest.Random(seed, s.special, s.x...), kerneltest.Random(seed+1, false, s.w...)
	group, a := max(1, s.group), s.attrs()
	k := tensor.New(w.Tensor.DType(), w.Tensor.Len())
	dst, src := tensor.Slice[float32](&k), f32(&w)
	f, m := ref.Conv, s.w[0]
	if transposed {
		f, m = ref.ConvTranspose, s.w[1]*group
		conv.PackTranspose(dst, src, s.w[0], s.w[1], count(s.w[2:]), group)
	} else {
		mg, kk := m/group, count(s.w[1:])
		for g := range group {
			gemm.PackRows(dst[g*mg*kk:(g+1)*mg*kk], src[g*mg*kk:], mg, kk, kk, false)
		}
	}
	c := kerneltest.Case{Name: s.name(), In: []tensor.Value{x}, Consts: []tensor.Tensor{k}, Attrs: a, Tol: tol}
	if s.special {
		c.Tol = tensor.Custom(1e-4, 1e-3)
	}
	if !s.epi {
		c.Want = kerneltest.Eval(t, f, a, 1, x, w)
		return c
	}
	b := kerneltest.Random(seed+2, false, m)
	y := kerneltest.Eval(t, f, a, 1, x, w, b)
	res := kerneltest.Random(seed+3, false, y[0].Tensor.Dims()...)
	y = kerneltest.Eval(t, ref.Add, nil, 1, y[0], res)
	c.Want = kerneltest.Eval(t, ref.Relu, nil, 1, y[0])
	bd := []int{m}
	for range s.x[2:] {
		bd = append(bd, 1)
	}
	bt, _ := b.Tensor.View(bd...)
	c.In, c.Consts = append(c.In, res), append(c.Consts, bt)
	c.Attrs = a.Clone()
	c.Attrs[eltwise.AttrProg] = attr.Strs("add %0 %2", "add %3 %1", "relu %4")
	return c
}

func TestConv(t *testing.T) {
	p1 := []int64{1, 1, 1, 1}
	specs := []spec{
		{x: []int{1, 1, 1, 1}, w: []int{1, 1, 1, 1}},
		{x: []int{2, 7, 5, 6}, w: []int{9, 7, 1, 1}},                                                         // pointwise
		{x: []int{2, 7, 5, 6}, w: []int{9, 7, 1, 1}, s: []int64{2, 2}},                                       // one phase, rows left out
		{x: []int{1, 7, 9, 9}, w: []int{9, 7, 1, 1}, s: []int64{3, 3}, p: p1},                                //
		{x: []int{1, 8, 12, 20}, w: []int{5, 8, 3, 3}},                                                       // the input itself
		{x: []int{1, 30, 9, 14}, w: []int{15, 30, 3, 3}, p: p1},                                              // two blocks of k
		{x: []int{3, 16, 7, 7}, w: []int{20, 16, 3, 3}, p: p1, epi: true},                                    // runs shorter than a panel
		{x: []int{1, 3, 3, 2}, w: []int{20, 3, 3, 3}, p: p1, epi: true},                                      //
		{x: []int{1, 3, 30, 31}, w: []int{13, 3, 7, 7}, s: []int64{2, 2}, p: []int64{3, 3, 3, 3}, epi: true}, // stem
		{x: []int{1, 3, 30, 31}, w: []int{13, 3, 7, 5}, s: []int64{1, 3}, d: []int64{2, 2}, p: []int64{5, 0, 3, 9}},
		{x: []int{1, 2, 10, 17}, w: []int{4, 2, 2, 3}, s: []int64{4, 5}, p: []int64{0, 2, 1, 0}},
		{x: []int{2, 8, 9, 9}, w: []int{12, 2, 3, 3}, group: 4, p: p1, epi: true},
		{x: []int{1, 6, 9, 9}, w: []int{6, 1, 3, 3}, group: 6, p: p1, s: []int64{2, 1}},
		{x: []int{4, 4, 6, 6}, w: []int{4, 4, 3, 3}, auto: "SAME_UPPER", s: []int64{2, 2}},
		{x: []int{4, 4, 7, 6}, w: []int{4, 4, 2, 4}, auto: "SAME_LOWER", s: []int64{2, 3}},
		{x: []int{1, 4, 7, 6}, w: []int{4, 4, 2, 4}, auto: "VALID"},
		{x: []int{1, 4, 7, 6}, w: []int{4, 4, 7, 6}}, // one output
		{x: []int{1, 5, 50}, w: []int{8, 5, 3}, p: []int64{1, 1}, epi: true},
		{x: []int{2, 5, 50}, w: []int{8, 5, 4}, s: []int64{2}, d: []int64{3}, p: []int64{2, 7}},
		{x: []int{1, 6, 40}, w: []int{8, 3, 1}, group: 2},
		{x: []int{1, 4, 3, 3}, w: []int{4, 4, 3, 3}, p: []int64{9, 9, 9, 9}}, // windows in the padding alone
		{x: []int{0, 4, 3, 3}, w: []int{4, 4, 3, 3}, p: p1},
		{x: []int{1, 4, 9, 33}, w: []int{7, 4, 3, 3}, p: p1, special: true},
		{x: []int{1, 30, 28, 28}, w: []int{16, 30, 3, 3}, p: p1},
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		group, cg, mg := 1+r.IntN(3), 1+r.IntN(4), 1+r.IntN(9)
		kh, kw := 1+r.IntN(4), 1+r.IntN(4)
		s := spec{group: group, w: []int{group * mg, cg, kh, kw}, s: []int64{1 + r.Int64N(3), 1 + r.Int64N(4)}, d: []int64{1 + r.Int64N(3), 1 + r.Int64N(3)},
			p: []int64{r.Int64N(4), r.Int64N(4), r.Int64N(4), r.Int64N(4)}, epi: r.IntN(2) == 0}
		s.x = []int{1 + r.IntN(3), group * cg, (kh-1)*int(s.d[0]) + 1 + r.IntN(20), (kw-1)*int(s.d[1]) + 1 + r.IntN(40)}
		specs = append(specs, s)
	}
	var cases []kerneltest.Case
	for i := range specs {
		cases = append(cases, specs[i].test(t, uint64(10*i), false))
	}
	kerneltest.All(t, convs, cases)
}

func TestTranspose(t *testing.T) {
	specs := []spec{
		{x: []int{1, 1, 1, 1}, w: []int{1, 1, 1, 1}},
		{x: []int{2, 7, 5, 6}, w: []int{7, 9, 2, 2}, s: []int64{2, 2}, epi: true},
		{x: []int{1, 7, 5, 6}, w: []int{7, 9, 3, 3}, s: []int64{2, 2}, p: []int64{1, 1, 1, 1}, extra: attr.Map{"output_padding": attr.Ints(1, 1)}},
		{x: []int{1, 8, 5, 6}, w: []int{8, 3, 3, 4}, group: 2, d: []int64{2, 1}, p: []int64{0, 2, 3, 1}, epi: true},
		{x: []int{1, 4, 5, 6}, w: []int{4, 3, 3, 3}, s: []int64{2, 3}, auto: "SAME_UPPER"},
		{x: []int{1, 4, 5, 6}, w: []int{4, 3, 2, 5}, s: []int64{3, 2}, auto: "SAME_LOWER"},
		{x: []int{1, 4, 5, 6}, w: []int{4, 3, 3, 3}, s: []int64{2, 2}, extra: attr.Map{"output_shape": attr.Ints(10, 12)}},
		{x: []int{1, 4, 9}, w: []int{4, 3, 5}, s: []int64{4}, p: []int64{1, 0}},
		{x: []int{1, 300, 5, 5}, w: []int{300, 6, 3, 3}, s: []int64{2, 2}},
		{x: []int{1, 5, 60, 60}, w: []int{5, 6, 4, 4}, s: []int64{2, 2}, p: []int64{1, 1, 1, 1}},
		{x: []int{1, 4, 9, 33}, w: []int{4, 6, 3, 3}, special: true},
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		group, cg, mg := 1+r.IntN(3), 1+r.IntN(4), 1+r.IntN(5)
		s := spec{group: group, w: []int{group * cg, mg, 1 + r.IntN(4), 1 + r.IntN(4)}, s: []int64{1 + r.Int64N(3), 1 + r.Int64N(4)}, d: []int64{1 + r.Int64N(3), 1 + r.Int64N(3)},
			p: []int64{r.Int64N(2), r.Int64N(2), r.Int64N(2), r.Int64N(2)}, epi: r.IntN(2) == 0}
		s.x = []int{1 + r.IntN(3), group * cg, 3 + r.IntN(9), 3 + r.IntN(9)}
		specs = append(specs, s)
	}
	var cases []kerneltest.Case
	for i := range specs {
		cases = append(cases, specs[i].test(t, uint64(10*i), true))
	}
	kerneltest.All(t, transposes, cases)
}

// Wrong extents are errors when a call is prepared, never of its run.
func TestPrepareChecks(t *testing.T) {
	at := attr.Map{"kernel_shape": attr.Ints(3, 3), "group": attr.Int(2)}
	x, y, k := kerneltest.Random(1, false, 1, 4, 5, 5), kerneltest.Random(1, false, 1, 6, 3, 3), kerneltest.Random(1, false, 6*2*9)
	for _, c := range []struct {
		name string
		call kernel.Call
		want string
	}{
		{"fits", kernel.Call{In: []tensor.Value{x}, Out: []tensor.Value{y}, Consts: []tensor.Tensor{k.Tensor}, Attrs: at}, ""},
		{"output", kernel.Call{In: []tensor.Value{x}, Out: []tensor.Value{x}, Consts: []tensor.Tensor{k.Tensor}, Attrs: at}, "output on spatial axis 0: have 5, want 3"},
		{"filters", kernel.Call{In: []tensor.Value{x}, Out: []tensor.Value{y}, Consts: []tensor.Tensor{y.Tensor}, Attrs: at}, "W: have 54 elements, want 108 of [6 2 3 3]"},
		{"kernel", kernel.Call{In: []tensor.Value{x}, Out: []tensor.Value{y}, Consts: []tensor.Tensor{k.Tensor}}, "convolution of f32[1,4,5,5] to f32[1,6,3,3] with a kernel of []"},
		{"epilogue", kernel.Call{In: []tensor.Value{x}, Out: []tensor.Value{y}, Consts: []tensor.Tensor{k.Tensor},
			Attrs: attr.Map{"kernel_shape": attr.Ints(3, 3), "group": attr.Int(2), eltwise.AttrProg: attr.Strs("add %0 %1")}}, "%1 is not computed yet"},
	} {
		for _, d := range convs {
			if d.Prepare == nil {
				continue
			}
			_, err := d.Prepare(&c.call)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %s: have %v, want %q", c.name, d.ID, err, c.want)
			}
		}
	}
}
