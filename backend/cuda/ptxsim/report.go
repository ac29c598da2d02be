package ptxsim

import (
	"fmt"
	"math/bits"
)

// race makes the fault of two accesses without order.
func (w *warp) race(c Class, in *inst, a *access, addr, x uint64, does string) bool {
	did := "wrote"
	if a.onRead {
		did = "read"
	}
	b := w.blk
	who := "another thread"
	if t := threadOf(x); t != a.thread {
		n, pad := t-warpSize, uint64(len(b.warps)*warpSize)
		who = "thread " + b.name(int(n%pad))
		if c == GlobalRace && !a.inBlock(x) {
			c := b.run.blockAt(n / pad)
			who += fmt.Sprintf(" of block (%d,%d,%d)", c[0], c[1], c[2])
		}
	}
	at := ""
	if pc := x >> codeShift & maxCodeID; pc < maxCodeID {
		other := &b.k.code[pc]
		at = fmt.Sprintf(" in line %d (%s)", other.line, sourceLine(b.k.src, int(other.line)))
	}
	return w.failAt(c, in, a.lane, addr, "it %s what %s %s%s without a barrier between", does, who, did, at)
}

// blockAt is block n of the grid by its coordinates.
func (r *run) blockAt(n uint64) [3]int {
	x, y := uint64(r.launch.Grid[0]), uint64(r.launch.Grid[1])
	return [3]int{int(n % x), int(n / x % y), int(n / x / y)}
}

// variable is the shared variable that holds n bytes at a.
func (b *block) variable(a uint64, n int) *sharedVar {
	for i := range b.sharedVars {
		if v := &b.sharedVars[i]; a >= uint64(v.lo) && a < uint64(v.hi) && a+uint64(n) <= uint64(v.hi) {
			return v
		}
	}
	return nil
}

// nearVar says how address a lies to the nearest variable before it.
func (b *block) nearVar(a uint64) string {
	var best *sharedVar
	for i := range b.sharedVars {
		if v := &b.sharedVars[i]; uint64(v.lo) <= a {
			best = v
		}
	}
	if best == nil {
		return "before the first variable"
	}
	return fmt.Sprintf("at offset %d of %s, which has %d bytes", a-uint64(best.lo), best.name, best.hi-best.lo)
}

// near says how address a lies to the allocations.
func (v *memView) near(a uint64) string {
	var best *memPart
	for i := range v.parts {
		if p := &v.parts[i]; p.base <= a {
			best = p
		} else if p.base-a <= memGap/2 && (best == nil || a-best.base > uint64(len(best.data))+memGap/2) {
			return fmt.Sprintf("%d bytes before an allocation of %d bytes", p.base-a, len(p.data))
		}
	}
	if best == nil || a-best.base > uint64(len(best.data))+memGap {
		return "near no allocation"
	}
	return fmt.Sprintf("at offset %d of an allocation of %d bytes", a-best.base, len(best.data))
}

// apart names two threads of the warp that a block-wide instruction finds
// apart: m are those that are there.
func (w *warp) apart(m uint32) string {
	return "this thread is elsewhere or masked while thread " +
		w.blk.name(w.index*warpSize+bits.TrailingZeros32(m)) + " of its warp is here"
}
