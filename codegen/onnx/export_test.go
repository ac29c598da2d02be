package onnx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
)

// exampleModule is a module of one node. Inputs for which open says true are
// parameters, the others constants.
func exampleModule(t *testing.T, ops *ir.OpSet, d *ir.OpDef, ex *ir.Case, open func(tensor.Value) bool) (*ir.Module, []tensor.Value) {
	t.Helper()
	m := ir.NewModule("example")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops)
	in := make([]*ir.Value, len(ex.In))
	var args []tensor.Value
	for i, v := range ex.In {
		name := fmt.Sprintf("x%d", i)
		switch {
		case v.Kind == tensor.KindNone:
		case v.Kind != tensor.KindTensor || open(v):
			in[i] = f.AddParam(name, v.Type())
			args = append(args, v)
		default:
			in[i] = b.NamedConst(name, ir.NewConst(v.Tensor))
		}
	}
	b.Source = []string{"n"}
	var regions []*ir.Func
	if ex.Regions != nil {
		regions = ex.Regions(b)
		k := 0
		for _, r := range regions {
			r.Walk(func(n *ir.Node) {
				for _, v := range n.Out {
					k++
					v.Name = fmt.Sprintf("r%d", k)
				}
			})
		}
	}
	out := make([]*ir.Value, len(ex.Out))
	for i, v := range ex.Out {
		if v.Kind != tensor.KindNone {
			out[i] = &ir.Value{Name: fmt.Sprintf("y%d", i)}
		}
	}
	b.Node(d, ex.Attrs, regions, in, out)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	for _, v := range out {
		if v != nil {
			f.AddResult(v.Name, v)
		}
	}
	return m, args
}

// roundTrip exports and imports.
func roundTrip(t *testing.T, ops *ir.OpSet, m *ir.Module, opt Options) (*ir.Module, error) {
	t.Helper()
	var buf, again bytes.Buffer
	opt.Ops = ops
	if err := Export(&buf, m, opt); err != nil {
		return nil, err
	}
	if err := Export(&again, m, opt); err != nil || !bytes.Equal(buf.Bytes(), again.Bytes()) {
		t.Errorf("second export differs (%v)", err)
	}
	raw, err := onnx.DecodeBytes(buf.Bytes(), nil, onnx.DecodeOptions{})
	if err != nil {
		t.Fatalf("cannot read what was exported: %v", err)
	}
	back, err := onnx.Import(context.Background(), raw, onnx.ImportOptions{Ops: ops})
	if err != nil {
		t.Fatalf("cannot import what was exported: %v", err)
	}
	if err := verify.Module(back); err != nil {
		t.Fatalf("imported module: %v", err)
	}
	return back, nil
}

// exported says whether examples of d can be written at all.
func exported(d *ir.OpDef) bool {
	return d.Domain != "mlc" && d.Name != "Upsample" // withdrawn; import rewrites it
}

// TestNewestOpset: what is exported at the newest opset comes back the same.
func TestNewestOpset(t *testing.T) {
	ops := op.Builtin()
	for _, d := range ops.All() {
		if !exported(d) || d.Name == "Constant" || d.NumRegions > 0 {
			continue // the latter two come back in another form: see TestOpsets
		}
		for i := range d.Examples {
			if slices.ContainsFunc(d.Examples[i].In, func(v tensor.Value) bool { return v.Kind == tensor.KindTensor && v.Tensor.Len() == 0 }) {
				continue // an input's extent of 0 is read as an open one
			}
			t.Run(d.FullName()+"/"+d.Examples[i].Name, func(t *testing.T) {
				m, _ := exampleModule(t, ops, d, &d.Examples[i], func(tensor.Value) bool { return true })
				back, err := roundTrip(t, ops, m, Options{Opset: ir.NewestOpset})
				if err != nil {
					t.Fatal(err)
				}
				if have, want := sprint(t, back), sprint(t, m); have != want {
					t.Errorf("have\n%s\nwant\n%s", have, want)
				}
			})
		}
	}
}

func sprint(t *testing.T, m *ir.Module) string {
	t.Helper()
	var b strings.Builder
	if err := text.Print(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOpsets: at every opset, an example is refused or means the same.
func TestOpsets(t *testing.T) {
	ops := op.Builtin()
	for _, d := range ops.All() {
		if !exported(d) || d.Has(ir.Random) {
			continue
		}
		for i := range d.Examples {
			t.Run(d.FullName()+"/"+d.Examples[i].Name, func(t *testing.T) {
				ex := &d.Examples[i]
				m, args := exampleModule(t, ops, d, ex, func(v tensor.Value) bool { return v.Tensor.DType().IsFloat() && v.Tensor.Len() > 1 })
				for opset := OldestOpset; opset <= ir.NewestOpset; opset++ {
					back, err := roundTrip(t, ops, m, Options{Opset: opset})
					if err != nil {
						if k := diag.KindOf(err); k != diag.Unsupported && k != diag.Shape {
							t.Errorf("opset %d: %v", opset, err)
						}
						if opset >= d.Version() {
							t.Errorf("opset %d has the operator as it is: %v", opset, err)
						}
						continue
					}
					out, err := eval.Run(context.Background(), back, args)
					if err != nil {
						t.Errorf("opset %d: %v", opset, err)
						continue
					}
					k := 0
					for _, want := range ex.Out {
						if want.Kind == tensor.KindNone {
							continue
						}
						if err := ex.Tol.Compare(out[k], want); err != nil {
							t.Errorf("opset %d: output %d: %v", opset, k, err)
						}
						k++
					}
				}
			})
		}
	}
}

func ramp(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i)
	}
	return out
}

// sum is a module of one node that reads its parameter and a constant.
func sum(t *testing.T) *ir.Module {
	m := ir.NewModule("sum")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, op.Builtin(), "add")
	x := f.AddParam("x", tensor.T(dtype.F32, m.DeclareDim("N", 0, 64)))
	f.AddResult("y", b.Op("Add", nil, x, b.Const(tensor.MustOf(ramp(300), 1, 300))))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

// TestExternalData: large payloads go to the other file, and come back.
func TestExternalData(t *testing.T) {
	m := sum(t)
	var file, data bytes.Buffer
	if err := Export(&file, m, Options{External: &External{Name: "w.bin", W: &data}}); err != nil {
		t.Fatal(err)
	}
	if data.Len() != 1200 || file.Len() > 600 {
		t.Errorf("have %d bytes in the file and %d beside it, want few and 1200", file.Len(), data.Len())
	}
	folder := fstest.MapFS{"w.bin": {Data: data.Bytes()}, "m.onnx": {Data: file.Bytes()}}
	raw, err := onnx.Decode(folder, "m.onnx", onnx.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	back, err := onnx.Import(context.Background(), raw, onnx.ImportOptions{Ops: op.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := back.Main().Nodes[0].Const.Tensor(); err != nil || c.Float(7) != 7 {
		t.Errorf("element 7 is %v (%v), want 7", c.Float(7), err)
	}
}

func TestFusedIsInlined(t *testing.T) {
	ops := op.Builtin()
	for _, d := range ops.All() {
		if !(&ir.Node{Def: d}).Is("mlc.Fused") {
			continue
		}
		for i := range d.Examples {
			ex := &d.Examples[i]
			m, args := exampleModule(t, ops, d, ex, func(tensor.Value) bool { return true })
			back, err := roundTrip(t, ops, m, Options{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := eval.Run(context.Background(), back, args)
			if err != nil {
				t.Fatal(err)
			}
			if err := tensor.Close.Compare(out[0], ex.Out[0]); err != nil {
				t.Error(err)
			}
			if m.Main().Nodes[len(m.Main().Nodes)-1].Def != d {
				t.Error("the module itself was changed")
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	ops := op.Builtin()
	own := &ir.OpDef{Name: "Own", Domain: "mlc", Since: []int{1}, In: []ir.Port{{Name: "x"}}, Out: []ir.Port{{Name: "y"}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: q.In[0].Type}}, nil }}
	if err := ops.Add(own); err != nil {
		t.Fatal(err)
	}
	one := func(name string, a attr.Map, d dtype.DType) *ir.Module {
		m := ir.NewModule("one")
		f := m.AddFunc("main")
		b := ir.NewBuilder(f, -1, ops, "node1")
		f.AddResult("y", b.Op(name, a, f.AddParam("x", tensor.T(d))))
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		return m
	}
	twoNames := one("Relu", nil, dtype.F32)
	twoNames.Main().Results[0].Name = "x"
	for _, c := range []struct {
		name string
		m    *ir.Module
		opt  Options
		kind diag.Kind
		want string
	}{
		{"opset too old", sum(t), Options{Opset: 6}, diag.Usage, "have 6, want 7 to 28"},
		{"opset too new", sum(t), Options{Opset: 99}, diag.Usage, "have 99"},
		{"own operator", one("mlc.Own", nil, dtype.F32), Options{}, diag.Unsupported, `node "node1" (mlc.Own)`},
		{"younger operator", one("Gelu", nil, dtype.F32), Options{Opset: 19}, diag.Unsupported, `node "node1" (Gelu): unsupported: the operator came with opset 20`},
		{"type too new", one("Relu", nil, dtype.I8), Options{Opset: 13}, diag.Unsupported, `node "node1" (Relu)`},
		{"output with an input's name", twoNames, Options{}, diag.Unsupported, `output "x"`},
		{"no function", ir.NewModule("none"), Options{}, diag.Usage, "no function"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var buf bytes.Buffer
			c.opt.Ops = ops
			err := Export(&buf, c.m, c.opt)
			var e *diag.Error
			if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have error %v, want one of kind %v with %q", err, c.kind, c.want)
			}
			if buf.Len() > 0 {
				t.Error("something was written")
			}
		})
	}
}

// TestNamesAndPassThrough: inputs returned as they are, values returned twice
// and constants that are results keep their public names.
func TestNamesAndPassThrough(t *testing.T) {
	ops := op.Builtin()
	m := ir.NewModule("m")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops)
	x := f.AddParam("x", tensor.T(dtype.F32))
	y := b.Op("Relu", nil, x)
	f.AddResult("x", x)
	f.AddResult("x2", x)
	f.AddResult("y", y)
	f.AddResult("z", y)
	f.AddResult("k", b.Scalar(dtype.F32, 3))
	m.Meta = []ir.Meta{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}}
	back, err := roundTrip(t, ops, m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := eval.Run(context.Background(), back, tensor.Vs(tensor.Scalar(dtype.F32, -2)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{-2, -2, 0, 0, 3} {
		if r := back.Main().Results[i].Name; r != m.Main().Results[i].Name || out[i].Tensor.Float(0) != want {
			t.Errorf("output %d: have %q = %v, want %q = %v", i, r, out[i].Tensor.Float(0), m.Main().Results[i].Name, want)
		}
	}
	if fmt.Sprint(back.Meta) != fmt.Sprint(m.Meta) {
		t.Errorf("metadata %v, want %v", back.Meta, m.Meta)
	}
}

func TestWithdrawnOperator(t *testing.T) {
	ops := op.Builtin()
	m := ir.NewModule("m")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops, "up")
	f.AddResult("y", b.Op("Upsample", nil, f.AddParam("x", tensor.T(dtype.F32, shape.Ints(1, 1, 2, 2)...)), b.Const(tensor.MustOf([]float32{1, 1, 2, 2}, 4))))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if err := Export(io.Discard, m, Options{Opset: 9}); err != nil {
		t.Errorf("opset 9: %v", err)
	}
	if err := Export(io.Discard, m, Options{Opset: 10}); err == nil || !strings.Contains(err.Error(), `node "up" (Upsample): unsupported: ONNX has withdrawn`) {
		t.Errorf("opset 10: have %v, want a withdrawn operator", err)
	}
}

// TestTooLarge: a file over 2 GB is refused before any constant is read.
func TestTooLarge(t *testing.T) {
	m := ir.NewModule("m")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, op.Builtin())
	for i := range 9 {
		c := ir.LazyConst(dtype.F32, []int{1 << 26}, ir.Init{}, func() (tensor.Tensor, error) { return tensor.Tensor{}, errors.New("read") })
		f.AddResult(fmt.Sprint("y", i), b.ConstOf(c))
	}
	var n counter
	err := Export(&n, m, Options{})
	if diag.KindOf(err) != diag.Limit || n > 0 {
		t.Errorf("have %v after %d bytes, want a limit and none", err, n)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// TestStates: states become inputs and outputs.
func TestStates(t *testing.T) {
	m := ir.NewModule("m")
	s := &ir.State{Name: "k", Type: tensor.T(dtype.F32, shape.Int(2)), GrowAxis: -1}
	m.States = append(m.States, s)
	f := m.AddFunc("main")
	x, k := f.AddParam("x", s.Type), f.AddParam("k_in", s.Type)
	k.State = s
	b := ir.NewBuilder(f, -1, op.Builtin(), "add")
	f.AddResult("k_out", b.Op("Add", nil, x, k))
	f.Results[0].State = s
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	back, err := roundTrip(t, op.Builtin(), m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := back.Main()
	if len(p.Params) != 2 || p.Params[1].Name != "k_in" || len(p.Results) != 1 || p.Results[0].Name != "k_out" || len(back.States) != 0 {
		t.Errorf("have\n%s", sprint(t, back))
	}
}
