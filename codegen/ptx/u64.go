package ptx

// ToU64 widens an unsigned number, ToS64 a signed one.
func (a U32) ToU64() U64 {
	if a.isImm() {
		return U64{val{imm: uint64(a.u())}}
	}
	return U64{kernelOf(a.val).op2(b64, b32, "cvt.u64.u32", a.val)}
}

func (a U32) ToS64() U64 {
	if a.isImm() {
		return I64(int64(a.s()))
	}
	return U64{kernelOf(a.val).op2(b64, b32, "cvt.s64.s32", a.val)}
}

// Lo is the lower half.
func (a U64) Lo() U32 {
	if a.isImm() {
		return U(uint32(a.imm))
	}
	return U32{kernelOf(a.val).op2(b32, b64, "cvt.u32.u64", a.val)}
}

// Add is a + b, modulo 2^64.
func (a U64) Add(b U64) U64 {
	if a.isImm() {
		a, b = b, a
	}
	switch {
	case a.isImm():
		return U64{val{imm: a.imm + b.imm}}
	case b.isImm() && b.imm == 0:
		return a
	}
	return U64{kernelOf(a.val, b.val).op(b64, "add.s64", a.val, b.val)}
}

func (a U64) cmp(name string, b U64) Pred {
	if a.isImm() && b.isImm() {
		return Bool(holds(name, int64(a.imm), int64(b.imm)))
	}
	if a.isImm() {
		a, b, name = b, a, mirrored[name]
	}
	return Pred{val: kernelOf(a.val, b.val).op2(pred, b64, "setp."+name+".s64", a.val, b.val)}
}

// Eq, LtS and GeS compare signed numbers.
func (a U64) Eq(b U64) Pred  { return a.cmp("eq", b) }
func (a U64) LtS(b U64) Pred { return a.cmp("lt", b) }
func (a U64) GeS(b U64) Pred { return a.cmp("ge", b) }

// SelU64 is a where p, else b; both are computed.
func (p Pred) SelU64(a, b U64) U64 { return U64{p.sel(b64, a.val, b.val)} }
