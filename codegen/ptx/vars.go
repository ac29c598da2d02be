package ptx

// VarU32 is an integer that can be set again, and set in a block of If or For
// for what comes after it.
type VarU32 struct{ v U32 }

// VarF32 is a float that can be set again.
type VarF32 struct{ v F32 }

// VarPtr is an address that can move.
type VarPtr struct{ p Ptr }

// set moves v to the register d.
func (k *Kernel) set(c class, d, v val) {
	if d != v {
		k.ins("mov.%s %s, %s", movType[c], k.arg(c, d), k.arg(c, v))
	}
}

// VarU32 makes a variable with a first value.
func (k *Kernel) VarU32(v U32) VarU32 {
	d := val{k: k, reg: k.fresh(b32)}
	k.set(b32, d, v.val)
	return VarU32{U32{d}}
}

// VarF32 makes a variable with a first value.
func (k *Kernel) VarF32(v F32) VarF32 {
	d := val{k: k, reg: k.fresh(f32)}
	k.set(f32, d, v.val)
	return VarF32{F32{d}}
}

// VarPtr makes a variable with a first address.
func (k *Kernel) VarPtr(p Ptr) VarPtr {
	d := val{k: k, reg: k.fresh(b64)}
	p = p.flat()
	k.set(b64, d, val{k: p.k, reg: p.base})
	p.base = d.reg
	return VarPtr{p}
}

// Get is the value that the variable has here.
func (v VarU32) Get() U32 { return U32{v.v.k.op(b32, "mov.u32", v.v.val)} }

// Set makes x the variable's value.
func (v VarU32) Set(x U32) { v.v.k.set(b32, v.v.val, x.val) }

// Inc adds x to the variable.
func (v VarU32) Inc(x U32) {
	if k := v.v.k; !x.is(0) {
		k.ins("add.u32 %s, %s", k.arg(b32, v.v.val), k.args(b32, v.v.val, x.val))
	}
}

// Get is the value that the variable has here.
func (v VarF32) Get() F32 { return F32{v.v.k.op(f32, "mov.f32", v.v.val)} }

// Set makes x the variable's value.
func (v VarF32) Set(x F32) { v.v.k.set(f32, v.v.val, x.val) }

// Inc adds x to the variable.
func (v VarF32) Inc(x F32) {
	k := v.v.k
	k.ins("add.rn.f32 %s, %s", k.arg(f32, v.v.val), k.args(f32, v.v.val, x.val))
}

// IncFMA adds a * b to the variable, rounded once.
func (v VarF32) IncFMA(a, b F32) {
	k := v.v.k
	k.ins("fma.rn.f32 %s, %s", k.arg(f32, v.v.val), k.args(f32, a.val, b.val, v.v.val))
}

// Get is the address that the variable has here.
func (v VarPtr) Get() Ptr {
	p := v.p
	p.base = p.k.op(b64, "mov.u64", val{k: p.k, reg: p.base}).reg
	return p
}

// Move moves the address by n elements of size bytes each; n has a sign.
func (v VarPtr) Move(n U32, size int) {
	k, d := v.p.k, v.p.k.arg(b64, val{k: v.p.k, reg: v.p.base})
	switch {
	case n.is(0):
	case n.isImm():
		k.ins("add.s64 %s, %s, %d", d, d, int64(n.s())*int64(size))
	default:
		k.ins("mad.wide.s32 %s, %s, %s", d, k.args(b32, n.val, I(size).val), d)
	}
}
