package ptxsim

import (
	"iter"
	"math"
	"math/bits"
)

type warpState uint8

const (
	running warpState = iota
	atBarrier
	done
)

// group is lanes of a warp that stand at one instruction.
type group struct {
	pc      int32
	mask    uint32
	blocked bool // waits at pc for other lanes
}

// warp is 32 threads of a block. The group of lanes that stands lowest in the
// code runs, so that lanes that parted meet again where the code does.
type warp struct {
	blk    *block
	index  int
	state  warpState
	pc     int32  // of the running group
	active uint32 // its lanes
	live   uint32 // lanes that have not exited
	next   int32  // least pc among the other groups
	groups []group

	r32  []v32
	r64  []v64
	p    []uint32
	init [3][]uint32 // per register: lanes that hold a value
	tmp  v32         // results of a part of the lanes, before they are put
	tmp6 v64

	seen   [warpSize][warpSize]uint32 // seen[m][l]: m knows what l did before this stamp
	seenOn bool                       // some bar.warp.sync ran since the last barrier
	issued uint64
	lanes  uint64
	fault  *Fault
}

// lanes yields the set bits of m.
func lanes(m uint32) iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; m != 0; m &= m - 1 {
			if !yield(bits.TrailingZeros32(m)) {
				return
			}
		}
	}
}

// out32 is where an instruction writes register d: in place for a whole warp,
// else aside; put32 then moves the lanes of m.
func (w *warp) out32(d int32, m uint32) *v32 {
	if m == fullMask {
		return &w.r32[d]
	}
	return &w.tmp
}

func (w *warp) put32(d int32, m uint32) {
	w.init[class32][d] |= m
	if m != fullMask {
		r := &w.r32[d]
		for ; m != 0; m &= m - 1 {
			l := trailing(m)
			r[l] = w.tmp[l]
		}
	}
}

func (w *warp) out64(d int32, m uint32) *v64 {
	if m == fullMask {
		return &w.r64[d]
	}
	return &w.tmp6
}

func (w *warp) put64(d int32, m uint32) {
	w.init[class64][d] |= m
	if m != fullMask {
		r := &w.r64[d]
		for ; m != 0; m &= m - 1 {
			l := trailing(m)
			r[l] = w.tmp6[l]
		}
	}
}

func (w *warp) putP(d int32, m, x uint32) {
	w.init[classP][d] |= m
	w.p[d] = w.p[d]&^m | x&m
}

// pollEvery is how many instructions a warp issues between looks at the
// context and at other workers' faults.
const pollEvery = 1 << 12

// run executes the warp until it waits at a barrier, exits or fails.
func (w *warp) run() bool {
	code := w.blk.k.code
	checkRegs := w.blk.run.checks.Skip&UninitRegs == 0
	budget := w.blk.run.budget
	for w.state == running {
		if w.pc >= w.next && !w.regroup() {
			return w.fault == nil
		}
		in := &code[w.pc]
		m := w.active
		if w.issued++; w.issued&(pollEvery-1) == 0 {
			if w.issued >= budget {
				return w.fail(Endless, in, bits.TrailingZeros32(m), "the warp issued %d instructions", w.issued)
			}
			if !w.blk.poll() {
				return false
			}
		}
		if in.guard != 0 {
			if checkRegs && m&^w.init[classP][in.guard] != 0 {
				return w.uninit(in, m&^w.init[classP][in.guard], "the guard")
			}
			p := w.p[in.guard]
			if in.guardNot {
				p = ^p
			}
			if m &= p; m == 0 && in.kind != kindBra {
				w.pc++
				continue
			}
		}
		w.lanes += uint64(bits.OnesCount32(m))
		switch in.kind {
		case kind32:
			if init := w.init[class32]; checkRegs {
				if bad := m &^ (init[in.a] & init[in.b] & init[in.c]); bad != 0 {
					return w.uninit(in, bad, "")
				}
			}
			in.fn32(w.out32(in.d, m), &w.r32[in.a], &w.r32[in.b], &w.r32[in.c])
			w.put32(in.d, m)
			w.pc++
		case kind64:
			if init := w.init[class64]; checkRegs {
				if bad := m &^ (init[in.a] & init[in.b] & init[in.c]); bad != 0 {
					return w.uninit(in, bad, "")
				}
			}
			in.fn64(w.out64(in.d, m), &w.r64[in.a], &w.r64[in.b], &w.r64[in.c])
			w.put64(in.d, m)
			w.pc++
		case kindFn:
			if checkRegs && !w.checkUses(in, m) || !in.exec(w, in, m) {
				return false
			}
			w.pc++
		case kindBra:
			if !w.branch(in, m) {
				return false
			}
		case kindExit:
			w.exit(m)
		case kindBar:
			if m != w.live {
				return w.fail(Divergence, in, bits.TrailingZeros32(w.live&^m),
					"%s", w.apart(m))
			}
			w.pc++
			w.state = atBarrier
		case kindWarp:
			if checkRegs && !w.checkUses(in, m) || !w.together(in, m) {
				return false
			}
		}
	}
	return true
}

// checkUses reports registers that in reads and a lane of m never wrote.
func (w *warp) checkUses(in *inst, m uint32) bool {
	for _, u := range in.uses {
		if bad := m &^ w.init[u.class][u.idx]; bad != 0 {
			return w.uninit(in, bad, "")
		}
	}
	return true
}

func (w *warp) uninit(in *inst, bad uint32, what string) bool {
	return w.fail(UninitReg, in, bits.TrailingZeros32(bad), "%s", what)
}

// branch moves the lanes of m to the target; the others go on.
func (w *warp) branch(in *inst, m uint32) bool {
	switch {
	case m == 0:
		w.pc++
	case m == w.active:
		w.pc = in.target
	case in.uniform:
		return w.fail(Divergence, in, bits.TrailingZeros32(m), "bra.uni is taken by a part of the warp's lanes")
	default:
		w.groups = append(w.groups, group{pc: w.pc + 1, mask: w.active &^ m})
		w.active = m
		w.pc = in.target
		w.next = 0 // sort out which group runs
	}
	return true
}

// exit ends the lanes of m.
func (w *warp) exit(m uint32) {
	w.live &^= m
	w.active &^= m
	if w.live == 0 {
		w.state = done
		return
	}
	w.pc++
	w.next = 0
	for i := range w.groups { // what waits for those that are gone may go on
		w.groups[i].blocked = false
	}
}

// park keeps the running group at its instruction until more lanes come.
func (w *warp) park() {
	w.groups = append(w.groups, group{pc: w.pc, mask: w.active, blocked: true})
	w.active = 0
	w.next = 0
}

// regroup merges groups that stand at one instruction and runs the lowest
// that does not wait. It fails where all of them wait.
func (w *warp) regroup() bool {
	if w.active != 0 {
		w.groups = append(w.groups, group{pc: w.pc, mask: w.active})
	}
	list := w.groups[:0]
merge:
	for _, g := range w.groups {
		for i := range list {
			if list[i].pc == g.pc {
				list[i].mask |= g.mask
				list[i].blocked = false
				continue merge
			}
		}
		list = append(list, g)
	}
	best := -1
	for i, g := range list {
		if !g.blocked && (best < 0 || g.pc < list[best].pc) {
			best = i
		}
	}
	if best < 0 {
		w.groups = list
		w.active = 0
		if best = w.meet(); best < 0 {
			return w.stuck()
		}
		list = w.groups
	}
	w.pc, w.active = list[best].pc, list[best].mask
	list[best] = list[len(list)-1]
	w.groups = list[:len(list)-1]
	w.next = math.MaxInt32
	for _, g := range w.groups {
		w.next = min(w.next, g.pc)
	}
	return true
}

// fail records a fault of lane l at in and returns false.
func (w *warp) fail(c Class, in *inst, l int, format string, a ...any) bool {
	return w.failAt(c, in, l, 0, format, a...)
}

// trailing is the lowest lane of m, which is not empty.
func trailing(m uint32) int { return bits.TrailingZeros32(m) & (warpSize - 1) }
