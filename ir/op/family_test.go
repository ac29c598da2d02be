package op_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// old runs a node of an older schema by its upgrade.
func old(t *testing.T, name string, version int, a attr.Map, x tensor.Tensor) tensor.Tensor {
	t.Helper()
	ops := builtin()
	m := ir.NewModule("old")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops)
	p := f.AddParam("x", x.Type())
	up := ops.Lookup(name).Upgrade[version]
	if up == nil {
		t.Fatalf("%s-%d has no upgrade", name, version)
	}
	out, err := up(b, ir.Raw{Op: name, Version: version, Attrs: a, In: []*ir.Value{p}, NOut: 1})
	if err == nil {
		err = b.Err()
	}
	if err != nil {
		t.Fatalf("%s-%d: %v", name, version, err)
	}
	f.AddResult("y", out[0])
	got, err := eval.Run(context.Background(), m, tensor.Vs(x))
	if err != nil {
		t.Fatalf("%s-%d: %v", name, version, err)
	}
	return got[0].Tensor
}

func TestUpgrades(t *testing.T) {
	x := tensor.MustOf([]float32{0, 0, 0, 0, -1, 2, 3, -4}, 2, 2, 2)
	// Softmax before 13 with the default axis 1 is over the last four
	// elements of each of two rows: the first row gives a quarter each.
	y := old(t, "Softmax", 11, nil, x)
	if y.Rank() != 3 || y.Float(0) != 0.25 || y.Float(3) != 0.25 {
		t.Errorf("Softmax-11: %v %v", y.Type(), y.Float(0))
	}
	if y = old(t, "Softmax", 1, attr.Map{"axis": attr.Int(2)}, x); y.Float(0) != 0.5 {
		t.Errorf("Softmax-1 along the last axis: %v", y.Float(0))
	}
	y = old(t, "Clip", 6, attr.Map{"min": attr.Float(-1.5), "max": attr.Float(2.5)}, x)
	if err := tensor.Exact.CompareTensors(&y, ref(tensor.MustOf([]float32{0, 0, 0, 0, -1, 2, 2.5, -1.5}, 2, 2, 2))); err != nil {
		t.Errorf("Clip-6: %v", err)
	}
	for name, want := range map[string][]float32{"ReduceSum": {0, 0, 1, -1}, "ReduceMean": {0, 0, 0.5, -0.5}, "ReduceMax": {0, 0, 2, 3}, "ReduceMin": {0, 0, -1, -4}, "ReduceProd": {0, 0, -2, -12}} {
		y = old(t, name, 11, attr.Map{"axes": attr.Ints(-1), "keepdims": attr.Int(0)}, x)
		if err := tensor.Exact.CompareTensors(&y, ref(tensor.MustOf(want, 2, 2))); err != nil {
			t.Errorf("%s-11: %v", name, err)
		}
	}
	if y = old(t, "ReduceSum", 1, nil, x); y.Len() != 1 || y.Rank() != 3 {
		t.Errorf("ReduceSum-1 over all axes: %v", y.Type())
	}
}

func ref(t tensor.Tensor) *tensor.Tensor { return &t }

// lowered writes one node in an older schema version.
func lowered(t *testing.T, name string, version int, a attr.Map, in ...any) ([]*ir.Value, attr.Map, error) {
	t.Helper()
	ops := builtin()
	m := ir.NewModule("down")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops)
	var vs []*ir.Value
	for i, x := range in {
		switch x := x.(type) {
		case tensor.Tensor:
			vs = append(vs, b.Const(x))
		case ir.Type:
			vs = append(vs, f.AddParam(fmt.Sprint("p", i), x))
		default:
			vs = append(vs, nil)
		}
	}
	y := b.Op(name, a, vs...)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	down := ops.Lookup(name).Downgrade[version]
	if down == nil {
		t.Fatalf("%s has no downgrade to %d", name, version)
	}
	return down(b, y.Node)
}

func TestDowngrades(t *testing.T) {
	f32 := tensor.T(dtype.F32, shape.Sym("N"), shape.Int(3))
	in, a, err := lowered(t, "ReduceMax", 13, attr.Map{"keepdims": attr.Int(0)}, f32, tensor.Int64s(1))
	if err != nil || len(in) != 1 || len(a.Ints("axes")) != 1 || a.Has("noop_with_empty_axes") || a.Int("keepdims") != 0 {
		t.Errorf("ReduceMax-13: %d inputs, %v, %v", len(in), a, err)
	}
	for _, c := range []struct {
		name    string
		version int
		attrs   attr.Map
		in      []any
		want    string
	}{
		{"ReduceMax", 13, nil, []any{f32, tensor.T(dtype.I64, shape.Int(1))}, "axes that are computed"},
		{"ReduceMean", 13, attr.Map{"noop_with_empty_axes": attr.Int(1)}, []any{f32}, "noop_with_empty_axes"},
		{"ReduceMax", 18, nil, []any{tensor.T(dtype.Bool, shape.Int(2))}, "bool in ReduceMax-18"},
		{"Add", 13, nil, []any{tensor.T(dtype.U8), tensor.T(dtype.U8)}, "u8 in Add-13"},
		{"Cast", 13, attr.Map{"to": attr.Int(dtype.F8E5M2.ONNX())}, []any{f32}, "f8e5m2 in Cast-13"},
		{"QuantizeLinear", 19, attr.Map{"block_size": attr.Int(2)}, []any{tensor.T(dtype.F32, shape.Int(1), shape.Int(4)), tensor.New(dtype.F32, 1, 2)}, "block_size"},
		{"QuantizeLinear", 13, attr.Map{"output_dtype": attr.Int(dtype.I8.ONNX())}, []any{f32, tensor.Scalar(dtype.F32, 1)}, "output_dtype"},
	} {
		if _, _, err := lowered(t, c.name, c.version, c.attrs, c.in...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s-%d: error %v, want one with %q", c.name, c.version, err, c.want)
		}
	}
	_, a, err = lowered(t, "QuantizeLinear", 13, nil, f32, tensor.Scalar(dtype.F32, 1), tensor.Scalar(dtype.I8, 0))
	if err != nil || len(a) != 1 || !a.Has("axis") {
		t.Errorf("QuantizeLinear-13: %v, %v", a, err)
	}
}

// Shape arithmetic of exporters must come out as expressions.
func TestElementsAreTracked(t *testing.T) {
	m := ir.NewModule("ints")
	m.DeclareDim("H", 1, 4096)
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, builtin())
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Sym("H"), shape.Int(8)))
	s := b.Op("Shape", nil, x)
	two, minus := b.Ints(2), b.Ints(-1)
	for _, c := range []struct {
		v    *ir.Value
		want string
	}{
		{b.Op("Mul", nil, s, two), "[(2*H),16]"},
		{b.Op("Add", nil, s, two), "[(H+2),10]"},
		{b.Op("Sub", nil, s, two), "[(H-2),6]"},
		{b.Op("Div", nil, s, two), "[(H/2),4]"},
		{b.Op("Div", nil, b.Op("Sub", nil, s, two), two), "[]"}, // H-2 may be negative: truncation is not the floor
		{b.Op("Cast", attr.Map{"to": attr.Int(dtype.I32.ONNX())}, s), "[H,8]"},
		{b.Op("Cast", attr.Map{"to": attr.Int(dtype.I8.ONNX())}, s), "[]"}, // H may not fit
		{b.Op("Max", nil, s, b.Ints(1)), "[H,8]"},
		{b.Op("Min", nil, s, b.Ints(5000)), "[H,8]"},
		{b.Op("Neg", nil, s), "[(-1*H),-8]"},
		{b.Op("Abs", nil, b.Op("Neg", nil, s)), "[H,8]"},
		{b.Op("Where", nil, b.Op("Equal", nil, s, minus), two, s), "[H,8]"},
		{b.Op("Where", nil, b.Op("Less", nil, s, b.Ints(10)), two, two), "[2,2]"},
		{b.Op("ReduceProd", attr.Map{"keepdims": attr.Int(0)}, s), "[(8*H)]"},
	} {
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		if have := shape.Format(c.v.Ints); have != c.want {
			t.Errorf("%s: have %s, want %s", c.v.Node.Def.Name, have, c.want)
		}
	}
}

// Faults that depend on elements are errors of kind bad data, not panics.
func TestIntegerDivisionByZero(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b tensor.Tensor
	}{
		{"Div", tensor.Int64s(1), tensor.Int64s(0)},
		{"Div", tensor.New(dtype.U8, 1), tensor.New(dtype.U8, 1)},
		{"Pow", tensor.Int64s(0), tensor.Int64s(-1)},
	} {
		d := builtin().Lookup(c.name)
		_, err := runSample(d, sampleOf(d, c.a, c.b), 1)
		if err == nil || !strings.Contains(err.Error(), "have 0") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
