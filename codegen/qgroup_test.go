package codegen_test

import (
	"context"
	"fmt"
	"math/rand"
	goruntime "runtime"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/runtime/cpu"
)

// integerWays are executors whose integer answers must be equal bit for bit.
func integerWays() []way {
	w := []way{
		{"O2", codegen.NewExecutor(codegen.Options{Level: "2"}, 1)},
		{"O2 on 3 threads", codegen.NewExecutor(codegen.Options{Level: "2"}, 3)},
		{"O2 twins", codegen.ExecutorOn(codegen.Options{Level: "2"}, 2, 0)},
	}
	for _, l := range cpu.Levels(goruntime.GOARCH) {
		if f := l.Features; f != 0 && cpu.Host().Has(f) && f != cpu.Host() {
			w = append(w, way{"O2 on " + l.Name, codegen.ExecutorOn(codegen.Options{Level: "2"}, 1, f)})
		}
	}
	return w
}

// interpreted are a random f32 input of m and what the interpreter makes of it.
func interpreted(t *testing.T, m *ir.Module, dims ...int) (in, want []tensor.Value) {
	t.Helper()
	x, err := tensor.Random(dtype.F32, 7, dims...)
	if err != nil {
		t.Fatal(err)
	}
	in = []tensor.Value{tensor.V(x)}
	if want, err = eval.Run(context.Background(), m, in); err != nil {
		t.Fatal(err)
	}
	return in, want
}

// bytesLike are random bytes of a type; kind 1 is extremes only, kind 2 the
// largest magnitudes of equal sign.
func bytesLike(r *rand.Rand, d dtype.DType, kind int, dims ...int) tensor.Tensor {
	t := tensor.New(d, dims...)
	lo, hi := d.IntRange()
	for i := range t.Len() {
		switch kind {
		case 1:
			t.SetInt(i, []int64{lo, hi}[r.Intn(2)])
		case 2:
			t.SetInt(i, hi)
			if d == dtype.I8 {
				t.SetInt(i, lo)
			}
		default:
			t.SetInt(i, lo+r.Int63n(hi-lo+1))
		}
	}
	return t
}

// qcase is one quantized operator with its operands.
type qcase struct {
	name string
	x, w []int
	a    attr.Map
	mat  bool
}

var qcases = []qcase{
	{name: "3x3", x: []int{2, 5, 13, 11}, w: []int{9, 5, 3, 3}, a: attr.Map{"pads": attr.Ints(1, 1, 1, 1)}},
	{name: "3x3 stride 2, dilated", x: []int{1, 4, 17, 20}, w: []int{7, 4, 3, 3}, a: attr.Map{"pads": attr.Ints(2, 1, 0, 2), "strides": attr.Ints(2, 2), "dilations": attr.Ints(1, 2)}},
	{name: "stride 3, 5x2", x: []int{1, 3, 19, 23}, w: []int{4, 3, 5, 2}, a: attr.Map{"strides": attr.Ints(3, 3), "pads": attr.Ints(4, 0, 4, 1)}},
	{name: "pointwise", x: []int{2, 33, 7, 7}, w: []int{20, 33, 1, 1}},
	{name: "pointwise stride 2", x: []int{1, 8, 9, 9}, w: []int{6, 8, 1, 1}, a: attr.Map{"strides": attr.Ints(2, 2)}},
	{name: "no padding", x: []int{1, 3, 12, 30}, w: []int{5, 3, 3, 3}},
	{name: "groups", x: []int{1, 6, 9, 8}, w: []int{9, 2, 3, 3}, a: attr.Map{"group": attr.Int(3), "auto_pad": attr.Str("SAME_UPPER")}},
	{name: "depthwise", x: []int{2, 11, 15, 9}, w: []int{11, 1, 3, 3}, a: attr.Map{"group": attr.Int(11), "pads": attr.Ints(1, 1, 1, 1)}},
	{name: "depthwise stride 2, two a channel", x: []int{1, 5, 18, 70}, w: []int{10, 1, 5, 3}, a: attr.Map{"group": attr.Int(5), "pads": attr.Ints(2, 1, 2, 1), "strides": attr.Ints(2, 2)}},
	{name: "one axis", x: []int{1, 7, 40}, w: []int{8, 7, 5}, a: attr.Map{"pads": attr.Ints(2, 2)}},
	{name: "deep", x: []int{1, 300, 7, 7}, w: []int{16, 300, 3, 3}, a: attr.Map{"pads": attr.Ints(1, 1, 1, 1)}},
	{name: "product", x: []int{19, 35}, w: []int{35, 21}, mat: true},
	{name: "one row", x: []int{1, 130}, w: []int{130, 10}, mat: true},
	{name: "batches", x: []int{2, 3, 17}, w: []int{17, 5}, mat: true},
}

// outsOf is the number of outputs with weights of their own, and their axis.
func (c *qcase) outs() (m, axis int) {
	if c.mat {
		return c.w[1], 1
	}
	return c.w[0], 0
}

// qlinear builds the case as QLinearConv or QLinearMatMul.
func (c *qcase) qlinear(r *rand.Rand, xd, wd, yd dtype.DType, kind int) (*ir.Module, tensor.Tensor) {
	m := ir.NewModule("q")
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(xd, shape.Ints(c.x...)...))
	b := ir.NewBuilder(f, -1, op.Builtin(), "node")
	outs, _ := c.outs()
	k := 1
	for _, d := range c.w {
		k *= d
	}
	k /= outs
	zero := func(d dtype.DType) tensor.Tensor { t := bytesLike(r, d, 0, 1); v, _ := t.View(); return v }
	scales := tensor.New(dtype.F32, outs)
	for i := range outs {
		scales.SetFloat(i, 0.5/float64(k)*(1+r.Float64()))
	}
	wz := tensor.New(wd, outs)
	if wd == dtype.U8 {
		for i := range outs {
			wz.SetInt(i, 128)
		}
	}
	in := []*ir.Value{x, b.Scalar(dtype.F32, 0.02), b.Const(zero(xd)),
		b.Const(bytesLike(r, wd, kind, c.w...)), b.Const(scales), b.Const(wz), b.Scalar(dtype.F32, 0.013), b.Const(zero(yd))}
	name := "QLinearMatMul"
	if !c.mat {
		name = "QLinearConv"
		bias := tensor.New(dtype.I32, outs)
		for i := range outs {
			bias.SetInt(i, int64(r.Intn(4000)-2000))
		}
		in = append(in, b.Const(bias))
	}
	f.AddResult("y", b.Op(name, c.a, in...))
	if err := b.Err(); err != nil {
		panic(fmt.Sprint(c.name, ": ", err))
	}
	return m, bytesLike(r, xd, kind, c.x...)
}

// TestIntegerBits: quantized convolutions and products give, on every way to
// run them, the bytes of the reference, at the extremes of weights and
// activations too.
func TestIntegerBits(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewSource(3))
	ds := []dtype.DType{dtype.U8, dtype.I8}
	for _, c := range qcases {
		for v := range 8 {
			m, x := c.qlinear(r, ds[v&1], ds[1-v>>2&1], ds[v>>1&1], v%3)
			want, err := eval.Run(ctx, m, []tensor.Value{tensor.V(x)})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range integerWays() {
				e, err := w.x.Compile(ctx, m)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // a second run meets used scratch
					got, err := e.Run(ctx, []tensor.Value{tensor.V(x)})
					if err != nil {
						t.Fatal(err)
					}
					if err := tensor.Exact.Compare(got[0], want[0]); err != nil {
						t.Fatalf("%s, variant %d, %s: %v\n%s", c.name, v, w.name, err, text.String(m))
					}
				}
				e.Close()
			}
		}
	}
}

// qdqNet is a net of QuantizeLinear and DequantizeLinear around every operator
// that integer kernels have: convolutions with activations, a residual sum,
// pools, tables, concatenation, products.
func qdqNet(r *rand.Rand, d dtype.DType) *ir.Module {
	m := ir.NewModule("net")
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Ints(2, 3, 29, 31)...))
	b := ir.NewBuilder(f, -1, op.Builtin(), "n")
	lo, _ := d.IntRange()
	qdq := func(v *ir.Value, scale float64, zero int64) *ir.Value {
		s, z := b.Scalar(dtype.F32, scale), b.Scalar(d, float64(zero+lo))
		return b.Op("DequantizeLinear", nil, b.Op("QuantizeLinear", nil, v, s, z), s, z)
	}
	conv := func(v *ir.Value, sx float64, a attr.Map, w ...int) *ir.Value {
		k := w[1] * w[2] * w[3]
		sw, sb, zero := tensor.New(dtype.F32, w[0]), tensor.New(dtype.F32, w[0]), tensor.New(dtype.I8, w[0])
		bias := tensor.New(dtype.I32, w[0])
		for i := range w[0] {
			sw.SetFloat(i, (1+r.Float64())/float64(k)/16)
			sb.SetFloat(i, float64(float32(sx*sw.Float(i))))
			bias.SetInt(i, int64(r.Intn(20000)-10000))
		}
		return b.Op("Conv", a, v, b.Op("DequantizeLinear", attr.Map{"axis": attr.Int(0)}, b.Const(bytesLike(r, dtype.I8, 0, w...)), b.Const(sw), b.Const(zero)),
			b.Op("DequantizeLinear", attr.Map{"axis": attr.Int(0)}, b.Const(bias), b.Const(sb)))
	}
	same := attr.Map{"pads": attr.Ints(1, 1, 1, 1)}
	v := qdq(x, 0.03, 128)
	v = qdq(b.Op("Relu", nil, conv(v, 0.03, same, 16, 3, 3, 3)), 0.02, 0)
	v = qdq(b.Op("MaxPool", attr.Map{"kernel_shape": attr.Ints(3, 3), "strides": attr.Ints(2, 2), "pads": attr.Ints(1, 1, 1, 1)}, v), 0.02, 0)
	u := qdq(b.Op("Clip", nil, conv(v, 0.02, attr.Map{"pads": attr.Ints(1, 1, 1, 1), "group": attr.Int(16)}, 16, 1, 3, 3), b.Scalar(dtype.F32, 0), b.Scalar(dtype.F32, 2)), 0.01, 0)
	u = qdq(conv(u, 0.01, nil, 16, 16, 1, 1), 0.03, 120)
	v = qdq(b.Op("Relu", nil, b.Op("Add", nil, u, v)), 0.03, 0)
	u = qdq(b.Op("HardSwish", nil, qdq(conv(v, 0.03, same, 8, 16, 3, 3), 0.04, 130)), 0.035, 12)
	w := qdq(b.Op("AveragePool", attr.Map{"kernel_shape": attr.Ints(3, 3), "pads": attr.Ints(1, 1, 1, 1)}, v), 0.035, 12)
	v = qdq(b.Op("Concat", attr.Map{"axis": attr.Int(1)}, u, w), 0.035, 12)
	f.AddResult("map", v)
	v = qdq(b.Op("GlobalAveragePool", nil, v), 0.01, 100)
	v = qdq(b.Op("Flatten", nil, v), 0.01, 100)
	sw := tensor.New(dtype.F32, 10)
	for i := range 10 {
		sw.SetFloat(i, 0.003*(1+r.Float64()))
	}
	wt := b.Op("DequantizeLinear", attr.Map{"axis": attr.Int(0)}, b.Const(bytesLike(r, dtype.I8, 0, 10, 24)), b.Const(sw), b.Const(tensor.New(dtype.I8, 10)))
	v = qdq(b.Op("Gemm", attr.Map{"transB": attr.Int(1)}, v, wt), 0.02, 128)
	f.AddResult("y", v)
	if err := b.Err(); err != nil {
		panic(err)
	}
	return m
}

// TestQDQNet: the whole net stays within one quantum of the interpreter on all
// but a few elements, and all ways give the same bits.
func TestQDQNet(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewSource(4))
	for _, d := range []dtype.DType{dtype.U8, dtype.I8} {
		m := qdqNet(r, d)
		in, want := interpreted(t, m, 2, 3, 29, 31)
		var first []tensor.Value
		for _, w := range integerWays() {
			e, err := w.x.Compile(ctx, m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Run(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got {
				if first == nil || i >= len(first) {
					first = append(first, v.Clone())
				}
				if err := tensor.Exact.Compare(v, first[i]); err != nil {
					t.Errorf("%v, %s: bits differ: %v", d, w.name, err)
				}
				// One quantum of either result; twelve layers lie between.
				quantum, off := []float64{0.035, 0.02}[i], 0
				for k := range v.Tensor.Len() {
					d := v.Tensor.Float(k) - want[i].Tensor.Float(k)
					if d > 1.01*quantum || d < -1.01*quantum {
						t.Fatalf("%v, %s: output %d element %d: have %v, want %v", d, w.name, i, k, v.Tensor.Float(k), want[i].Tensor.Float(k))
					}
					if d != 0 {
						off++
					}
				}
				if share := float64(off) / float64(v.Tensor.Len()); share > 1e-3 {
					t.Errorf("%v, %s: output %d: %g of the elements are off by one quantum", d, w.name, i, share)
				}
			}
			e.Close()
		}
	}
}

// TestQGroupsAreTaken: of the net, nothing is left to reference functions.
func TestQGroupsAreTaken(t *testing.T) {
	m := qdqNet(rand.New(rand.NewSource(4)), dtype.U8)
	a, err := codegen.Build(context.Background(), codegen.Graph(m), codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	count := map[string]int{}
	for _, in := range a.Program().Main().Body {
		count[in.Name]++
	}
	for name, want := range map[string]int{"quantize.i8": 1, "dequantize.i8": 2, "conv.i8": 3, "dwconv.i8": 1, "maxpool.i8": 1, "avgpool.i8": 2, "add.i8": 1, "table.i8": 1, "gemm.i8": 1, "concat": 1} {
		if count[name] != want {
			t.Errorf("%d calls of %s, want %d (have %v)", count[name], name, want, count)
		}
	}
}
