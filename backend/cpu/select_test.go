package cpu_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/backend/cpu"
	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/fuse"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
	rcpu "github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

// model is a module to lower; dims are those of x, 0 standing for the batch.
type model struct {
	name string
	dt   dtype.DType
	dims []int
	body func(b *build.B, x *ir.Value) []*ir.Value
	// calls names what the plan calls, fused and not; where fused is nil it
	// equals plain.
	plain, fused []string
	tol          tensor.Tol
}

func (c *model) build(t *testing.T) *ir.Module {
	t.Helper()
	b := build.New(c.name, op.Builtin())
	n := b.Dim("N", 0, 8)
	var ds []shape.Dim
	for _, d := range c.dims {
		if d == 0 {
			ds = append(ds, n)
		} else {
			ds = append(ds, shape.Int(int64(d)))
		}
	}
	for i, v := range c.body(b, b.Param("x", tensor.T(c.dt, ds...))) {
		b.Result(fmt.Sprint("y", i), v)
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// w is a constant weight of small numbers.
func w(b *build.B, dt dtype.DType, seed uint64, dims ...int) *ir.Value {
	t, err := tensor.Random(dt, seed, dims...)
	if err != nil {
		b.Fail(err)
	}
	for i := range t.Len() {
		t.SetFloat(i, math.Round(t.Float(i)*64)/256)
	}
	return b.Const(t)
}

func f32s(b *build.B, seed uint64, dims ...int) *ir.Value { return w(b, dtype.F32, seed, dims...) }

func one(v *ir.Value) []*ir.Value { return []*ir.Value{v} }

var models = []model{
	{name: "conv", dims: []int{0, 3, 9, 8}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		c := b.Conv(x, f32s(b, 1, 8, 3, 3, 3), f32s(b, 2, 8), build.Pads(1, 1, 1, 1), build.Strides(2, 1))
		return one(b.Clip(c, b.Scalar(dtype.F32, 0), b.Scalar(dtype.F32, 6)))
	}, plain: []string{"conv.f32", "eltwise.f32"}, fused: []string{"conv.f32"}},
	{name: "conv with a residual", dims: []int{0, 4, 9, 8}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		c := b.Conv(x, f32s(b, 1, 4, 2, 3, 3), nil, build.AutoPad("SAME_UPPER"), build.Group(2))
		return one(b.Relu(b.Add(b.Add(c, f32s(b, 3, 4, 1, 1)), x)))
	}, plain: []string{"conv.f32", "eltwise.f32", "eltwise.f32", "eltwise.f32"}, fused: []string{"conv.f32"}},
	{name: "depthwise conv", dims: []int{0, 6, 9, 8}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		c := b.Conv(x, f32s(b, 1, 6, 1, 3, 3), f32s(b, 2, 6), build.Pads(1, 1, 1, 1), build.Group(6))
		return one(b.PRelu(b.Add(c, x), f32s(b, 4, 6, 1, 1)))
	}, plain: []string{"dwconv.f32", "eltwise.f32", "eltwise.f32"}, fused: []string{"dwconv.f32"}},
	{name: "conv over one axis", dims: []int{0, 4, 30}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Tanh(b.Conv(x, f32s(b, 1, 5, 4, 3), f32s(b, 2, 5), build.Pads(2, 0), build.Dilations(2))))
	}, plain: []string{"conv.f32", "eltwise.f32"}, fused: []string{"conv.f32"}},
	{name: "conv over three axes", dims: []int{0, 2, 4, 4, 4}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Relu(b.Conv(x, f32s(b, 1, 3, 2, 2, 2, 2), nil)))
	}, plain: []string{"ref.Conv", "eltwise.f32"}},
	{name: "conv with filters that are no constant", dims: []int{0, 2, 4, 4}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Conv(x, b.Param("w", tensor.T(dtype.F32, shape.Ints(3, 2, 2, 2)...)), nil))
	}, plain: []string{"convopen.f32"}},
	{name: "bytes", dt: dtype.U8, dims: []int{0, 3, 700}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Mul(b.Sub(b.Cast(x, 1), b.Scalar(dtype.F32, 127)), f32s(b, 3, 3, 1)))
	}, plain: []string{"eltwise.f32", "eltwise.f32", "eltwise.f32"}, fused: []string{"eltwise.f32"}},
	{name: "signed bytes as halves", dt: dtype.I8, dims: []int{0, 5}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Relu(b.Cast(x, 10)))
	}, plain: []string{"eltwise.f32", "eltwise.f32"}, fused: []string{"eltwise.f32"}},
	{name: "layer norm", dims: []int{0, 3, 40}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.LayerNormalization(x, f32s(b, 1, 40), f32s(b, 2, 1, 40)))
	}, plain: []string{"layernorm.f32"}},
	{name: "layer norm over two axes, without bias", dims: []int{0, 3, 40}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.LayerNormalization(x, f32s(b, 1, 3, 40), nil, build.Axis(1)))
	}, plain: []string{"layernorm.f32"}},
	{name: "layer norm with one scale for all", dims: []int{0, 3, 40}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.LayerNormalization(x, f32s(b, 1, 1), nil))
	}, plain: []string{"ref.LayerNormalization"}},
	{name: "conv of halves", dt: dtype.F16, dims: []int{0, 3, 6, 8}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		c := b.Conv(x, w(b, dtype.F16, 1, 3, 3, 3, 3), w(b, dtype.F16, 2, 3), build.Pads(1, 1, 1, 1))
		return one(b.Relu(b.Add(c, x)))
	}, plain: []string{"eltwise.f32", "conv.f32", "eltwise.f32", "eltwise.f32", "eltwise.f32"}, fused: []string{"eltwise.f32", "conv.f32", "eltwise.f32"}, tol: tensor.Custom(4e-3, 4e-3)},
	{name: "transposed conv", dims: []int{0, 4, 5, 6}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		c := b.ConvTranspose(x, f32s(b, 1, 4, 3, 3, 3), f32s(b, 2, 6), build.Strides(2, 2), build.Pads(1, 1, 1, 1), build.OutputPadding(1, 1), build.Group(2))
		return one(b.LeakyRelu(c, build.Alpha(0.2)))
	}, plain: []string{"convtranspose.f32", "eltwise.f32"}, fused: []string{"convtranspose.f32"}},
	{name: "matmul by a constant", dims: []int{0, 5, 40}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Gelu(b.Add(b.MatMul(x, f32s(b, 1, 40, 20)), f32s(b, 2, 20))))
	}, plain: []string{"gemm.f32", "eltwise.f32", "eltwise.f32"}, fused: []string{"gemm.f32"}},
	{name: "one constant packed twice", dims: []int{0, 20}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		k := f32s(b, 1, 20, 20)
		return one(b.Gemm(b.MatMul(x, k), k, nil, build.TransB(1)))
	}, plain: []string{"gemm.f32", "gemm.f32"}},
	{name: "matmul of activations", dims: []int{0, 5, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.MatMul(b.MatMul(x, b.Transpose(x, build.Perm(0, 2, 1))), x))
	}, plain: []string{"transpose", "matmul.f32", "matmul.f32"}},
	{name: "matmul of halves", dt: dtype.F16, dims: []int{0, 5, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.MatMul(x, w(b, dtype.F16, 1, 12, 7)))
	}, plain: []string{"eltwise.f32", "gemm.f32", "eltwise.f32"}, tol: tensor.Custom(2e-3, 2e-3)},
	{name: "gemm", dims: []int{0, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Relu(b.Gemm(x, f32s(b, 1, 7, 12), f32s(b, 2, 7), build.TransB(1))))
	}, plain: []string{"gemm.f32", "eltwise.f32"}, fused: []string{"gemm.f32"}},
	{name: "gemm with factors", dims: []int{0, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Gemm(x, f32s(b, 1, 12, 7), f32s(b, 2, 1, 7), build.Alpha(0.5), build.Beta(3)))
	}, plain: []string{"gemm.f32"}},
	{name: "gemm of activations", dims: []int{0, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Gemm(x, x, b.Scalar(dtype.F32, 2), build.TransA(1), build.Beta(3)))
	}, plain: []string{"matmul.f32"}},
	{name: "lstm", dims: []int{7, 0, 10}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return b.LSTMN(3, x, f32s(b, 1, 2, 24, 10), f32s(b, 2, 2, 24, 6), f32s(b, 3, 2, 48), nil, nil, nil, f32s(b, 4, 2, 18), build.Direction("bidirectional"))
	}, plain: []string{"lstm.f32"}},
	{name: "lstm of halves", dt: dtype.F16, dims: []int{7, 0, 10}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.LSTM(x, w(b, dtype.F16, 1, 1, 24, 10), w(b, dtype.F16, 2, 1, 24, 6), nil, nil, nil, nil, nil))
	}, plain: []string{"eltwise.f32", "lstm.f32", "eltwise.f32"}, tol: tensor.Custom(2e-3, 2e-3)},
	{name: "lstm with other gates", dims: []int{3, 0, 4}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.LSTM(x, f32s(b, 1, 1, 8, 4), f32s(b, 2, 1, 8, 2), nil, nil, nil, nil, nil, build.Activations("Sigmoid", "Relu", "Tanh")))
	}, plain: []string{"ref.LSTM"}},
	{name: "elementwise", dims: []int{0, 3, 50}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		y := b.Mul(b.Add(x, f32s(b, 1, 3, 1)), b.Sigmoid(b.Neg(x)))
		return one(b.Div(y, b.Sqrt(b.Add(b.Mul(x, x), b.Scalar(dtype.F32, 1)))))
	}, plain: slices.Repeat([]string{"eltwise.f32"}, 8), fused: []string{"eltwise.f32"}},
	{name: "elementwise in halves", dt: dtype.F16, dims: []int{0, 3, 50}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Relu(b.Sub(x, w(b, dtype.F16, 1, 3, 1))))
	}, plain: []string{"eltwise.f32", "eltwise.f32"}, fused: []string{"eltwise.f32"}, tol: tensor.Custom(1e-3, 1e-3)},
	{name: "casts", dims: []int{0, 50}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Cast(b.Cast(b.Cast(x, 10), 1), 11)) // f16, f32, f64
	}, plain: []string{"eltwise.f32", "eltwise.f32", "ref.Cast"}},
	{name: "formulas", dims: []int{0, 50}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		out := []*ir.Value{b.Op("HardSigmoid", nil, x), b.Op("HardSwish", nil, x), b.Op("Elu", attr.Map{"alpha": attr.Float(0.7)}, x), b.Op("Softplus", nil, x),
			b.Op("Softsign", nil, x), b.Gelu(x, build.Approximate("tanh")), b.Op("Reciprocal", nil, x), b.Min([]*ir.Value{x, b.Neg(x), b.Scalar(dtype.F32, -0.5)})}
		for _, e := range []float64{1, 2, 3, -1} {
			out = append(out, b.Pow(x, b.Scalar(dtype.F32, e)))
		}
		return out
	}, plain: slices.Repeat([]string{"eltwise.f32"}, 13)},
	{name: "softmax", dims: []int{0, 5, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Softmax(x), b.Softmax(x, build.Axis(1))}
	}, plain: []string{"softmax.f32", "softmax.f32"}},
	{name: "reductions", dims: []int{3, 5, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.ReduceSum(x, b.Ints(-1, 0)), b.ReduceMean(x, nil), b.ReduceMax(x, b.Ints(1), build.Keepdims(0)), b.ReduceMin(x, b.Ints()), b.ReduceProd(x, b.Ints(2))}
	}, plain: slices.Repeat([]string{"reduce.f32"}, 5)},
	{name: "halves read twice", dt: dtype.F16, dims: []int{0, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.MatMul(x, w(b, dtype.F16, 1, 12, 7)), b.MatMul(x, w(b, dtype.F16, 2, 12, 7))}
	}, plain: []string{"eltwise.f32", "gemm.f32", "eltwise.f32", "gemm.f32", "eltwise.f32"}, tol: tensor.Custom(2e-3, 2e-3)},
	{name: "lstm with lengths and states", dims: []int{4, 3, 5}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		h := b.Slice(x, b.Ints(0, 0), b.Ints(1, 2), b.Ints(0, 2), nil)
		return b.LSTMN(3, x, f32s(b, 1, 1, 8, 5), f32s(b, 2, 1, 8, 2), f32s(b, 3, 1, 16), b.Const(tensor.MustOf([]int32{4, 1, 2}, 3)), h, b.Neg(h), nil, build.Direction("reverse"))
	}, plain: []string{"slice", "eltwise.f32", "lstm.f32"}},
	{name: "lstm of operands", dims: []int{4, 3, 5}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		w := b.Mul(f32s(b, 1, 2, 8, 5), b.ReduceMax(x, nil))
		return b.LSTMN(3, x, w, f32s(b, 2, 2, 8, 2), f32s(b, 3, 2, 16), b.Const(tensor.MustOf([]int32{4, 1, 2}, 3)), nil, nil, f32s(b, 4, 2, 6), build.Direction("bidirectional"))
	}, plain: []string{"reduce.f32", "eltwise.f32", "lstmopen.f32"}},
	{name: "gradients of lstm", dims: []int{4, 3, 5}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		a := attr.Map{"hidden_size": attr.Int(2), "direction": attr.Str("reverse")}
		in := []*ir.Value{x, f32s(b, 1, 1, 8, 5), f32s(b, 2, 1, 8, 2), nil, nil, nil, nil, nil, nil, f32s(b, 3, 1, 3, 2)}
		out := b.OpN("mlc.LSTMGrad", 3, a, nil, in...)
		a = a.Clone()
		a["clip"] = attr.Float(1)
		return append(out, b.OpN("mlc.LSTMGrad", 3, a, nil, in...)...)
	}, plain: []string{"lstmgrad.f32", "ref.mlc.LSTMGrad"}, tol: tensor.Custom(1e-5, 1e-5)},
	{name: "masks", dt: dtype.I64, dims: []int{3}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		mask := func(d dtype.DType) *ir.Value {
			return b.Op("mlc.DropoutMask", attr.Map{"ratio": attr.Float(0.3), "dtype": attr.Int(int64(d.ONNX()))}, x, b.Ints(7, 5))
		}
		return []*ir.Value{mask(dtype.F32), mask(dtype.F16)}
	}, plain: []string{"dropoutmask.f32", "ref.mlc.DropoutMask"}},
	{name: "softmax of halves", dt: dtype.F16, dims: []int{0, 5, 12}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Softmax(x))
	}, plain: []string{"eltwise.f32", "softmax.f32", "eltwise.f32"}, tol: tensor.Custom(2e-3, 2e-3)},
	{name: "pools", dims: []int{0, 3, 9, 8}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.MaxPool(x, []int64{3, 3}, build.Strides(2, 2), build.Pads(1, 1, 1, 1)), b.MaxPool(x, []int64{2, 2}, build.CeilMode(1), build.Strides(2, 2)),
			b.AveragePool(x, []int64{3, 2}, build.AutoPad("SAME_UPPER")), b.GlobalAveragePool(x)}
	}, plain: []string{"maxpool.f32", "maxpool.f32", "avgpool.f32", "globalavgpool.f32"}},
	{name: "pool with places", dims: []int{0, 3, 9, 8}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return b.MaxPoolN(2, x, []int64{3, 3})
	}, plain: []string{"ref.MaxPool"}},
	{name: "movement", dims: []int{0, 3, 9, 8}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		t := b.Transpose(x, build.Perm(0, 2, 3, 1))
		s := b.Slice(x, b.Ints(1, 5), b.Ints(9, -9), b.Ints(3, 2), b.Ints(2, -1))
		return []*ir.Value{t, b.Concat([]*ir.Value{x, x}, 2), s, b.Pad(x, b.Ints(0, 0, 1, 2, 0, 0, -1, 3), b.Scalar(dtype.F32, 2), nil)}
	}, plain: []string{"transpose", "slice", "concat", "pad"}},
	{name: "extents known late", dims: []int{0, 6}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		n := b.Cast(b.ReduceMax(b.Relu(x), nil, build.Keepdims(0)), 7)
		s := b.Slice(x, b.Ints(0), b.Op("Reshape", nil, b.Op("Abs", nil, n), b.Ints(1)), b.Ints(1), nil)
		return []*ir.Value{b.Relu(b.Neg(s)), b.Concat([]*ir.Value{s, x}, 1)}
	}, plain: []string{"eltwise.f32", "reduce.f32", "ref.Cast", "ref.Abs", "ref.Slice", "eltwise.f32", "eltwise.f32", "concat"},
		fused: []string{"eltwise.f32", "reduce.f32", "ref.Cast", "ref.Abs", "ref.Slice", "eltwise.f32", "concat"}},
	{name: "movement of integers", dt: dtype.I64, dims: []int{0, 3}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Transpose(x, build.Perm(1, 0)), b.Concat([]*ir.Value{x, x}, 1)}
	}, plain: []string{"transpose", "concat"}},
	{name: "integers", dt: dtype.I32, dims: []int{0, 6}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.ReduceSum(b.Add(x, x), b.Ints(1)))
	}, plain: []string{"ref.Add", "ref.ReduceSum"}},
	{name: "doubles", dt: dtype.F64, dims: []int{0, 6}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Relu(b.MatMul(x, w(b, dtype.F64, 1, 6, 3))))
	}, plain: []string{"ref.MatMul", "ref.Relu"}},
}

// targets are what every model is lowered for: this machine, and plain Go.
func targets(t *testing.T) []target.Target {
	list := []string{"generic"}
	if a := runtime.GOARCH; a == "amd64" || a == "arm64" {
		list = append(list, a)
	}
	var out []target.Target
	for _, s := range list {
		x, err := target.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

func inputs(t *testing.T, m *ir.Module, n int) []tensor.Value {
	var in []tensor.Value
	for i, p := range m.Main().Params {
		var dims []int
		for _, d := range p.Type.Dims {
			v, err := d.Eval(func(string) (int64, bool) { return int64(n), true })
			if err != nil {
				t.Fatal(err)
			}
			dims = append(dims, int(v))
		}
		x, err := tensor.Random(p.Type.DType, uint64(50+i), dims...)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, tensor.V(x))
	}
	return in
}

// groups makes the groups that kernels compute at once.
func groups(t *testing.T, m *ir.Module) {
	c := rewrite.NewCtx(context.Background(), op.Builtin())
	for _, p := range []pass.Pass{fuse.Epilogue(), fuse.Eltwise()} {
		if err := c.Begin(p.Name, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.Apply(c, m); err != nil {
			t.Fatal(err)
		}
		if err := c.End(); err != nil {
			t.Fatal(err)
		}
	}
}

// calls lists what main calls, views and dims left out.
func calls(p *plan.Program) []string {
	var out []string
	for _, in := range p.Main().Body {
		if in.Op == plan.Call {
			out = append(out, in.Name)
		}
	}
	return out
}

func TestSelect(t *testing.T) {
	for _, c := range models {
		if c.dt == dtype.Invalid {
			c.dt = dtype.F32
		}
		if c.tol.Name == "" {
			c.tol = tensor.Close
		}
		if c.fused == nil {
			c.fused = c.plain
		}
		for _, tg := range targets(t) {
			for _, fused := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/fused=%v", c.name, tg, fused), func(t *testing.T) {
					m := c.build(t)
					want := c.plain
					if fused {
						groups(t, m)
						want = c.fused
					}
					p, err := cpu.Lower(context.Background(), m, cpu.Options{Target: tg, Set: all.Set()})
					if err != nil {
						t.Fatal(err)
					}
					if err := plan.Verify(p); err != nil {
						t.Fatal(err)
					}
					if got := calls(p); !slices.Equal(got, want) {
						t.Errorf("calls %v, want %v", got, want)
					}
					alternatives(t, p, tg)
					check(t, m, p, c.tol)
				})
			}
		}
	}
}

// alternatives checks that every call ends with a kernel for all machines.
func alternatives(t *testing.T, p *plan.Program, tg target.Target) {
	t.Helper()
	set := all.Set()
	for _, in := range p.Main().Body {
		if in.Op != plan.Call {
			continue
		}
		last := set.Get(in.Alts[len(in.Alts)-1].Kernel)
		if last == nil || last.Needs != 0 || last.Arch != "" {
			t.Errorf("%s: the last of %v is no kernel for every machine", in.Name, in.Alts)
		}
		plain := strings.HasSuffix(in.Alts[0].Kernel, ".go") // one in Go is the fast one everywhere
		if tg.Arch != target.Generic && strings.Contains(in.Name, ".f32") && !plain && len(in.Alts) < 2 {
			t.Errorf("%s: alternatives %v", in.Name, in.Alts)
		}
	}
}

// check runs p against the interpreter for several batches and threads.
func check(t *testing.T, m *ir.Module, p *plan.Program, tol tensor.Tol) {
	t.Helper()
	for _, f := range []rcpu.Features{rcpu.Host(), 0} {
		model, err := exec.New(p, all.Set(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2} {
			s := model.NewSession(threads, 0)
			for _, n := range []int{1, 3, 1, 0, 4} {
				in := inputs(t, m, n)
				want, err := eval.Run(context.Background(), m, in)
				if err != nil {
					t.Fatal(err)
				}
				out := make([]tensor.Value, len(want))
				if err := s.Run(context.Background(), in, out); err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if err := tol.Compare(out[i], want[i]); err != nil {
						t.Errorf("features %v, %d threads, N=%d: result %d: %v", f, threads, n, i, err)
					}
				}
			}
			s.Close()
		}
	}
}

// Kernels are chosen for the target, whatever machine this is.
func TestCross(t *testing.T) {
	want := map[string]string{"amd64": "conv.f32.14x32.avx512 conv.f32.6x16.avx2 conv.f32.generic", "amd64+avx2": "conv.f32.6x16.avx2 conv.f32.generic",
		"arm64": "conv.f32.4x16.neon conv.f32.generic", "generic": "conv.f32.generic"}
	m := models[0]
	m.dt = dtype.F32
	for name, alts := range want {
		tg, err := target.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := cpu.Lower(context.Background(), m.build(t), cpu.Options{Target: tg, Set: all.Set()})
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		in := p.Main().Body[0]
		for _, a := range in.Alts {
			have = append(have, a.Kernel)
		}
		if got := strings.Join(have, " "); got != alts {
			t.Errorf("%s: have %s, want %s", name, got, alts)
		}
		if in.MACs != 8*5*8*27 {
			t.Errorf("%s: %d multiply-adds, want %d", name, in.MACs, 8*5*8*27)
		}
	}
}
