package op

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// symbolic makes a function with one f32 parameter whose extents are given as
// text; N, C, H, W lie in 1.. and Z in 0...
func symbolic(t *testing.T, dims ...string) (*ir.Builder, *ir.Value) {
	t.Helper()
	m := ir.NewModule("m")
	for _, s := range []string{"N", "C", "H", "W"} {
		m.DeclareDim(s, 1, shape.Unbounded)
	}
	m.DeclareDim("Z", 0, shape.Unbounded)
	f := m.AddFunc("main")
	var ds []shape.Dim
	for _, s := range dims {
		d, err := shape.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, d)
	}
	return ir.NewBuilder(f, -1, Builtin()), f.AddParam("x", tensor.T(dtype.F32, ds...))
}

// freshDim is a run-time dim; its number is of no interest.
var freshDim = regexp.MustCompile(`u[0-9]+`)

func TestMovementInfer(t *testing.T) {
	type em = ir.Emitter
	dim := func(e em, x *ir.Value, k int) *ir.Value { // Shape, then Gather of one element, as exporters write it
		return e.Op("Unsqueeze", nil, e.Op("Gather", nil, e.Op("Shape", nil, x), e.Const(tensor.Scalar(dtype.I64, float64(k)))), e.Ints(0))
	}
	cases := []struct {
		name string
		dims []string
		make func(e em, x *ir.Value) *ir.Value
		want string
	}{
		{"reshape copies and divides", []string{"N", "C", "H", "W"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Reshape", nil, x, e.Ints(0, -1, 4)) }, "f32[N,(((C*H)*W)/4),4]"},
		{"reshape exact", []string{"N", "12", "H", "W"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Reshape", nil, x, e.Ints(0, -1, 4)) }, "f32[N,((3*H)*W),4]"},
		{"reshape by shape of dims", []string{"N", "C", "(H+1)"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Reshape", nil, x, e.Op("Concat", attr.Map{"axis": attr.Int(0)}, dim(e, x, 2), e.Ints(-1)))
		}, "f32[(H+1),(C*N)]"},
		{"reshape of unknown vector", []string{"N", "C"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Reshape", nil, x, e.Op("ConstantOfShape", attr.Map{"value": attr.Tensor(i64s(-1))}, e.Ints(1)))
		}, "f32[(C*N)]"},
		{"flatten", []string{"N", "C", "H", "W"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Flatten", nil, x) }, "f32[N,((C*H)*W)]"},
		{"focus layer", []string{"N", "3", "H", "W"}, func(e em, x *ir.Value) *ir.Value {
			x = e.Op("Slice", nil, x, e.Ints(0), e.Ints(math.MaxInt64), e.Ints(2), e.Ints(2))
			return e.Op("Slice", nil, x, e.Ints(1), e.Ints(math.MaxInt32), e.Ints(3), e.Ints(2))
		}, "f32[N,3,((H+1)/2),(W/2)]"},
		{"every other element of what may be empty", []string{"Z"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Slice", nil, x, e.Ints(1), e.Ints(math.MaxInt64), e.Ints(0), e.Ints(2))
		}, "f32[(Z/2)]"},
		{"slice from the back", []string{"H", "W"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Slice", nil, x, e.Ints(-1, 0), e.Ints(math.MaxInt64, -1))
		}, "f32[1,(W-1)]"},
		{"slice with open clamp", []string{"H"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Slice", nil, x, e.Ints(0), e.Ints(5)) }, "f32[u]"},
		{"slice of an axis that may be empty", []string{"Z"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Slice", nil, x, e.Ints(1), e.Ints(math.MaxInt64)) }, "f32[u]"},
		{"slice backward", []string{"H"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Slice", nil, x, e.Ints(-1), e.Ints(math.MinInt64), e.Ints(0), e.Ints(-1))
		}, "f32[H]"},
		{"split even", []string{"N", "(4*C)"}, func(e em, x *ir.Value) *ir.Value {
			return e.OpN("Split", 2, attr.Map{"axis": attr.Int(1), "num_outputs": attr.Int(2)}, nil, x)[1]
		}, "f32[N,(2*C)]"},
		{"split uneven", []string{"7"}, func(e em, x *ir.Value) *ir.Value {
			return e.OpN("Split", 3, attr.Map{"num_outputs": attr.Int(3)}, nil, x)[2]
		}, "f32[1]"},
		{"split of a symbol", []string{"N"}, func(e em, x *ir.Value) *ir.Value {
			return e.OpN("Split", 2, attr.Map{"num_outputs": attr.Int(2)}, nil, x)[1]
		}, "f32[((-1*((N+1)/2))+N)]"},
		{"squeeze all, perhaps", []string{"N", "1"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Squeeze", nil, x) }, "f32[?]"},
		{"squeeze named", []string{"N", "1"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Squeeze", nil, x, e.Ints(-1)) }, "f32[N]"},
		{"unsqueeze", []string{"N", "C"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Unsqueeze", nil, x, e.Ints(-1, 0)) }, "f32[1,N,C,1]"},
		{"expand", []string{"N", "1", "1"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Expand", nil, x, e.Op("Concat", attr.Map{"axis": attr.Int(0)}, e.Ints(1, 5), dim(e, x, 0)))
		}, "f32[N,5,N]"},
		{"tile", []string{"N", "C"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Tile", nil, x, e.Op("Concat", attr.Map{"axis": attr.Int(0)}, e.Ints(3), dim(e, x, 0)))
		}, "f32[(3*N),(C*N)]"},
		{"pad", []string{"N", "H"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Pad", nil, x, e.Ints(2, -1), nil, e.Ints(-1)) }, "f32[N,(H+1)]"},
		{"concat", []string{"N", "H"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Concat", attr.Map{"axis": attr.Int(1)}, x, x, x) }, "f32[N,(3*H)]"},
		{"transpose reverses", []string{"N", "C", "H"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Transpose", nil, x) }, "f32[H,C,N]"},
		{"shape, part", []string{"N", "C", "H"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("ConstantOfShape", nil, e.Op("Shape", attr.Map{"start": attr.Int(-2)}, x))
		}, "f32[C,H]"},
		{"resize by integer scale", []string{"N", "3", "H", "W"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Resize", nil, x, nil, e.Const(f32s([]int{4}, 1, 1, 2, 0.5)))
		}, "f32[N,3,(2*H),(W/2)]"},
		{"resize by sizes", []string{"N", "3", "H", "W"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Resize", attr.Map{"axes": attr.Ints(2, 3)}, x, nil, nil, e.Op("Concat", attr.Map{"axis": attr.Int(0)}, dim(e, x, 3), e.Ints(7)))
		}, "f32[N,3,W,7]"},
		{"resize by odd scale", []string{"H"}, func(e em, x *ir.Value) *ir.Value { return e.Op("Resize", nil, x, nil, e.Const(f32s([]int{1}, 1.3))) }, "f32[u]"},
		{"gather", []string{"N", "C"}, func(e em, x *ir.Value) *ir.Value {
			return e.Op("Gather", attr.Map{"axis": attr.Int(1)}, x, e.Const(tensor.New(dtype.I64, 2, 3)))
		}, "f32[N,2,3]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, x := symbolic(t, c.dims...)
			y := c.make(b, x)
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			if got := freshDim.ReplaceAllString(y.Type.String(), "u"); got != c.want {
				t.Errorf("have %s, want %s", got, c.want)
			}
			// Inference that is repeated gives the same, run-time dims included.
			fs, err := ir.InferNode(b.Module(), y.Node)
			if err != nil || !fs[len(fs)-1].Type.Equal(y.Node.Out[len(fs)-1].Type) {
				t.Errorf("repeated: %v, %v", fs, err)
			}
		})
	}
}

// Each constraint is named when it is violated.
func TestMovementConstraints(t *testing.T) {
	x := f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)
	m22 := tensor.New(dtype.I64, 2, 2)
	absent := tensor.Value{}
	v := tensor.V
	cases := []struct {
		op, c string
		nout  int
		a     attr.Map
		in    []tensor.Value
	}{
		{"Reshape", "C1", 1, nil, tensor.Vs(x, m22)},
		{"Reshape", "C1", 1, nil, tensor.Vs(x, tensor.New(dtype.I64, 1000))},
		{"Reshape", "C2", 1, nil, tensor.Vs(x, i64s(-1, -1))},
		{"Flatten", "C1", 1, attr.Map{"axis": attr.Int(3)}, tensor.Vs(x)},
		{"Squeeze", "C1", 1, nil, tensor.Vs(x, m22)},
		{"Squeeze", "C2", 1, nil, tensor.Vs(x, i64s(0))},
		{"Unsqueeze", "C1", 1, nil, tensor.Vs(x, m22)},
		{"Unsqueeze", "C2", 1, nil, tensor.Vs(x, i64s(1, 1))},
		{"Transpose", "C1", 1, attr.Map{"perm": attr.Ints(0, 0)}, tensor.Vs(x)},
		{"Concat", "C1", 1, attr.Map{"axis": attr.Int(2)}, tensor.Vs(x)},
		{"Concat", "C2", 1, attr.Map{"axis": attr.Int(1)}, tensor.Vs(x, f32s([]int{3, 3}, make([]float32, 9)...))},
		{"Split", "C1", 2, attr.Map{"axis": attr.Int(-3), "num_outputs": attr.Int(2)}, tensor.Vs(x)},
		{"Split", "C2", 2, nil, tensor.Vs(x)},
		{"Split", "C3", 2, attr.Map{"num_outputs": attr.Int(3)}, tensor.Vs(x)},
		{"Split", "C4", 2, nil, tensor.Vs(x, tensor.New(dtype.I64, 2, 1))},
		{"Split", "C5", 2, nil, tensor.Vs(x, i64s(1, 2))},
		{"Split", "C5", 4, attr.Map{"num_outputs": attr.Int(4)}, tensor.Vs(f32s([]int{5}, 1, 2, 3, 4, 5))},
		{"Expand", "C1", 1, nil, tensor.Vs(x, m22)},
		{"Expand", "C2", 1, nil, tensor.Vs(x, i64s(4))},
		{"Tile", "C1", 1, nil, tensor.Vs(x, m22)},
		{"Tile", "C2", 1, nil, tensor.Vs(x, i64s(1))},
		{"Tile", "C3", 1, nil, tensor.Vs(x, i64s(1, -1))},
		{"Pad", "C1", 1, nil, tensor.Vs(x, m22)},
		{"Pad", "C2", 1, nil, tensor.Vs(x, i64s(1, 1))},
		{"Pad", "C3", 1, nil, []tensor.Value{v(x), v(i64s(1, 1)), absent, v(i64s(2))}},
		{"Pad", "C4", 1, nil, tensor.Vs(x, i64s(0, 0, 0, 0), f32s([]int{2}, 1, 2))},
		{"Pad", "C5", 1, attr.Map{"mode": attr.Str("edge")}, tensor.Vs(x, i64s(-2, 0, 1, 0))},
		{"Pad", "C6", 1, nil, []tensor.Value{v(x), v(i64s(0, 0)), absent, v(tensor.New(dtype.I64, 1, 1))}},
		{"mlc.GatherGrad", "C2", 1, nil, tensor.Vs(x, i64s(0, 1), i64s(4, 4))},
		{"mlc.GatherGrad", "C3", 1, nil, tensor.Vs(x, i64s(0, 4), i64s(4))},
		{"Gather", "C1", 1, nil, tensor.Vs(f32s(nil, 1), i64s(0))},
		{"Gather", "C2", 1, attr.Map{"axis": attr.Int(2)}, tensor.Vs(x, i64s(0))},
		{"Gather", "C3", 1, nil, tensor.Vs(x, i64s(2))},
		{"mlc.GatherGrad", "C1", 1, nil, tensor.Vs(x, i64s(0, 1, 0), i64s(4))},
		{"Slice", "C1", 1, nil, tensor.Vs(x, i64s(0), i64s(1, 2))},
		{"Slice", "C2", 1, nil, tensor.Vs(x, i64s(0), i64s(1), i64s(2))},
		{"Slice", "C3", 1, nil, tensor.Vs(x, i64s(0), i64s(1), i64s(0), i64s(0))},
		{"Constant", "C1", 1, attr.Map{"value_int": attr.Int(1), "value_float": attr.Float(1)}, nil},
		{"ConstantOfShape", "C1", 1, nil, tensor.Vs(m22)},
		{"ConstantOfShape", "C2", 1, nil, tensor.Vs(i64s(-1))},
		{"Dropout", "C1", 1, nil, tensor.Vs(x, f32s([]int{2}, 0, 0))},
		{"Resize", "C1", 1, nil, tensor.Vs(x)},
		{"Resize", "C2", 1, attr.Map{"axes": attr.Ints(2)}, []tensor.Value{v(x), absent, v(f32s([]int{1}, 2))}},
		{"Resize", "C3", 1, nil, []tensor.Value{v(x), absent, v(f32s([]int{1}, 2))}},
		{"Resize", "C3", 1, nil, []tensor.Value{v(x), absent, v(f32s([]int{2}, 2, 0))}},
		{"Resize", "C4", 1, attr.Map{"mode": attr.Str("linear")}, []tensor.Value{v(tensor.New(dtype.Bool, 2)), absent, v(f32s([]int{1}, 2))}},
		{"Resize", "C5", 1, attr.Map{"antialias": attr.Int(1)}, []tensor.Value{v(x), absent, v(f32s([]int{2}, 2, 2))}},
		{"Upsample", "C1", 1, nil, tensor.Vs(x, f32s([]int{1}, 2))},
	}
	for _, c := range cases {
		_, err := tryOne(t, c.op, ir.Case{Attrs: c.a, In: c.in}, c.nout)
		if err == nil || !strings.Contains(err.Error(), ": "+c.c+": ") {
			t.Errorf("%s %s: %v", c.op, c.c, err)
		}
	}
}

// What only the run can see ends in an error, not in a panic or an allocation
// without bound.
func TestMovementRunErrors(t *testing.T) {
	set := Builtin()
	x := f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)
	cases := []struct {
		op   string
		a    attr.Map
		kind diag.Kind
		in   []tensor.Value
	}{
		{"Reshape", nil, diag.Shape, tensor.Vs(x, i64s(4, -1))},
		{"Reshape", nil, diag.Shape, tensor.Vs(x, i64s(math.MaxInt64, math.MaxInt64))},
		{"Reshape", nil, diag.Limit, tensor.Vs(x, tensor.New(dtype.I64, 100))},
		{"Expand", nil, diag.Limit, tensor.Vs(x, i64s(1<<40, 2, 3))},
		{"Tile", nil, diag.Limit, tensor.Vs(x, i64s(math.MaxInt64, 1))},
		{"Tile", nil, diag.Limit, tensor.Vs(x, i64s(1<<30, 1<<30))},
		{"ConstantOfShape", nil, diag.Limit, tensor.Vs(i64s(1<<31, 1<<31))},
		{"ConstantOfShape", nil, diag.Limit, tensor.Vs(i64s(-5))},
		{"Pad", attr.Map{"mode": attr.Str("constant")}, diag.Shape, tensor.Vs(x, i64s(0, 0, 0, math.MaxInt64))},
		{"Pad", attr.Map{"mode": attr.Str("constant")}, diag.Shape, tensor.Vs(x, i64s(-1, 0, -2, 0))},
		{"Pad", attr.Map{"mode": attr.Str("edge")}, diag.Shape, tensor.Vs(tensor.New(dtype.F32, 0), i64s(1, 0))},
		{"Gather", nil, diag.BadData, tensor.Vs(x, i64s(-3))},
		{"Slice", nil, diag.Shape, tensor.Vs(x, i64s(0), i64s(1), i64s(0), i64s(0))},
		{"Concat", attr.Map{"axis": attr.Int(0)}, diag.Shape, tensor.Vs(x, f32s([]int{1}, 1))},
		{"Squeeze", nil, diag.Shape, tensor.Vs(x, i64s(0))},
		{"Unsqueeze", nil, diag.Shape, tensor.Vs(x, i64s(5))},
		{"Resize", nil, diag.Shape, append(tensor.Vs(x), tensor.Value{}, tensor.V(f32s([]int{2}, float32(math.NaN()), 1)))},
		{"Resize", nil, diag.Shape, append(tensor.Vs(x), tensor.Value{}, tensor.V(f32s([]int{2}, 1e30, 1)))},
	}
	for _, c := range cases {
		d := set.Lookup(c.op)
		err := d.Eval(&nodeCtx{Context: t.Context()}, c.in, make([]tensor.Value, 1), d.Complete(c.a))
		if err == nil || diag.KindOf(err) != c.kind {
			t.Errorf("%s of %v: %v (%v), want kind %v", c.op, c.in[len(c.in)-1].Type(), err, diag.KindOf(err), c.kind)
		}
	}
}
