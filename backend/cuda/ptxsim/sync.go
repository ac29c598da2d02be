package ptxsim

import "math/bits"

// bar decodes bar.sync and bar.warp.sync.
func (d *decoder) bar() {
	if d.take("warp") != "" {
		d.must("sync")
		if !d.end(1) {
			return
		}
		d.warpWide(0)
		d.in.exec, d.in.barrier = barWarp, true
		return
	}
	d.must("sync")
	if d.end(1) {
		o := d.s.ops[0]
		if o.kind != opInt || o.bits > 15 {
			d.bad(o.tok, "have %s, want a barrier, 0 to 15", o.tok.show())
			return
		}
		d.in.kind, d.in.target = kindBar, int32(o.bits)
	}
}

// warpWide makes the instruction one of kindWarp whose member mask is operand i.
func (d *decoder) warpWide(i int) {
	d.in.kind = kindWarp
	d.in.mask = d.src(i, ptype{'u', 32})
	d.reads(class32, d.in.mask)
}

// barWarp orders what the lanes of m did before for all of them.
func barWarp(w *warp, in *inst, m uint32) bool {
	b := w.blk
	if !w.seenOn {
		w.seenOn = true
		for l := range w.seen {
			w.seen[l] = [warpSize]uint32{}
		}
	}
	if !b.tick() {
		return w.fail(Endless, in, bits.TrailingZeros32(m), "the block passed %d barriers", b.clock)
	}
	var all [warpSize]uint32
	for l := range lanes(m) {
		for i, s := range w.seen[l] {
			all[i] = max(all[i], s)
		}
	}
	for l := range lanes(m) {
		all[l] = b.clock
	}
	for l := range lanes(m) {
		w.seen[l] = all
	}
	return true
}

// members is the member mask of a warp-wide instruction.
func (w *warp) members(in *inst, m uint32) (uint32, bool) {
	v := &w.r32[in.mask]
	mask := v[trailing(m)]
	for l := range lanes(m) {
		if v[l] != mask {
			return 0, w.fail(BadOperand, in, l, "member mask 0x%x, but 0x%x in another lane", v[l], mask)
		}
		if mask>>l&1 == 0 {
			return 0, w.fail(BadOperand, in, l, "lane %d is not in its member mask 0x%x", l, mask)
		}
	}
	return mask, true
}

// together runs a warp-wide instruction once all lanes of its mask are there;
// until then those that came wait.
func (w *warp) together(in *inst, m uint32) bool {
	mask, ok := w.members(in, m)
	if !ok {
		return false
	}
	need := mask & w.live
	switch {
	case need&^w.active != 0:
		w.park()
		return true
	case need&^m != 0:
		return w.fail(Divergence, in, bits.TrailingZeros32(need&^m), "%s", w.apart(m))
	}
	if !in.exec(w, in, m) {
		return false
	}
	w.pc++
	return true
}

// meet releases groups that wait at different bar.warp.sync of one mask, and
// returns the lowest of them, or -1.
func (w *warp) meet() int {
	for _, g := range w.groups {
		in := &w.blk.k.code[g.pc]
		mask := w.r32[in.mask][trailing(g.mask)]
		var there uint32
		for _, o := range w.groups {
			if w.waits(o, mask) {
				there |= o.mask
			}
		}
		if !w.waits(g, mask) || mask&w.live&^there != 0 {
			continue
		}
		if !barWarp(w, in, there) {
			return -1
		}
		best := -1
		for i := range w.groups {
			if o := &w.groups[i]; w.waits(*o, mask) {
				o.pc++
				o.blocked = false
				if best < 0 || o.pc < w.groups[best].pc {
					best = i
				}
			}
		}
		return best
	}
	return -1
}

// waits says whether a group waits at a bar.warp.sync of this mask.
func (w *warp) waits(g group, mask uint32) bool {
	in := &w.blk.k.code[g.pc]
	return g.blocked && in.barrier && w.r32[in.mask][trailing(g.mask)] == mask
}

// stuck reports lanes that all wait for others.
func (w *warp) stuck() bool {
	if w.fault != nil {
		return false
	}
	g := w.groups[0]
	for _, o := range w.groups {
		if o.pc < g.pc {
			g = o
		}
	}
	in := &w.blk.k.code[g.pc]
	l := bits.TrailingZeros32(g.mask)
	mask := w.r32[in.mask][l&31] & w.live &^ g.mask
	return w.fail(Deadlock, in, l, "it waits for thread %s, which waits elsewhere", w.blk.name(w.index*warpSize+bits.TrailingZeros32(mask)))
}
