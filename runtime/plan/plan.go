package plan

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Program is one model bound to a target. It is immutable once verified.
type Program struct {
	Name   string
	Arch   string // GOARCH of its kernels; "generic" runs anywhere
	Target string // as asked for, for people: "linux/amd64+avx2"
	Syms   []Sym
	Consts []Const
	States []State
	Funcs  []*Func // the first is the entry
	Meta   []Meta
	Code   []byte // of the kernels that Launch instructions name, as PTX; nil: there are none
}

// Meta is one metadata entry of the model.
type Meta struct{ Key, Value string }

// KeyClasses is the metadata entry that holds the names of classes, a JSON list
// of texts.
const KeyClasses = "mlc.classes"

// Sym is a symbol with inclusive bounds. Entry symbols are bound by the
// extents of main's parameters; the others by Dim instructions while running.
type Sym struct {
	Name   string
	Lo, Hi int64
	Entry  bool
}

// Const is a constant in the format that the kernels reading it want.
type Const struct {
	Name   string
	DType  dtype.DType
	Dims   []int
	Format string // "" is the plain row-major tensor
	// Data gives the bytes (little-endian); strings are encoded by
	// EncodeStrings. It is set by the builder, or by the artifact reader, and
	// may read or compute them on every call.
	Data func() ([]byte, error)
}

// State is a value kept from run to run.
type State struct {
	Name     string
	Type     tensor.Type // largest extents, all known
	Lo       []int64     // smallest extents; those of zeros, which a state begins with
	Init     int         // index of a constant, -1: zeros
	GrowAxis int         // -1: replaced as a whole
}

// SlotID names a slot of a function; None is an absent operand.
type SlotID int32

// None is no slot.
const None SlotID = -1

// SlotKind says where a slot's value lives.
type SlotKind uint8

// The kinds of slots.
const (
	Buf   SlotKind = iota // a tensor placed by Layout; extents over entry symbols
	Obj                   // a value made at run time: strings, sequences, data-dependent extents
	Input                 // a parameter: the caller's value
	Fixed                 // constant Index
	Held                  // state Index
)

// Space is the memory that a slot lies in.
type Space uint8

// The memories.
const (
	Host   Space = iota
	Device       // of Buf and Fixed only; read and written by Launch and Copy
)

// Slot is one value of a function.
type Slot struct {
	Kind   SlotKind
	Space  Space
	Type   tensor.Type
	Index  int    // of Fixed and Held
	Name   string // of the value it holds, for people
	Alias  SlotID // of Buf: the same memory as that slot, which has its own (view, in place); None: its own
	Layout string // "" is row-major
	First  int32  // position of the instruction that writes it (-1: before the first)
	Last   int32  // position of the last instruction that reads it, aliases included; len(Body) for results
}

// Func is one function: main, or the body of an If, Loop or Scan. Bodies
// capture nothing; what they use of the surroundings follows their own
// parameters in Params.
type Func struct {
	Name    string
	Params  []SlotID
	Results []SlotID
	Names   []string // public names of main's params, then of its results
	Writes  []int    // per result: index of the state it is written to, -1: none
	Slots   []Slot
	Body    []Instr
}

// Opcode says what an instruction does.
type Opcode uint8

// The instructions.
const (
	Call   Opcode = iota // run the first alternative that fits
	Region               // If, Loop, Scan, SequenceMap: a reference function that runs Bodies
	Dim                  // bind symbol Sym to extent Axis of In[0]
	Copy                 // Out[0] = In[0], also from one space to the other
	Launch               // run a kernel of the program's Code over Device slots
)

// Instr is one instruction.
type Instr struct {
	Op     Opcode
	Name   string // what a Call computes: "gemm.f32", "ref.Conv"
	Alts   []Alt  // of Call and Region, best first
	Attrs  attr.Map
	In     []SlotID
	Out    []SlotID
	Consts []int // constants in the kernels' format
	Bodies []int // functions, of Region
	NIn    int   // of Region: how many of In belong to the operator; the rest are what the bodies capture, in order
	Sym    int   // of Dim
	Axis   int   // of Dim
	Source []string
	Grid   *Grid // of Launch
	MACs   int64 // multiply-adds of Conv, ConvTranspose, MatMul, Gemm, RNN at the lower bounds of the symbols
}

// Grid says what a Launch runs: on each axis as many blocks of Block threads as
// tiles of Tile make up Count. Nothing is run where one of Count is 0. Kernels
// number elements in 32 bits: a value on the device has less than 2^31.
type Grid struct {
	Kernel string // entry of the program's Code
	Count  [3]shape.Dim
	Tile   [3]int
	Block  [3]int
	Args   []Arg // the kernel's parameters, in order
}

// Arg is one parameter of a kernel: the address of an operand, or a number.
type Arg struct {
	Kind ArgKind
	I    int       // index into the instruction's In or Out
	Dim  shape.Dim // of ArgDim
}

// ArgKind says what a parameter is.
type ArgKind uint8

// The kinds of parameters.
const (
	ArgIn    ArgKind = iota // .u64, the address of In[I]
	ArgOut                  // .u64, the address of Out[I]
	ArgDim                  // .u32, the value of Dim
	ArgFault                // .u64, the address of a word that counts what is wrong with the operands: indices out of range
)

// Alt is one kernel that can do a Call.
type Alt struct {
	Kernel string     // ID
	When   []DimRange // all must hold
}

// DimRange restricts an alternative to extents in a range, at run time.
type DimRange struct {
	Dim    shape.Dim
	Lo, Hi int64 // inclusive
}

// Main is the entry function.
func (p *Program) Main() *Func { return p.Funcs[0] }

// Inputs gives the names and slots of main's parameters.
func (f *Func) Inputs() []string { return f.Names[:len(f.Params)] }

// Outputs gives the names of main's results.
func (f *Func) Outputs() []string { return f.Names[len(f.Params):] }

// Kernels lists every host kernel ID that the program names, in order of first
// use.
func (p *Program) Kernels() []string {
	seen := map[string]bool{}
	var out []string
	for _, f := range p.Funcs {
		for i := range f.Body {
			for _, a := range f.Body[i].Alts {
				if !seen[a.Kernel] {
					seen[a.Kernel] = true
					out = append(out, a.Kernel)
				}
			}
		}
	}
	return out
}

// EncodeStrings is the byte form of a string constant: for each string its
// length as a 32-bit little-endian integer, then its bytes.
func EncodeStrings(ss []string) []byte {
	var b []byte
	for _, s := range ss {
		n := uint32(len(s))
		b = append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		b = append(b, s...)
	}
	return b
}

// DecodeStrings is the inverse; ok is false if b is not n strings exactly.
func DecodeStrings(b []byte, n int) (ss []string, ok bool) {
	for range n {
		if len(b) < 4 {
			return nil, false
		}
		l := int(b[0]) | int(b[1])<<8 | int(b[2])<<16 | int(b[3])<<24
		if b = b[4:]; l < 0 || l > len(b) {
			return nil, false
		}
		ss = append(ss, string(b[:l]))
		b = b[l:]
	}
	return ss, len(b) == 0
}
