package ptxsim

import (
	"fmt"
	"math/bits"
)

// block is a block of threads being run by one goroutine, which reuses it for
// the next.
type block struct {
	run     *run
	k       *kernel
	warps   []warp
	linear  uint64 // number of the block in the grid
	ctaid   [3]int
	threads int

	// clock counts barriers of the block and of its warps: the stamps of the
	// shadows. What happened before stamp lastBar is ordered for all threads.
	clock, lastBar uint32

	shared     []byte // from sharedBase on, the gaps with it
	cells      []cell
	sharedVars []sharedVar // with the dynamic extent
	lastVar    *sharedVar
	last       *memPart // where the last access to global memory went
	stopped    bool     // another block's fault ended this one
}

// newBlock makes the threads of one block of r.
func newBlock(r *run) *block {
	k := r.k
	b := &block{run: r, k: k, threads: r.threads, sharedVars: r.sharedVars}
	b.last, b.lastVar = &memPart{}, &sharedVar{lo: sharedBase, hi: sharedBase}
	b.shared = make([]byte, r.sharedEnd-sharedBase)
	b.cells = make([]cell, (len(b.shared)+k.sharedUnit-1)/k.sharedUnit)
	n := (r.threads + warpSize - 1) / warpSize
	b.warps = make([]warp, n)
	for i := range b.warps {
		w := &b.warps[i]
		w.blk, w.index = b, i
		w.r32 = make([]v32, len(k.init[class32]))
		w.r64 = make([]v64, len(k.init[class64]))
		w.p = make([]uint32, len(k.init[classP]))
		w.p[0] = fullMask
		for c := range w.init {
			w.init[c] = make([]uint32, len(k.init[c]))
		}
		for _, f := range k.fixed32 {
			fill32(&w.r32[f.idx], uint32(f.value))
		}
		for _, f := range k.fixed64 {
			fill64(&w.r64[f.idx], f.value)
		}
		for _, p := range k.paramRegs {
			if p.class == class64 {
				fill64(&w.r64[p.idx], r.args[p.param])
			} else {
				fill32(&w.r32[p.idx], uint32(r.args[p.param]))
			}
		}
		w.fixSpecials()
	}
	return b
}

func fill32(r *v32, x uint32) {
	for i := range r {
		r[i] = x
	}
}

func fill64(r *v64, x uint64) {
	for i := range r {
		r[i] = x
	}
}

// fixSpecials sets the special registers that stay for all blocks.
func (w *warp) fixSpecials() {
	r := w.blk.run
	for _, s := range w.blk.k.specials {
		v := &w.r32[s.idx]
		for l := range v {
			t := r.thread(w.index*warpSize + l)
			switch s.what {
			case tidX, tidY, tidZ:
				v[l] = uint32(t[s.what-tidX])
			case ntidX, ntidY, ntidZ:
				v[l] = uint32(r.launch.Block[s.what-ntidX])
			case nctaidX, nctaidY, nctaidZ:
				v[l] = uint32(r.launch.Grid[s.what-nctaidX])
			case laneID:
				v[l] = uint32(l)
			}
		}
	}
}

// reset readies the block for number n of the grid.
func (b *block) reset(n uint64) {
	g := b.run.launch.Grid
	b.linear = n
	b.ctaid = [3]int{int(n % uint64(g[0])), int(n / uint64(g[0]) % uint64(g[1])), int(n / uint64(g[0]) / uint64(g[1]))}
	b.clock, b.lastBar = 1, 1
	clear(b.cells)
	skip := b.run.checks.Skip
	if skip&(UninitShared|UninitRegs) != 0 { // what is not checked must still not depend on the block before
		clear(b.shared)
	}
	for i := range b.warps {
		w := &b.warps[i]
		w.state, w.pc, w.next = running, 0, 1<<31-1
		w.groups, w.issued, w.seenOn = w.groups[:0], 0, false
		w.live = fullMask
		if left := b.threads - i*warpSize; left < warpSize {
			w.live = 1<<left - 1
		}
		w.active = w.live
		for c := range w.init {
			copy(w.init[c], b.k.init[c])
		}
		if skip&UninitRegs != 0 {
			w.clearRegs()
		}
		for _, s := range b.k.specials {
			if s.what >= ctaidX && s.what <= ctaidZ {
				fill32(&w.r32[s.idx], uint32(b.ctaid[s.what-ctaidX]))
			}
		}
	}
}

// clearRegs zeroes the registers that hold no value.
func (w *warp) clearRegs() {
	for i, m := range w.init[class32] {
		if m == 0 {
			w.r32[i] = v32{}
		}
	}
	for i, m := range w.init[class64] {
		if m == 0 {
			w.r64[i] = v64{}
		}
	}
	for i, m := range w.init[classP] {
		if m == 0 {
			w.p[i] = 0
		}
	}
}

// exec runs block n. Warps take turns from barrier to barrier in the order of
// their numbers.
func (b *block) exec(n uint64) *Fault {
	b.reset(n)
	for {
		waiting := -1
		for i := range b.warps {
			w := &b.warps[i]
			if w.state == running && !w.run() {
				return w.fault
			}
			if w.state == atBarrier {
				waiting = i
			}
		}
		if waiting < 0 {
			return nil
		}
		if f := b.barrier(); f != nil {
			return f
		}
	}
}

// barrier releases the warps, all of which wait or are done. Exited threads
// count as arrived, as on hardware since sm_70.
func (b *block) barrier() *Fault {
	id, first := int32(-1), 0
	for i := range b.warps {
		w := &b.warps[i]
		if w.state != atBarrier {
			continue
		}
		in := &b.k.code[w.pc-1]
		switch {
		case id < 0:
			id, first = in.target, i
		case in.target != id:
			w.fail(Deadlock, in, bits.TrailingZeros32(w.live), "it waits at barrier %d, thread %s at barrier %d", in.target, b.name(first*warpSize), id)
			return w.fault
		}
	}
	if !b.tick() {
		w := &b.warps[first]
		w.fail(Endless, &b.k.code[w.pc-1], 0, "the block passed %d barriers", b.clock)
		return w.fault
	}
	b.lastBar = b.clock
	for i := range b.warps {
		if w := &b.warps[i]; w.state == atBarrier {
			w.state, w.seenOn = running, false
		}
	}
	return nil
}

// tick moves the clock of stamps on; false at its end.
func (b *block) tick() bool {
	if b.clock == maxStamp {
		return false
	}
	b.clock++
	return true
}

// first is the number of the block's first thread in cells of global memory.
func (b *block) first() uint64 { return warpSize * (b.linear*uint64(len(b.warps)) + 1) }

// name is thread t of the block for a message.
func (b *block) name(t int) string {
	c := b.run.thread(t)
	return fmt.Sprintf("(%d,%d,%d)", c[0], c[1], c[2])
}

// failAt is fail with an address.
func (w *warp) failAt(c Class, in *inst, l int, addr uint64, format string, a ...any) bool {
	w.fault = &Fault{Class: c, Kernel: w.blk.k.name, Line: int(in.line), Text: sourceLine(w.blk.k.src, int(in.line)),
		Block: w.blk.ctaid, Thread: w.blk.run.thread(w.index*warpSize + l), Addr: addr, Detail: fmt.Sprintf(format, a...)}
	return false
}
