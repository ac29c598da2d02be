package ptx

// begin opens a scope, end closes it: its registers are of no use after it.
func (k *Kernel) begin() {
	k.open = append(k.open, true)
	k.scopes = append(k.scopes, int32(len(k.open)-1))
}

func (k *Kernel) end() {
	n := len(k.scopes) - 1
	k.open[k.scopes[n]] = false
	k.scopes = k.scopes[:n]
}

func (k *Kernel) in(body func()) {
	k.begin()
	body()
	k.end()
}

// If runs body in the threads where p holds.
func (k *Kernel) If(p Pred, body func()) { k.IfElse(p, body, nil) }

// IfElse runs yes in the threads where p holds and no, unless nil, in others.
func (k *Kernel) IfElse(p Pred, yes, no func()) {
	if p.isImm() {
		if p.imm == 0 {
			yes = no
		}
		if yes != nil {
			k.in(yes)
		}
		return
	}
	other := k.newLabel()
	k.ins("%s bra L%d", k.guard(p.Not()), other)
	k.in(yes)
	if no == nil {
		k.label(other)
		return
	}
	end := k.newLabel()
	k.ins("bra L%d", end)
	k.label(other)
	k.in(no)
	k.label(end)
}

// For runs body for i = from, from+step, ... while i < to, all without a sign:
// to + step stays below 2^32. step is not 0. A loop that is known to run once
// is its body, and one that never runs is nothing.
func (k *Kernel) For(from, to, step U32, body func(i U32)) {
	if step.is(0) {
		k.fail("a loop of step 0")
		return
	}
	f, fk := from.Known()
	t, tk := to.Known()
	s, sk := step.Known()
	switch {
	case fk && tk && f >= t:
		return
	case fk && tk && sk && t-f <= s:
		k.in(func() { body(from) })
		return
	}
	k.begin()
	i := k.VarU32(from)
	again, end := k.newLabel(), k.newLabel()
	if !fk || !tk {
		k.ins("%s bra L%d", k.guard(i.Ge(to)), end)
	}
	k.label(again)
	k.in(func() { body(i.U32) })
	i.Inc(step)
	k.ins("%s bra L%d", k.guard(i.Lt(to)), again)
	k.label(end)
	k.end()
}

// While runs body as long as cond, which is computed anew each time, holds.
func (k *Kernel) While(cond func() Pred, body func()) {
	again, end := k.newLabel(), k.newLabel()
	k.begin()
	k.label(again)
	p := cond()
	if p.isImm() {
		k.fail("a loop on a known condition")
		p = Pred{val: k.op2(pred, b32, "setp.ne.u32", val{}, val{})}
	}
	k.ins("%s bra L%d", k.guard(p.Not()), end)
	k.in(body)
	k.ins("bra L%d", again)
	k.label(end)
	k.end()
}

// Return ends the threads that come here. Those that end do not come to later
// barriers, which all threads of a block must.
func (k *Kernel) Return() { k.ins("ret") }

// ReturnIf is Return in the threads where p holds.
func (k *Kernel) ReturnIf(p Pred) {
	switch {
	case !p.isImm():
		k.ins("%s ret", k.guard(p))
	case p.imm != 0:
		k.Return()
	}
}

// VarU32 is a register that can be set again; so are its like. Its U32 reads
// the register when the instruction that uses it runs: Copy keeps a value.
type VarU32 struct{ U32 }

// VarF32 is a float that can be set again.
type VarF32 struct{ F32 }

// VarPtr is an address that can move.
type VarPtr struct{ Ptr }

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
	r := k.fresh(b64)
	k.ins("add.s64 %%rd%d, %s, %d", r, k.arg(b64, val{k: p.k, reg: p.base}), p.off)
	p.base, p.off = r, 0
	return VarPtr{p}
}

// Set makes x the variable's value.
func (v VarU32) Set(x U32) { v.k.set(b32, v.val, x.val) }

// Inc adds x to the variable.
func (v VarU32) Inc(x U32) {
	if !x.is(0) {
		v.k.ins("add.u32 %s, %s", v.k.arg(b32, v.val), v.k.args(b32, v.val, x.val))
	}
}

// Copy is the value that the variable has here.
func (v VarU32) Copy() U32 { return U32{v.k.op(b32, "mov.u32", v.val)} }

// Set makes x the variable's value.
func (v VarF32) Set(x F32) { v.k.set(f32, v.val, x.val) }

// Inc adds x to the variable.
func (v VarF32) Inc(x F32) {
	v.k.ins("add.rn.f32 %s, %s", v.k.arg(f32, v.val), v.k.args(f32, v.val, x.val))
}

// IncFMA adds a * b to the variable, rounded once.
func (v VarF32) IncFMA(a, b F32) {
	v.k.ins("fma.rn.f32 %s, %s", v.k.arg(f32, v.val), v.k.args(f32, a.val, b.val, v.val))
}

// Copy is the value that the variable has here.
func (v VarF32) Copy() F32 { return F32{v.k.op(f32, "mov.f32", v.val)} }

// Move moves the address by n elements of size bytes each; n has a sign.
func (v VarPtr) Move(n U32, size int) {
	if n.is(0) {
		return
	}
	d := v.k.arg(b64, val{k: v.k, reg: v.base})
	if n.isImm() {
		v.k.ins("add.s64 %s, %s, %d", d, d, int64(n.s())*int64(size))
		return
	}
	v.k.ins("mad.wide.s32 %s, %s, %s", d, v.k.args(b32, n.val, I(size).val), d)
}
