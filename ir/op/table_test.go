package op_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// builtin is the table, made once: making it takes longer than most samples.
var builtin = sync.OnceValue(op.Builtin)

// seedOf gives every operator a random stream of its own, the same each time.
func seedOf(d *ir.OpDef) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(d.FullName()))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

// eachOp runs f for the operators of the table that it is about.
func eachOp(t *testing.T, about func(d *ir.OpDef) bool, f func(t *testing.T, d *ir.OpDef)) {
	t.Helper()
	ran := 0
	for _, d := range builtin().All() {
		if !about(d) {
			continue
		}
		ran++
		t.Run(d.FullName(), func(t *testing.T) { f(t, d) })
	}
	if ran == 0 {
		t.Error("no operator is what this test is about")
	}
}

func all(*ir.OpDef) bool { return true }

// flat are operators without regions: samples have none to give.
func flat(d *ir.OpDef) bool { return d.NumRegions == 0 }

func TestEntriesAreComplete(t *testing.T) {
	eachOp(t, all, func(t *testing.T, d *ir.OpDef) {
		if !strings.HasPrefix(d.Doc, d.Name+" ") {
			t.Errorf("doc does not begin with the name: %q", d.Doc)
		}
		if d.Source == "" || len(d.Since) == 0 || !slices.IsSorted(d.Since) {
			t.Errorf("source %q, since %v", d.Source, d.Since)
		}
		if d.Infer == nil || d.Eval == nil || d.Ref == nil || d.Cost == nil {
			t.Error("no Infer, Eval, Ref or Cost")
		} else if d.Ref.ID != "ref."+d.FullName() || d.Ref.Op != d.Ref.ID || d.Ref.Ref == nil {
			t.Errorf("the reference function is described as %q", d.Ref.ID)
		}
		if (d.Grad == nil) == (d.NoGrad == "") {
			t.Error("want either a gradient or the reason why there is none")
		}
		if len(d.Examples) < 2 {
			t.Errorf("%d examples, want 2 or more", len(d.Examples))
		}
		for i, c := range d.Constraints {
			if c.ID != fmt.Sprint("C", i+1) || c.Text == "" || c.Check == nil {
				t.Errorf("constraint %d is %s %q", i+1, c.ID, c.Text)
			}
		}
		for i, p := range slices.Concat(d.In, d.Out) {
			if p.Variadic && i != len(d.In)-1 && i != len(d.In)+len(d.Out)-1 {
				t.Errorf("port %s is variadic but not the last", p.Name)
			}
		}
		for _, a := range d.Attrs {
			if a.Default.Kind == attr.KindNone {
				continue
			}
			if a.Required || a.Default.Kind != a.Kind {
				t.Errorf("attribute %s: default %v", a.Name, a.Default)
			}
			if a.Check != nil && a.Check(a.Default) != nil {
				t.Errorf("attribute %s: the default fails its own check", a.Name)
			}
		}
		for v := range d.Upgrade {
			if !slices.Contains(d.Since, v) {
				t.Errorf("an upgrade from %d, which is no schema version", v)
			}
		}
		for v := range d.Downgrade {
			if !slices.Contains(d.Since, v) || v == d.Version() {
				t.Errorf("a downgrade to %d, which is no older schema version", v)
			}
		}
	})
}

// single builds a module of one node: operands are parameters, or constants
// where asked for.
func single(d *ir.OpDef, c ir.Case, consts bool) (*ir.Module, []tensor.Value, error) {
	m := ir.NewModule("single")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, builtin())
	var in []*ir.Value
	var args []tensor.Value
	for i, v := range c.In {
		switch {
		case !v.Present():
			in = append(in, nil)
		case consts && v.Kind == tensor.KindTensor:
			in = append(in, b.Const(v.Tensor))
		default:
			in = append(in, f.AddParam(fmt.Sprint("in", i), v.Type()))
			args = append(args, v)
		}
	}
	var regions []*ir.Func
	if c.Regions != nil {
		regions = c.Regions(b)
	}
	out := b.OpN(d.FullName(), len(c.Out), c.Attrs, regions, in...)
	if b.Err() != nil {
		return nil, nil, b.Err()
	}
	for i, v := range out {
		if c.Out[i].Present() {
			f.AddResult(fmt.Sprint("out", i), v)
		}
	}
	return m, args, nil
}

func TestExamples(t *testing.T) {
	eachOp(t, all, func(t *testing.T, d *ir.OpDef) {
		for _, c := range d.Examples {
			if c.Source == "" {
				t.Errorf("%s: no source of the numbers", c.Name)
			}
			for _, consts := range []bool{false, true} {
				m, args, err := single(d, c, consts)
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				got, err := eval.Run(context.Background(), m, args)
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				k := 0
				for i, want := range c.Out {
					if !want.Present() {
						continue
					}
					if err := c.Tol.Compare(got[k], want); err != nil && !d.Has(ir.Random) {
						t.Errorf("%s: output %d: %v", c.Name, i, err)
					}
					k++
				}
			}
		}
	})
}

// outputs is how many outputs a sample is asked for: as many as the operator's
// first example has.
func outputs(d *ir.OpDef) int {
	if len(d.Examples) > 0 {
		return len(d.Examples[0].Out)
	}
	return 1
}

// draw gives a sample of d: half of them from the operator's own generator
// where it has one, or from the ports; the others by mutating an example.
func draw(r *rand.Rand, d *ir.OpDef) irtest.Sample {
	if g := generators[d.FullName()]; g != nil {
		return g(r, d)
	}
	if n := len(d.Examples); n > 0 && r.IntN(2) == 0 {
		return irtest.Mutate(r, d, exampleSample(d, r.IntN(n)))
	}
	return irtest.RandomSample(r, d)
}

func exampleSample(d *ir.OpDef, i int) irtest.Sample {
	c := d.Examples[i]
	return irtest.Sample{Attrs: d.Complete(c.Attrs), In: c.In}.Clone()
}

// runSample evaluates with fresh buffers.
func runSample(d *ir.OpDef, s irtest.Sample, n int) (out []tensor.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	c := ir.Case{Attrs: s.Attrs, In: s.In, Out: make([]tensor.Value, n)}
	for i := range c.Out {
		c.Out[i] = tensor.V(tensor.Int64s())
	}
	m, args, err := single(d, c, true)
	if err != nil {
		return nil, err
	}
	return eval.Run(context.Background(), m, args)
}

const legalSamples = 200

func TestInferAgreesWithEval(t *testing.T) {
	eachOp(t, func(d *ir.OpDef) bool { return flat(d) && unsampled[d.FullName()] == "" }, func(t *testing.T, d *ir.OpDef) {
		r, n, legal := seedOf(d), outputs(d), 0
		for tries := 0; legal < legalSamples; tries++ {
			if tries > 400*legalSamples {
				t.Fatalf("%d legal samples of %d tried, want %d: give it a generator", legal, tries, legalSamples)
			}
			s := draw(r, d)
			if _, err := ir.Infer(irtest.SampleQuery(d, s, n)); err != nil {
				continue
			}
			out, err := runSample(d, s, n)
			if err != nil {
				if k := diag.KindOf(err); k == diag.BadData {
					continue // legal types, impossible elements
				}
				t.Fatalf("inference takes what evaluation refuses: %v\n%s", err, text(s))
			}
			legal++
			for range 3 {
				q := irtest.SampleQuery(d, s, n)
				env := map[string]int64{}
				if legal%4 != 0 {
					env = irtest.Blur(r, q)
				}
				if err := agree(q, env, out); err != nil {
					t.Fatalf("%v\n%s\nfacts %s env %v", err, text(s), factsText(q.In), env)
				}
			}
		}
	})
}

// agree compares inferred types and elements with what evaluation gave.
func agree(q *ir.Query, env map[string]int64, out []tensor.Value) error {
	fs, err := ir.Infer(q)
	if err != nil {
		return fmt.Errorf("inference refuses with less knowledge: %w", err)
	}
	lookup := func(s string) (int64, bool) { v, ok := env[s]; return v, ok }
	for i, f := range fs {
		if out[i].Kind != tensor.KindTensor || f.Type.Kind != tensor.KindTensor {
			if out[i].Kind != f.Type.Kind {
				return fmt.Errorf("output %d: inferred %v, evaluated %v", i, f.Type, out[i].Type())
			}
			continue
		}
		x := &out[i].Tensor
		if f.Type.DType != x.DType() || f.Type.Ranked() && f.Type.Rank() != x.Rank() {
			return fmt.Errorf("output %d: inferred %v, evaluated %v", i, f.Type, x.Type())
		}
		for k, d := range f.Type.Dims {
			if v, err := d.Eval(lookup); err == nil && v != int64(x.Dim(k)) {
				return fmt.Errorf("output %d: inferred %v, evaluated %v", i, f.Type, x.Type())
			}
		}
		if err := agreeInts(f.Ints, lookup, x); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

func agreeInts(ints []shape.Dim, lookup func(string) (int64, bool), x *tensor.Tensor) error {
	if ints == nil {
		return nil
	}
	if len(ints) != x.Len() {
		return fmt.Errorf("inferred elements %v of %v", ints, x.Type())
	}
	for k, d := range ints {
		if v, err := d.Eval(lookup); err == nil && v != x.Int(k) {
			return fmt.Errorf("element %d: inferred %v = %d, evaluated %d", k, d, v, x.Int(k))
		}
	}
	return nil
}

// TestConstraintsAreNamed looks for violations by mutating legal samples: each
// constraint must be named by an error that holds what it found or wants.
func TestConstraintsAreNamed(t *testing.T) {
	eachOp(t, func(d *ir.OpDef) bool { return flat(d) && len(d.Constraints) > 0 }, func(t *testing.T, d *ir.OpDef) {
		r, n := seedOf(d), outputs(d)
		missing := map[string]bool{}
		for _, c := range d.Constraints {
			missing[c.ID] = true
		}
		note := func(s irtest.Sample, n int) {
			_, err := ir.Infer(irtest.SampleQuery(d, s, n))
			var e *diag.Error
			if errors.As(err, &e) && e.Constraint != "" {
				if e.Have == "" && e.Want == "" && e.Err == nil {
					t.Errorf("%s says neither what it has nor what it wants: %v", e.Constraint, err)
				}
				delete(missing, e.Constraint)
			}
		}
		for _, f := range violations[d.FullName()] {
			v := f(exampleSample(d, 0))
			note(v.Sample, max(v.nout, n))
		}
		for range 20_000 {
			if len(missing) == 0 {
				return
			}
			var s irtest.Sample
			if len(d.Examples) > 0 && r.IntN(2) == 0 {
				s = exampleSample(d, r.IntN(len(d.Examples)))
			} else {
				s = draw(r, d)
			}
			note(irtest.Mutate(r, d, s), n)
		}
		for _, c := range d.Constraints {
			if missing[c.ID] {
				t.Errorf("%s (%s) was never violated: give it a violation", c.ID, c.Text)
			}
		}
	})
}

// Whatever a model file says must end in an error.
func TestInferNeverPanics(t *testing.T) {
	eachOp(t, flat, func(t *testing.T, d *ir.OpDef) {
		r, n := seedOf(d), outputs(d)
		for range 500 {
			s := irtest.Mutate(r, d, irtest.Mutate(r, d, draw(r, d)))
			q := irtest.SampleQuery(d, s, n)
			irtest.Blur(r, q)
			func() {
				defer func() {
					if p := recover(); p != nil {
						t.Fatalf("panic: %v\n%s\nfacts %s", p, text(s), factsText(q.In))
					}
				}()
				_, _ = ir.Infer(q) //nolint:errcheck // any answer will do
			}()
		}
	})
}

// TestEmittedNamesResolve reads this package's source: every operator that a
// gradient, an upgrade or a downgrade emits by name must be in the table.
func TestEmittedNamesResolve(t *testing.T) {
	ops := builtin()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok || len(c.Args) == 0 {
				return true
			}
			sel, ok := c.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Op" && sel.Sel.Name != "OpN" {
				return true
			}
			if lit, ok := c.Args[0].(*ast.BasicLit); ok {
				seen++
				if s, err := strconv.Unquote(lit.Value); err != nil || ops.Lookup(s) == nil {
					t.Errorf("%v: emits %s, which is not in the table", fset.Position(c.Pos()), lit.Value)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("no emitted operator found: the test looks for the wrong calls")
	}
}

func text(s irtest.Sample) string {
	var b strings.Builder
	for _, n := range s.Attrs.Names() {
		v := s.Attrs[n]
		fmt.Fprintf(&b, "%s=%v ", n, [...]any{nil, v.Int, v.Float, v.Str, v.Ints, v.Floats, v.Strs, v.Tensor, v.TypeVal}[v.Kind])
	}
	for i, v := range s.In {
		fmt.Fprintf(&b, "\nin %d: %v", i, v.Type())
		if v.Kind == tensor.KindTensor && v.Tensor.DType().IsInt() && v.Tensor.Len() < 20 {
			for k := range v.Tensor.Len() {
				fmt.Fprintf(&b, " %d", v.Tensor.Int(k))
			}
		}
	}
	return b.String()
}

func factsText(fs []ir.Fact) string {
	var s []string
	for _, f := range fs {
		x := f.Type.String()
		if f.Const != nil {
			x += " const"
		}
		if f.Ints != nil {
			x += " " + shape.Format(f.Ints)
		}
		s = append(s, x)
	}
	return strings.Join(s, "; ")
}
