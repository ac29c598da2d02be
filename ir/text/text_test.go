package text_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
)

// testOps are operators of every shape that the text form knows, independent
// of the real table.
func testOps(t testing.TB) *ir.OpSet {
	same := func(q *ir.Query) ([]ir.Fact, error) {
		out := make([]ir.Fact, q.NOut)
		for i := range out {
			out[i].Type = q.In[0].Type
		}
		return out, nil
	}
	s, err := ir.NewOpSet(
		&ir.OpDef{Name: "Same", In: []ir.Port{{Name: "X", AnyKind: true}, {Name: "Y", AnyKind: true, Optional: true}, {Name: "Z", AnyKind: true, Optional: true}},
			Out: []ir.Port{{Name: "Y", Variadic: true}}, Infer: same,
			Attrs: []ir.Attr{
				{Name: "axis", Kind: attr.KindInt, Default: attr.Int(-1)},
				{Name: "alpha", Kind: attr.KindFloat, Default: attr.Float(0.01)},
				{Name: "mode", Kind: attr.KindString},
				{Name: "pads", Kind: attr.KindInts}, {Name: "scales", Kind: attr.KindFloats}, {Name: "names", Kind: attr.KindStrings},
				{Name: "value", Kind: attr.KindTensor}, {Name: "type", Kind: attr.KindType},
			}},
		&ir.OpDef{Name: "Both", NumRegions: 2, In: []ir.Port{{Name: "C"}}, Out: []ir.Port{{Name: "Y", Variadic: true}},
			Infer: func(q *ir.Query) ([]ir.Fact, error) {
				out := make([]ir.Fact, q.NOut)
				for i := range out {
					if i >= len(q.Regions[0].Results) {
						return nil, ir.Fault("results of the first region", "too few", "one for each output")
					}
					out[i].Type = q.Regions[0].Results[i].Value.Type
				}
				return out, nil
			}},
		&ir.OpDef{Name: "Some", Domain: "mlc", In: []ir.Port{{Name: "X"}}, Out: []ir.Port{{Name: "Y"}},
			Infer: func(q *ir.Query) ([]ir.Fact, error) {
				return []ir.Fact{{Type: tensor.T(dtype.I64, q.NewDim(0, 0))}}, nil
			}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all is written as the printer writes it, so that it must come back as it is.
const all = `module "all \"kinds\"" opset {ai.onnx 28 mlc 1}
meta "author" = "some\none"
dim N 1..64
dim u1 0..*
state %k: f32[N,4,0..2048] = zeros grow axis=2
state %c: i64[2] = [1, 2]
state %d: f32[3] = splat(0.5)
func main(%x: f32[N,3], %"block/0:out": f32[N,3], %0: bool[], %p: f32[N,4,(2*N)] -> %k) -> (%y: f32[N,3], %"12": f32[N,4,(2*N)] -> %k) {
	%f = const f32[6] [1, -0.5, 1e-05, nan, inf, -inf]
	%h = const f16[3] [0.1, 65500, -0]
	%b = const bf16[1] [3.14]
	%d = const f64[1] [0.1]
	%i = const i4[3] [-8, 7, 0]
	%u = const u64[1] [18446744073709551615]
	%t = const bool[2] [true, false]
	%s = const str[2] ["a\"b", "ü"]
	%z = const c64[1] [(1, -2)]
	%e = const f8e4m3fn[2] [0x38, 0xff]
	%n = const f32[0,3] []
	%1 = const f32[] [2]
	%w = const f32[2,2] random(seed=7)
	%v = const f32[9999999,9] splat(0.25)
	%q = const i64[2,16] splat(-3)
	%2 = Same %x, _, %f : f32[N,3] !"conv1","bn1"
	%3, _ = Same %x {alpha=1, axis=2, mode="a,b", names=["p", "q"], pads=[0, -1], scales=[0.5, 1], type=seq(f32[?]), value=f32[2] [1, 2]} : f32[N,3]
	%4 = mlc.Some %x : i64[u1]
	%y = Both %0 {(%a: f32[N,3])
		%5 = Same %a, %x : f32[N,3]
		yield %5
	} {()
		%inner = Both %0 {()
			yield %2
		} {()
			yield %x
		} : f32[N,3]
		yield %inner
	} : f32[N,3] !"if"
	%o = const str[1] ["x"]
	return %y, %p
}
func "other fn"() -> () {
	return
}
`

func TestRoundTrip(t *testing.T) {
	m, err := text.Parse([]byte(all), "all.mir", testOps(t), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := text.String(m); got != all {
		t.Errorf("printed:\n%s", got)
	}
	c, err := m.Main().Nodes[0].Const.Tensor()
	if err != nil || c.Float(1) != -0.5 || c.Float(3) == c.Float(3) {
		t.Errorf("constant %v, %v", c, err)
	}
}

func TestComments(t *testing.T) {
	src := "// head\nmodule \"m\" // name\nopset{ai.onnx 28}func main(%x:f32[2])->(%y:f32[2]){%y=Same %x:f32[2]!\"a\" // node\nreturn %y}"
	m, err := text.Parse([]byte(src), "m.mir", testOps(t), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "module \"m\" opset {ai.onnx 28}\nfunc main(%x: f32[2]) -> (%y: f32[2]) {\n\t%y = Same %x : f32[2] !\"a\"\n\treturn %y\n}\n"
	if got := text.String(m); got != want {
		t.Errorf("printed:\n%s", got)
	}
}

func TestErrors(t *testing.T) {
	head := "module \"m\" opset {ai.onnx 28}\ndim N 1..8\n"
	fn := func(body string) string {
		return head + "func main(%x: f32[N,3]) -> (%y: f32[N,3]) {\n" + body + "\n\treturn %x\n}\n"
	}
	for _, c := range []struct{ name, src, want string }{
		{"result type", fn("\t%c = Same %x : f32[N,4]"), "e.mir:4:2: %c (Same): result type: have f32[N,4], want f32[N,3]"},
		{"undefined value", fn("\t%c = Same %z : f32[N,3]"), "e.mir:4:12: %z is not defined before it is used"},
		{"unknown operator", fn("\t%c = Nope %x : f32[N,3]"), `e.mir:4:7: unsupported: no operator "Nope" in the table`},
		{"undeclared dim", fn("\t%c = Same %x : f32[M,3]"), "dim M is not declared"},
		{"attribute", fn("\t%c = Same %x {axle=1} : f32[N,3]"), `e.mir:4:2: node "c" (Same-1): attribute axle: have one, want none of that name`},
		{"attribute kind", fn("\t%c = Same %x {axis=\"a\"} : f32[N,3]"), `e.mir:4:21: unexpected "a", want an integer`},
		{"count", fn("\t%c = const f32[3] [1, 2]"), "e.mir:4:20: elements: have 2, want 3"},
		{"range", fn("\t%c = const i8[2] [1, 128]"), "e.mir:4:23: element 1: 128: not a value of type i8"},
		{"open constant", fn("\t%c = const f32[N] splat(0)"), "type of a constant: have f32[N], want a tensor of known size"},
		{"splat", fn("\t%c = const i8[3] splat(0.5)"), "splat(0.5): not a value of type i8"},
		{"no type", fn("\t%c = Same %x"), "result types: have 0, want 1"},
		{"twice", fn("\t%x = Same %x : f32[N,3]"), "e.mir:4:2: %x is defined twice"},
		{"string", fn("\t%c = Same %x : f32[N,3] !\"a"), "e.mir:4:27: string without its closing quote"},
		{"results", head + "func main(%x: f32[N]) -> (%y: f32[N]) {\n\treturn\n}", "e.mir:4:2: results of func main: have 0, want 1"},
		{"result", head + "func main(%x: f32[N]) -> (%y: f32[3]) {\n\treturn %x\n}", "e.mir:4:2: result %y: have f32[N], want f32[3]"},
		{"truncated", head + "func main(%x", "e.mir:3:13: unexpected the end of the text"},
		{"deep types", head + "func main(%x: " + strings.Repeat("seq(", 100), "types nest more than 32 deep"},
		{"deep regions", fn(strings.Repeat("%c = Both %x {()\n", 100)), "regions nest more than 64 deep"},
		{"huge", fn("\t%c = const f32[99999999999,99999999999] splat(0)"), "a tensor of known size"},
		{"state", head + "func main(%x: f32[N] -> %k) -> () {\n\treturn\n}", "e.mir:3:25: state %k is not declared"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := text.Parse([]byte(c.src), "e.mir", testOps(t), text.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("have %v\nwant %s", err, c.want)
			}
			var e *diag.Error
			if !errors.As(err, &e) || e.Kind == diag.Internal {
				t.Errorf("error %#v", err)
			}
		})
	}
}

// Independent faults come together, in the order of the lines.
func TestManyErrors(t *testing.T) {
	src := `module "m" opset {ai.onnx 28}
func main(%x: f32[3]) -> (%y: f32[3]) {
	%a = Same %x : f32[4]
	%b = Nope %a : f32[4]
	%c = Same %b : f32[4]
	%d = Same %zz : f32[4]
	return %x
}
`
	_, err := text.Parse([]byte(src), "e.mir", testOps(t), text.Options{})
	var l diag.List
	if !errors.As(err, &l) || len(l) != 3 {
		t.Fatalf("%v", err)
	}
	for i, at := range []string{"e.mir:3:2", "e.mir:4:7", "e.mir:6:12"} {
		if l[i].File != at {
			t.Errorf("fault %d at %s, want %s", i, l[i].File, at)
		}
	}
}

func TestSideFile(t *testing.T) {
	src := "module \"m\" opset {ai.onnx 28}\nfunc main() -> (%a: f32[3]) {\n\t%a = const f32[3] [1, 2, 3]\n\t%b = const f32[2] [1, 2]\n\t%c = const i8[4] [1, 2, 3, 4]\n\treturn %a\n}\n"
	ops := testOps(t)
	m, err := text.Parse([]byte(src), "m.mir", ops, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var main, side bytes.Buffer
	if err := (text.Printer{MaxElems: 2, Side: &side, SideName: "m.bin"}).Print(&main, m); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(main.String(), "@m.bin+64") || side.Len() != 68 {
		t.Fatalf("%d bytes beside\n%s", side.Len(), &main)
	}
	fsys := fstest.MapFS{"m.bin": {Data: side.Bytes()}}
	n, err := text.Parse(main.Bytes(), "m.mir", ops, text.Options{FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	if got := text.String(n); got != main.String() {
		t.Errorf("a file reference does not come back:\n%s", got)
	}
	for i := range 3 {
		a, e1 := m.Main().Nodes[i].Const.Tensor()
		b, e2 := n.Main().Nodes[i].Const.Tensor()
		if e1 != nil || e2 != nil || tensor.Exact.CompareTensors(&a, &b) != nil {
			t.Errorf("constant %d: %v %v", i, e1, e2)
		}
	}
	side.Bytes()[0] ^= 1
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		want string
	}{
		{"changed", fsys, "sha256 is"},
		{"short", fstest.MapFS{"m.bin": {Data: side.Bytes()[:5]}}, "have 5 bytes, want 12 at 0"},
		{"missing", fstest.MapFS{}, "does not exist"},
	} {
		k, err := text.Parse(main.Bytes(), "m.mir", ops, text.Options{FS: c.fsys})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Main().Nodes[0].Const.Tensor(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	var elided bytes.Buffer
	if err := (text.Printer{MaxElems: 2}).Print(&elided, m); err != nil {
		t.Fatal(err)
	}
	k, err := text.Parse(elided.Bytes(), "m.mir", ops, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Main().Nodes[0].Const.Tensor(); err == nil || !strings.Contains(err.Error(), "left out") {
		t.Errorf("elided constant: %v", err)
	}
}

// Nothing is allocated for a constant until it is used, and never more than
// the limit.
func TestLimit(t *testing.T) {
	src := "module \"m\" opset {ai.onnx 28}\nfunc main() -> () {\n\t%a = const f32[99999999] splat(0)\n\treturn\n}\n"
	m, err := text.Parse([]byte(src), "m.mir", testOps(t), text.Options{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Main().Nodes[0].Const.Tensor()
	if diag.KindOf(err) != diag.Limit {
		t.Errorf("have %v, want a Limit error", err)
	}
}

// What a Builder makes prints with numbers in order, and reads back.
func TestBuilt(t *testing.T) {
	ops := testOps(t)
	m := ir.NewModule("b")
	m.DeclareDim("N", 1, shape.Unbounded)
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Sym("N")))
	b := ir.NewBuilder(f, -1, ops, "src")
	y := b.Op("Same", nil, x, nil, b.Scalar(dtype.F32, 1))
	z := b.OpN("Both", 1, nil, []*ir.Func{
		b.Region("a", func(e ir.Emitter, r *ir.Func) { r.AddResult("r", e.Op("Same", nil, y)) }),
		b.Region("b", func(_ ir.Emitter, r *ir.Func) { r.AddResult("r", y) }),
	}, x)[0]
	f.AddResult("z", b.Op("Same", nil, z, y, nil))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	want := `module "b" opset {ai.onnx 28}
dim N 1..*
func main(%x: f32[N]) -> (%z: f32[N]) {
	%0 = const f32[] [1] !"src"
	%1 = Same %x, _, %0 : f32[N] !"src"
	%2 = Both %x {()
		%3 = Same %1 : f32[N] !"src"
		yield %3
	} {()
		yield %1
	} : f32[N] !"src"
	%4 = Same %2, %1 : f32[N] !"src"
	return %4
}
`
	if got := text.String(m); got != want {
		t.Errorf("printed:\n%s", got)
	}
	n, err := text.Parse([]byte(want), "b.mir", ops, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := text.String(n); got != want {
		t.Errorf("printed again:\n%s", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(all)
	f.Add("module \"m\" opset {ai.onnx 28}\nfunc main() -> () {\n\t%a = const f32[2] sha256:00@a/b+4\n\treturn\n}\n")
	f.Add("module \"\" opset {}\ndim a..b 0..1 func \"\"(%\"\\x00\": map(str,opt(f32[?])))->(){return}")
	ops := testOps(f)
	f.Fuzz(func(t *testing.T, src string) {
		m, err := text.Parse([]byte(src), "f.mir", ops, text.Options{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		one := text.String(m)
		n, err := text.Parse([]byte(one), "f.mir", ops, text.Options{MaxBytes: 1 << 16})
		if err != nil {
			t.Fatalf("%v\nprinted text:\n%s", err, one)
		}
		if two := text.String(n); two != one {
			t.Fatalf("printed first:\n%s\nthen:\n%s", one, two)
		}
	})
}
