package op

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// nodeCtx runs one node by its reference function. What a region gave is
// destroyed when the region runs again, so that a function which keeps a
// reference to it fails.
type nodeCtx struct {
	context.Context
	n     *ir.Node
	env   map[*ir.Value]tensor.Value
	fresh []tensor.Tensor         // made since the last look
	alive map[int][]tensor.Tensor // by region: what its last run made
}

func (c *nodeCtx) New(_ int, d dtype.DType, dims ...int) *tensor.Tensor {
	t := tensor.New(d, dims...)
	for i := range t.Bytes() {
		t.Bytes()[i] = 0xa5 // contents are undefined
	}
	c.fresh = append(c.fresh, t)
	return &t
}

func (c *nodeCtx) Rand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func (c *nodeCtx) RegionTypes(i int) []tensor.Type {
	var ts []tensor.Type
	for _, r := range c.n.Regions[i].Results {
		ts = append(ts, r.Value.Type)
	}
	return ts
}

func (c *nodeCtx) Region(i int, in, out []tensor.Value) error {
	for _, t := range c.alive[i] {
		for k := range t.Bytes() {
			t.Bytes()[k] = 0x5a
		}
	}
	r := c.n.Regions[i]
	for k, p := range r.Params {
		c.env[p] = in[k]
	}
	made, err := runNodes(c.Context, r.Nodes, c.env)
	if c.alive == nil {
		c.alive = map[int][]tensor.Tensor{}
	}
	c.alive[i] = made
	if err != nil {
		return err
	}
	for k, res := range r.Results {
		out[k] = c.env[res.Value]
	}
	return nil
}

// runNodes interprets nodes in order and lists the tensors that it made.
func runNodes(ctx context.Context, nodes []*ir.Node, env map[*ir.Value]tensor.Value) (made []tensor.Tensor, err error) {
	for _, n := range nodes {
		if n.Const != nil {
			t, err := n.Const.Tensor()
			if err != nil {
				return made, err
			}
			env[n.Out[0]] = tensor.V(t)
			continue
		}
		in, out := make([]tensor.Value, len(n.In)), make([]tensor.Value, len(n.Out))
		for i, v := range n.In {
			if v != nil {
				in[i] = env[v]
			}
		}
		c := &nodeCtx{Context: ctx, n: n, env: env}
		if err := n.Def.Eval(c, in, out, n.Attrs); err != nil {
			return made, err
		}
		made = append(made, c.fresh...)
		for i, v := range n.Out {
			if v != nil {
				env[v] = out[i]
			}
		}
	}
	return made, nil
}

// evalOne builds a node over constant inputs, checks the inferred types against
// the values, and gives the values.
func evalOne(t *testing.T, name string, c ir.Case, nout int) []tensor.Value {
	t.Helper()
	out, err := tryOne(t, name, c, nout)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryOne(t *testing.T, name string, c ir.Case, nout int) ([]tensor.Value, error) {
	t.Helper()
	m := ir.NewModule("m")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, Builtin())
	env := map[*ir.Value]tensor.Value{}
	var in []*ir.Value
	for _, v := range c.In {
		switch v.Kind {
		case tensor.KindNone:
			in = append(in, nil)
		case tensor.KindTensor:
			in = append(in, b.Const(v.Tensor))
		default:
			p := f.AddParam("p", v.Type())
			env[p] = v
			in = append(in, p)
		}
	}
	var regions []*ir.Func
	if c.Regions != nil {
		regions = c.Regions(b)
	}
	vs := b.OpN(name, nout, c.Attrs, regions, in...)
	if b.Err() != nil {
		return nil, b.Err()
	}
	if _, err := runNodes(t.Context(), f.Nodes, env); err != nil {
		return nil, err
	}
	out := make([]tensor.Value, nout)
	for i, v := range vs {
		out[i] = env[v]
		if !agrees(v.Type, out[i].Type()) {
			t.Errorf("%s: output %d inferred %v, ran %v", name, i, v.Type, out[i].Type())
		}
		if out[i].Kind == tensor.KindTensor && v.Ints != nil {
			for k, d := range v.Ints {
				if n, ok := d.Const(); ok && n != out[i].Tensor.Int(k) {
					t.Errorf("%s: element %d inferred %v, ran %d", name, k, d, out[i].Tensor.Int(k))
				}
			}
		}
	}
	return out, nil
}

// agrees says whether a value of static type have is one of type t.
func agrees(t, have ir.Type) bool {
	if t.Kind != have.Kind || t.DType != have.DType {
		return false
	}
	if t.Kind != tensor.KindTensor || t.Unranked {
		return true
	}
	if len(t.Dims) != len(have.Dims) {
		return false
	}
	for i, d := range t.Dims {
		if n, ok := d.Const(); ok && !have.Dims[i].Is(n) {
			return false
		}
	}
	return true
}

func TestMovementExamples(t *testing.T) {
	for _, family := range []func() []*ir.OpDef{shapeOps, movementOps, joinOps, padOps, indexOps, constantOps, rangeOps, resizeOps, controlOps, fusedOps} {
		for _, d := range family() {
			if len(d.Examples) < 2 || d.Doc == "" || d.Source == "" || d.Cost == nil || (d.Grad == nil) == (d.NoGrad == "") {
				t.Errorf("%s: examples, doc, source, cost or gradient are missing", d.FullName())
			}
			for _, c := range d.Examples {
				t.Run(d.FullName()+"/"+c.Name, func(t *testing.T) {
					got := evalOne(t, d.FullName(), c, len(c.Out))
					for i := range c.Out {
						if err := c.Tol.Compare(got[i], c.Out[i]); err != nil {
							t.Errorf("output %d: %v", i, err)
						}
					}
				})
			}
		}
	}
}

// Numbers from onnxruntime 1.32, at places where the specification leaves
// room. It computes in float32, hence a few steps off.
func TestMovementAsPeers(t *testing.T) {
	x, row := f32s([]int{4}, 1, 2, 3, 4), f32s([]int{2, 4}, 1, 2, 4, 8, 16, 32, 64, 128)
	cubic := attr.Map{"mode": attr.Str("cubic"), "coordinate_transformation_mode": attr.Str("pytorch_half_pixel")}
	absent := tensor.Value{}
	for _, c := range []struct {
		name, op string
		a        attr.Map
		in       []tensor.Value
		want     tensor.Tensor
	}{
		{"what wraps is what stays", "Pad", attr.Map{"mode": attr.Str("wrap")}, tensor.Vs(x, i64s(-1, 4)), f32s([]int{7}, 2, 3, 4, 2, 3, 4, 2)},
		{"what is repeated is what stays", "Pad", attr.Map{"mode": attr.Str("edge")}, tensor.Vs(x, i64s(-1, 3)), f32s([]int{6}, 2, 3, 4, 4, 4, 4)},
		{"a single element lies at 0", "Resize", cubic, []tensor.Value{tensor.V(row), absent, absent, tensor.V(i64s(1, 1))}, f32s([]int{1, 1}, 1)},
		{"one row at 0", "Resize", cubic, []tensor.Value{tensor.V(row), absent, absent, tensor.V(i64s(1, 3))}, f32s([]int{1, 3}, 1.1087964, 2.71875, 7.4606495)},
		{"an extent rounds in float32", "Resize", nil, []tensor.Value{tensor.V(tensor.New(dtype.F32, 10)), absent, tensor.V(f32s([]int{1}, 0.7))}, tensor.New(dtype.F32, 7)},
	} {
		got := evalOne(t, c.op, ir.Case{Attrs: c.a, In: c.in}, 1)
		if err := tensor.Ulp(4).Compare(got[0], tensor.V(c.want)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The same bytes move whatever the element type is: strings and types below a
// byte included. The expected order is that of the i64 run.
func TestMovementTypes(t *testing.T) {
	cases := []struct {
		op    string
		attrs attr.Map
		more  []tensor.Value
		nout  int
		small bool // the schema allows types below a byte
	}{
		{"Transpose", nil, nil, 1, true},
		{"Reshape", nil, tensor.Vs(i64s(3, 2)), 1, true},
		{"Unsqueeze", nil, tensor.Vs(i64s(0)), 1, true},
		{"Pad", attr.Map{"mode": attr.Str("edge")}, tensor.Vs(i64s(1, 0, 0, 2)), 1, true},
		{"Pad", attr.Map{"mode": attr.Str("reflect")}, tensor.Vs(i64s(1, 0, -1, 2)), 1, true},
		{"Slice", nil, tensor.Vs(i64s(0, -1), i64s(2, -4), i64s(0, 1), i64s(1, -2)), 1, false},
		{"Gather", attr.Map{"axis": attr.Int(1)}, tensor.Vs(i64s(2, 0, -1)), 1, false},
		{"Tile", nil, tensor.Vs(i64s(2, 2)), 1, false},
		{"Expand", nil, tensor.Vs(i64s(2, 1, 1)), 1, false},
		{"Split", attr.Map{"axis": attr.Int(1), "num_outputs": attr.Int(2)}, nil, 2, false},
		{"Resize", nil, append([]tensor.Value{{}}, tensor.Vs(f32s([]int{2}, 2, 1))...), 1, false},
	}
	types := []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16, dtype.I8, dtype.U16, dtype.U32, dtype.Bool, dtype.C64, dtype.C128, dtype.String, dtype.I4, dtype.U4, dtype.U2, dtype.F8E5M2}
	for _, c := range cases {
		base := tensor.MustOf([]int64{0, 1, 2, 3, 4, 5}, 2, 3)
		want := evalOne(t, c.op, ir.Case{Attrs: c.attrs, In: append(tensor.Vs(base), c.more...)}, c.nout)
		for _, d := range types {
			if d.Bits() <= 8 && d.IsFloat() || d.Bits() > 0 && d.Bits() < 8 {
				if !c.small {
					continue
				}
			}
			got := evalOne(t, c.op, ir.Case{Attrs: c.attrs, In: append(tensor.Vs(coded(d, &base)), c.more...)}, c.nout)
			for i := range got {
				if err := tensor.Exact.Compare(got[i], tensor.V(coded(d, &want[i].Tensor))); err != nil {
					t.Errorf("%s of %v, output %d: %v", c.op, d, i, err)
				}
			}
		}
	}
}

// coded gives an i64 tensor in another type, each number by one code.
func coded(d dtype.DType, x *tensor.Tensor) tensor.Tensor {
	y := tensor.New(d, x.Dims()...)
	for i := range x.Len() {
		v := x.Int(i)
		switch {
		case d == dtype.String:
			y.Strings()[i] = string(rune('a' + v))
		case d.IsInt() || d == dtype.Bool:
			y.SetInt(i, v)
		default:
			y.Bytes()[i*d.Size()] = byte(v)
			y.Bytes()[(i+1)*d.Size()-1] = byte(v)
		}
	}
	return y
}
