package main

import (
	"fmt"
	"slices"
)

// Encodings of the bitwise selects and of the float16 conversions, which Go's
// assembler lacks.
func wide(op uint32, name string, d, n, m int) Enc {
	return Enc{op | r(m)<<16 | r(n)<<5 | r(d), fmt.Sprintf("%s v%d.16b, v%d.16b, v%d.16b", name, d, n, m)}
}

// BSL sets d to n where d has ones, to m elsewhere.
func BSL(d, n, m int) Enc { return wide(0x6e601c00, "bsl", d, n, m) }

// MVN is the bitwise complement.
func MVN(d, n int) Enc {
	return Enc{0x6e205800 | r(n)<<5 | r(d), fmt.Sprintf("mvn v%d.16b, v%d.16b", d, n)}
}

// FCVTL widens the lower four float16, FCVTN narrows four float32 into the
// lower half.
func FCVTL(d, n int) Enc {
	return Enc{0x0e217800 | r(n)<<5 | r(d), fmt.Sprintf("fcvtl v%d.4s, v%d.4h", d, n)}
}
func FCVTN(d, n int) Enc {
	return Enc{0x0e216800 | r(n)<<5 | r(d), fmt.Sprintf("fcvtn v%d.4h, v%d.4s", d, n)}
}

// constNEON is the table of constants of one file, each four times.
type constNEON struct {
	a     *Asm
	words []uint32
}

func newConstNEON(a *Asm) *constNEON { return &constNEON{a: a} }

func (c *constNEON) at(bits uint32) int {
	i := slices.Index(c.words, bits)
	if i < 0 {
		i = len(c.words)
		c.words = append(c.words, bits)
	}
	return i * 16
}

func (c *constNEON) emit() {
	var w []uint32
	for _, b := range c.words {
		w = append(w, b, b, b, b)
	}
	c.a.Data("consts_neon", w...)
}

// bodyNEON emits a vecProg for some vectors side by side. The first constants
// stay in the registers from V31 down, parameters below them; the others are
// loaded where they are used.
type bodyNEON struct {
	*Asm
	c     *constNEON
	p     *vecProg
	pins  int
	regs  *regAlloc
	temps map[uint32]int // constants loaded for the current node
}

func (b *bodyNEON) param(i int) int { return 31 - b.pins - i }

func (b *bodyNEON) in(i int) int {
	n := b.p.nodes[i]
	switch n.op {
	case vParam:
		return b.param(int(n.imm))
	case vConst:
		if k := slices.Index(b.p.consts, n.imm); k < b.pins {
			return 31 - k
		}
		t, ok := b.temps[n.imm]
		if !ok {
			t = b.regs.take()
			b.temps[n.imm] = t
			b.load(n.imm, t)
		}
		return t
	}
	return b.regs.at(i)
}

func (b *bodyNEON) load(bits uint32, reg int) { b.I("FMOVQ %d(R4), F%d", b.c.at(bits), reg) }

func (b *bodyNEON) mov(from, to int) { b.I("VMOV V%d.B16, V%d.B16", from, to) }

// emit writes the instructions of all nodes for n copies; arg loads vector u
// of slice i. It returns the registers of the results.
func (b *bodyNEON) emit(n int, arg func(u, i, reg int)) []int {
	b.regs = newRegAlloc(0, b.param(b.p.params))
	out := make([]int, n)
	for i, node := range b.p.nodes {
		b.temps = map[uint32]int{}
		for u := range n {
			b.regs.copy = u
			switch node.op {
			case vConst, vParam:
			case vArg:
				arg(u, int(node.imm), b.regs.set(i, b.regs.take()))
			default:
				b.node(i, node)
			}
			if i == len(b.p.nodes)-1 {
				out[u] = b.regs.at(i)
			}
		}
		for _, c := range b.p.consts {
			if t, ok := b.temps[c]; ok {
				b.regs.give(t)
			}
		}
	}
	return out
}

// result frees the operands that die and takes a register for node i; it may
// be one of theirs.
func (b *bodyNEON) result(i int) int {
	b.regs.release(b.p, i)
	return b.regs.set(i, b.regs.take())
}

// apart takes a register that no operand has.
func (b *bodyNEON) apart(i int) int {
	d := b.regs.take()
	b.regs.release(b.p, i)
	return b.regs.set(i, d)
}

var neonThree = map[vecOp]func(d, n, m int) Enc{vAdd: FADD, vSub: FSUB, vMul: FMUL, vDiv: FDIV}
var neonTwo = map[vecOp]func(d, n int) Enc{vSqrt: FSQRT, vRound: FRINTN, vFloor: FRINTM, vCeil: FRINTP, vFromInt: SCVTF}
var neonGo = map[vecOp][2]string{vAnd: {"VAND", "B16"}, vOr: {"VORR", "B16"}, vXor: {"VEOR", "B16"}, vAddI: {"VADD", "S4"}, vSubI: {"VSUB", "S4"}}

func (b *bodyNEON) node(i int, n vecNode) {
	if f, ok := neonThree[n.op]; ok {
		x, y := b.in(n.in[0]), b.in(n.in[1])
		b.W(f(b.result(i), x, y))
		return
	}
	if f, ok := neonTwo[n.op]; ok {
		x := b.in(n.in[0])
		b.W(f(b.result(i), x))
		return
	}
	if g, ok := neonGo[n.op]; ok {
		x, y := b.in(n.in[0]), b.in(n.in[1])
		b.I("%s V%d.%s, V%d.%s, V%d.%s", g[0], y, g[1], x, g[1], b.result(i), g[1])
		return
	}
	x := b.in(n.in[0])
	switch n.op {
	case vShl:
		b.I("VSHL $%d, V%d.S4, V%d.S4", n.imm, x, b.result(i))
	case vShr:
		b.I("VUSHR $%d, V%d.S4, V%d.S4", n.imm, x, b.result(i))
	case vSar:
		b.W(SSHR(b.result(i), x, int(n.imm)))
	case vSign:
		b.W(SSHR(b.result(i), x, 31))
	case vLess:
		y := b.in(n.in[1])
		b.W(FCMGT(b.result(i), y, x))
	case vMin, vMax:
		y := b.in(n.in[1])
		d := b.apart(i)
		if n.op == vMin {
			b.W(FCMGT(d, y, x))
		} else {
			b.W(FCMGT(d, x, y))
		}
		b.W(BSL(d, x, y))
	case vUnord:
		b.unord(i, n, x)
	case vSelect:
		y, z := b.in(n.in[1]), b.in(n.in[2])
		if b.regs.dies(b.p, n.in[0], i) {
			b.W(BSL(x, y, z))
			b.regs.overwrite(b.p, i, n.in[0])
			return
		}
		d := b.apart(i)
		b.mov(x, d)
		b.W(BSL(d, y, z))
	case vFMA:
		b.fma(i, n, x)
	default:
		panic("asmgen: operation without NEON form")
	}
}

func (b *bodyNEON) unord(i int, n vecNode, x int) {
	if n.in[0] == n.in[1] {
		d := b.result(i)
		b.W(FCMEQ(d, x, x))
		b.W(MVN(d, d))
		return
	}
	y := b.in(n.in[1])
	t := b.regs.take()
	defer b.regs.give(t)
	d := b.apart(i)
	b.W(FCMEQ(t, y, y))
	b.W(FCMEQ(d, x, x))
	b.I("VAND V%d.B16, V%d.B16, V%d.B16", t, d, d)
	b.W(MVN(d, d))
}

func (b *bodyNEON) fma(i int, n vecNode, x int) {
	y, c := b.in(n.in[1]), n.in[2]
	if b.regs.dies(b.p, c, i) && c != n.in[0] && c != n.in[1] {
		b.W(FMLA(b.in(c), x, y))
		b.regs.overwrite(b.p, i, c)
		return
	}
	d := b.regs.take()
	if k := b.p.nodes[c]; k.op == vConst && slices.Index(b.p.consts, k.imm) >= b.pins {
		b.load(k.imm, d)
	} else {
		b.mov(b.in(c), d)
	}
	b.W(FMLA(d, x, y))
	b.regs.release(b.p, i)
	b.regs.set(i, d)
}

// eltNEON emits one elementwise function.
func eltNEON(a *Asm, c *constNEON, f eltFunc, p *vecProg) {
	unroll, pins := f.unroll, len(p.consts)
	for !fits(func() {
		b := &bodyNEON{Asm: New(a.Arch, "", "", ""), c: &constNEON{}, p: p, pins: pins}
		b.emit(unroll, func(int, int, int) {})
	}) {
		if pins--; pins < 0 {
			unroll, pins = unroll-1, len(p.consts)
		}
	}
	b := &bodyNEON{Asm: a, c: c, p: p, pins: pins}
	regs := "R0 dst, R1 x, R3 elements left, R4 constants"
	if p.args == 2 {
		regs = "R0 dst, R1 x, R2 y, R3 elements left, R4 constants"
	}
	for i := range p.params {
		regs += fmt.Sprintf(", V%d %c", b.param(i), 'a'+i)
	}
	if pins > 0 {
		regs += fmt.Sprintf("\nV%d-V31 constants; the other vector registers hold values", 32-pins)
	}
	a.Begin(Func{Name: f.name + "_neon", Doc: eltDoc(f, "neon"), Regs: regs, Params: eltParams(p)})
	a.Load("dst", "R0", "x", "R1", "n", "R3")
	if p.args == 2 {
		a.Load("y", "R2")
	}
	for i := range p.params {
		a.I("FMOVS %s, F%d", a.FP(string(rune('a'+i))), b.param(i))
		a.I("VDUP V%d.S[0], V%d.S4", b.param(i), b.param(i))
	}
	if len(p.consts) > 0 {
		a.I("MOVD $consts_neon<>(SB), R4")
	}
	for k := range pins {
		b.load(p.consts[k], 31-k)
	}
	vectors := func(n int) {
		for _, y := range b.emit(n, func(_, i, reg int) { a.I("VLD1.P 16(R%d), [V%d.S4]", 1+i, reg) }) {
			a.I("VST1.P [V%d.S4], 16(R0)", y)
		}
	}
	a.I("SUBS $%d, R3", unroll*4)
	a.I("BLT rest")
	a.Label("loop", fmt.Sprintf("vectors of four: %d", unroll))
	vectors(unroll)
	a.I("SUBS $%d, R3", unroll*4)
	a.I("BGE loop")
	a.Label("rest", "fewer are left, R3 is their number less those")
	a.I("ADDS $%d, R3", unroll*4)
	a.I("BEQ done")
	if unroll > 1 {
		a.I("SUBS $4, R3")
		a.I("BLT last")
		a.Label("one", "one vector")
		vectors(1)
		a.I("SUBS $4, R3")
		a.I("BGE one")
		a.Label("last", "at most three are left")
		a.I("ADDS $4, R3")
		a.I("BEQ done")
	}
	a.Label("tail", "one element")
	y := b.emit(1, func(_, i, reg int) { a.I("FMOVS.P 4(R%d), F%d", 1+i, reg) })
	a.I("FMOVS.P F%d, 4(R0)", y[0])
	a.I("SUBS $1, R3")
	a.I("BGT tail")
	a.Label("done", "nothing is left")
	a.Ret()
}

// halfNEON emits the conversions between float16 and float32, whole vectors
// only.
func halfNEON(a *Asm) {
	for _, f := range []struct{ name, params, doc string }{
		{"fromf16", "dst *float32, x *uint16, n int", "dst[i] = dtype.F16ToF32(x[i])"},
		{"tof16", "dst *uint16, x *float32, n int", "dst[i] = dtype.F32ToF16(x[i])"},
	} {
		a.Begin(Func{Name: f.name + "_neon", Params: f.params, Regs: "R0 dst, R1 x, R3 elements left", Doc: fmt.Sprintf(`%s_neon converts n elements, a positive multiple of 4:

	for i := range n {
		%s
	}

The payload of NaN may differ. No alignment is needed; dst and x do not overlap.
`, f.name, f.doc)})
		a.Load("dst", "R0", "x", "R1", "n", "R3")
		a.Label("loop", "one vector")
		if f.name == "fromf16" {
			a.I("VLD1.P 8(R1), [V0.H4]")
			a.W(FCVTL(0, 0))
			a.I("VST1.P [V0.S4], 16(R0)")
		} else {
			a.I("VLD1.P 16(R1), [V0.S4]")
			a.W(FCVTN(0, 0))
			a.I("VST1.P [V0.H4], 8(R0)")
		}
		a.I("SUBS $4, R3")
		a.I("BGT loop")
		a.Ret()
	}
}
