package ptxsim

import (
	"encoding/binary"
	"math/bits"
)

// atom decodes atom.add and red.add. Blocks of a kernel with either on global
// memory run one after another, so that what they return, and float sums, do
// not depend on time; a device promises no order.
func (d *decoder) atom(name string) {
	mo := &memOp{store: name == "red", n: 1}
	space := d.must("global", "shared")
	d.must("add")
	t := d.typ("u32", "s32", "u64", "f32", "f64")
	n := 3
	if name == "red" {
		n = 2
	}
	if !d.end(n) {
		return
	}
	mo.shared = space == "shared"
	mo.width, mo.size, mo.regBits = t.bytes(), t.bytes(), int(t.bits)
	at := d.s.ops[n-2]
	d.in.a = d.src(n-1, t)
	d.reads(t.class(), d.in.a)
	if name == "atom" {
		d.in.d = d.dst(0, t)
	}
	d.address(mo, at)
	if d.err != nil {
		return
	}
	k := d.b.k
	d.in.mem = mo
	if mo.shared {
		k.sharedUnit = min(k.sharedUnit, mo.width)
	} else {
		k.globalUnit = min(k.globalUnit, mo.width)
		k.atomics = true
	}
	add := adder(t)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		acc := w.access(in, warpSize)
		if !mo.shared {
			acc = w.access(in, w.blk.first())
		}
		acc.atomic = true
		for l := range lanes(m) {
			p, ok := w.atomic(in, &acc, l)
			if !ok {
				return false
			}
			if t.bits == 64 {
				old := binary.LittleEndian.Uint64(p)
				binary.LittleEndian.PutUint64(p, add(old, w.r64[in.a][l]))
				if !mo.store {
					w.r64[in.d][l] = old
				}
				continue
			}
			old := binary.LittleEndian.Uint32(p)
			binary.LittleEndian.PutUint32(p, uint32(add(uint64(old), uint64(w.r32[in.a][l]))))
			if !mo.store {
				w.r32[in.d][l] = old
			}
		}
		if !mo.store {
			w.init[t.class()][in.d] |= m
		}
		return true
	}
}

// adder adds two t in the low bits of words.
func adder(t ptype) func(a, b uint64) uint64 {
	switch {
	case t.kind != 'f':
		return func(a, b uint64) uint64 { return a + b }
	case t.bits == 32:
		return func(a, b uint64) uint64 { return uint64(bits32(f32(uint32(a)) + f32(uint32(b)))) }
	}
	return func(a, b uint64) uint64 { return bits64(f64(a) + f64(b)) }
}

// atomic checks lane l's atomic access and returns the bytes it goes to.
func (w *warp) atomic(in *inst, acc *access, l int) ([]byte, bool) {
	mo, b := in.mem, w.blk
	skip := b.run.checks.Skip
	acc.at(l)
	a := w.addr(mo, l)
	if mo.shared {
		o, ok := w.local(in, mo, l)
		if !ok {
			return nil, false
		}
		unit := bits.TrailingZeros(uint(b.k.sharedUnit))
		for i := range b.cells[o>>unit : (o+mo.size)>>unit] {
			c := &b.cells[o>>unit+i]
			if c.w == 0 && skip&UninitShared == 0 {
				return nil, w.failAt(UninitMemory, in, l, a, "no thread of the block wrote it")
			}
			if skip&SharedRaces != 0 {
				c.w = acc.tag
			} else if x := acc.write(c); x != 0 {
				return nil, w.race(SharedRace, in, acc, a, x, "adds to")
			}
		}
		return b.shared[o:], true
	}
	if !w.global(in, mo, l, a) {
		return nil, false
	}
	p := b.last
	o := a - p.base
	if p.readOnly {
		return nil, w.failAt(ReadOnly, in, l, a, "an atomic addition")
	}
	if skip&GlobalRaces == 0 {
		unit := b.run.mem.unit
		page := b.run.mem.page(p, o>>unit>>pageShift)
		for i := range uint64(mo.size >> unit) {
			if x := acc.writeGlobal(&page[(o>>unit+i)&(pageCells-1)]); x != 0 {
				return nil, w.race(GlobalRace, in, acc, a, x, "adds to")
			}
		}
	}
	if skip&UninitGlobal == 0 && !p.written(o, mo.size) {
		return nil, w.failAt(UninitMemory, in, l, a, "nobody wrote it")
	}
	return p.data[o:], true
}
