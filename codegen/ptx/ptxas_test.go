package ptx

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen/ptx/ptxtest"
)

// ptxas makes TestPtxas a check against NVIDIA's assembler: tools/peers/ptxas.sh
// gives it.
var (
	ptxas  = flag.String("ptxas", "", ptxtest.Usage)
	update = flag.Bool("update", false, "rewrite testdata/forms.txt")
)

// TestPtxas assembles a module of every instruction that the package writes.
func TestPtxas(t *testing.T) {
	for _, sm := range Targets() {
		m := NewModule(Options{SM: sm})
		every(m)
		text, err := m.Text()
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range ptxtest.Assemble(t, *ptxas, text, sm) {
			if u.Spills > 0 {
				t.Errorf("sm_%d: %s spills %d bytes", sm, u.Kernel, u.Spills)
			}
		}
	}
}

// TestForms: testdata/forms.txt lists the instructions that the package writes,
// for those who run them. ptxas knows that it takes each (TestPtxas).
func TestForms(t *testing.T) {
	seen := map[string]bool{}
	for _, sm := range Targets() {
		m := NewModule(Options{SM: sm})
		every(m)
		text, err := m.Text()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if f := insRE.FindStringSubmatch(strings.TrimRight(line, "\n")); f != nil && f[2] != ".reg" && f[2] != ".shared" {
				seen[f[2]] = true
			}
		}
	}
	got := strings.Join(slices.Sorted(maps.Keys(seen)), "\n") + "\n"
	const golden = "testdata/forms.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("instructions changed (go test ./codegen/ptx -run TestForms -update rewrites %s):\n%s", golden, got)
	}
}

// every writes every instruction, with registers and with immediates where they
// may stand.
func every(m *Module) {
	everyU32(m)
	everyF32(m)
	everyMemory(m)
	everyControl(m)
	everyWarp(m)
}

func everyU32(m *Module) {
	k := m.Entry("u32")
	y, n, s := k.ParamPtr("y"), k.ParamU32("n"), k.ParamU32("s")
	out := 0
	put := func(v U32) { y.Off(4 * out).StU32(v); out++ }
	for _, f := range []func(a, b U32) U32{U32.Add, U32.Sub, U32.Mul, U32.Div, U32.Rem, U32.CeilDiv, U32.Min, U32.Max, U32.MinS, U32.MaxS,
		U32.And, U32.Or, U32.Xor, U32.Shl, U32.Shr, U32.ShrS} {
		for _, b := range []U32{n, I(7), I(-7), I(8)} {
			put(f(s, b))
			put(f(b, s))
		}
	}
	for _, f := range []func(a, b U32) Pred{U32.Eq, U32.Ne, U32.Lt, U32.Le, U32.Gt, U32.Ge, U32.LtS, U32.LeS, U32.GtS, U32.GeS} {
		p, q := f(s, n), f(s, I(-3))
		put(p.And(q.Not()).SelU32(I(1), n))
		put(p.Or(q.Not()).Not().SelU32(n, I(-1)))
		put(f(I(5), s).SelU32(n, s))
	}
	put(n.Neg().Not())
	put(n.MulAdd(s, n))
	put(n.MulAdd(I(5), s))
	put(n.MulAdd(I(5), I(3)))
	put(n.MulAdd(s, I(-3)))
	q, r := n.DivRem(s)
	put(q)
	put(r)
	q, r = n.DivRem(I(13))
	put(q)
	put(r)
	y.StF32x4([4]F32{n.ToF32(), n.ToF32S(), n.AsF32(), F(2)})
	m.Add(k)
}

func everyF32(m *Module) {
	k := m.Entry("f32")
	x, a := k.ParamPtr("x").NC(), k.ParamF32("a")
	v := x.LdF32()
	y, out := k.ParamPtr("y").At(k.GlobalX(), 1<<12), 0
	put32 := func(f F32) { y.Off(4 * out).StF32(f); out++ }
	for _, f := range []func(a, b F32) F32{F32.Add, F32.Sub, F32.Mul, F32.Div, F32.Min, F32.Max, F32.MinNum, F32.MaxNum, F32.CopySign} {
		for _, b := range []F32{a, F(3), F(-2)} {
			put32(f(v, b))
			put32(f(b, v))
		}
	}
	for _, f := range []func(a F32) F32{F32.Recip, F32.Sqrt, F32.Neg, F32.Abs, F32.Floor, F32.Ceil, F32.RoundEven, F32.Relu, F32.Exp, F32.Log,
		F32.Tanh, F32.Sigmoid, F32.Erf, F32.Gelu, F32.GeluTanh} {
		put32(f(v))
	}
	for _, f := range []func(a, b F32) Pred{F32.Eq, F32.Ne, F32.Lt, F32.Le, F32.Gt, F32.Ge} {
		put32(f(v, a).SelF32(F(1), a))
		put32(f(v, F(2)).SelF32(a, F(1)))
		put32(f(F(2), v).SelF32(a, v))
	}
	put32(v.FMA(a, F(1)))
	put32(v.FMA(F(2), a))
	put32(v.FMA(F(2), F(3)))
	put32(v.Clip(F(0), F(6)))
	put32(v.IsNaN().SelF32(F(0), v))
	y.Off(1 << 11).StU32(v.ToS32())
	y.Off(1 << 11).Off(4).StU32(v.ToU32().Add(v.Bits()))
	m.Add(k)
}

func everyMemory(m *Module) {
	k := m.Entry("memory")
	k.Block(128, 2, 1)
	y, x, n := k.ParamPtr("y"), k.ParamPtr("x").NC(), k.ParamU32("n")
	k.Comment("every load\nand store")
	a16, b16 := k.Shared("a", 4096, 16), k.Shared("b", 512, 4)
	i := k.TidX()
	every1(k, i.Lt(n), x.At(i, 16), y.At(i, 16))
	every1(k, i.Lt(n), y.At(i, 16), y.At(i, 16))
	every1(k, i.Ge(n), a16.At(i, 16), a16.At(i, 16).Off(16))
	every1(k, Bool(true), a16.Off(32), a16)
	b16.At(k.TidY(), 4).StU32(a16.Off(8).Addr())
	y.AtS(i.Sub(n), 4).StF32(F(0))
	y.AtMul(i, n, 4).StF32(F(1))
	y.AtMul(i, I(1<<30), 16).StF32(F(1))
	y.At(I(1<<30), 5).StF32(F(1))
	b16.At(i, 4).Off(-4).StU32(n)
	x.At(i, 4).Off(-4).If(n.Gt(I(0))).LdF32()
	e := x.LdU64()
	e = e.LtS(I64(0)).SelU64(e.Add(n.ToU64()), e.Add(n.ToS64()).Add(I64(-1)))
	y.Off(8).StU32(e.GeS(I64(1<<40)).Or(I64(3).GeS(e)).Or(e.Eq(I64(7))).SelU32(e.Lo(), n))
	i.Lt(n).SelPtr(y.At(n, 4), y.Off(64)).StU32(n)
	i.Lt(n).SelPtr(y.At(n, 4), y).Off(8).StU32(n)
	y.Off(12).RedAddU32(n)
	y.Off(12).If(i.Lt(n)).RedAddU32(I(1))
	k.Barrier()
	m.Add(k)
}

func everyControl(m *Module) {
	k := m.Entry("control")
	y, n := k.ParamPtr("y"), k.ParamU32("n")
	acc, vp := k.VarF32(F(0)), k.VarPtr(y.Off(4))
	k.ReturnIf(k.CtaX().Add(k.CtaY()).Add(k.CtaZ()).Ge(n))
	k.For(k.TidX(), n, k.NTidX(), func(i U32) {
		k.IfElse(i.Rem(I(3)).Eq(I(1)), func() { acc.Inc(F(1)) }, func() { acc.IncFMA(i.ToF32(), F(2)) })
		k.If(acc.Get().Gt(F(100)), k.Return)
		vp.Move(I(1), 4)
		vp.Move(i, 4)
	})
	k.For(I(0), I(10), I(3), func(i U32) { acc.Set(acc.Get().Mul(acc.Get()).Add(i.ToF32())) })
	u := k.VarU32(I(0))
	k.While(func() Pred { return u.Get().Lt(n) }, func() { u.Inc(u.Get().Add(I(1))) })
	u.Set(u.Get().Add(k.TidY()).Add(k.TidZ()).Add(k.NTidY()).Add(k.NTidZ()).Add(k.NCtaX()).Add(k.NCtaY()).Add(k.NCtaZ()))
	vp.Get().StF32(acc.Get())
	vp.Get().Off(4).StU32(u.Get())
	m.Add(k)
}

func everyWarp(m *Module) {
	k := m.Entry("warp")
	y := k.ParamPtr("y").At(k.Lane(), 64)
	v, n := y.LdF32(), y.LdU32()
	v = k.WarpSum(v).Add(k.WarpMax(v)).Add(k.ShflDownF32(v, I(1))).Add(k.ShflUpF32(v, n)).Add(k.ShflF32(v, n))
	n = k.ShflXorU32(n, I(1)).Add(k.ShflDownU32(n, n)).Add(k.ShflUpU32(I(3), I(2))).Add(k.ShflU32(n, I(0)))
	k.WarpSync()
	tile := k.Shared("tile", 1024, 16).At(k.Lane(), 16)
	h := k.LdMatrix(tile.Off(512), false)
	h[2] = k.LdMatrix(tile, true)[0]
	h[0] = k.Pack(v, F(1))
	lo, hi := h[1].Unpack()
	var d [4]VarF32
	for i := range d {
		d[i] = k.VarF32(F(0))
	}
	k.MMAm16n8k8(d, [2]H2{h[0], {}}, h[1])
	k.MMAm16n8k16(d, h, [2]H2{h[0], n.AsH2()})
	y.StF32x4([4]F32{d[0].Get(), d[1].Get().Add(lo), d[2].Get().Add(hi), d[3].Get().Add(v)})
	m.Add(k)
}

// place is what addresses of both memories can do.
type place interface {
	LdF32() F32
	LdF32x2() [2]F32
	LdF32x4() [4]F32
	LdU32() U32
	LdU8() U32
	LdS8() U32
	LdU16() U32
	LdU64() U64
	LdH2() H2
	LdH2x2() [2]H2
	LdH2x4() [4]H2
	LdF16() F32
	StF32(F32)
	StF32x2([2]F32)
	StF32x4([4]F32)
	StU32(U32)
	StU8(U32)
	StU16(U32)
	StU64(U64)
	StH2(H2)
	StH2x2([2]H2)
	StH2x4([4]H2)
	StF16(F32)
}

func every1[P interface {
	place
	If(Pred) P
	Off(int) P
}](k *Kernel, p Pred, from, to P) {
	for _, at := range [][2]P{{from, to}, {from.If(p), to.If(p)}} {
		from, to := at[0], at[1]
		to.StF32(from.LdF32())
		to.StF32(F(1))
		to.StF32x2(from.LdF32x2())
		to.StF32x4(from.LdF32x4())
		to.StF32x4([4]F32{})
		to.StU32(from.LdU32())
		to.StU32(I(-4))
		to.StU8(from.LdU8())
		to.StU8(I(7))
		to.Off(4).StU8(from.Off(1).LdS8())
		to.StU16(from.LdU16())
		to.StU64(from.LdU64())
		to.StU64(I64(1 << 40))
		to.StH2(from.LdH2())
		to.StH2x2(from.LdH2x2())
		to.StH2x4(from.LdH2x4())
		to.StH2x4([4]H2{})
		to.StF16(from.LdF16())
		to.StF16(F(1))
	}
}
