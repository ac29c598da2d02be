package shape

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCanonical(t *testing.T) {
	n, h := Sym("N"), Sym("H")
	for _, c := range []struct {
		name string
		d    Dim
		want string
	}{
		{"sum collects", n.Mul(Int(2)).Add(n), "(3*N)"},
		{"difference cancels", n.Add(Int(4)).Sub(n), "4"},
		{"product order", h.Mul(n), "(H*N)"},
		{"conv stride 1 same", n.Add(Int(2)).Sub(Int(3)).Div(Int(1)).Add(Int(1)), "N"},
		{"conv stride 2", h.Add(Int(2 - 3)).Div(Int(2)).Add(Int(1)), "((H+1)/2)"},
		{"whole part leaves the quotient", n.Mul(Int(4)).Add(Int(3)).Div(Int(2)), "((2*N)+1)"},
		{"nested quotients", n.Div(Int(2)).Div(Int(4)), "(N/8)"},
		{"exact", n.Mul(h).Mul(Int(2)).Div(n.Mul(Int(2))), "H"},
		{"negative term", n.Sub(Int(1)), "(N-1)"},
	} {
		if got := c.d.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if d, err := Bcast(n, h); err != nil || d.String() != "bcast(H,N)" {
		t.Errorf("bcast: %v, %v", d, err)
	}
	if _, err := Bcast(Int(2), Int(3)); err == nil {
		t.Error("2 and 3 broadcast")
	}
}

// gen builds a random expression and, beside it, its direct evaluation.
func gen(t *rapid.T, depth int, env map[string]int64) (Dim, int64) {
	if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
		if rapid.Bool().Draw(t, "const") {
			n := rapid.Int64Range(-9, 20).Draw(t, "n")
			return Int(n), n
		}
		s := rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "sym")
		return Sym(s), env[s]
	}
	a, x := gen(t, depth-1, env)
	b, y := gen(t, depth-1, env)
	switch rapid.IntRange(0, 3).Draw(t, "op") {
	case 0:
		return a.Add(b), x + y
	case 1:
		return a.Sub(b), x - y
	case 2:
		return a.Mul(b), x * y
	}
	c := rapid.Int64Range(1, 7).Draw(t, "den")
	return a.Div(Int(c)), floorDiv(x, c)
}

func TestCovers(t *testing.T) {
	n, m, k := Sym("N"), Sym("M"), Sym("K")
	nm, _ := Bcast(n, m)
	nmk, _ := Bcast(nm, k)
	for _, c := range []struct {
		d, o Dim
		want bool
	}{
		{n, n, true}, {n, Int(1), true}, {n, m, false}, {Int(5), n, false}, {n, Int(5), false},
		{nm, n, true}, {nm, m, true}, {nm, k, false}, {nmk, n, true}, {nmk, nm, true}, {nm.Mul(Int(2)), n, false}, {nm.Add(n), n, false}, {n, nm, false},
	} {
		if c.d.Covers(c.o) != c.want {
			t.Errorf("%v covers %v: have %t", c.d, c.o, !c.want)
		}
	}
}

func TestAlgebraKeepsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := map[string]int64{}
		for _, s := range []string{"A", "B", "C"} {
			env[s] = rapid.Int64Range(0, 50).Draw(t, s)
		}
		d, want := gen(t, 4, env)
		got, err := d.Eval(func(s string) (int64, bool) { v, ok := env[s]; return v, ok })
		if err != nil || got != want {
			t.Fatalf("%v at %v = %d, %v, want %d", d, env, got, err, want)
		}
		p, err := Parse(d.String())
		if err != nil || !p.Equal(d) {
			t.Fatalf("Parse(%q) = %v, %v", d, p, err)
		}
		lo, hi := d.Range(func(string) (int64, int64) { return 0, 50 })
		if got < lo || got > hi {
			t.Fatalf("%v = %d outside its range %d..%d", d, got, lo, hi)
		}
		s, err := d.Subst(func(n string) (Dim, bool) { return Int(env[n]), n != "C" })
		if err != nil {
			t.Fatal(err)
		}
		if v, err := s.Eval(func(string) (int64, bool) { return env["C"], true }); err != nil || v != want {
			t.Fatalf("substituted %v = %d, %v, want %d", s, v, err, want)
		}
	})
}

// A product of sums must not multiply out without bound.
func TestParseBlowUp(t *testing.T) {
	s := "(a0+b0)"
	for i := 1; i < 60; i++ {
		s = fmt.Sprintf("(%s*(a%d+b%d))", s, i, i)
	}
	if _, err := Parse(s); err == nil || !strings.Contains(err.Error(), "more than 1000 terms") {
		t.Errorf("have %v, want an error about terms", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"N", "(N+1)", "((2*N)/3)", "bcast(A,B)", "-3", "(", "bcast(2,3)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			return
		}
		e, err := Parse(d.String())
		if err != nil || e.String() != d.String() {
			t.Fatalf("%q -> %q -> %v, %v", s, d, e, err)
		}
	})
}
