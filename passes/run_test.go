package passes_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

const small = `module "small" opset {ai.onnx 28}
dim N 1..8
func main(%x: f32[N,3]) -> (%y: f32[N,3]) {
	%a = const f32[3] [1, 2, 3]
	%b = const f32[3] [1, 2, 3]
	%s = Add %a, %b : f32[3] !"s"
	%i = Identity %x : f32[N,3] !"i"
	%u = Add %i, %a : f32[N,3] !"u"
	%y = Add %i, %s : f32[N,3] !"y"
	return %y
}
`

func parse(t testing.TB, src string) *ir.Module {
	t.Helper()
	m, err := text.Parse([]byte(src), "test.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t testing.TB, m *ir.Module, o passes.Options) (*pass.Report, error) {
	t.Helper()
	o.Ops = op.Builtin()
	return passes.Run(context.Background(), m, o)
}

// countOps counts the nodes of an operator.
func countOps(m *ir.Module, name string) int {
	n := 0
	m.Walk(func(k *ir.Node) {
		if k.Is(name) {
			n++
		}
	})
	return n
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		level, identities, adds int
	}{
		{0, 1, 3}, // only what is required
		{1, 0, 1},
		{2, 0, 1},
	} {
		m := parse(t, small)
		if _, err := run(t, m, passes.Options{Options: rewrite.Options{Level: c.level}, Check: true}); err != nil {
			t.Fatal(err)
		}
		if i, a := countOps(m, "Identity"), countOps(m, "Add"); i != c.identities || a != c.adds {
			t.Errorf("-O%d: have %d Identity and %d Add, want %d and %d", c.level, i, a, c.identities, c.adds)
		}
		if r := m.Main().Results[0]; r.Name != "y" {
			t.Errorf("-O%d: result is called %q", c.level, r.Name)
		}
	}
}

func TestFuel(t *testing.T) {
	full := parse(t, small)
	rep, err := run(t, full, passes.Options{Options: rewrite.Options{Level: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Fired < 4 {
		t.Fatalf("only %d rewrites", rep.Fired)
	}
	for fuel := int64(1); fuel <= rep.Fired+1; fuel++ {
		m := parse(t, small)
		r, err := run(t, m, passes.Options{Options: rewrite.Options{Level: 1, Fuel: fuel}, Check: true})
		if err != nil {
			t.Fatalf("fuel %d: %v", fuel, err)
		}
		if want := min(fuel, rep.Fired); r.Fired != want {
			t.Errorf("fuel %d: %d rewrites, want %d", fuel, r.Fired, want)
		}
		if fuel >= rep.Fired && (text.String(m) != text.String(full) || r.Last != rep.Last) {
			t.Errorf("fuel %d does not give the whole result", fuel)
		}
	}
	m := parse(t, small)
	if r, err := run(t, m, passes.Options{Options: rewrite.Options{Level: 2, Fuel: -1}}); err != nil || r.Fired != 0 {
		t.Errorf("no fuel: %d rewrites, %v", r.Fired, err)
	}
}

func TestSwitches(t *testing.T) {
	for _, c := range []struct {
		name       string
		o          rewrite.Options
		spec       string
		identities int
		err        string
	}{
		{name: "pass off", o: rewrite.Options{Off: []string{"canon"}}, identities: 1},
		{name: "rule off", o: rewrite.Options{Off: []string{"identity-value"}}, identities: 1},
		{name: "only another pass", o: rewrite.Options{Only: []string{"fold"}}, identities: 1},
		{name: "only the rule", o: rewrite.Options{Only: []string{"identity-value"}}},
		{name: "only the pass", o: rewrite.Options{Only: []string{"canon"}}},
		{name: "max 0", spec: "canon{max=0}", identities: 1},
		{name: "max 1", spec: "canon{max=1}"},
		{name: "max no number", spec: "canon{max=many}", err: "pass canon: max: have many, want a number"},
		{name: "unknown argument", spec: "canon{fast=yes}", err: "pass canon: argument fast: have one, want none of that name"},
		{name: "required off", o: rewrite.Options{Off: []string{"order-nodes"}}, err: "pass order-nodes cannot be switched off"},
		{name: "unknown name", o: rewrite.Options{Off: []string{"nonesuch"}}, err: `"nonesuch" is neither a pass nor a rule`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, small)
			c.o.Level = 1
			_, err := run(t, m, passes.Options{Options: c.o, Spec: c.spec})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || diag.KindOf(err) != diag.Usage {
					t.Fatalf("have error %v, want one that says %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := countOps(m, "Identity"); n != c.identities {
				t.Errorf("have %d Identity, want %d", n, c.identities)
			}
		})
	}
}

func TestStage(t *testing.T) {
	m := parse(t, small)
	rep, err := run(t, m, passes.Options{Options: rewrite.Options{Level: 2}, To: passes.Canonical})
	if err != nil {
		t.Fatal(err)
	}
	if last := rep.Passes[len(rep.Passes)-1].Name; last != "order-nodes" {
		t.Errorf("last pass is %s", last)
	}
	if _, err := run(t, parse(t, small), passes.Options{To: "nowhere"}); diag.KindOf(err) != diag.Usage {
		t.Errorf("unknown stage: %v", err)
	}
}

// bad is a pass that goes wrong in the way its name tells.
func bad(name string, f func(m *ir.Module) error) pass.Pass {
	return passes.Func(name, "go wrong", func(_ *rewrite.Ctx, m *ir.Module) error { return f(m) })
}

func TestFaultsOfPasses(t *testing.T) {
	swap := func(m *ir.Module) error { // y = x + (a+b) becomes x + a: another meaning, legal types
		m.Main().SetResult(0, m.Main().Nodes[4].Out[0])
		return nil
	}
	for _, c := range []struct {
		name, want string
		f          func(m *ir.Module) error
	}{
		{"panics", "pass panics: internal error: boom", func(*ir.Module) error { panic("boom") }},
		{"breaks-types", "left a module that is wrong", func(m *ir.Module) error {
			m.Main().Nodes[4].Out[0].Type = tensor.T(1)
			return nil
		}},
		{"changes-meaning", `result "y" changed`, swap},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			m := parse(t, small)
			_, err := run(t, m, passes.Options{
				Spec: c.name, Extra: []pass.Pass{bad(c.name, c.f)}, Check: true, CrashDir: dir, Flags: "-O2",
			})
			if err == nil || !strings.Contains(err.Error(), c.want) || diag.KindOf(err) != diag.Internal {
				t.Fatalf("have error %v, want one that says %q", err, c.want)
			}
			found, _ := filepath.Glob(filepath.Join(dir, "crash-*"))
			if len(found) != 1 || !strings.Contains(err.Error(), found[0]) {
				t.Fatalf("reproducers %v, error %v", found, err)
			}
			src, err := os.ReadFile(filepath.Join(found[0], "before.mir"))
			if err != nil || string(src) != text.String(parse(t, small)) {
				t.Errorf("before.mir is not the module before the pass: %v\n%s", err, src)
			}
			flags, err := os.ReadFile(filepath.Join(found[0], "flags.txt"))
			if err != nil || string(flags) != "--passes "+c.name+" -O2\n" {
				t.Errorf("flags.txt: %q, %v", flags, err)
			}
		})
	}
}

func TestInputIsVerified(t *testing.T) {
	m := parse(t, small)
	m.Main().Nodes[2].Out[0].Type = tensor.T(1)
	if _, err := run(t, m, passes.Options{}); err == nil || diag.KindOf(err) == diag.Internal {
		t.Errorf("have error %v, want the fault of the module", err)
	}
}

func TestDump(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	m := parse(t, small)
	if _, err := run(t, m, passes.Options{
		Spec: "fold,fold,canon,dce", DumpDir: dir, PrintAfter: []string{"canon"}, PrintTo: &out,
	}); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	// The second fold changes nothing and leaves no file.
	if want := []string{"00-import.mir", "01-fold.mir", "02-canon.mir", "03-dce.mir"}; !slices.Equal(names, want) {
		t.Errorf("dumps %v, want %v", names, want)
	}
	if s := out.String(); !strings.HasPrefix(s, "// after canon\nmodule \"small\"") || strings.Contains(s, "Identity") {
		t.Errorf("printed %q", s)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := passes.Run(ctx, parse(t, small), passes.Options{Ops: op.Builtin(), Options: rewrite.Options{Level: 1}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("have %v, want %v", err, context.Canceled)
	}
}

// A repeated list that never settles is an error, not a hang.
func TestEndless(t *testing.T) {
	flip := passes.Func("flip", "rename the source forever", func(_ *rewrite.Ctx, m *ir.Module) error {
		n := m.Main().Nodes[2]
		n.Source = append(n.Source, "again")
		return nil
	})
	_, err := run(t, parse(t, small), passes.Options{Spec: "repeat(flip)", Extra: []pass.Pass{flip}})
	if err == nil || !strings.Contains(err.Error(), "do not end") {
		t.Errorf("have %v", err)
	}
}
