package ptxsim

import (
	"math"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// decoder turns one statement into an instruction. The first error sticks.
type decoder struct {
	b    *builder
	s    *stmt
	mods []string // not yet taken
	in   inst
	err  error
}

func (d *decoder) fail(t token, k diag.Kind, format string, a ...any) {
	if d.err == nil {
		d.err = faultAt(k, d.b.p.lex.src, t, format, a...)
	}
}

func (d *decoder) bad(t token, format string, a ...any) { d.fail(t, diag.BadModel, format, a...) }

func (d *decoder) unsupported(format string, a ...any) {
	d.fail(d.s.tok, diag.Unsupported, format, a...)
}

// needs says that an instruction came with a PTX version and a target.
func (d *decoder) needs(version, sm int) {
	if m := d.b.p.mod; m.version < version || m.target < sm {
		d.bad(d.s.tok, "%s: have .version %d.%d and sm_%d, want %d.%d and sm_%d", d.s.name,
			m.version/10, m.version%10, m.target, version/10, version%10, sm)
	}
}

// take takes the next modifier if it is one of those given.
func (d *decoder) take(list ...string) string {
	if len(d.mods) > 0 && slices.Contains(list, d.mods[0]) {
		m := d.mods[0]
		d.mods = d.mods[1:]
		return m
	}
	return ""
}

// must is take for a modifier that cannot be left out.
func (d *decoder) must(list ...string) string {
	m := d.take(list...)
	if m == "" {
		have := "no modifier"
		if len(d.mods) > 0 {
			have = "." + d.mods[0]
		}
		d.unsupported("%s: have %s, want .%s", d.s.tok.text, have, strings.Join(list, ", ."))
	}
	return m
}

// typ takes a type of those given.
func (d *decoder) typ(list ...string) ptype {
	t, _ := parseType(d.must(list...))
	return t
}

// end checks that no modifier is left and how many operands there are.
func (d *decoder) end(operands int) bool {
	if d.err == nil && len(d.mods) > 0 {
		d.unsupported("%s: modifier .%s", d.s.tok.text, d.mods[0])
	}
	if d.err == nil && len(d.s.ops) != operands {
		d.bad(d.s.tok, "%s: have %d operands, want %d", d.s.tok.text, len(d.s.ops), operands)
	}
	return d.err == nil
}

// register finds the register that o names and checks its type.
func (d *decoder) register(o operand, t ptype, wider bool) (regRef, bool) {
	if d.err != nil {
		return regRef{}, false
	}
	if o.kind != opReg || o.neg && t.kind != 'p' {
		d.bad(o.tok, "have %s, want a register", o.tok.show())
		return regRef{}, false
	}
	r, ok := d.b.reg(o.text)
	if !ok {
		d.bad(o.tok, "register %s is not declared", o.tok.show())
		return r, false
	}
	if t.accepts(r.typ) || wider && t.acceptsWider(r.typ) {
		return r, true
	}
	d.bad(o.tok, "register %s: have type %s, want %s", o.tok.show(), r.typ, t)
	return r, false
}

// dst is the register that operand i writes.
func (d *decoder) dst(i int, t ptype) int32 {
	if d.err != nil {
		return 0
	}
	if d.s.ops[i].neg {
		d.bad(d.s.ops[i].tok, "a negated destination")
	}
	r, _ := d.register(d.s.ops[i], t, false)
	return r.idx
}

// src is the register that operand i reads, a literal's among them.
func (d *decoder) src(i int, t ptype) int32 {
	if d.err != nil {
		return 0
	}
	return d.source(d.s.ops[i], t, false)
}

func (d *decoder) source(o operand, t ptype, wider bool) int32 {
	switch o.kind {
	case opInt, opFloat:
		v, ok := literal(o, t)
		if !ok {
			d.bad(o.tok, "literal is no %s", t)
			return 0
		}
		if t.class() == class64 {
			return d.b.literal64(v)
		}
		return d.b.literal32(uint32(v))
	case opReg:
		if s := specialOf(o.text); s != noSpecial {
			if d.s.name != "mov" && d.s.name != "cvt" {
				d.bad(o.tok, "special register %s: only mov and cvt read those", o.tok.show())
			}
			if !t.accepts(ptype{'u', 32}) {
				d.bad(o.tok, "register %s: have type .u32, want %s", o.tok.show(), t)
			}
			return d.b.special(s)
		}
	}
	r, _ := d.register(o, t, wider)
	return r.idx
}

// literal is the value of a literal as a t, in the low bits.
func literal(o operand, t ptype) (uint64, bool) {
	if o.kind == opFloat {
		switch {
		case t.kind != 'f' && t.kind != 'b':
			return 0, false
		case t.bits == 64 && o.fbits == 64:
			return o.bits, true
		case t.bits == 32 && o.fbits == 32:
			return o.bits, true
		case t.bits == 32 && t.kind == 'f':
			return uint64(math.Float32bits(float32(math.Float64frombits(o.bits)))), true
		case t.bits == 64 && t.kind == 'f':
			return math.Float64bits(float64(math.Float32frombits(uint32(o.bits)))), true
		}
		return 0, false
	}
	if t.kind == 'f' || t.kind == 'x' || t.kind == 'p' {
		return 0, false
	}
	if t.bits == 64 {
		return o.bits, true
	}
	lim := uint64(1) << t.bits
	if o.neg && int64(o.bits) < -int64(lim/2) || !o.neg && o.bits >= lim {
		return 0, false
	}
	return o.bits & (lim - 1), true
}

// predicate is the index of a predicate that operand o reads, and whether it
// is negated.
func (d *decoder) predicate(o operand) (int32, bool) {
	if o.kind == opInt && o.bits <= 1 {
		return 0, o.bits == 0 // predicate 0 is true
	}
	r, _ := d.register(o, ptype{'p', 1}, false)
	d.reads(classP, r.idx)
	return r.idx, o.neg
}

// reads notes that exec reads a register.
func (d *decoder) reads(c class, idx ...int32) {
	for _, i := range idx {
		if i != 0 {
			d.in.uses = append(d.in.uses, use{c, i})
		}
	}
}

// do32 makes the instruction a function of whole 32-bit registers.
func (d *decoder) do32(f func(d, a, b, c *v32)) {
	d.in.kind, d.in.fn32 = kind32, f
}

func (d *decoder) do64(f func(d, a, b, c *v64)) {
	d.in.kind, d.in.fn64 = kind64, f
}

// sources fills a, b and c from operands 1 to n of type t.
func (d *decoder) sources(t ptype, n int) {
	for i, p := range []*int32{&d.in.a, &d.in.b, &d.in.c}[:n] {
		*p = d.src(1+i, t)
	}
}

// decode finds the instruction's family by its name.
func (d *decoder) decode() {
	switch n := d.s.name; n {
	case "add", "sub", "min", "max", "abs", "neg", "div", "rem":
		d.arith(n)
	case "mul", "mad":
		d.product(n)
	case "fma", "rcp", "sqrt", "ex2", "lg2", "copysign":
		d.float(n)
	case "testp":
		d.testp()
	case "and", "or", "xor", "not", "shl", "shr":
		d.logic(n)
	case "setp":
		d.setp()
	case "selp":
		d.selp()
	case "slct":
		d.slct()
	case "mov":
		d.mov()
	case "cvt":
		d.cvt()
	case "cvta":
		d.cvta()
	case "ld", "st":
		d.memory(n == "st")
	case "bra":
		d.bra()
	case "ret", "exit":
		d.in.kind = kindExit
		d.end(0)
	case "bar":
		d.bar()
	case "shfl":
		d.shfl()
	case "vote":
		d.vote()
	case "activemask":
		d.activemask()
	case "mma":
		d.mma()
	case "ldmatrix":
		d.ldmatrix()
	case "atom", "red":
		d.atom(n)
	default:
		d.unsupported("instruction %s", d.s.tok.show())
	}
}

func (d *decoder) bra() {
	d.in.kind = kindBra
	d.in.uniform = d.take("uni") != ""
	if !d.end(1) {
		return
	}
	o := d.s.ops[0]
	if o.kind != opName {
		d.bad(o.tok, "have %s, want a label", o.tok.show())
		return
	}
	d.b.jumps = append(d.b.jumps, jump{len(d.b.k.code), o.tok})
}
