package ptx

import (
	"strings"
	"testing"
)

// body is what a kernel's template writes between the parameters and the end.
func body(t *testing.T, sm int, write func(k *Kernel, p Ptr, n U32, x F32)) string {
	t.Helper()
	m := NewModule(Options{SM: sm})
	k := m.Entry("f")
	write(k, k.ParamPtr("p"), k.ParamU32("n"), k.ParamF32("x"))
	m.Add(k)
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = strings.Cut(text, "ld.param.f32 %f1, [p_x];\n")
	text = strings.TrimSuffix(text, "\tret;\n}\n")
	return strings.ReplaceAll(strings.TrimSpace(text), "\n\t", " ")
}

// TestFolding: what is known costs no instruction. The texts are written by
// hand; %r1 is n, %f1 is x, %rd2 is p.
func TestFolding(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(k *Kernel, p Ptr, n U32, x F32)
		want  string
	}{
		{"neutral operands", func(k *Kernel, p Ptr, n U32, x F32) {
			p.StU32(n.Add(I(0)).Mul(I(1)).Sub(I(0)).Shl(I(0)).Or(I(0)).And(I(-1)).Div(I(1)).Xor(I(0)).MulAdd(I(1), I(0)))
		}, "st.global.u32 [%rd2], %r1;"},
		{"constant subexpressions", func(k *Kernel, p Ptr, n U32, x F32) { p.StU32(n.Mul(I(3).Mul(I(4)).Add(I(2)))) },
			"mul.lo.u32 %r2, %r1, 14; st.global.u32 [%rd2], %r2;"},
		{"zero", func(k *Kernel, p Ptr, n U32, x F32) { p.At(n.Mul(I(0)).Add(n.Rem(I(1))), 4).StU32(n.MulAdd(I(0), n)) },
			"st.global.u32 [%rd2], %r1;"},
		{"powers of two", func(k *Kernel, p Ptr, n U32, x F32) { p.StU32(n.Mul(I(8)).Div(I(4)).Rem(I(16))) },
			"shl.b32 %r2, %r1, 3; shr.u32 %r3, %r2, 2; and.b32 %r4, %r3, 15; st.global.u32 [%rd2], %r4;"},
		{"sub of an immediate", func(k *Kernel, p Ptr, n U32, x F32) { p.StU32(n.Sub(I(3))) },
			"add.u32 %r2, %r1, -3; st.global.u32 [%rd2], %r2;"},
		{"one division", func(k *Kernel, p Ptr, n U32, x F32) {
			c := Axes(n, I(9), I(1), I(7))
			p.StU32(Linear(c, []U32{I(1), I(5), I(100)}))
		},
			"mul.hi.u32 %r2, %r1, 613566757; sub.u32 %r3, %r1, %r2; shr.u32 %r4, %r3, 1; add.u32 %r5, %r4, %r2; shr.u32 %r6, %r5, 2; " +
				"mad.lo.u32 %r7, %r6, -7, %r1; mad.lo.u32 %r8, %r7, 100, %r6; st.global.u32 [%rd2], %r8;"},
		{"division by a product", func(k *Kernel, p Ptr, n U32, x F32) { p.StU32(n.Div(I(9)).Rem(I(3)).Div(I(28))) },
			"mul.hi.u32 %r2, %r1, 954437177; shr.u32 %r3, %r2, 1; mul.hi.u32 %r4, %r3, -1431655765; shr.u32 %r5, %r4, 1; mad.lo.u32 %r6, %r5, -3, %r3; " +
				"shr.u32 %r7, %r6, 2; mul.hi.u32 %r8, %r7, 613566757; st.global.u32 [%rd2], %r8;"},
		{"offsets", func(k *Kernel, p Ptr, n U32, x F32) { p.At(I(3), 4).At(n, 8).Off(4).StF32(x) },
			"mad.wide.u32 %rd3, %r1, 8, %rd2; st.global.f32 [%rd3+16], %f1;"},
		{"float one and minus zero", func(k *Kernel, p Ptr, n U32, x F32) { p.StF32(x.Mul(F(1)).Sub(F(0)).Div(F(1)).FMA(F(1), F(0).Neg())) },
			"st.global.f32 [%rd2], %f1;"},
		{"float plus zero stays", func(k *Kernel, p Ptr, n U32, x F32) { p.StF32(x.Add(F(0))) },
			"add.rn.f32 %f2, %f1, 0f00000000; st.global.f32 [%rd2], %f2;"},
		{"division by a power of two", func(k *Kernel, p Ptr, n U32, x F32) { p.StF32(x.Div(F(4))) },
			"mul.rn.f32 %f2, %f1, 0f3E800000; st.global.f32 [%rd2], %f2;"},
		{"division by another", func(k *Kernel, p Ptr, n U32, x F32) { p.StF32(x.Div(F(3))) },
			"div.rn.f32 %f2, %f1, 0f40400000; st.global.f32 [%rd2], %f2;"},
		{"known branches", func(k *Kernel, p Ptr, n U32, x F32) {
			k.IfElse(I(3).Lt(I(4)), func() { p.StF32(x) }, func() { p.StU32(n) })
			k.If(n.Lt(I(0)), func() { p.StU32(n) })
			k.ReturnIf(I(3).Gt(I(4)).And(n.Lt(I(3))))
		}, "st.global.f32 [%rd2], %f1; setp.lt.u32 %p1, %r1, 3;"},
		{"loops of none and one", func(k *Kernel, p Ptr, n U32, x F32) {
			k.For(I(3), I(3), n, func(i U32) { p.StU32(i) })
			k.For(I(3), I(8), I(5), func(i U32) { p.At(i, 4).StU32(i) })
		}, "mov.u32 %r2, 3; st.global.u32 [%rd2+12], %r2;"},
		{"loop of immediates", func(k *Kernel, p Ptr, n U32, x F32) { k.For(I(0), I(8), I(2), func(i U32) { p.StU32(i) }) },
			"mov.u32 %r2, 0;\nL1: st.global.u32 [%rd2], %r2; add.u32 %r2, %r2, 2; setp.lt.u32 %p1, %r2, 8; @%p1 bra L1;\nL2:"},
		{"loop of registers", func(k *Kernel, p Ptr, n U32, x F32) { k.For(I(0), n, I(1), func(i U32) { p.StU32(i) }) },
			"mov.u32 %r2, 0; setp.ge.u32 %p1, %r2, %r1; @%p1 bra L2;\nL1: st.global.u32 [%rd2], %r2; add.u32 %r2, %r2, 1; setp.lt.u32 %p2, %r2, %r1; @%p2 bra L1;\nL2:"},
		{"if else", func(k *Kernel, p Ptr, n U32, x F32) {
			k.IfElse(n.Lt(I(5)), func() { p.StF32(x) }, func() { p.StU32(n) })
		}, "setp.lt.u32 %p1, %r1, 5; @!%p1 bra L1; st.global.f32 [%rd2], %f1; bra L2;\nL1: st.global.u32 [%rd2], %r1;\nL2:"},
		{"masked", func(k *Kernel, p Ptr, n U32, x F32) {
			q := p.If(n.Eq(I(1)).Not())
			q.StF32(q.LdF32())
			p.If(Bool(true)).StF32(p.If(Bool(false)).LdF32())
		}, "setp.eq.u32 %p1, %r1, 1; mov.f32 %f2, 0f00000000; @!%p1 ld.global.f32 %f2, [%rd2]; @!%p1 st.global.f32 [%rd2], %f2; mov.f32 %f3, 0f00000000; st.global.f32 [%rd2], %f3;"},
		{"a block of known extents", func(k *Kernel, p Ptr, n U32, x F32) {
			k.Block(128, 1, 1)
			p.At(k.TidY().Add(k.NTidX()), 4).StF32(x)
		}, "st.global.f32 [%rd2+512], %f1;"},
		{"accumulators", func(k *Kernel, p Ptr, n U32, x F32) {
			v := k.VarF32(F(0))
			v.IncFMA(x, F(3))
			v.Inc(x)
			p.StF32(v.Get())
		}, "mov.f32 %f2, 0f00000000; fma.rn.f32 %f2, %f1, 0f40400000, %f2; add.rn.f32 %f2, %f2, %f1; mov.f32 %f3, %f2; st.global.f32 [%rd2], %f3;"},
		{"halves", func(k *Kernel, p Ptr, n U32, x F32) { p.StH2(k.Pack(x, x)) },
			"cvt.rn.f16.f32 %h1, %f1; cvt.rn.f16.f32 %h2, %f1; mov.b32 %r2, {%h1, %h2}; st.global.b32 [%rd2], %r2;"},
		{"comments", func(k *Kernel, p Ptr, n U32, x F32) { k.Comment("of %d\nlines", 2) }, "// of 2 // lines"},
	} {
		if got := body(t, 75, c.write); got != c.want {
			t.Errorf("%s: have\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestLoops: For runs as often as Go's loop, with immediate and open bounds.
func TestLoops(t *testing.T) {
	for _, b := range [][3]uint32{{0, 0, 1}, {0, 1, 1}, {0, 5, 1}, {3, 5, 7}, {5, 3, 1}, {2, 12, 3}, {0, 12, 4}, {1, 3 << 30, 1 << 29}, {0, 0, 3}} {
		for open := range 8 {
			m := NewModule(Options{SM: 75})
			k := m.Entry("f")
			p := k.ParamPtr("p")
			params := map[string]uint64{}
			bounds := [3]U32{}
			for i, v := range b {
				name := "b" + string(rune('0'+i))
				if bounds[i] = I(int(v)); open&(1<<i) != 0 {
					bounds[i], params[name] = k.ParamU32(name), uint64(v)
				}
			}
			sum, count := k.VarU32(I(0)), k.VarU32(I(0))
			k.For(bounds[0], bounds[1], bounds[2], func(i U32) {
				sum.Inc(i)
				k.IfElse(i.Rem(I(2)).Eq(I(0)), func() { count.Inc(I(1)) }, func() { count.Inc(I(1000)) })
			})
			p.StU32(sum.Get())
			p.Off(4).StU32(count.Get())
			m.Add(k)
			mc := load(t, m, 8)
			mc.run(params)
			var ws, wc uint32
			for i := uint64(b[0]); i < uint64(b[1]); i += uint64(b[2]) {
				ws += uint32(i)
				if wc++; i%2 == 1 {
					wc += 999
				}
			}
			if mc.u32(0) != ws || mc.u32(1) != wc {
				t.Errorf("%v, open %b: have %d, %d, want %d, %d", b, open, mc.u32(0), mc.u32(1), ws, wc)
			}
		}
	}
}

// TestWhile: the greatest common divisor by Euclid, with an early return.
func TestWhile(t *testing.T) {
	m := NewModule(Options{SM: 75})
	k := m.Entry("gcd")
	p := k.ParamPtr("p")
	a, b := k.VarU32(k.ParamU32("a")), k.VarU32(k.ParamU32("b"))
	k.ReturnIf(a.Get().Eq(I(99)))
	k.While(func() Pred { return b.Get().Ne(I(0)) }, func() {
		old := b.Get()
		b.Set(a.Get().Rem(old))
		a.Set(old)
	})
	q := k.VarPtr(p.Off(-4))
	q.Move(I(2), 4)
	q.Move(k.ParamU32("back"), 4)
	q.Get().StU32(a.Get())
	m.Add(k)
	mc := load(t, m, 4)
	for _, c := range [][3]uint64{{12, 18, 6}, {7, 0, 7}, {35, 21, 7}, {99, 3, 0}} {
		mc.put(0, 0)
		mc.run(map[string]uint64{"a": c[0], "b": c[1], "back": 1<<32 - 1})
		if got := mc.u32(0); uint64(got) != c[2] {
			t.Errorf("of %d and %d: have %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
