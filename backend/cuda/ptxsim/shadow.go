package ptxsim

import "sync/atomic"

// A cell is what is known of one unit of memory, whose size is the least
// width of an access to its space in the kernel: every access then covers
// whole cells. Each half packs an access: who, when, and from which
// instruction.
//
//	bits  0-27  thread + 32, of the block (shared) or of the launch (global);
//	            blocks are padded to whole warps, so bits 5-27 name the warp
//	bits 28-49  stamp: the block's clock
//	bits 50-61  the instruction's number, 4095 for those beyond
//	bits 62-63  level: of w 1 for an atomic; of r who else read since
type cell struct{ w, r uint64 }

const (
	threadBits  = 28
	stampBits   = 22
	codeBits    = 12
	maxThreadID = 1 << threadBits
	maxStamp    = 1<<stampBits - 1
	maxCodeID   = 1<<codeBits - 1

	stampShift = threadBits
	codeShift  = threadBits + stampBits
	levelShift = threadBits + stampBits + codeBits
)

// Levels of a cell's readers.
const (
	oneThread = iota
	oneWarp   // several lanes of one warp, the stamp being the latest
	oneBlock  // several warps of one block
	manyBlocks
)

// access is a thread's access under way.
type access struct {
	w      *warp
	lane   int
	thread uint64 // as in a cell
	first  uint64 // that of the block's first thread
	tag    uint64 // thread, stamp and instruction, packed
	noted  uint64 // a cell's r, less lane and instruction, that needs no change
	atomic bool
	onRead bool // what it races with is a read
}

func (w *warp) access(in *inst, first uint64) access {
	pc := min(uint64(w.pc), maxCodeID)
	stamp := uint64(w.blk.clock) << stampShift
	return access{w: w, first: first, tag: stamp | pc<<codeShift,
		noted: stamp | oneWarp<<levelShift | (first+uint64(w.index*warpSize))&(maxThreadID-1)}
}

// at makes a the access of lane l.
func (a *access) at(l int) {
	a.lane = l
	a.thread = a.first + uint64(a.w.index*warpSize+l)
	a.tag = a.tag&^(maxThreadID-1) | a.thread
}

func threadOf(x uint64) uint64 { return x & (maxThreadID - 1) }
func stampOf(x uint64) uint32  { return uint32(x>>stampShift) & maxStamp }
func levelOf(x uint64) uint64  { return x >> levelShift }

// inBlock says whether the thread of x is one of a's block.
func (a *access) inBlock(x uint64) bool {
	return threadOf(x)-a.first < uint64(len(a.w.blk.warps)*warpSize)
}

// sameWarp says the same of a's warp, for threads of the block.
func (a *access) sameWarp(x uint64) bool {
	return (x^a.noted)&(maxThreadID-warpSize) == 0
}

// before says whether the access x, by a thread of the block, is ordered
// before a: by a barrier of the block, by a bar.warp.sync of both lanes, or
// by the program of the one thread that did both.
func (a *access) before(x uint64) bool {
	if threadOf(x) == a.thread || stampOf(x) < a.w.blk.lastBar {
		return true
	}
	if !a.sameWarp(x) || !a.w.seenOn {
		return false
	}
	return stampOf(x) < a.w.seen[a.lane][x%warpSize]
}

// beforeWarp is before for all other lanes of a's warp at x's stamp.
func (a *access) beforeWarp(x uint64) bool {
	if stampOf(x) < a.w.blk.lastBar {
		return true
	}
	if !a.w.seenOn {
		return false
	}
	for l, s := range a.w.seen[a.lane] {
		if l != a.lane && a.w.blk.exists(a.w.index, l) && stampOf(x) >= s {
			return false
		}
	}
	return true
}

// exists says whether a warp has lane l.
func (b *block) exists(warp, l int) bool { return warp*warpSize+l < b.threads }

// write checks a write against a cell and notes it. It returns the access
// that it races with, 0 for none.
func (a *access) write(c *cell) uint64 {
	if x := c.w; x != 0 && !a.afterWrite(x) {
		return x
	}
	c.w = a.writeTag()
	if x := c.r; x != 0 && !a.afterReads(x) {
		a.onRead = true
		return x
	}
	return 0
}

// laneAndCode are the bits of a cell's r that do not matter once several
// lanes of a warp have read.
const laneAndCode = (warpSize - 1) | maxCodeID<<codeShift

// quiet says that a read changes nothing in a cell of shared memory and races
// with nothing: what read does, for most reads.
func (a *access) quiet(c *cell, lastBar uint32) bool {
	return stampOf(c.w) < lastBar &&
		(c.r&^laneAndCode == a.noted || levelOf(c.r) == oneBlock && stampOf(c.r) >= lastBar)
}

// read is write for a read.
func (a *access) read(c *cell) uint64 {
	if x := c.r; x == 0 {
		c.r = a.tag
	} else if y := a.addReader(x); y != x {
		c.r = y
	}
	if x := c.w; x != 0 && !a.afterWrite(x) {
		return x
	}
	return 0
}

// writeGlobal and readGlobal are write and read where other blocks run at the
// same time. Each notes itself before it looks at the other half, so of two
// that race one at least sees the other.
func (a *access) writeGlobal(c *cell) uint64 {
	for {
		x := atomic.LoadUint64(&c.w)
		if x != 0 && !a.afterWrite(x) {
			return x
		}
		if atomic.CompareAndSwapUint64(&c.w, x, a.writeTag()) {
			break
		}
	}
	if x := atomic.LoadUint64(&c.r); x != 0 && !a.afterReads(x) {
		a.onRead = true
		return x
	}
	return 0
}

func (a *access) readGlobal(c *cell) uint64 {
	for {
		x := atomic.LoadUint64(&c.r)
		y := a.tag
		if x != 0 {
			y = a.addReader(x)
		}
		if x == y || atomic.CompareAndSwapUint64(&c.r, x, y) {
			break
		}
	}
	if x := atomic.LoadUint64(&c.w); x != 0 && !a.afterWrite(x) {
		return x
	}
	return 0
}

func (a *access) writeTag() uint64 {
	if a.atomic {
		return a.tag | 1<<levelShift
	}
	return a.tag
}

// afterWrite says whether a comes in order after the write x.
func (a *access) afterWrite(x uint64) bool {
	if a.atomic && levelOf(x) == 1 {
		return true
	}
	return a.inBlock(x) && a.before(x)
}

// afterReads says whether a write comes in order after the reads x.
func (a *access) afterReads(x uint64) bool {
	if levelOf(x) == manyBlocks || !a.inBlock(x) {
		return false
	}
	switch levelOf(x) {
	case oneThread:
		return a.before(x)
	case oneWarp:
		if a.sameWarp(x) {
			return a.beforeWarp(x)
		}
	}
	return stampOf(x) < a.w.blk.lastBar
}

// addReader is the readers x with a's thread among them. Readers that a comes
// after are forgotten: whoever comes after a comes after them.
func (a *access) addReader(x uint64) uint64 {
	l := levelOf(x)
	if l == manyBlocks {
		return x
	}
	if !a.inBlock(x) {
		return x | manyBlocks<<levelShift
	}
	switch {
	case stampOf(x) < a.w.blk.lastBar:
		return a.tag
	case l == oneBlock:
		return x
	case l == oneThread && threadOf(x) == a.thread:
		return a.tag
	case !a.sameWarp(x):
		return x&^(3<<levelShift) | oneBlock<<levelShift
	case l == oneThread && a.before(x), l == oneWarp && a.w.seenOn && a.beforeWarp(x):
		return a.tag
	}
	return a.tag | oneWarp<<levelShift
}
