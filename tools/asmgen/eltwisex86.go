package main

import (
	"fmt"
	"slices"
)

// constX86 is the table of constants of one file. With AVX2 each stands there
// eight times, to be a memory operand; AVX-512 broadcasts from one.
type constX86 struct {
	a     *Asm
	v     vec
	words []uint32
}

func newConstX86(a *Asm, v vec) *constX86 { return &constX86{a: a, v: v} }

func (c *constX86) step() int {
	if c.v.lanes == 16 {
		return 4
	}
	return 32
}

func (c *constX86) name() string { return "consts_" + c.v.isa }

// at is the memory operand of a constant.
func (c *constX86) at(bits uint32) string {
	i := slices.Index(c.words, bits)
	if i < 0 {
		i = len(c.words)
		c.words = append(c.words, bits)
	}
	return fmt.Sprintf("%s<>+%d(SB)", c.name(), i*c.step())
}

// emit writes the table; it must come after all uses.
func (c *constX86) emit() {
	var w []uint32
	for _, b := range c.words {
		for range c.step() / 4 {
			w = append(w, b)
		}
	}
	c.a.Data(c.name(), w...)
}

// tailTable writes the words from which the mask of an AVX2 tail is read.
func tailTable(a *Asm) string {
	w := make([]uint32, 16)
	for i := range 8 {
		w[i] = 1<<32 - 1
	}
	return a.Data("tail_avx2", w...)
}

// bodyX86 emits a vecProg for some vectors side by side, so that their chains
// of operations overlap and constants are loaded once.
type bodyX86 struct {
	*Asm
	vec
	c     *constX86
	p     *vecProg
	regs  *regAlloc
	masks *regAlloc      // AVX-512 only
	temps map[uint32]int // constants in registers for the current node
}

func (b *bodyX86) r(i int) string { return fmt.Sprintf("%s%d", b.reg, i) }

// param is the register that holds parameter i; the highest one is the mask of
// an AVX2 tail.
func (b *bodyX86) param(i int) int { return b.count - 2 - i }

// in gives the register of a value; a constant is loaded for this one use.
func (b *bodyX86) in(i int) string {
	switch n := b.p.nodes[i]; {
	case n.op == vParam:
		return b.r(b.param(int(n.imm)))
	case n.op == vConst:
		t, ok := b.temps[n.imm]
		if !ok {
			t = b.regs.take()
			b.temps[n.imm] = t
			b.load(n.imm, t)
		}
		return b.r(t)
	case n.mask && b.lanes == 16:
		return fmt.Sprintf("K%d", b.masks.at(i))
	}
	return b.r(b.regs.at(i))
}

func (b *bodyX86) load(bits uint32, reg int) {
	switch {
	case bits == 0:
		b.I("%s %s, %s, %s", b.zero, b.r(reg), b.r(reg), b.r(reg))
	case b.lanes == 16:
		b.I("VBROADCASTSS %s, %s", b.c.at(bits), b.r(reg))
	default:
		b.I("VMOVUPS %s, %s", b.c.at(bits), b.r(reg))
	}
}

// mem gives the operand of a value that may stand in memory, and the suffix
// that the instruction then needs.
func (b *bodyX86) mem(i int) (operand, suffix string) {
	n := b.p.nodes[i]
	if _, loaded := b.temps[n.imm]; n.op == vConst && n.imm != 0 && !loaded {
		if b.lanes == 16 {
			return b.c.at(n.imm), ".BCST"
		}
		return b.c.at(n.imm), ""
	}
	return b.in(i), ""
}

func (b *bodyX86) isConst(i int) bool { return b.p.nodes[i].op == vConst }

var x86Names = map[vecOp][2]string{ // AVX2, AVX-512
	vAdd: {"VADDPS", "VADDPS"}, vSub: {"VSUBPS", "VSUBPS"}, vMul: {"VMULPS", "VMULPS"}, vDiv: {"VDIVPS", "VDIVPS"},
	vMin: {"VMINPS", "VMINPS"}, vMax: {"VMAXPS", "VMAXPS"},
	vAnd: {"VANDPS", "VPANDD"}, vOr: {"VORPS", "VPORD"}, vXor: {"VXORPS", "VPXORD"},
	vAddI: {"VPADDD", "VPADDD"}, vSubI: {"VPSUBD", "VPSUBD"},
	vShl: {"VPSLLD", "VPSLLD"}, vShr: {"VPSRLD", "VPSRLD"}, vSar: {"VPSRAD", "VPSRAD"},
	vSqrt: {"VSQRTPS", "VSQRTPS"}, vFromInt: {"VCVTDQ2PS", "VCVTDQ2PS"},
	vRound: {"VROUNDPS $8,", "VRNDSCALEPS $8,"}, vFloor: {"VROUNDPS $9,", "VRNDSCALEPS $9,"}, vCeil: {"VROUNDPS $10,", "VRNDSCALEPS $10,"},
	vLess: {"VCMPPS $17,", "VCMPPS $17,"}, vUnord: {"VCMPPS $3,", "VCMPPS $3,"},
}

var commutes = []vecOp{vAdd, vMul, vAnd, vOr, vXor, vAddI, vUnord}

// emit writes the instructions of all nodes for n copies; arg loads vector u
// of slice i. It returns the registers of the results.
func (b *bodyX86) emit(n int, arg func(u, i int, reg string)) []string {
	b.regs = newRegAlloc(0, b.param(b.p.params-1)-1)
	b.masks = newRegAlloc(1, 6)
	out := make([]string, n)
	for i, node := range b.p.nodes {
		b.temps = map[uint32]int{}
		for u := range n {
			b.regs.copy, b.masks.copy = u, u
			switch node.op {
			case vConst, vParam:
			case vArg:
				arg(u, int(node.imm), b.r(b.regs.set(i, b.regs.take())))
			default:
				b.node(i, node)
			}
			if i == len(b.p.nodes)-1 {
				out[u] = b.r(b.regs.at(i))
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

func (b *bodyX86) node(i int, n vecNode) {
	name := x86Names[n.op][0]
	if b.lanes == 16 {
		name = x86Names[n.op][1]
	}
	op, rest, _ := cutSpace(name) // an immediate stands before the operands
	switch n.op {
	case vFMA:
		b.fma(i, n)
	case vSelect:
		m, y := b.in(n.in[0]), ""
		x, suffix := b.mem(n.in[1])
		y = b.in(n.in[2])
		d := b.result(i)
		if b.lanes == 16 {
			b.I("VBLENDMPS%s %s, %s, %s, %s", suffix, x, y, m, d)
		} else {
			b.I("VBLENDVPS %s, %s, %s, %s", m, x, y, d)
		}
	case vSign:
		x := b.in(n.in[0])
		d := b.result(i)
		if b.lanes == 16 {
			b.I("VPMOVD2M %s, %s", x, d)
		} else {
			b.I("VMOVAPS %s, %s", x, d)
		}
	case vShl, vShr, vSar:
		x := b.in(n.in[0])
		b.I("%s $%d, %s, %s", op, n.imm, x, b.result(i))
	case vSqrt, vFromInt, vRound, vFloor, vCeil:
		x := b.in(n.in[0])
		b.I("%s %s%s, %s", op, rest, x, b.result(i))
	default:
		x, y := n.in[0], n.in[1]
		if slices.Contains(commutes, n.op) && b.isConst(x) {
			x, y = y, x
		}
		yy, suffix := b.mem(y)
		xx := b.in(x)
		b.I("%s%s %s%s, %s, %s", op, suffix, rest, yy, xx, b.result(i))
	}
}

// cutSpace splits "OP $1," into "OP" and "$1, ".
func cutSpace(s string) (op, rest string, ok bool) {
	for i := range s {
		if s[i] == ' ' {
			return s[:i], s[i+1:] + " ", true
		}
	}
	return s, "", false
}

// result frees the operands that die and names the register of node i.
func (b *bodyX86) result(i int) string {
	b.regs.release(b.p, i)
	b.masks.release(b.p, i)
	if b.p.nodes[i].mask && b.lanes == 16 {
		return fmt.Sprintf("K%d", b.masks.set(i, b.masks.take()))
	}
	return b.r(b.regs.set(i, b.regs.take()))
}

// fma picks the form that overwrites a value that dies here.
func (b *bodyX86) fma(i int, n vecNode) {
	x, y, c := n.in[0], n.in[1], n.in[2]
	dies := func(v int) bool { return b.regs.dies(b.p, v, i) }
	if b.isConst(x) || dies(y) && !dies(x) {
		x, y = y, x
	}
	switch {
	case dies(c) && c != x && c != y:
		yy, suffix := b.mem(y)
		b.I("VFMADD231PS%s %s, %s, %s", suffix, yy, b.in(x), b.in(c))
		b.regs.overwrite(b.p, i, c)
	case dies(x) && x != y && x != c:
		yy := b.in(y)
		cc, suffix := b.mem(c)
		b.I("VFMADD213PS%s %s, %s, %s", suffix, cc, yy, b.in(x))
		b.regs.overwrite(b.p, i, x)
	default:
		d := b.regs.take()
		yy, suffix := b.mem(y)
		xx := b.in(x)
		if b.isConst(c) {
			b.load(b.p.nodes[c].imm, d)
		} else {
			b.I("VMOVAPS %s, %s", b.in(c), b.r(d))
		}
		b.I("VFMADD231PS%s %s, %s, %s", suffix, yy, xx, b.r(d))
		b.regs.release(b.p, i)
		b.regs.set(i, d)
	}
}

// eltX86 emits one elementwise function.
func eltX86(a *Asm, v vec, c *constX86, f eltFunc, p *vecProg) {
	unroll := f.unroll
	for !fits(func() {
		b := &bodyX86{Asm: New(a.Arch, "", "", ""), vec: v, c: &constX86{v: v}, p: p}
		b.emit(unroll, func(int, int, string) {})
	}) {
		unroll--
	}
	regs := "DI dst, SI x, CX elements left"
	if p.args == 2 {
		regs = "DI dst, SI x, DX y, CX elements left"
	}
	b := &bodyX86{Asm: a, vec: v, c: c, p: p}
	for i := range p.params {
		regs += fmt.Sprintf(", %s %c", b.r(b.param(i)), 'a'+i)
	}
	if v.lanes == 16 {
		regs += "\nK7 lanes of the tail, K1-K6 masks; the other vector registers hold values"
	} else {
		regs += "\nY15 lanes of the tail; the other vector registers hold values"
	}
	a.Begin(Func{Name: f.name + "_" + v.isa, Doc: eltDoc(f, v.isa), Regs: regs, Params: eltParams(p)})
	a.Load("dst", "DI", "x", "SI", "n", "CX")
	if p.args == 2 {
		a.Load("y", "DX")
	}
	for i := range p.params {
		a.I("VBROADCASTSS %s, %s", a.FP(string(rune('a'+i))), b.r(b.param(i)))
	}
	ptr := [2]string{"SI", "DX"}
	vectors := func(n int) {
		out := b.emit(n, func(u, i int, reg string) { a.I("VMOVUPS %d(%s), %s", u*v.lanes*4, ptr[i], reg) })
		for u, y := range out {
			a.I("VMOVUPS %s, %d(DI)", y, u*v.lanes*4)
		}
		for _, r := range append([]string{"DI"}, ptr[:p.args]...) {
			a.I("ADDQ $%d, %s", n*v.lanes*4, r)
		}
	}
	if unroll > 1 {
		a.I("SUBQ $%d, CX", unroll*v.lanes)
		a.I("JLT rest")
		a.Label("loop", fmt.Sprintf("%d vectors", unroll))
		vectors(unroll)
		a.I("SUBQ $%d, CX", unroll*v.lanes)
		a.I("JGE loop")
		a.Label("rest", "fewer are left, CX is their number less those")
		a.I("ADDQ $%d, CX", (unroll-1)*v.lanes)
	} else {
		a.I("SUBQ $%d, CX", v.lanes)
	}
	a.I("JLT tail")
	a.Label("one", "one vector")
	vectors(1)
	a.I("SUBQ $%d, CX", v.lanes)
	a.I("JGE one")
	a.Label("tail", "less than a vector is left")
	a.I("ADDQ $%d, CX", v.lanes)
	a.I("JEQ done")
	tailMask(a, v)
	out := b.emit(1, func(_, i int, reg string) { maskedLoad(a, v, "("+ptr[i]+")", reg) })
	maskedStore(a, v, out[0], "(DI)")
	a.Label("done", "nothing is left")
	a.Ret()
}

// tailMask sets Y15 or K7 to the low CX lanes; AX and R8 are lost.
func tailMask(a *Asm, v vec) {
	if v.lanes == 16 {
		a.I("MOVL $1, AX")
		a.I("SHLL CX, AX")
		a.I("SUBL $1, AX")
		a.I("KMOVW AX, K7")
		return
	}
	a.I("LEAQ tail_avx2<>(SB), AX")
	a.I("MOVQ $8, R8")
	a.I("SUBQ CX, R8")
	a.I("VMOVUPS (AX)(R8*4), Y15")
}

func maskedLoad(a *Asm, v vec, mem, reg string) {
	if v.lanes == 16 {
		a.I("VMOVUPS.Z %s, K7, %s", mem, reg)
	} else {
		a.I("VMASKMOVPS %s, Y15, %s", mem, reg)
	}
}

func maskedStore(a *Asm, v vec, reg, mem string) {
	if v.lanes == 16 {
		a.I("VMOVUPS %s, K7, %s", reg, mem)
	} else {
		a.I("VMASKMOVPS %s, Y15, %s", reg, mem)
	}
}

// halfX86 emits the conversions between float16 and float32, whole vectors
// only.
func halfX86(a *Asm, v vec) {
	half := "X0"
	if v.lanes == 16 {
		half = "Y0"
	}
	for _, f := range []struct{ name, params, doc string }{
		{"fromf16", "dst *float32, x *uint16, n int", "dst[i] = dtype.F16ToF32(x[i])"},
		{"tof16", "dst *uint16, x *float32, n int", "dst[i] = dtype.F32ToF16(x[i])"},
	} {
		a.Begin(Func{Name: f.name + "_" + v.isa, Params: f.params, Regs: "DI dst, SI x, CX elements left", Doc: fmt.Sprintf(`%s_%s converts n elements, a positive multiple of %d:

	for i := range n {
		%s
	}

The payload of NaN may differ. No alignment is needed; dst and x do not overlap.
`, f.name, v.isa, v.lanes, f.doc)})
		a.Load("dst", "DI", "x", "SI", "n", "CX")
		a.Label("loop", "one vector")
		if f.name == "fromf16" {
			a.I("VCVTPH2PS (SI), %s0", v.reg)
			a.I("VMOVUPS %s0, (DI)", v.reg)
			a.I("ADDQ $%d, SI", v.lanes*2)
			a.I("ADDQ $%d, DI", v.lanes*4)
		} else {
			a.I("VMOVUPS (SI), %s0", v.reg)
			a.I("VCVTPS2PH $0, %s0, %s", v.reg, half)
			a.I("VMOVUPS %s, (DI)", half)
			a.I("ADDQ $%d, SI", v.lanes*4)
			a.I("ADDQ $%d, DI", v.lanes*2)
		}
		a.I("SUBQ $%d, CX", v.lanes)
		a.I("JGT loop")
		a.Ret()
	}
}
