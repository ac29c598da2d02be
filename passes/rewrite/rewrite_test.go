package rewrite_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes/rewrite"
)

func parse(t *testing.T, body string) *ir.Module {
	t.Helper()
	m, err := text.Parse([]byte("module \"t\" opset {ai.onnx 28}\n"+body), "t.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newCtx() *rewrite.Ctx { return rewrite.NewCtx(context.Background(), op.Builtin()) }

// apply runs one rule and gives how often it fired.
func apply(t *testing.T, m *ir.Module, r rewrite.Rule) int {
	t.Helper()
	c := newCtx()
	if err := rewrite.Apply(c, m, []rewrite.Rule{r}); err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(m); err != nil {
		t.Fatalf("%v\n%s", err, text.String(m))
	}
	return c.Totals()[r.Name]
}

// toX replaces the root by capture x.
func toX(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value { return []*ir.Value{m.Value("x")} }

const chain = `func main(%x: f32[2], %z: f32[2]) -> (%y: f32[2], %u: f32[2]) {
	%k = const f32[2] [1, 2]
	%a = Neg %x : f32[2] !"a"
	%b = Neg %a : f32[2] !"b"
	%c = Add %b, %k : f32[2] !"c"
	%d = Add %c, %z : f32[2] !"d"
	%e = Mul %x, %x : f32[2] !"e"
	return %d, %e
}
`

func TestPatterns(t *testing.T) {
	x := rewrite.Any("x")
	negneg := rewrite.Op("Neg", rewrite.Op("Neg", x).As("inner"))
	for _, c := range []struct {
		name  string
		p     rewrite.Pat
		fires int
	}{
		{"operator", negneg, 1},
		{"read once", rewrite.Op("Neg", rewrite.Op("Neg", x).Once()), 1},
		{"result is a reader", rewrite.Op("Add", rewrite.Op("Add", x, rewrite.Any("o")).Once(), rewrite.Any("p")), 1},
		{"wrong operator", rewrite.Op("Abs", x), 0},
		{"one of", rewrite.OneOf([]string{"Abs", "Neg"}, rewrite.Op("Neg", x)), 1},
		{"constant", rewrite.Op("Add", x, rewrite.Const("k")), 1},
		{"no constant there", rewrite.Op("Add", rewrite.Const("k"), x), 0},
		{"either order", rewrite.Or(rewrite.Op("Add", rewrite.Const("k"), x), rewrite.Op("Add", x, rewrite.Const("k"))), 1},
		{"same value twice", rewrite.Op("Mul", x, x), 1},
		{"not the same value", rewrite.Op("Add", x, x), 0},
		{"too many operands", rewrite.Op("Add", x), 0},
		{"rest", rewrite.Op("Mul", x).Rest(), 1},
		{"absent", rewrite.Op("Mul", x, rewrite.Any("y"), rewrite.Opt("o"), rewrite.None()), 1},
		{"condition on a value", rewrite.Op("Mul", x.That(func(v *ir.Value) bool { return v.Name == "other" }), rewrite.Any("y")), 0},
		{"condition on a node", rewrite.Op("Neg", rewrite.Op("Neg", x)).Where(func(n *ir.Node) bool { return n.Label() == "a" }), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := apply(t, parse(t, chain), rewrite.Rule{Name: "r", Match: c.p, Make: toX}); n != c.fires {
				t.Errorf("fired %d times, want %d", n, c.fires)
			}
		})
	}
}

// A value read twice is not taken by Once, and the inner node stays for its
// other reader.
func TestOnce(t *testing.T) {
	const src = `func main(%x: f32[2]) -> (%y: f32[2], %u: f32[2]) {
	%a = Neg %x : f32[2]
	%b = Neg %a : f32[2]
	return %b, %a
}
`
	once := rewrite.Rule{Name: "once", Match: rewrite.Op("Neg", rewrite.Op("Neg", rewrite.Any("x")).Once()), Make: toX}
	if n := apply(t, parse(t, src), once); n != 0 {
		t.Errorf("fired %d times", n)
	}
	m := parse(t, src)
	any := rewrite.Rule{Name: "any", Match: rewrite.Op("Neg", rewrite.Op("Neg", rewrite.Any("x"))), Make: toX}
	if n := apply(t, m, any); n != 1 {
		t.Errorf("fired %d times", n)
	}
	if len(m.Main().Nodes) != 1 || m.Main().Results[0].Value.Name != "x" {
		t.Errorf("left\n%s", text.String(m))
	}
}

// What a rule writes carries the sources it names, constants none, and stands
// where the root stood.
func TestProvenance(t *testing.T) {
	m := parse(t, chain)
	n := apply(t, m, rewrite.Rule{Name: "r",
		Match: rewrite.Op("Add", rewrite.Op("Add", rewrite.Any("x"), rewrite.Const("k")).As("in").Once(), rewrite.Any("z")).As("out").
			Where(func(n *ir.Node) bool { return n.Label() == "d" }),
		Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
			s := m.Emit("in").Op("Sub", nil, m.Value("x"), m.Emit().Scalar(1, 2))
			return []*ir.Value{m.Emit().Op("Mul", nil, s, m.Value("z"))}
		}})
	if n != 1 {
		t.Fatalf("fired %d times", n)
	}
	s := text.String(m)
	for _, want := range []string{`const f32[] [2]` + "\n", `: f32[2] !"c"` + "\n", `: f32[2] !"c","d"` + "\n"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
}

// Rules that never end are an error; rules that would change a type or fail
// inference are refused with a remark and leave nothing behind.
func TestRefused(t *testing.T) {
	m := parse(t, chain)
	before := text.String(m)
	c := newCtx()
	err := rewrite.Apply(c, m, []rewrite.Rule{{
		Name: "wider", Match: rewrite.Op("Mul", rewrite.Any("x"), rewrite.Any("y")),
		Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
			e := m.Emit()
			return []*ir.Value{e.Op("Reshape", nil, m.Value("x"), e.Ints(2, 1))}
		},
	}, {
		Name: "broken", Match: rewrite.Op("Mul", rewrite.Any("x"), rewrite.Any("y")),
		Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
			return []*ir.Value{m.Emit().Op("MatMul", nil, m.Value("x"), m.Emit().Ints(1))}
		},
	}, {
		Name: "unable", Match: rewrite.Op("Mul", rewrite.Any("x"), rewrite.Any("y")),
		Make: func(*rewrite.Ctx, *rewrite.Match) []*ir.Value { return nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	if text.String(m) != before || c.Fired() != 0 || len(c.Totals()) != 0 {
		t.Errorf("%d rewrites, module\n%s", c.Fired(), text.String(m))
	}
	if r := c.Remarks(); len(r) != 3 || r[0].Kind != rewrite.Missed || !strings.Contains(r[0].Msg, "type would change") {
		t.Errorf("remarks %v", r)
	}
	err = rewrite.Apply(newCtx(), parse(t, chain), []rewrite.Rule{{
		Name: "swap", Match: rewrite.Op("Mul", rewrite.Any("x"), rewrite.Any("y")),
		Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
			return []*ir.Value{m.Emit().Op("Mul", nil, m.Value("y"), m.Value("x"))}
		},
	}})
	if err == nil || !strings.Contains(err.Error(), "rules do not end: /swap at e") {
		t.Errorf("have %v", err)
	}
}

// The canonical order depends on what is computed, not on where nodes stand.
func TestOrder(t *testing.T) {
	m := parse(t, `func main(%x: f32[2]) -> (%y: f32[2]) {
	%dead = Neg %x : f32[2]
	%k = const f32[2] [1, 2]
	%a = Neg %x : f32[2]
	%b = Abs %x : f32[2]
	%c = Add %b, %a : f32[2]
	%d = Add %c, %k : f32[2]
	return %d
}
`)
	rewrite.Sort(m)
	var got []string
	for _, n := range m.Main().Nodes {
		got = append(got, n.Out[0].Name)
	}
	if s := strings.Join(got, " "); s != "b a c k d dead" {
		t.Errorf("order %s", s)
	}
	if err := verify.Module(m); err != nil {
		t.Error(err)
	}
}

const nested = `func main(%c: bool[], %x: f32[2]) -> (%y: f32[2]) {
	%t = Neg %x : f32[2]
	%u = Abs %x : f32[2]
	%i = If %c {
		()
		%p = Add %t, %u : f32[2]
		yield %p
	} {
		()
		%q = Mul %u, %u : f32[2]
		yield %q
	} : f32[2]
	%p2 = Neg %i : f32[2]
	return %p2
}
`

func TestRegions(t *testing.T) {
	m := parse(t, nested)
	n := m.Main().Nodes[2]
	var got []string
	for _, v := range rewrite.Captured(n) {
		got = append(got, v.Name)
	}
	if s := strings.Join(got, " "); s != "t u" {
		t.Errorf("captured %s", s)
	}
	m.Main().Params[0].Name = "p" // takes the name that the branch uses
	out, err := rewrite.InlineRegion(n, n.Regions[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	ir.ReplaceUses(n.Out[0], out[0])
	inside := n.Regions[1].Nodes[0]
	n.Remove()
	if rewrite.Live(inside) {
		t.Error("a node in a removed region is said to be live")
	}
	if err := verify.Module(m); err != nil {
		t.Errorf("%v\n%s", err, text.String(m))
	}
	if !ir.IsUnnamed(out[0].Name) {
		t.Errorf("the inlined value is called %s, which is taken", out[0].Name)
	}
	if _, err := rewrite.InlineRegion(inside, m.Main(), nil); err == nil {
		t.Error("a region with parameters was inlined without arguments")
	}
}

func TestFacts(t *testing.T) {
	m := parse(t, `func main(%x: f32[2]) -> (%y: f32[2]) {
	%z = const f32[2] [0, 0]
	%n = const f32[] [-0]
	%o = const i64[1,1] [1]
	%s = const i8[2] [1, 2]
	%f = const f32[] [0.5]
	%q = DequantizeLinear %s, %f : f32[2]
	%w = Mul %q, %z : f32[2]
	%y = Add %x, %w : f32[2]
	return %y
}
`)
	v := map[string]*ir.Value{}
	for _, n := range m.Main().Nodes {
		v[n.Out[0].Name] = n.Out[0]
	}
	for _, c := range []struct {
		what       string
		have, want bool
	}{
		{"0 is 0", rewrite.AllEqual(v["z"], 0), true},
		{"-0 is not 0", rewrite.AllEqual(v["n"], 0), false},
		{"1 is 1", rewrite.AllEqual(v["o"], 1), true},
		{"not all equal", rewrite.AllEqual(v["s"], 1), false},
		{"a chain is constant", rewrite.IsConst(v["w"]), true},
		{"an input is not", rewrite.IsConst(v["y"]), false},
		{"per axis 1 of [4,2]", rewrite.PerAxis(v["z"].Type, parse(t, "func main(%x: f32[4,2]) -> (%y: f32[4,2]) {\n\treturn %x\n}\n").Main().Params[0].Type.Dims, 1), true},
		{"not per axis 0", rewrite.PerAxis(v["z"].Type, parse(t, "func main(%x: f32[2,2]) -> (%y: f32[2,2]) {\n\treturn %x\n}\n").Main().Params[0].Type.Dims, 0), false},
	} {
		if c.have != c.want {
			t.Errorf("%s: %v", c.what, c.have)
		}
	}
	weight := rewrite.Rule{Name: "w", Match: rewrite.Op("Add", rewrite.Any("x"), rewrite.Weight("w")), Make: toX}
	if n := apply(t, m, weight); n != 0 {
		t.Error("a dequantized weight was taken for a plain one")
	}
}
