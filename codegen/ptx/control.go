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
	case tk && (t == 0 || fk && f >= t):
		return
	case fk && tk && sk && t-f <= s:
		k.in(func() { body(from) })
		return
	}
	k.begin()
	i := k.VarU32(from)
	again, end := k.newLabel(), k.newLabel()
	if !fk || !tk {
		k.ins("%s bra L%d", k.guard(i.v.Ge(to)), end)
	}
	k.label(again)
	k.in(func() { body(i.v) })
	i.Inc(step)
	k.ins("%s bra L%d", k.guard(i.v.Lt(to)), again)
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
