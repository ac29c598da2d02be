package verify_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
)

var (
	n = shape.Sym("N")
	f = dtype.F32
)

// sound is a module with two nodes, a constant, a state and a fused group.
func sound(t testing.TB) *ir.Module {
	t.Helper()
	m := ir.NewModule("m")
	m.DeclareDim("N", 1, 8)
	s := &ir.State{Name: "s", Type: tensor.T(f, n, shape.Int(2)), GrowAxis: -1}
	m.States = append(m.States, s)
	fn := m.AddFunc("main")
	x := fn.AddParam("x", tensor.T(f, n, shape.Int(2)))
	p := fn.AddParam("p", tensor.T(f, n, shape.Int(2)))
	p.State = s
	table, err := ir.NewOpSet(op.Builtin().Lookup("Add"), fused())
	if err != nil {
		t.Fatal(err)
	}
	b := ir.NewBuilder(fn, -1, table)
	c := b.Scalar(f, 1)
	a := b.Op("Add", nil, x, c)
	g := b.OpN("mlc.Fused", 1, nil, []*ir.Func{b.Region("g", func(e ir.Emitter, r *ir.Func) {
		q := r.AddParam("q", x.Type)
		r.AddResult("r", e.Op("Add", nil, q, q))
	})}, a)[0]
	fn.AddResult("y", b.Op("Add", nil, a, g))
	fn.AddResult("next", p)
	fn.Results[1].State = s
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

// fused stands for the group of the real table.
func fused() *ir.OpDef {
	return &ir.OpDef{Name: "Fused", Domain: "mlc", NumRegions: 1,
		In: []ir.Port{{Name: "inputs", Variadic: true}}, Out: []ir.Port{{Name: "outputs", Variadic: true}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			var fs []ir.Fact
			for _, r := range q.Regions[0].Results {
				fs = append(fs, ir.Fact{Type: r.Value.Type})
			}
			return fs, nil
		}}
}

func TestSound(t *testing.T) {
	if err := verify.Module(sound(t)); err != nil {
		t.Fatal(err)
	}
}

// Each case breaks one law; the verifier names it, and does not change the
// module or panic.
func TestFaults(t *testing.T) {
	nodes := func(m *ir.Module) []*ir.Node { return m.Main().Nodes } // const, Add, Fused, Add
	for _, c := range []struct {
		name  string
		spoil func(m *ir.Module)
		want  string
	}{
		{"result type", func(m *ir.Module) { nodes(m)[1].Out[0].Type = tensor.T(f, n, shape.Int(3)) }, "(Add-14): result type: have f32[N,3], want f32[N,2]"},
		{"element type", func(m *ir.Module) { nodes(m)[3].Out[0].Type = tensor.T(dtype.F64, n, shape.Int(2)) }, "result type: have f64[N,2], want f32[N,2]"},
		{"looser type", func(m *ir.Module) { nodes(m)[3].Out[0].Type = tensor.TUnranked(f) }, "result type: have f32[?], want f32[N,2]"},
		{"order", func(m *ir.Module) { ns := nodes(m); ns[1], ns[3] = ns[3], ns[1] }, "is not defined before it is read"},
		{"use list", func(m *ir.Module) { nodes(m)[3].In[0] = m.Main().Params[0] }, "use list: has"},
		{"names", func(m *ir.Module) { nodes(m)[1].Out[0].Name = "x" }, "the name %x is given twice"},
		{"no name", func(m *ir.Module) { nodes(m)[1].Out[0].Name = "" }, "a value has no name"},
		{"region's name", func(m *ir.Module) { nodes(m)[2].Regions[0].Params[0].Name = "x" }, "the name %x is given twice"},
		{"unowned", func(m *ir.Module) { nodes(m)[1].SetIn(0, &ir.Value{Name: "w", Type: tensor.T(f)}) }, "%w is not defined before it is read"},
		{"of another function", func(m *ir.Module) { nodes(m)[3].SetIn(0, nodes(m)[2].Regions[0].Params[0]) }, "%q is not defined before it is read"},
		{"captured", func(m *ir.Module) { nodes(m)[2].Regions[0].Nodes[0].SetIn(0, m.Main().Params[0]) }, "%x is captured from outside"},
		{"undeclared dim", func(m *ir.Module) { m.Dims = nil }, "dim N of f32[N,2] is not declared"},
		{"bounds", func(m *ir.Module) { m.Dims[0].Lo = 9 }, "dim N: bounds: 9..8"},
		{"dim twice", func(m *ir.Module) { m.Dims = append(m.Dims, m.Dims[0]) }, "dim N: declared twice"},
		{"opset", func(m *ir.Module) { m.Opset = nil }, "opset: no version for ai.onnx"},
		{"no function", func(m *ir.Module) { m.Funcs = nil }, `module "m": no function`},
		{"module of func", func(m *ir.Module) { m.Main().Module = nil }, "belongs to another module"},
		{"owner", func(m *ir.Module) { nodes(m)[2].Regions[0].Owner = nodes(m)[1] }, "one is owned by another node"},
		{"node's func", func(m *ir.Module) { nodes(m)[1].Func = nil }, "stands in a function that it does not belong to"},
		{"output's node", func(m *ir.Module) { nodes(m)[1].Out[0].Node = nodes(m)[3] }, "is owned by another node"},
		{"output left out", func(m *ir.Module) { nodes(m)[1].Out[0] = nil }, "output C: left out, which only optional outputs may be"},
		{"attribute", func(m *ir.Module) { nodes(m)[1].Attrs["axis"] = nodes(m)[1].Attrs["nothing"] }, "attribute axis: have one, want none of that name"},
		{"no operator", func(m *ir.Module) { nodes(m)[1].Def = nil }, "one has no operator"},
		{"input count", func(m *ir.Module) { nodes(m)[1].SetIn(1, nil) }, "input B: have none, want one"},
		{"constant", func(m *ir.Module) { nodes(m)[0].Const = nil }, "malformed constant"},
		{"constant's type", func(m *ir.Module) { nodes(m)[0].Out[0].Type = tensor.T(f, shape.Int(1)) }, "result type: have f32[1], want f32[]"},
		{"state undeclared", func(m *ir.Module) { m.States = nil }, `state "s" is not declared`},
		{"state's type", func(m *ir.Module) { m.States[0].Type = tensor.T(dtype.I32, n, shape.Int(2)) }, "parameter p against state s: have f32[N,2], want i32[N,2]"},
		{"state written twice", func(m *ir.Module) { m.Main().Results[0].State = m.States[0] }, `state "s" is written twice`},
		{"grow axis", func(m *ir.Module) { m.States[0].GrowAxis = 2 }, "grow axis: 2 of f32[N,2]"},
		{"initial value", func(m *ir.Module) { m.States[0].Init = ir.NewConst(tensor.New(f, 1, 3)) }, "initial value: f32[1,3] for f32[N,2]"},
		{"result names", func(m *ir.Module) { m.Main().Results[1].Name = "y" }, `name "y" is empty or given twice`},
		{"func names", func(m *ir.Module) { m.AddFunc("main") }, "empty or given twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := sound(t)
			c.spoil(m)
			dims := len(m.Dims)
			err := verify.Module(m)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("have %v\nwant %s", err, c.want)
			}
			var e *diag.Error
			if !errors.As(err, &e) || len(m.Dims) != dims {
				t.Errorf("%#v, %d dims", err, len(m.Dims))
			}
		})
	}
}

// A run-time dim may be stated more exactly than inference knows it, and an
// unknown rank too; checking does not declare dims.
func TestRefinement(t *testing.T) {
	some := &ir.OpDef{Name: "Some", In: []ir.Port{{Name: "X"}}, Out: []ir.Port{{Name: "Y"}}, Infer: func(q *ir.Query) ([]ir.Fact, error) {
		return []ir.Fact{{Type: tensor.T(f, q.Fresh(), shape.Int(2))}}, nil
	}}
	table, err := ir.NewOpSet(some)
	if err != nil {
		t.Fatal(err)
	}
	m := ir.NewModule("m")
	m.DeclareDim("N", 1, 8)
	fn := m.AddFunc("main")
	y := ir.NewBuilder(fn, -1, table).Op("Some", nil, fn.AddParam("x", tensor.T(f, n)))
	fn.AddResult("y", y)
	dims := len(m.Dims)
	for typ, ok := range map[*ir.Type]bool{
		{Kind: tensor.KindTensor, DType: f, Dims: []shape.Dim{shape.Int(4), shape.Int(2)}}: true,
		{Kind: tensor.KindTensor, DType: f, Dims: []shape.Dim{n, shape.Int(2)}}:            true,
		{Kind: tensor.KindTensor, DType: f, Dims: []shape.Dim{n, shape.Int(3)}}:            false,
		{Kind: tensor.KindTensor, DType: f, Unranked: true}:                                false,
	} {
		y.Type = *typ
		if err := verify.Module(m); (err == nil) != ok {
			t.Errorf("%v: %v", *typ, err)
		}
	}
	if len(m.Dims) != dims {
		t.Errorf("verifying declared %d dims", len(m.Dims)-dims)
	}
}

// Independent faults come together in the order of the nodes.
func TestOrder(t *testing.T) {
	m := sound(t)
	m.Main().Nodes[3].Out[0].Type = tensor.T(f)
	m.Main().Nodes[2].Regions[0].Nodes[0].SetIn(0, m.Main().Params[0])
	m.Main().Nodes[0].Out[0].Name = "x"
	var l diag.List
	if err := verify.Module(m); !errors.As(err, &l) || len(l) != 3 {
		t.Fatalf("%v", err)
	}
	for i, s := range []string{"given twice", "captured", "result type"} {
		if !strings.Contains(l[i].Error(), s) {
			t.Errorf("fault %d is %v, want %s", i, l[i], s)
		}
	}
}
