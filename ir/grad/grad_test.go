package grad_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/grad"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
)

// check differentiates the first result of what body builds by the named
// parameters and compares with central differences on the given values.
func check(t *testing.T, body func(b *build.B) (loss *ir.Value, wrt []*ir.Value), in ...tensor.Tensor) {
	t.Helper()
	b := build.New("m", op.Builtin())
	loss, wrt := body(b)
	b.Result("loss", loss)
	gs, err := grad.Gradients(b.Emitter.(*ir.Builder), loss, wrt)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range gs {
		b.Result("d"+wrt[i].Name, g)
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(m); err != nil {
		t.Fatal(err)
	}
	x, err := eval.New().Compile(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	run := func() []tensor.Value {
		out, err := x.Run(context.Background(), tensor.Vs(in...))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := run()
	for i, w := range wrt {
		k := 0
		for m.Main().Params[k] != w {
			k++
		}
		d := out[i+1].Clone().Tensor
		for e := range in[k].Len() {
			v := in[k].Float(e)
			const h = 1e-5
			in[k].SetFloat(e, v+h)
			hi := run()[0].Tensor.Float(0)
			in[k].SetFloat(e, v-h)
			lo := run()[0].Tensor.Float(0)
			in[k].SetFloat(e, v)
			if n := (hi - lo) / (2 * h); !(math.Abs(n-d.Float(e)) <= 1e-7*(1+math.Abs(n))) {
				t.Errorf("d%s[%d] = %g, differences give %g", w.Name, e, d.Float(e), n)
			}
		}
	}
}

func random(seed uint64, dims ...int) tensor.Tensor {
	t, err := tensor.Random(dtype.F64, seed, dims...)
	if err != nil {
		panic(err)
	}
	return t
}

func f64(dims ...shape.Dim) ir.Type { return tensor.T(dtype.F64, dims...) }

// A value that is read three times adds up what its readers say, and one read
// by nobody on the way to the loss has no gradient.
func TestAccumulates(t *testing.T) {
	check(t, func(b *build.B) (*ir.Value, []*ir.Value) {
		x := b.Param("x", f64(shape.Int(3)))
		y := b.Tanh(x)
		z := b.Add(b.Mul(y, x), b.Mul(x, b.Exp(x)))
		return b.ReduceSum(z, nil, build.Keepdims(0)), []*ir.Value{x}
	}, random(1, 3))
	b := build.New("m", op.Builtin())
	x, y := b.Param("x", f64(shape.Int(3))), b.Param("y", f64(shape.Int(3)))
	loss := b.ReduceSum(x, nil, build.Keepdims(0))
	gs, err := grad.Gradients(b.Emitter.(*ir.Builder), loss, []*ir.Value{x, y, loss})
	if err != nil || gs[0] == nil || gs[1] != nil || gs[2] == nil {
		t.Errorf("gradients %v, %v", gs, err)
	}
}

// Two open batch dims broadcast in a way that only the run knows: each of the
// two may be the one that is stretched, or neither.
func TestOpenBroadcast(t *testing.T) {
	body := func(b *build.B) (*ir.Value, []*ir.Value) {
		n, m := b.Dim("N", 1, 8), b.Dim("M", 1, 8)
		x, y := b.Param("x", f64(n, shape.Int(3))), b.Param("y", f64(m, shape.Int(1)))
		z := b.Mul(x, y)
		return b.ReduceSum(b.Mul(z, z), nil, build.Keepdims(0)), []*ir.Value{x, y}
	}
	for _, e := range [][2]int{{4, 4}, {4, 1}, {1, 4}, {1, 1}} {
		check(t, body, random(1, e[0], 3), random(2, e[1], 1))
	}
}

// A batch dim of the input reaches the loss through a reshape, a product and a
// mean, none of which knows its extent.
func TestOpenBatch(t *testing.T) {
	check(t, func(b *build.B) (*ir.Value, []*ir.Value) {
		n := b.Dim("N", 1, shape.Unbounded)
		x := b.Param("x", f64(n, shape.Int(2), shape.Int(3)))
		w, c := b.Param("w", f64(shape.Int(6), shape.Int(4))), b.Param("c", f64(shape.Int(4)))
		h := b.Relu(b.Add(b.MatMul(b.Flatten(x, build.Axis(1)), w), c))
		return b.ReduceMean(h, nil, build.Keepdims(0)), []*ir.Value{x, w, c}
	}, random(3, 5, 2, 3), random(4, 6, 4), random(5, 4))
}

// Gradients end at integers; a node without one on the way is an error that
// names it and says why.
func TestRefused(t *testing.T) {
	b := build.New("m", op.Builtin())
	x := b.Param("x", f64(shape.Int(3)))
	b.Emitter.(*ir.Builder).Source = []string{"quantizer"}
	q := b.Round(x)
	b.Emitter.(*ir.Builder).Source = nil
	loss := b.ReduceSum(q, nil, build.Keepdims(0))
	_, err := grad.Gradients(b.Emitter.(*ir.Builder), loss, []*ir.Value{x})
	if err == nil || !strings.Contains(err.Error(), `node "quantizer" (Round-22): unsupported: no gradient: piecewise constant`) {
		t.Errorf("error %v", err)
	}

	b = build.New("m", op.Builtin())
	x = b.Param("x", f64(shape.Int(3)))
	loss = b.ReduceSum(b.Add(x, b.Cast(b.Cast(x, int64(dtype.I64.ONNX())), int64(dtype.F64.ONNX()))), nil, build.Keepdims(0))
	gs, err := grad.Gradients(b.Emitter.(*ir.Builder), loss, []*ir.Value{x})
	if err != nil || gs[0] == nil {
		t.Errorf("a path through integers: %v, %v", gs, err)
	}

	_, err = grad.Gradients(b.Emitter.(*ir.Builder), x, []*ir.Value{x})
	if err == nil || !strings.Contains(err.Error(), "loss: have f64[3], want a float of one element") {
		t.Errorf("a loss of three elements: %v", err)
	}
}

// A region that reads a value under differentiation is refused by name.
func TestRegionRefused(t *testing.T) {
	b := build.New("m", op.Builtin())
	x := b.Param("x", f64(shape.Int(3)))
	c := b.Param("c", tensor.T(dtype.Bool))
	arm := func(e ir.Emitter, f *ir.Func) { f.AddResult("y", e.Op("Exp", nil, x)) }
	y := b.OpN("If", 1, nil, []*ir.Func{b.Region("then", arm), b.Region("else", arm)}, c)
	loss := b.ReduceSum(y[0], nil, build.Keepdims(0))
	_, err := grad.Gradients(b.Emitter.(*ir.Builder), loss, []*ir.Value{x})
	if err == nil || !strings.Contains(err.Error(), "(If-25): unsupported: no gradient: its regions would need") {
		t.Errorf("error %v", err)
	}
}
