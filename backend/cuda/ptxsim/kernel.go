package ptxsim

// Shared memory begins at an address other than zero and its variables lie
// apart: code that leans on either is wrong.
const (
	sharedBase = 1 << 10
	sharedGap  = 256
)

// kernel is decoded code: immutable once parsed.
type kernel struct {
	name       string
	src        string
	params     []param
	maxThreads int    // .maxntid, 0 where none
	reqBlock   [3]int // .reqntid, zero where none
	shared     []sharedVar
	sharedEnd  uint32
	static     uint32
	code       []inst
	init       [3][]uint32 // per class: lanes that hold a value when a block begins
	fixed32    []fixed
	fixed64    []fixed
	paramRegs  []paramReg
	specials   []specialReg
	sharedUnit int // least width of an access to shared memory, in bytes
	globalUnit int
	atomics    bool // blocks must run in order
}

// fixed is a register with the same value in all lanes.
type fixed struct {
	idx   int32
	value uint64
}

type paramReg struct {
	idx   int32
	param int
	class class
}

type specialReg struct {
	idx  int32
	what special
}

// special names a special register.
type special uint8

const (
	noSpecial special = iota
	tidX
	tidY
	tidZ
	ntidX
	ntidY
	ntidZ
	ctaidX
	ctaidY
	ctaidZ
	nctaidX
	nctaidY
	nctaidZ
	laneID
)

func specialOf(name string) special {
	switch name {
	case "%tid.x":
		return tidX
	case "%tid.y":
		return tidY
	case "%tid.z":
		return tidZ
	case "%ntid.x":
		return ntidX
	case "%ntid.y":
		return ntidY
	case "%ntid.z":
		return ntidZ
	case "%ctaid.x":
		return ctaidX
	case "%ctaid.y":
		return ctaidY
	case "%ctaid.z":
		return ctaidZ
	case "%nctaid.x":
		return nctaidX
	case "%nctaid.y":
		return nctaidY
	case "%nctaid.z":
		return nctaidZ
	case "%laneid":
		return laneID
	}
	return noSpecial
}

type instKind uint8

const (
	kindFn   instKind = iota // exec does it all
	kind32                   // fn32 on whole registers
	kind64                   // fn64 on whole registers
	kindBra                  // branch
	kindExit                 // ret, exit
	kindBar                  // bar.sync
	kindWarp                 // exec, once the lanes of its mask have come
)

// inst is a decoded instruction.
type inst struct {
	kind     instKind
	guardNot bool
	uniform  bool  // bra.uni
	barrier  bool  // bar.warp.sync
	guard    int32 // predicate, 0 for none
	line     int32
	target   int32 // of a branch; of a barrier its number

	d, a, b, c int32 // register indices, their files by kind or exec
	fn32       func(d, a, b, c *v32)
	fn64       func(d, a, b, c *v64)
	exec       func(w *warp, in *inst, m uint32) bool
	uses       []use // registers that exec reads
	mem        *memOp
	mask       int32 // of kindWarp: the register of its member mask
}

// use is a register that an instruction reads.
type use struct {
	class class
	idx   int32
}
