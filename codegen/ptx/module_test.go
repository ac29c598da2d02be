package ptx

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
)

// TestFaults: faults of a template come out of Text, the first of each.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		want  string
		write func(k *Kernel, p Ptr)
	}{
		{"%r2 is used after the block that computes it", func(k *Kernel, p Ptr) {
			var x U32
			k.If(p.LdU32().Eq(I(1)), func() { x = p.LdU32() })
			p.StU32(x)
		}},
		{"used after the block", func(k *Kernel, p Ptr) {
			var q Ptr
			k.For(I(0), I(9), I(1), func(i U32) { q = p.At(i, 4) })
			q.LdF32()
		}},
		{"used after the block", func(k *Kernel, p Ptr) {
			var q Pred
			k.While(func() Pred { q = p.LdU32().Eq(I(1)); return q }, func() { p.StU32(I(2)) })
			k.If(q, func() {})
		}},
		{"another kernel", func(k *Kernel, p Ptr) { p.StU32(NewModule(Options{SM: 75}).Entry("g").ParamU32("n")) }},
		{"beyond 32 bits", func(k *Kernel, p Ptr) { p.LdU32().Add(tooFar()) }},
		{"beyond 32 bits", func(k *Kernel, p Ptr) { p.StU32(tooFar().Not().Mul(I(3))) }},
		{"division by zero", func(k *Kernel, p Ptr) { p.StU32(p.LdU32().Div(I(0))) }},
		{"division by zero", func(k *Kernel, p Ptr) { p.StU32(p.LdU32().Rem(I(0))) }},
		{"a loop of step 0", func(k *Kernel, p Ptr) { k.For(I(0), p.LdU32(), I(0), func(U32) {}) }},
		{"a loop on a known condition", func(k *Kernel, p Ptr) { k.While(func() Pred { return Bool(true) }, func() {}) }},
		{"49156 bytes of shared memory, of which 49152", func(k *Kernel, p Ptr) { k.Shared("a", 49150, 4); k.Shared("b", 4, 4) }},
		{"aligned to 3", func(k *Kernel, p Ptr) { k.Shared("a", 4, 3).LdF32() }},
		{`"p" names no parameter or shared array, or two`, func(k *Kernel, p Ptr) { k.ParamU32("p") }},
		{`"Bad name"`, func(k *Kernel, p Ptr) { k.ParamU32("Bad name") }},
		{"a block of 1024 x 2 x 1", func(k *Kernel, p Ptr) { k.Block(1024, 2, 1) }},
		{"elements of -4 bytes", func(k *Kernel, p Ptr) { p.At(p.LdU32(), -4) }},
		{"a store to memory that nothing writes to", func(k *Kernel, p Ptr) { p.NC().StF32(F(0)) }},
		{"written to after it was added", func(k *Kernel, p Ptr) { k.m.Add(k); p.LdF32() }},
		{"the template's own", func(k *Kernel, p Ptr) { k.Fail(diag.New(diag.Limit, "the template's own")); k.fail("later") }},
	} {
		m := NewModule(Options{SM: 75})
		k := m.Entry("f")
		c.write(k, k.ParamPtr("p"))
		m.Add(k)
		if _, err := m.Text(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("have %v, want %s", err, c.want)
		}
	}
	for want, m := range map[string]*Module{
		"compute capability: have sm_70, want sm_75, sm_80, sm_86": NewModule(Options{SM: 70}),
		"1 kernels of the module were not added":                   begun(),
		`"No" is no lower-case identifier`:                         named("No"),
		"is of another module":                                     foreign(),
	} {
		if _, err := m.Text(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("have %v, want %s", err, want)
		}
	}
}

func tooFar() U32 { return U32{val{reg: poison}} }

func begun() *Module {
	m := NewModule(Options{SM: 75})
	m.Entry("f")
	return m
}

func named(base string) *Module {
	m := NewModule(Options{SM: 75})
	m.Add(m.Entry(base))
	return m
}

func foreign() *Module {
	m := NewModule(Options{SM: 75})
	m.Add(NewModule(Options{SM: 75}).Entry("f"))
	return m
}

// TestMerge: kernels of equal text are one, whatever else is in the module.
func TestMerge(t *testing.T) {
	one := func(m *Module, base string, v float32) string {
		k := m.Entry(base)
		p := k.ParamPtr("p")
		p.At(k.GlobalX(), 4).StF32(F(v))
		return m.Add(k)
	}
	m := NewModule(Options{SM: 75})
	a, b, c, d := one(m, "f", 1), one(m, "f", 2), one(m, "f", 1), one(m, "g", 1)
	if a != c || a == b || a == d || len(m.Names()) != 3 {
		t.Errorf("names %s %s %s %s, %d kernels", a, b, c, d, len(m.Names()))
	}
	other := NewModule(Options{SM: 80})
	if e := one(other, "f", 1); e != a {
		t.Errorf("%s elsewhere is %s", a, e)
	}
	x, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	n := NewModule(Options{SM: 75})
	one(n, "f", 1)
	one(n, "f", 2)
	one(n, "g", 1)
	if y, err := n.Text(); err != nil || x != y {
		t.Errorf("another text of the same kernels: %v", err)
	}
	if strings.Count(x, ".visible .entry") != 3 {
		t.Errorf("not three kernels:\n%s", x)
	}
}
