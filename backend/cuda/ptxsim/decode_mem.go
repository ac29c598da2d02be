package ptxsim

// memOp is what ld and st need beyond an inst.
type memOp struct {
	store   bool
	shared  bool
	nc      bool
	signed  bool
	width   int // bytes of an element
	n       int // elements
	size    int // width*n
	regs    [4]int32
	regBits int   // width of the registers
	base    int32 // register of the address
	wide    bool  // it has 64 bits
	off     int64
}

// memory decodes ld and st.
func (d *decoder) memory(store bool) {
	mo := &memOp{store: store, n: 1}
	space := d.must("global", "shared", "param")
	if space == "param" {
		if store {
			d.unsupported("st.param")
			return
		}
		d.loadParam()
		return
	}
	mo.shared = space == "shared"
	mo.nc = !store && !mo.shared && d.take("nc") != ""
	switch d.take("v2", "v4") {
	case "v2":
		mo.n = 2
	case "v4":
		mo.n = 4
	}
	t := d.typ("b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64")
	if !d.end(2) {
		return
	}
	addr, val := d.s.ops[1], d.s.ops[0]
	if store {
		addr, val = val, addr
	}
	mo.width, mo.signed = t.bytes(), t.kind == 's'
	mo.size = mo.width * mo.n
	if mo.size > 16 {
		d.bad(d.s.tok, "vector of %d bytes: at most 16", mo.size)
	}
	d.values(mo, t, val)
	d.address(mo, addr)
	if d.err != nil {
		return
	}
	k := d.b.k
	if mo.shared {
		k.sharedUnit = min(k.sharedUnit, mo.width)
	} else {
		k.globalUnit = min(k.globalUnit, mo.width)
	}
	d.in.mem = mo
	switch {
	case mo.shared && store:
		d.in.exec = storeShared
	case mo.shared:
		d.in.exec = loadShared
	case store:
		d.in.exec = storeGlobal
	default:
		d.in.exec = loadGlobal
	}
}

// values binds the registers that are loaded or stored.
func (d *decoder) values(mo *memOp, t ptype, o operand) {
	list := []operand{o}
	if mo.n > 1 {
		if o.kind != opVector || len(o.elems) != mo.n {
			d.bad(o.tok, "want a vector of %d registers", mo.n)
			return
		}
		list = o.elems
	}
	seen := map[int32]bool{}
	for i, e := range list {
		if e.kind == opReg {
			r, ok := d.register(e, t, true)
			if !ok {
				return
			}
			if i > 0 && int(r.typ.bits) != mo.regBits {
				d.bad(e.tok, "registers of unequal width in a vector")
			}
			if !mo.store && seen[r.idx] {
				d.bad(e.tok, "register %s is loaded twice", e.tok.show())
			}
			seen[r.idx] = true
			mo.regs[i], mo.regBits = r.idx, int(r.typ.bits)
		} else if mo.store {
			w := t
			if t.bits < 32 {
				w.bits = 32
			}
			mo.regs[i], mo.regBits = d.source(e, w, false), int(w.bits)
		} else {
			d.bad(e.tok, "have %s, want a register", e.tok.show())
		}
		if mo.store {
			c := class32
			if mo.regBits == 64 {
				c = class64
			}
			d.reads(c, mo.regs[i])
		}
	}
}

// address binds the base of an address.
func (d *decoder) address(mo *memOp, o operand) {
	if o.kind != opAddr {
		d.bad(o.tok, "have %s, want an address in brackets", o.tok.show())
		return
	}
	mo.off = o.off
	switch {
	case o.text == "":
		d.unsupported("absolute address")
	case o.text[0] == '%':
		if specialOf(o.text) != noSpecial {
			d.bad(o.tok, "special register as an address")
			return
		}
		e := operand{kind: opReg, tok: o.tok, text: o.text}
		e.tok.text = o.text
		if r, ok := d.b.reg(o.text); ok && mo.shared && r.typ.bits == 32 {
			mo.base = d.source(e, ptype{'u', 32}, false)
			d.reads(class32, mo.base)
			return
		}
		mo.base, mo.wide = d.source(e, ptype{'u', 64}, false), true
		d.reads(class64, mo.base)
	default:
		s, ok := d.b.syms[o.text]
		if !ok || s.kind != symShared || !mo.shared {
			d.bad(o.tok, "%s is no variable there", o.text)
			return
		}
		mo.base = d.b.literal32(d.b.k.shared[s.index].lo)
	}
}

// loadParam makes ld.param a move from a register that the launch fills.
func (d *decoder) loadParam() {
	t := d.typ("u32", "s32", "b32", "f32", "u64", "s64", "b64", "f64")
	if !d.end(2) {
		return
	}
	o := d.s.ops[1]
	s, ok := d.b.syms[o.text]
	if o.kind != opAddr || !ok || s.kind != symParam {
		d.bad(o.tok, "want a parameter in brackets")
		return
	}
	p := d.b.k.params[s.index]
	if o.off != 0 || p.typ.bits != t.bits {
		d.bad(o.tok, "%d bytes at offset %d of parameter %s, which is %s", t.bytes(), o.off, p.name, p.typ)
		return
	}
	d.in.d = d.dst(0, t)
	d.in.a = d.b.paramReg(s.index, t.class())
	d.move(t)
}
