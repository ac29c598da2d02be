package ptx

import (
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// MaxShared is how many bytes of shared memory a kernel may declare: what
// every device gives a block without being asked.
const MaxShared = 48 << 10

// class is a kind of register.
type class uint8

const (
	pred class = iota
	b16
	b32
	b64
	f32
	numClasses
)

var classes = [numClasses]struct{ prefix, decl string }{
	pred: {"%p", ".pred"}, b16: {"%h", ".b16"}, b32: {"%r", ".b32"}, b64: {"%rd", ".b64"}, f32: {"%f", ".f32"},
}

// Kernel is an entry function while it is written. Its methods append
// instructions; so do those of the values that come from it.
type Kernel struct {
	m       *Module
	base    string
	params  []string
	shared  []string
	bytes   int               // of shared memory
	block   [3]int            // extents of a block, where they are fixed
	blocks  int               // that a multiprocessor should hold; 0: not said
	head    strings.Builder   // parameters and special registers, loaded once
	body    strings.Builder   //
	known   map[string]uint32 // registers that the head sets
	idents  map[string]bool
	regs    [numClasses][]int32 // the scope of each register
	open    []bool              // by scope
	scopes  []int32             // the open ones, innermost last
	labels  int
	done    string // the text, once it is added
	err     error
	nowhere bool // holds what faulty immediates give
}

// Fail notes a fault that the template found; the first of a kernel is what
// Module.Text returns.
func (k *Kernel) Fail(err error) {
	if k.err == nil {
		k.err = err
		k.m.fail(err)
	}
}

func (k *Kernel) fail(format string, a ...any) {
	k.Fail(diag.New(diag.Internal, "ptx: kernel %s: "+format, append([]any{k.base}, a...)...))
}

// SM is the compute capability that the kernel is written for.
func (k *Kernel) SM() int { return k.m.opt.SM }

// fresh is a new register of the innermost scope.
func (k *Kernel) fresh(c class) uint32 {
	k.regs[c] = append(k.regs[c], k.scopes[len(k.scopes)-1])
	return uint32(len(k.regs[c]))
}

// ins appends one instruction.
func (k *Kernel) ins(format string, a ...any) {
	if k.done != "" {
		k.fail("is written to after it was added")
		return
	}
	k.body.WriteByte('\t')
	fmt.Fprintf(&k.body, format, a...)
	k.body.WriteString(";\n")
}

func (k *Kernel) label(n int) { fmt.Fprintf(&k.body, "L%d:\n", n) }

func (k *Kernel) newLabel() int {
	k.labels++
	return k.labels
}

// Comment writes a line of comment.
func (k *Kernel) Comment(format string, a ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, a...)) {
		fmt.Fprintf(&k.body, "\t// %s\n", strings.TrimRight(line, "\n"))
	}
}

// onHead is the register of class c that the head of the kernel sets, once,
// by the instruction op: outside of every block, so known in all of them.
func (k *Kernel) onHead(c class, op, from string) uint32 {
	if r := k.known[from]; r != 0 {
		return r
	}
	k.regs[c] = append(k.regs[c], 0)
	r := uint32(len(k.regs[c]))
	fmt.Fprintf(&k.head, "\t%s %s%d, %s;\n", op, classes[c].prefix, r, from)
	k.known[from] = r
	return r
}

func (k *Kernel) declare(kind, name string) string {
	id := kind + "_" + name
	if !identifier(name) || k.idents[id] {
		k.fail("%q names no parameter or shared array, or two", name)
	}
	k.idents[id] = true
	return id
}

func (k *Kernel) param(typ, name string) string {
	id := k.declare("p", name)
	k.params = append(k.params, fmt.Sprintf("\t.param .%s %s", typ, id))
	return "[" + id + "]"
}

// ParamPtr declares the next parameter: an address of global memory, 64 bits.
func (k *Kernel) ParamPtr(name string) Ptr {
	from := k.onHead(b64, "ld.param.u64", k.param("u64", name))
	reg := k.onHead(b64, "cvta.to.global.u64", fmt.Sprintf("%%rd%d", from))
	return Ptr{addr{k: k, base: reg, space: "global"}}
}

// ParamU32 declares the next parameter: an integer of 32 bits.
func (k *Kernel) ParamU32(name string) U32 {
	return U32{val{k: k, reg: k.onHead(b32, "ld.param.u32", k.param("u32", name))}}
}

// ParamF32 declares the next parameter: a float.
func (k *Kernel) ParamF32(name string) F32 {
	return F32{val{k: k, reg: k.onHead(f32, "ld.param.f32", k.param("f32", name))}}
}

// Block fixes the extents of a block: the kernel may be launched with no other.
// NTid gives them as immediates then, and TidY of an extent of 1 is 0; so it
// comes before those.
func (k *Kernel) Block(x, y, z int) {
	if min(x, y, z) < 1 || x > 1024 || y > 1024 || z > 64 || x*y*z > 1024 {
		k.fail("a block of %d x %d x %d threads", x, y, z)
		return
	}
	k.block = [3]int{x, y, z}
}

// Resident asks for registers few enough that a multiprocessor holds n blocks,
// whose extents are fixed, and allows as many: without it, ptxas guesses.
func (k *Kernel) Resident(n int) {
	if k.block[0] == 0 || n < 1 || n > 32 {
		k.fail("%d blocks at a time, of extents %v", n, k.block)
		return
	}
	k.blocks = n
}

func (k *Kernel) special(name string) U32 {
	return U32{val{k: k, reg: k.onHead(b32, "mov.u32", name)}}
}

func (k *Kernel) tid(axis int) U32 {
	if k.block[axis] == 1 {
		return I(0)
	}
	return k.special("%tid." + "xyz"[axis:axis+1])
}

func (k *Kernel) ntid(axis int) U32 {
	if k.block[axis] > 0 {
		return I(k.block[axis])
	}
	return k.special("%ntid." + "xyz"[axis:axis+1])
}

// TidX, TidY and TidZ are the thread's coordinates in the block, NTidX, NTidY
// and NTidZ the block's extents, CtaX, CtaY and CtaZ the block's coordinates in
// the grid, NCtaX, NCtaY and NCtaZ the grid's extents. Lane is the thread's
// place in its warp.
func (k *Kernel) TidX() U32  { return k.tid(0) }
func (k *Kernel) TidY() U32  { return k.tid(1) }
func (k *Kernel) TidZ() U32  { return k.tid(2) }
func (k *Kernel) NTidX() U32 { return k.ntid(0) }
func (k *Kernel) NTidY() U32 { return k.ntid(1) }
func (k *Kernel) NTidZ() U32 { return k.ntid(2) }
func (k *Kernel) CtaX() U32  { return k.special("%ctaid.x") }
func (k *Kernel) CtaY() U32  { return k.special("%ctaid.y") }
func (k *Kernel) CtaZ() U32  { return k.special("%ctaid.z") }
func (k *Kernel) NCtaX() U32 { return k.special("%nctaid.x") }
func (k *Kernel) NCtaY() U32 { return k.special("%nctaid.y") }
func (k *Kernel) NCtaZ() U32 { return k.special("%nctaid.z") }
func (k *Kernel) Lane() U32  { return k.special("%laneid") }

// GlobalX is the thread's number in a grid of one axis.
func (k *Kernel) GlobalX() U32 { return k.CtaX().MulAdd(k.NTidX(), k.TidX()) }

// Shared declares an array of shared memory. align is a power of two up to 128.
func (k *Kernel) Shared(name string, bytes, align int) Shared {
	id := k.declare("s", name)
	if bytes < 1 || bytes > MaxShared || align < 1 || align > 128 || align&(align-1) != 0 {
		k.fail("shared array %s of %d bytes, aligned to %d", name, bytes, align)
		return Shared{addr{k: k, space: "shared", sym: id}}
	}
	k.bytes = (k.bytes+align-1)&^(align-1) + bytes
	if k.bytes > MaxShared {
		k.fail("%d bytes of shared memory, of which %d can be had", k.bytes, MaxShared)
	}
	k.shared = append(k.shared, fmt.Sprintf("\t.shared .align %d .b8 %s[%d];\n", align, id, bytes))
	return Shared{addr{k: k, space: "shared", sym: id}}
}

// SharedBytes is how much shared memory the kernel declares so far.
func (k *Kernel) SharedBytes() int { return k.bytes }

// text is the kernel after "name(".
func (k *Kernel) text() string {
	var b strings.Builder
	if len(k.params) > 0 {
		b.WriteString("\n" + strings.Join(k.params, ",\n") + "\n")
	}
	b.WriteString(")\n")
	if k.block[0] > 0 {
		fmt.Fprintf(&b, ".reqntid %d, %d, %d\n", k.block[0], k.block[1], k.block[2])
	}
	if k.blocks > 0 {
		fmt.Fprintf(&b, ".minnctapersm %d\n", k.blocks)
	}
	b.WriteString("{\n")
	for c, regs := range k.regs {
		if len(regs) > 0 {
			fmt.Fprintf(&b, "\t.reg %s %s<%d>;\n", classes[c].decl, classes[c].prefix, len(regs)+1)
		}
	}
	for _, s := range k.shared {
		b.WriteString(s)
	}
	b.WriteString(k.head.String())
	b.WriteString(k.body.String())
	b.WriteString("}\n")
	return b.String()
}
