package ptxsim

import (
	"encoding/binary"
	"math/bits"
)

// ldmatrix decodes ldmatrix.sync.aligned.m8n8.x1, x2, x4, with .trans or
// without: lane 8*i+j gives the address of row j of matrix i, eight f16 in
// shared memory. Lane l gets of each matrix the elements 2*(l%4) and the next
// of row l/4; with .trans those of column l/4 (PTX ISA, ldmatrix).
func (d *decoder) ldmatrix() {
	d.needs(65, 75)
	d.must("sync")
	d.must("aligned")
	d.must("m8n8")
	n := map[string]int{"x1": 1, "x2": 2, "x4": 4}[d.must("x1", "x2", "x4")]
	trans := d.take("trans") != ""
	d.must("shared")
	d.must("b16")
	if !d.end(2) {
		return
	}
	mo := &memOp{shared: true, width: 16, size: 16, n: 1}
	dst := d.fragment(0, n, ptype{'b', 32}, true)
	d.address(mo, d.s.ops[1])
	if d.err != nil {
		return
	}
	d.in.mem = mo
	everyLane := d.b.p.mod.target <= 75 // there the unused addresses must be good too
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		if !w.wholeWarp(in, m) {
			return false
		}
		if everyLane {
			for l := range warpSize {
				if _, ok := w.local(in, mo, l); !ok {
					return false
				}
			}
		}
		var rows [warpSize][8]uint16
		for l := range 8 * n {
			if !w.row(in, l, &rows[l]) {
				return false
			}
		}
		for i, reg := range dst {
			for l := range warpSize {
				r, c := l/4, 2*(l%4)
				x := &rows[8*i+r]
				lo, hi := x[c], x[c+1]
				if trans {
					lo, hi = rows[8*i+c][r], rows[8*i+c+1][r]
				}
				w.r32[reg][l] = uint32(lo) | uint32(hi)<<16
			}
			w.init[class32][reg] = fullMask
		}
		return true
	}
}

// row reads the 16 bytes at lane l's address. They count as read by that lane.
func (w *warp) row(in *inst, l int, row *[8]uint16) bool {
	b := w.blk
	o, ok := w.local(in, in.mem, l)
	if !ok {
		return false
	}
	acc := w.access(in, warpSize)
	acc.at(l)
	skip := b.run.checks.Skip
	unit := bits.TrailingZeros(uint(b.k.sharedUnit))
	for i := range b.cells[o>>unit : (o+16)>>unit] {
		c := &b.cells[o>>unit+i]
		at := w.addr(in.mem, l) + uint64(i<<unit)
		if c.w == 0 && skip&UninitShared == 0 {
			return w.failAt(UninitMemory, in, l, at, "no thread of the block wrote it")
		}
		if skip&SharedRaces != 0 {
			continue
		}
		if x := acc.read(c); x != 0 {
			return w.race(SharedRace, in, &acc, at, x, "reads")
		}
	}
	for i := range row {
		row[i] = binary.LittleEndian.Uint16(b.shared[o+2*i:])
	}
	return true
}
