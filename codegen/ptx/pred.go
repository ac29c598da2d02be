package ptx

// cmp is a comparison of integers, s for signed ones.
func (a U32) cmp(name string, s bool, b U32) Pred {
	if a.isImm() && b.isImm() {
		x, y := int64(a.u()), int64(b.u())
		if s {
			x, y = int64(a.s()), int64(b.s())
		}
		return Bool(holds(name, x, y))
	}
	if a.isImm() {
		a, b, name = b, a, mirrored[name]
	}
	if !s && b.is(0) {
		switch name {
		case "lt":
			return Bool(false)
		case "ge":
			return Bool(true)
		}
	}
	t := ".u32"
	if s {
		t = ".s32"
	}
	return Pred{val: kernelOf(a.val, b.val).op2(pred, b32, "setp."+name+t, a.val, b.val)}
}

func holds[T int64 | float32](name string, x, y T) bool {
	switch name {
	case "eq":
		return x == y
	case "ne", "neu":
		return x != y
	case "lt":
		return x < y
	case "le":
		return x <= y
	case "gt":
		return x > y
	}
	return x >= y
}

// mirrored is the comparison of the operands exchanged.
var mirrored = map[string]string{"eq": "eq", "ne": "ne", "neu": "neu", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}

// Eq, Ne, Lt, Le, Gt and Ge compare unsigned numbers, LtS, LeS, GtS and GeS
// signed ones.
func (a U32) Eq(b U32) Pred  { return a.cmp("eq", false, b) }
func (a U32) Ne(b U32) Pred  { return a.cmp("ne", false, b) }
func (a U32) Lt(b U32) Pred  { return a.cmp("lt", false, b) }
func (a U32) Le(b U32) Pred  { return a.cmp("le", false, b) }
func (a U32) Gt(b U32) Pred  { return a.cmp("gt", false, b) }
func (a U32) Ge(b U32) Pred  { return a.cmp("ge", false, b) }
func (a U32) LtS(b U32) Pred { return a.cmp("lt", true, b) }
func (a U32) LeS(b U32) Pred { return a.cmp("le", true, b) }
func (a U32) GtS(b U32) Pred { return a.cmp("gt", true, b) }
func (a U32) GeS(b U32) Pred { return a.cmp("ge", true, b) }

// Not is the negation; it costs nothing.
func (p Pred) Not() Pred {
	if p.isImm() {
		return Bool(p.imm == 0)
	}
	p.neg = !p.neg
	return p
}

// plain is p without negation.
func (p Pred) plain() val {
	if p.neg {
		return p.k.op(pred, "not.pred", p.val)
	}
	return p.val
}

// And is p and q; both are computed.
func (p Pred) And(q Pred) Pred {
	if p.isImm() {
		p, q = q, p
	}
	if q.isImm() {
		if q.imm == 0 {
			return Bool(false)
		}
		return p
	}
	if p.neg && q.neg {
		return p.Not().Or(q.Not()).Not()
	}
	return Pred{val: p.k.op(pred, "and.pred", p.plain(), q.plain())}
}

// Or is p or q; both are computed.
func (p Pred) Or(q Pred) Pred {
	if p.isImm() {
		p, q = q, p
	}
	if q.isImm() {
		if q.imm != 0 {
			return Bool(true)
		}
		return p
	}
	if p.neg && q.neg {
		return p.Not().And(q.Not()).Not()
	}
	return Pred{val: p.k.op(pred, "or.pred", p.plain(), q.plain())}
}

// sel is a where p, else b, of class c; both are computed.
func (p Pred) sel(c class, a, b val) val {
	switch {
	case p.isImm() && p.imm != 0:
		return a
	case p.isImm():
		return b
	case a == b:
		return a
	case p.neg:
		a, b = b, a
	}
	k := p.k
	text := k.args(c, a, b) + ", " + k.arg(pred, p.val)
	r := k.fresh(c)
	k.ins("selp.%s %s%d, %s", movType[c], classes[c].prefix, r, text)
	return val{k: k, reg: r}
}

// SelU32 is a where p, else b; both are computed.
func (p Pred) SelU32(a, b U32) U32 { return U32{p.sel(b32, a.val, b.val)} }

// SelF32 is a where p, else b; both are computed.
func (p Pred) SelF32(a, b F32) F32 { return F32{p.sel(f32, a.val, b.val)} }

// SelPtr is the address a where p, else b.
func (p Pred) SelPtr(a, b Ptr) Ptr {
	if v, ok := p.Known(); ok {
		if v {
			return a
		}
		return b
	}
	off := a.off
	if a.off != b.off {
		off, a, b = 0, a.flat(), b.flat()
	}
	a.base = p.sel(b64, val{k: a.k, reg: a.base}, val{k: b.k, reg: b.base}).reg
	a.off, a.nc = off, a.nc && b.nc
	if a.masked || b.masked {
		p.k.fail("a choice of addresses of which some are masked")
	}
	return a
}

// guard is the prefix "@%p1 " of an instruction.
func (k *Kernel) guard(p Pred) string {
	if p.isImm() {
		k.fail("a guard that is known")
	}
	if p.neg {
		return "@!" + k.arg(pred, p.val)
	}
	return "@" + k.arg(pred, p.val)
}
