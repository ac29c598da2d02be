package ptxsim

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// addr is the address of lane l.
func (w *warp) addr(mo *memOp, l int) uint64 {
	if mo.wide {
		return w.r64[mo.base][l] + uint64(mo.off)
	}
	return uint64(w.r32[mo.base][l] + uint32(mo.off))
}

// get reads an element of width bytes, extended as a load of the type does.
func (mo *memOp) get(p []byte) uint64 {
	var x uint64
	switch mo.width {
	case 1:
		x = uint64(p[0])
		if mo.signed {
			x = uint64(int64(int8(p[0])))
		}
	case 2:
		v := binary.LittleEndian.Uint16(p)
		x = uint64(v)
		if mo.signed {
			x = uint64(int64(int16(v)))
		}
	case 4:
		v := binary.LittleEndian.Uint32(p)
		x = uint64(v)
		if mo.signed {
			x = uint64(int64(int32(v)))
		}
	default:
		x = binary.LittleEndian.Uint64(p)
	}
	if mo.regBits == 16 {
		x &= 0xffff
	}
	return x
}

func (mo *memOp) put(p []byte, x uint64) {
	switch mo.width {
	case 1:
		p[0] = byte(x)
	case 2:
		binary.LittleEndian.PutUint16(p, uint16(x))
	case 4:
		binary.LittleEndian.PutUint32(p, uint32(x))
	default:
		binary.LittleEndian.PutUint64(p, x)
	}
}

// load moves the elements at p to the registers of lane l.
func (w *warp) load(mo *memOp, p []byte, l int) {
	switch {
	case mo.width == 4 && mo.regBits == 32:
		for i := range mo.n {
			w.r32[mo.regs[i]][l] = binary.LittleEndian.Uint32(p[4*i:])
		}
	case mo.regBits == 64:
		for i := range mo.n {
			w.r64[mo.regs[i]][l] = mo.get(p[mo.width*i:])
		}
	default:
		for i := range mo.n {
			w.r32[mo.regs[i]][l] = uint32(mo.get(p[mo.width*i:]))
		}
	}
}

func (w *warp) store(mo *memOp, p []byte, l int) {
	switch {
	case mo.width == 4 && mo.regBits == 32:
		for i := range mo.n {
			binary.LittleEndian.PutUint32(p[4*i:], w.r32[mo.regs[i]][l])
		}
	case mo.regBits == 64:
		for i := range mo.n {
			mo.put(p[mo.width*i:], w.r64[mo.regs[i]][l])
		}
	default:
		for i := range mo.n {
			mo.put(p[mo.width*i:], uint64(w.r32[mo.regs[i]][l]))
		}
	}
}

// loaded notes that the registers hold values.
func (w *warp) loaded(mo *memOp, m uint32) {
	c := class32
	if mo.regBits == 64 {
		c = class64
	}
	for i := range mo.n {
		w.init[c][mo.regs[i]] |= m
	}
}

// local finds the offset of an access in the block's shared memory.
func (w *warp) local(in *inst, mo *memOp, l int) (int, bool) {
	a, b := w.addr(mo, l), w.blk
	v := b.lastVar
	if a < uint64(v.lo) || a+uint64(mo.size) > uint64(v.hi) || a > 1<<32 {
		if v = b.variable(a, mo.size); v == nil {
			return 0, w.failAt(OutOfBounds, in, l, a, "%d bytes of shared memory, %s", mo.size, b.nearVar(a))
		}
		b.lastVar = v
	}
	if a&uint64(mo.size-1) != 0 {
		return 0, w.failAt(Misaligned, in, l, a, "an access of %d bytes", mo.size)
	}
	return int(a) - sharedBase, true
}

func loadShared(w *warp, in *inst, m uint32) bool {
	mo, b := in.mem, w.blk
	acc := w.access(in, warpSize)
	skip := b.run.checks.Skip
	unit := bits.TrailingZeros(uint(b.k.sharedUnit)) & 7
	words := mo.width == 4 && mo.regBits == 32
	for mm := m; mm != 0; mm &= mm - 1 {
		l := trailing(mm)
		o, ok := w.local(in, mo, l)
		if !ok {
			return false
		}
		acc.at(l)
		cells := b.cells[o>>unit : (o+mo.size)>>unit]
		for i := range cells {
			c := &cells[i]
			if c.w == 0 && skip&UninitShared == 0 {
				return w.failAt(UninitMemory, in, l, w.addr(mo, l)+uint64(i<<unit), "no thread of the block wrote it")
			}
			if skip&SharedRaces != 0 || acc.quiet(c, b.lastBar) {
				continue
			}
			if x := acc.read(c); x != 0 {
				return w.race(SharedRace, in, &acc, w.addr(mo, l)+uint64(i<<unit), x, "reads")
			}
		}
		p := b.shared[o : o+mo.size]
		if !words {
			w.load(mo, p, l)
			continue
		}
		for i, reg := range mo.regs[:mo.n] {
			w.r32[reg][l] = binary.LittleEndian.Uint32(p[4*i:])
		}
	}
	w.loaded(mo, m)
	return true
}

func storeShared(w *warp, in *inst, m uint32) bool {
	mo, b := in.mem, w.blk
	acc := w.access(in, warpSize)
	skip := b.run.checks.Skip
	unit := bits.TrailingZeros(uint(b.k.sharedUnit))
	for mm := m; mm != 0; mm &= mm - 1 {
		l := trailing(mm)
		o, ok := w.local(in, mo, l)
		if !ok {
			return false
		}
		acc.at(l)
		cells := b.cells[o>>unit : (o+mo.size)>>unit]
		for i := range cells {
			if skip&SharedRaces != 0 {
				cells[i].w = acc.tag
			} else if x := acc.write(&cells[i]); x != 0 {
				return w.race(SharedRace, in, &acc, w.addr(mo, l)+uint64(i<<unit), x, "writes")
			}
		}
		w.store(mo, b.shared[o:o+mo.size], l)
	}
	return true
}

// global finds the part of global memory that an access goes to.
func (w *warp) global(in *inst, mo *memOp, l int, a uint64) bool {
	b := w.blk
	if !b.last.holds(a, mo.size) {
		p := b.run.mem.part(a, mo.size)
		if p == nil {
			return w.failAt(OutOfBounds, in, l, a, "%d bytes of global memory, %s", mo.size, b.run.mem.near(a))
		}
		b.last = p
	}
	if a&uint64(mo.size-1) != 0 {
		return w.failAt(Misaligned, in, l, a, "an access of %d bytes", mo.size)
	}
	return true
}

func loadGlobal(w *warp, in *inst, m uint32) bool {
	mo, b := in.mem, w.blk
	acc := w.access(in, b.first())
	skip := b.run.checks.Skip
	unit := b.run.mem.unit
	for mm := m; mm != 0; mm &= mm - 1 {
		l := trailing(mm)
		a := w.addr(mo, l)
		if !w.global(in, mo, l, a) {
			return false
		}
		p := b.last
		o := a - p.base
		if skip&GlobalRaces == 0 && !p.readOnly {
			acc.at(l)
			first := o >> unit
			page := b.run.mem.page(p, first>>pageShift)
			for i := range uint64(mo.size >> unit) {
				c := &page[(first+i)&(pageCells-1)]
				if x := acc.readGlobal(c); x != 0 {
					return w.race(GlobalRace, in, &acc, a+i<<unit, x, "reads")
				}
				if mo.nc && atomic.LoadUint64(&c.w) != 0 {
					return w.failAt(ReadOnly, in, l, a+i<<unit, "ld.global.nc of what the launch wrote")
				}
			}
		}
		if p.init != nil && skip&UninitGlobal == 0 && !p.written(o, mo.size) {
			return w.failAt(UninitMemory, in, l, a, "nobody wrote it")
		}
		w.load(mo, p.data[o:o+uint64(mo.size)], l)
	}
	w.loaded(mo, m)
	return true
}

func storeGlobal(w *warp, in *inst, m uint32) bool {
	mo, b := in.mem, w.blk
	acc := w.access(in, b.first())
	skip := b.run.checks.Skip
	unit := b.run.mem.unit
	for mm := m; mm != 0; mm &= mm - 1 {
		l := trailing(mm)
		a := w.addr(mo, l)
		if !w.global(in, mo, l, a) {
			return false
		}
		p := b.last
		o := a - p.base
		if p.readOnly {
			return w.failAt(ReadOnly, in, l, a, "a store")
		}
		if skip&GlobalRaces == 0 {
			acc.at(l)
			first := o >> unit
			page := b.run.mem.page(p, first>>pageShift)
			for i := range uint64(mo.size >> unit) {
				c := &page[(first+i)&(pageCells-1)]
				if x := acc.writeGlobal(c); x != 0 {
					return w.race(GlobalRace, in, &acc, a+i<<unit, x, "writes")
				}
			}
		}
		w.store(mo, p.data[o:o+uint64(mo.size)], l)
		if p.init != nil {
			for i := range p.init[o:][:mo.size] {
				p.init[o:][i] = 1
			}
		}
	}
	return true
}
