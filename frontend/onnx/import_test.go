package onnx

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
)

func TestRefusedModels(t *testing.T) {
	relu := func() *onnxpb.GraphProto { return pbGraph(pbNode("r: y = Relu x")) }
	with := func(edit func(*onnxpb.GraphProto)) *onnxpb.ModelProto {
		g := relu()
		edit(g)
		return pbModel(g)
	}
	opset := func(pairs ...any) *onnxpb.ModelProto {
		m := pbModel(relu())
		m.OpsetImport = pbOpsets(pairs...)
		return m
	}
	for _, c := range []struct {
		name string
		p    *onnxpb.ModelProto
		kind diag.Kind
		want string
	}{
		{"future opset", opset("", 99), diag.Unsupported, "have 99, want 7 to 28"},
		{"opset given twice", opset("", 13, "ai.onnx", 12), diag.BadModel, "versions 13 and 12"},
		{"opset 0", opset("", 0), diag.BadModel, "version of 1 or more"},
		{"old form", func() *onnxpb.ModelProto {
			m := pbModel(pbGraph(pbNode("a: y = Add x, x")))
			m.OpsetImport = pbOpsets("", 6)
			return m
		}(), diag.Unsupported, `node "a" (Add, opset 6): unsupported: before opset 7 the operator had another form`},
		{"younger operator", pbModel(pbGraph(pbNode("g: y = Gelu x"))), diag.Unsupported, "came with opset 20"},
		{"domain not imported", func() *onnxpb.ModelProto {
			m := pbModel(relu())
			m.OpsetImport = pbOpsets("local", 1)
			return m
		}(), diag.BadModel, "opset_import does not list domain ai.onnx"},
		{"near miss", pbModel(pbGraph(pbNode("s: y = Sigmiod x"))), diag.Unsupported, "did you mean Sigmoid"},
		{"other domain", pbModel(pbGraph(pbNode("s: y = com.acme.Relu x"))), diag.Unsupported, "did you mean Relu"},
		{"our domain", pbModel(pbGraph(pbNode("s: y = mlc.Fused x"))), diag.Unsupported, "no such operator in domain mlc"},
		{"const is no operator", pbModel(pbGraph(pbNode("s: y = const x"))), diag.Unsupported, "no such operator"},
		{"missing input", pbModel(pbGraph(pbNode("r: y = Add x, ghost"))), diag.BadModel, `node "r" (Add): input 1: no node, input or initializer gives "ghost"`},
		{"absent required input", pbModel(pbGraph(pbNode("r: y = Add x, _"))), diag.Shape, `node "r" (Add-13): input B: have none`},
		{"value defined twice", pbModel(pbGraph(pbNode("a: y = Relu x"), pbNode("b: y = Relu x"))), diag.BadModel, `node "b" (Relu): output "y": defined already by node "a"`},
		{"node defines an input", pbModel(pbGraph(pbNode("a: x = Relu x"))), diag.BadModel, "defined already by an input"},
		{"input twice", with(func(g *onnxpb.GraphProto) { g.Input = append(g.Input, pbValue("x", pbFloat)) }), diag.BadModel, `input "x": the name is given twice`},
		{"input without a name", with(func(g *onnxpb.GraphProto) { g.Input = append(g.Input, pbValue("", pbFloat)) }), diag.BadModel, "without a name"},
		{"input without a type", with(func(g *onnxpb.GraphProto) { g.Input[0].Type = nil }), diag.BadModel, `input "x": type: have none`},
		{"6-bit floats", with(func(g *onnxpb.GraphProto) { g.Input[0] = pbValue("x", codeF6E2M3, 2) }), diag.Unsupported, `input "x": unsupported: element type: have f6e2m3`},
		{"unknown element type", with(func(g *onnxpb.GraphProto) { g.Input[0] = pbValue("x", 99, 2) }), diag.BadModel, "element type: have 99"},
		{"output twice", with(func(g *onnxpb.GraphProto) { g.Output = append(g.Output, pbValue("y", pbFloat)) }), diag.BadModel, `output "y": declared twice`},
		{"output from nowhere", with(func(g *onnxpb.GraphProto) { g.Output[0] = pbValue("z", pbFloat) }), diag.BadModel, `output "z": no node`},
		{"no outputs", with(func(g *onnxpb.GraphProto) { g.Output = nil }), diag.BadModel, "graph has no outputs"},
		{"output of another element type", with(func(g *onnxpb.GraphProto) { g.Output[0] = pbValue("y", pbInt64) }), diag.Shape, `output "y": declared type: have i64[?], want f32[N,2]`},
		{"output of another rank", with(func(g *onnxpb.GraphProto) { g.Output[0] = pbValue("y", pbFloat, 1, 2, 3) }), diag.Shape, `output "y": declared type`},
		{"initializer twice", with(func(g *onnxpb.GraphProto) {
			g.Initializer = []*onnxpb.TensorProto{pbFloats("w", nil, 1), pbFloats("w", nil, 2)}
		}), diag.BadModel, `initializer "w": the name is given twice`},
		{"cycle", pbModel(pbGraph(pbNode("a: p = Relu q"), pbNode("b: q = Relu p"), pbNode("c: y = Add x, q"))), diag.BadModel,
			`node "a" (Relu): the graph has a cycle: "a" reads "b" reads "a"`},
		{"unknown attribute", pbModel(pbGraph(pbNode("r: y = Relu x", pbInt("alpha", 1)))), diag.Shape, `node "r" (Relu-13): attribute alpha: have one, want none of that name`},
		{"unknown attribute of an old form", func() *onnxpb.ModelProto {
			m := pbModel(pbGraph(pbNode("r: y = Softmax x", pbInt("alpha", 1))))
			m.OpsetImport = pbOpsets("", 11)
			return m
		}(), diag.BadModel, `node "r" (Softmax-11): attribute alpha`},
		{"attribute twice", pbModel(pbGraph(pbNode("r: y = Softmax x", pbInt("axis", 1), pbInt("axis", 1)))), diag.BadModel, "attribute axis: the name is empty or given twice"},
		{"attribute of another kind", pbModel(pbGraph(pbNode("r: y = Softmax x", pbFloatAttr("axis", 1)))), diag.Shape, "attribute axis: have float, want int"},
		{"graph where none belongs", pbModel(pbGraph(pbNode("r: y = Relu x", pbGraphAttr("body", relu())))), diag.BadModel, "attribute body: have a graph"},
		{"reference outside a function", pbModel(pbGraph(pbNode("r: y = Softmax x", pbRef("axis", "a", onnxpb.AttributeProto_INT)))), diag.BadModel, "refers to attribute"},
		{"region without a graph", pbModel(pbGraph(pbNode("i: y = If x"))), diag.BadModel, "attribute then_branch: have none, want a graph"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := importModel(t, c.p, ImportOptions{})
			refused(t, err, c.kind, c.want)
		})
	}
}

// TestAllFaultsAtOnce: independent faults come together, and nodes behind a
// fault are not blamed for it.
func TestAllFaultsAtOnce(t *testing.T) {
	_, err := importModel(t, pbModel(pbGraph(
		pbNode("a: p = Relu x", pbInt("bad", 1)), pbNode("b: q = Add p, x"), pbNode("c: r = Relu ghost"), pbNode("d: y = Add q, r"))), ImportOptions{})
	var l diag.List
	if !errors.As(err, &l) || len(l) != 2 || l[0].Node != "a" || l[1].Node != "c" {
		t.Errorf("have %v, want faults of nodes a and c", err)
	}
	_, err = importModel(t, pbModel(pbGraph(pbNode("p = My1 x"), pbNode("q = My1 p"), pbNode("y = My2 q"))), ImportOptions{})
	if !errors.As(err, &l) || len(l) != 2 || !strings.Contains(err.Error(), `node "My1_0" and 1 other node`) {
		t.Errorf("have %v, want both missing operators", err)
	}
}

func TestNames(t *testing.T) {
	m := mustImport(t, pbModel(pbGraph(pbNode("first: h = Relu x"), pbNode("y = Relu h"))))
	f := m.Main()
	if f.Params[0].Name != "x" || f.Nodes[0].Out[0].Name != "h" || f.Results[0].Name != "y" || m.Name != "g" {
		t.Error("names are not kept")
	}
	if have := fmt.Sprint(f.Nodes[0].Source, f.Nodes[1].Source); have != "[first] [Relu_1]" {
		t.Errorf("sources %s, want [first] [Relu_1]", have)
	}
}

// TestUpgradeKeepsNames: outputs of nodes that an upgrade writes have the
// names of the file.
func TestUpgradeKeepsNames(t *testing.T) {
	p := pbModel(pbGraph(pbNode("s: h = Softmax x", pbInt("axis", 0)), pbNode("y = Relu h")))
	p.OpsetImport = pbOpsets("", 11)
	m := mustImport(t, p)
	last := m.Main().Nodes[len(m.Main().Nodes)-1]
	if last.In[0].Name != "h" || last.In[0].Node.Source[0] != "s" {
		t.Errorf("input of the last node is %q from %v, want h from s", last.In[0].Name, last.In[0].Node.Source)
	}
	// Softmax-11 with axis 0 runs over all elements: e^0/(4 e^0).
	wantFloats(t, run(t, m, tensor.MustOf(make([]float32, 4), 2, 2)), .25, .25, .25, .25)
}

func TestOrder(t *testing.T) {
	m := mustImport(t, pbModel(pbGraph(pbNode("c: y = Add q, x"), pbNode("b: q = Relu p"), pbNode("a: p = Neg x"))))
	wantFloats(t, run(t, m, row), 0, 2)
}

func TestLongChainBackwards(t *testing.T) {
	const n = 20000
	g := pbGraph()
	for i := n; i > 0; i-- {
		g.Node = append(g.Node, pbNode(fmt.Sprintf("v%d = Relu v%d", i, i-1)))
	}
	g.Input[0].Name, g.Output[0].Name = proto.String("v0"), proto.String(fmt.Sprintf("v%d", n))
	mustImport(t, pbModel(g))
}

func TestDims(t *testing.T) {
	g := pbGraph(pbNode("y = Relu x"))
	g.Input = []*onnxpb.ValueInfoProto{
		pbValue("x", pbFloat, "batch size", "batch-size", "batch_size", nil, 0, -1, "3d", 5, "batch size"),
		pbValue("in/2", pbFloat, nil), pbValue("free", pbFloat), pbValue("one", pbFloat, "scalar"),
	}
	g.Output[0] = pbValue("y", pbFloat, "other", "other", 1, 2, 3, 4, 5, 6, 7)
	m := mustImport(t, pbModel(g))
	for i, want := range []string{"f32[batch_size_1,batch_size_2,batch_size,x_3,x_4,x_5,_3d,5,batch_size_1]", "f32[in_2_0]", "f32[?]", "f32[]"} {
		if have := m.Main().Params[i].Type.String(); have != want {
			t.Errorf("input %d: have %s, want %s", i, have, want)
		}
	}
	if _, ok := m.Dim("other"); ok {
		t.Error("the dim_param of an output became a symbol")
	}
}

func TestInitializers(t *testing.T) {
	g := pbGraph(pbNode("y = Add x, w"))
	g.Initializer = []*onnxpb.TensorProto{pbFloats("w", []int64{2}, 10, 20), pbFloats("unused", []int64{1}, 1)}
	g.Input = append(g.Input, pbValue("w", pbFloat, 2))
	m := mustImport(t, pbModel(g))
	if len(m.Main().Params) != 1 || len(m.Main().Nodes) != 2 {
		t.Errorf("have %d inputs and %d nodes, want 1 and 2", len(m.Main().Params), len(m.Main().Nodes))
	}
	wantFloats(t, run(t, m, row), 9, 22)

	m, err := importModel(t, pbModel(g), ImportOptions{KeepInputs: []string{"w"}})
	if err != nil || len(m.Main().Params) != 2 {
		t.Fatalf("kept input: %v", err)
	}
	wantFloats(t, run(t, m, row, tensor.MustOf([]float32{1, 1}, 2)), 0, 3)

	_, err = importModel(t, pbModel(g), ImportOptions{KeepInputs: []string{"v"}})
	refused(t, err, diag.Usage, `input "v"`)
}

func TestSparseInitializer(t *testing.T) {
	sparse := func(idx *onnxpb.TensorProto) *onnxpb.ModelProto {
		g := pbGraph(pbNode("y = Add x, w"))
		g.SparseInitializer = []*onnxpb.SparseTensorProto{{Values: pbFloats("w", []int64{2}, 5, 7), Indices: idx, Dims: []int64{2, 2}}}
		return pbModel(g)
	}
	for _, idx := range []*onnxpb.TensorProto{pbInts("", []int64{2}, 1, 2), pbInts("", []int64{2, 2}, 0, 1, 1, 0)} {
		wantFloats(t, run(t, mustImport(t, sparse(idx)), tensor.MustOf(make([]float32, 4), 2, 2)), 0, 5, 7, 0)
	}
	_, err := importModel(t, sparse(pbInts("", []int64{3}, 1, 2, 3)), ImportOptions{})
	refused(t, err, diag.BadModel, "indices")
	// Small constants are read while importing.
	m, err := importModel(t, sparse(pbInts("", []int64{2}, 1, 4)), ImportOptions{})
	if err == nil {
		_, err = eval.Run(context.Background(), m, tensor.Vs(row))
	}
	if err == nil || !strings.Contains(err.Error(), "outside its shape") {
		t.Errorf("have %v, want an index outside the shape", err)
	}
}

func TestFunctions(t *testing.T) {
	scale := &onnxpb.FunctionProto{
		Name: proto.String("Scale"), Domain: proto.String("local"), OpsetImport: pbOpsets("", 13),
		Input: []string{"a", "b"}, Output: []string{"o", "extra"}, Attribute: []string{"by"},
		AttributeProto: []*onnxpb.AttributeProto{pbFloatAttr("plus", 1)},
		Node: []*onnxpb.NodeProto{
			pbNode("k = Constant", pbRef("value_float", "by", onnxpb.AttributeProto_FLOAT)),
			pbNode("l = Constant", pbRef("value_float", "plus", onnxpb.AttributeProto_FLOAT)),
			pbNode("mul: x = Mul a, k"), pbNode("o = Add x, l"), pbNode("extra = Relu a"),
		},
	}
	m := mustImport(t, pbModel(pbGraph(
		pbNode("one: h = local.Scale x", pbFloatAttr("by", 3)),
		pbNode("two: y = local.Scale h, x", pbFloatAttr("by", 2), pbFloatAttr("plus", 0))), scale))
	wantFloats(t, run(t, m, row), -4, 14)
	var found bool
	m.Walk(func(n *ir.Node) {
		if fmt.Sprint(n.Source) == "[one mul]" {
			found = true
			if n.Out[0].Name != "one/x" {
				t.Errorf("value is called %q, want one/x", n.Out[0].Name)
			}
		}
		if fmt.Sprint(n.Source) == "[one Add_3]" && n.Out[0].Name != "h" {
			t.Errorf("output is called %q, want h", n.Out[0].Name)
		}
	})
	if !found {
		t.Error("no node has the source [one mul]")
	}

	self := &onnxpb.FunctionProto{Name: proto.String("Self"), Domain: proto.String("local"), Input: []string{"a"}, Output: []string{"o"},
		OpsetImport: pbOpsets("local", 1), Node: []*onnxpb.NodeProto{pbNode("o = local.Self a")}}
	for _, c := range []struct {
		name, node, want string
		kind             diag.Kind
		attrs            []*onnxpb.AttributeProto
		f                *onnxpb.FunctionProto
	}{
		{"recursion", "s: y = local.Self x", "the function calls itself", diag.BadModel, nil, self},
		{"too many inputs", "s: y = local.Scale x, x, x", "inputs: have 3, want at most 2", diag.BadModel, nil, scale},
		{"too many outputs", "s: y, p, q = local.Scale x", "outputs: have 3, want at most 2", diag.BadModel, nil, scale},
		{"unknown attribute", "s: y = local.Scale x", `attribute: have "no", want one of by, plus`, diag.BadModel, []*onnxpb.AttributeProto{pbInt("no", 1)}, scale},
		{"fault inside", "s: y = local.Scale x", `node "s/Constant_0" (Constant-13)`, diag.BadModel, nil, scale},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := importModel(t, pbModel(pbGraph(pbNode(c.node, c.attrs...)), c.f), ImportOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v, want %q", err, c.want)
			}
			ours(t, err)
		})
	}
}

// TestFunctionsExplode: calls that double at each of 40 levels end at a limit.
func TestFunctionsExplode(t *testing.T) {
	var funcs []*onnxpb.FunctionProto
	for i := range 40 {
		body := []*onnxpb.NodeProto{pbNode("o = Relu a")}
		if i > 0 {
			body = []*onnxpb.NodeProto{pbNode(fmt.Sprintf("p = local.F%d a", i-1)), pbNode(fmt.Sprintf("o = local.F%d p", i-1))}
		}
		funcs = append(funcs, &onnxpb.FunctionProto{Name: proto.String(fmt.Sprintf("F%d", i)), Domain: proto.String("local"),
			Input: []string{"a"}, Output: []string{"o"}, OpsetImport: pbOpsets("", 13, "local", 1), Node: body})
	}
	_, err := importModel(t, pbModel(pbGraph(pbNode("y = local.F39 x")), funcs...), ImportOptions{})
	refused(t, err, diag.Limit, "once functions are inlined")
}

func TestRegions(t *testing.T) {
	branch := func(node string) *onnxpb.GraphProto {
		return &onnxpb.GraphProto{Name: proto.String("b"), Node: []*onnxpb.NodeProto{pbNode(node)}, Output: []*onnxpb.ValueInfoProto{{Name: proto.String("r")}}}
	}
	g := pbGraph(pbNode("h = Relu x"), pbNode("i: y = If c", pbGraphAttr("else_branch", branch("r = Neg h")), pbGraphAttr("then_branch", branch("r = Add h, h"))))
	g.Input = append(g.Input, pbValue("c", pbBool, "scalar"))
	m := mustImport(t, pbModel(g))
	wantFloats(t, run(t, m, row, tensor.Scalar(dtype.Bool, 1)), 0, 4)
	wantFloats(t, run(t, m, row, tensor.Scalar(dtype.Bool, 0)), 0, -2)
	names := map[string]bool{}
	m.Walk(func(n *ir.Node) {
		for _, v := range n.Out {
			if names[v.Name] {
				t.Errorf("two values are called %q", v.Name)
			}
			names[v.Name] = true
		}
	})
}

// TestLoopThatGrows: the carried value gets longer in each iteration, whatever
// the body declares.
func TestLoopThatGrows(t *testing.T) {
	body := &onnxpb.GraphProto{Name: proto.String("b"),
		Node:   []*onnxpb.NodeProto{pbNode("co = Identity ci"), pbNode("s = Concat v, x", pbInt("axis", 0))},
		Input:  []*onnxpb.ValueInfoProto{pbValue("i", pbInt64), pbValue("ci", pbBool), pbValue("v", pbFloat, 1, 2)},
		Output: []*onnxpb.ValueInfoProto{pbValue("co", pbBool), pbValue("s", pbFloat, 1, 2)}}
	g := pbGraph(pbNode("loop: y = Loop m, _, x", pbGraphAttr("body", body)))
	g.Initializer = []*onnxpb.TensorProto{pbInts("m", nil, 2)}
	m := mustImport(t, pbModel(g))
	wantFloats(t, run(t, m, row), -1, 2, -1, 2, -1, 2)
	if len(m.Dims) > 4 {
		t.Errorf("dims of readings that were thrown away are left: %v", m.Dims)
	}
}

// TestNestedLoopsThatGrow: typing the bodies of loops in loops takes work that
// grows with their number, not with its power.
func TestNestedLoopsThatGrow(t *testing.T) {
	node := pbNode("s = Concat v, v", pbInt("axis", 0))
	for k := range 20 {
		v, s := fmt.Sprint("v", k), fmt.Sprint("s", k)
		node = pbNode(s+" = Loop m, _, "+v, pbGraphAttr("body", &onnxpb.GraphProto{Name: proto.String("b"), Node: []*onnxpb.NodeProto{node},
			Input:  []*onnxpb.ValueInfoProto{pbValue(fmt.Sprint("i", k), pbInt64), pbValue(fmt.Sprint("c", k), pbBool), pbValue(node.Input[len(node.Input)-1], pbFloat)},
			Output: []*onnxpb.ValueInfoProto{pbValue(fmt.Sprint("c", k), pbBool), pbValue(node.Output[0], pbFloat)}}))
	}
	node.Input[2], node.Output[0] = "x", "y"
	g := pbGraph(node)
	g.Initializer = []*onnxpb.TensorProto{pbInts("m", nil, 1)}
	wantFloats(t, run(t, mustImport(t, pbModel(g)), row), -1, 2, -1, 2)
}

func TestConstants(t *testing.T) {
	raw := &onnxpb.AttributeProto{Name: proto.String("value"), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: pbFloats("", []int64{2}, 1, 2)}
	m := mustImport(t, pbModel(pbGraph(pbNode("k: c = Constant", raw), pbNode("y = Add x, c"))))
	if c := m.Main().Nodes[0]; c.Const == nil || c.Out[0].Name != "c" || c.Source[0] != "k" {
		t.Error("Constant did not become a const node with its name and source")
	}
	wantFloats(t, run(t, m, row), 0, 4)
}

// TestBytesStayInFile: importing reads no large payload.
func TestBytesStayInFile(t *testing.T) {
	const n = 1 << 20
	g := pbGraph(pbNode("y = MatMul x, w"))
	g.Initializer = []*onnxpb.TensorProto{pbFloats("w", []int64{2, n / 2}, make([]float32, n)...)}
	b, err := proto.Marshal(pbModel(g))
	if err != nil {
		t.Fatal(err)
	}
	ops := op.Builtin()
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	raw, err := DecodeBytes(b, nil, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Import(context.Background(), raw, ImportOptions{Ops: ops}); err != nil {
		t.Fatal(err)
	}
	goruntime.ReadMemStats(&after)
	perImport := after.TotalAlloc - before.TotalAlloc
	if perImport > n {
		t.Errorf("%d bytes allocated for a model of %d bytes", perImport, len(b))
	}
}

func TestMetaAndCancel(t *testing.T) {
	p := pbModel(pbGraph(pbNode("y = Relu x")))
	p.MetadataProps = []*onnxpb.StringStringEntryProto{{Key: proto.String("k"), Value: proto.String("v")}}
	m := mustImport(t, p)
	if len(m.Meta) != 1 || m.Meta[0] != (ir.Meta{Key: "k", Value: "v"}) {
		t.Errorf("metadata %v", m.Meta)
	}
	b, _ := proto.Marshal(p)
	raw, err := DecodeBytes(b, nil, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Import(ctx, raw, ImportOptions{Ops: op.Builtin()}); !errors.Is(err, context.Canceled) {
		t.Errorf("have %v, want the end of the context", err)
	}
}
