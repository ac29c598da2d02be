package ptx

import (
	"fmt"
	"math"
	"strings"
)

// addr is a place in memory: a register or the symbol of a shared array, and an
// offset that needs no instruction.
type addr struct {
	k      *Kernel
	base   uint32 // of class b64 in global memory, b32 in shared; 0 is the symbol
	sym    string
	off    int64
	space  string
	nc     bool // read only for as long as the kernel runs
	only   Pred // where it is accessed
	masked bool // there is an only
}

// Ptr is an address in global memory.
type Ptr struct{ addr }

// Shared is an address in shared memory.
type Shared struct{ addr }

// Off is the address bytes further.
func (p Ptr) Off(bytes int) Ptr {
	p.off += int64(bytes)
	return p
}

// At is the address of element i of size bytes each: the product has 64 bits,
// i no sign.
func (p Ptr) At(i U32, size int) Ptr { return p.at("mad.wide.u32", int64(i.u()), i, int64(size)) }

// AtS is At for an i with a sign.
func (p Ptr) AtS(i U32, size int) Ptr { return p.at("mad.wide.s32", int64(i.s()), i, int64(size)) }

func (p Ptr) at(name string, known int64, i U32, size int64) Ptr {
	switch {
	case size < 0 || size > math.MaxInt32:
		p.k.fail("elements of %d bytes", size)
	case i.isImm():
		p.off += known * size
	default:
		text := p.k.args(b32, i.val, U(uint32(size)).val) + ", " + p.k.arg(b64, val{k: p.k, reg: p.base})
		p.base = p.k.fresh(b64)
		p.k.ins("%s %%rd%d, %s", name, p.base, text)
	}
	return p
}

// AtMul is At of i * stride, without overflow of the product: i and stride have
// no sign.
func (p Ptr) AtMul(i, stride U32, size int) Ptr {
	if i.isImm() {
		i, stride = stride, i
	}
	if v, ok := stride.Known(); ok && int64(v)*int64(size) <= math.MaxInt32 {
		return p.at("mad.wide.u32", int64(i.u()), i, int64(v)*int64(size))
	}
	if i.isImm() {
		p.off += int64(i.u()) * int64(stride.u()) * int64(size)
		return p
	}
	t := p.k.op2(b64, b32, "mul.wide.u32", i.val, stride.val)
	p.base = p.k.op(b64, "mad.lo.s64", t, I64(int64(size)).val, val{k: p.k, reg: p.base}).reg
	return p
}

// flat is p with its offset added.
func (p Ptr) flat() Ptr {
	if p.off != 0 {
		p.base = p.k.op(b64, "add.s64", val{k: p.k, reg: p.base}, I64(p.off).val).reg
		p.off = 0
	}
	return p
}

// NC says that nothing writes to this memory while the kernel runs, so that
// loads may go through the read-only cache.
func (p Ptr) NC() Ptr {
	p.nc = true
	return p
}

// If is the address for threads where c holds: in others, loads give 0 and
// stores do nothing, and the address may be any.
func (p Ptr) If(c Pred) Ptr {
	p.addr = p.mask(c)
	return p
}

// Off is the address bytes further.
func (p Shared) Off(bytes int) Shared {
	p.off += int64(bytes)
	return p
}

// At is the address of element i of size bytes each.
func (p Shared) At(i U32, size int) Shared {
	if i.isImm() {
		p.off += int64(i.s()) * int64(size)
		return p
	}
	p.base = i.MulAdd(I(size), U32{p.symbol()}).reg
	return p
}

// Addr is the address in a register, for LdMatrix and the like.
func (p Shared) Addr() U32 { return U32{p.symbol()}.Add(I(int(p.off))) }

func (p Shared) symbol() val {
	if p.base != 0 {
		return val{k: p.k, reg: p.base}
	}
	return val{k: p.k, reg: p.k.onHead(b32, "mov.u32", p.sym)}
}

// If is as of Ptr.
func (p Shared) If(c Pred) Shared {
	p.addr = p.mask(c)
	return p
}

func (a addr) mask(c Pred) addr {
	if a.masked {
		c = a.only.And(c)
	}
	a.only, a.masked = c, true
	return a
}

// text is the address in brackets.
func (a addr) text() string {
	k, s := a.k, a.sym
	if a.base != 0 {
		c := b64
		if a.space == "shared" {
			c = b32
		}
		s = k.arg(c, val{k: k, reg: a.base})
	}
	switch {
	case a.off > math.MaxInt32 || a.off < math.MinInt32:
		if a.space == "shared" {
			k.fail("offset %d in shared memory", a.off)
			break
		}
		return fmt.Sprintf("[%%rd%d]", Ptr{a}.flat().base)
	case a.off != 0:
		s += fmt.Sprintf("+%d", a.off) // [%r1+-4] is legal, [%r1-4] is not
	}
	return "[" + s + "]"
}

func suffix(n int, typ string) string {
	if n > 1 {
		return fmt.Sprintf(".v%d.%s", n, typ)
	}
	return "." + typ
}

func braced(s []string) string {
	if len(s) == 1 {
		return s[0]
	}
	return "{" + strings.Join(s, ", ") + "}"
}

// ld loads n values of a type into registers of class c.
func (a addr) ld(c class, typ string, n int) []val {
	k := a.k
	out := make([]val, n)
	guard := ""
	if a.masked && a.only.isImm() {
		if a.only.imm == 0 {
			return out
		}
		a.masked = false
	}
	if a.masked {
		guard = k.guard(a.only) + " "
	}
	regs := make([]string, n)
	at := a.text()
	for i := range out {
		out[i] = val{k: k, reg: k.fresh(c)}
		regs[i] = fmt.Sprintf("%s%d", classes[c].prefix, out[i].reg)
		if a.masked {
			k.ins("mov.%s %s, %s", movType[c], regs[i], k.arg(c, val{}))
		}
	}
	nc := ""
	if a.nc {
		nc = ".nc"
	}
	k.ins("%sld.%s%s%s %s, %s", guard, a.space, nc, suffix(n, typ), braced(regs), at)
	return out
}

// st stores values of class c.
func (a addr) st(c class, typ string, vs ...val) {
	k := a.k
	guard := ""
	if a.masked && a.only.isImm() {
		if a.only.imm == 0 {
			return
		}
		a.masked = false
	}
	if a.nc {
		k.fail("a store to memory that nothing writes to")
	}
	at := a.text()
	if a.masked {
		guard = k.guard(a.only) + " "
	}
	regs := make([]string, len(vs))
	for i, v := range vs {
		regs[i] = k.arg(c, k.inReg(c, v))
	}
	k.ins("%sst.%s%s %s, %s", guard, a.space, suffix(len(vs), typ), at, braced(regs))
}

// RedAddU32 adds v to the number at the address, whoever else adds to it meanwhile.
func (p Ptr) RedAddU32(v U32) {
	if p.masked {
		p.k.If(p.only, func() {
			p.masked = false
			p.RedAddU32(v)
		})
		return
	}
	p.k.ins("red.global.add.u32 %s, %s", p.text(), p.k.arg(b32, p.k.inReg(b32, v.val)))
}

// LdF32 and its like load the values at the address, which is a multiple of
// their bytes together; StF32 and its like store them.
func (a addr) LdF32() F32 { return F32{a.ld(f32, "f32", 1)[0]} }

func (a addr) LdF32x2() [2]F32 {
	v := a.ld(f32, "f32", 2)
	return [2]F32{{v[0]}, {v[1]}}
}

func (a addr) LdF32x4() [4]F32 {
	v := a.ld(f32, "f32", 4)
	return [4]F32{{v[0]}, {v[1]}, {v[2]}, {v[3]}}
}

func (a addr) LdU32() U32 { return U32{a.ld(b32, "u32", 1)[0]} }
func (a addr) LdU8() U32  { return U32{a.ld(b32, "u8", 1)[0]} }
func (a addr) LdS8() U32  { return U32{a.ld(b32, "s8", 1)[0]} }
func (a addr) LdU16() U32 { return U32{a.ld(b32, "u16", 1)[0]} }
func (a addr) LdU64() U64 { return U64{a.ld(b64, "u64", 1)[0]} }
func (a addr) LdH2() H2   { return H2{a.ld(b32, "b32", 1)[0]} }

func (a addr) LdH2x2() [2]H2 {
	v := a.ld(b32, "b32", 2)
	return [2]H2{{v[0]}, {v[1]}}
}

func (a addr) LdH2x4() [4]H2 {
	v := a.ld(b32, "b32", 4)
	return [4]H2{{v[0]}, {v[1]}, {v[2]}, {v[3]}}
}

// LdF16 loads a float16 and widens it.
func (a addr) LdF16() F32 {
	v := a.ld(b16, "b16", 1)[0]
	if v.isImm() {
		return F(0)
	}
	return F32{a.k.op2(f32, b16, "cvt.f32.f16", v)}
}

func (a addr) StF32(v F32)      { a.st(f32, "f32", v.val) }
func (a addr) StF32x2(v [2]F32) { a.st(f32, "f32", v[0].val, v[1].val) }
func (a addr) StF32x4(v [4]F32) { a.st(f32, "f32", v[0].val, v[1].val, v[2].val, v[3].val) }
func (a addr) StU32(v U32)      { a.st(b32, "u32", v.val) }
func (a addr) StU8(v U32)       { a.st(b32, "u8", v.val) }
func (a addr) StU16(v U32)      { a.st(b32, "u16", v.val) }
func (a addr) StU64(v U64)      { a.st(b64, "u64", v.val) }
func (a addr) StH2(v H2)        { a.st(b32, "b32", v.val) }
func (a addr) StH2x2(v [2]H2)   { a.st(b32, "b32", v[0].val, v[1].val) }
func (a addr) StH2x4(v [4]H2)   { a.st(b32, "b32", v[0].val, v[1].val, v[2].val, v[3].val) }

// StF16 stores the nearest float16, ties to even, infinity beyond the range.
func (a addr) StF16(v F32) { a.st(b16, "b16", a.k.op2(b16, f32, "cvt.rn.f16.f32", v.val)) }
