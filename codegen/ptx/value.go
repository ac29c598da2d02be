package ptx

import (
	"fmt"
	"math"
)

// val is an operand: register reg of kernel k, or where reg is 0 an immediate.
type val struct {
	k   *Kernel
	reg uint32
	imm uint64
}

// poison is the register of a value that could not be made; its first use says
// so.
const poison = math.MaxUint32

func (v val) isImm() bool { return v.reg == 0 }

// U32 is an integer of 32 bits, of either sign: what differs by sign has two
// methods, of which that for negative numbers ends in S. The zero value is the
// immediate 0.
type U32 struct{ val }

// U64 is an integer of 64 bits, signed where that makes a difference: an
// element of an int64 tensor. Addresses are Ptr.
type U64 struct{ val }

// F32 is a float. The zero value is the immediate 0.
type F32 struct{ val }

// H2 is a pair of float16 values in a register.
type H2 struct{ val }

// Pred is a predicate. The zero value is the immediate false.
type Pred struct {
	val
	neg bool // of a register
}

// I is an immediate, from -2^31 to 2^32-1.
func I(v int) U32 {
	if int64(v) < math.MinInt32 || int64(v) > math.MaxUint32 {
		return U32{val{reg: poison}}
	}
	return U32{val{imm: uint64(uint32(v))}}
}

// U is an immediate without a sign.
func U(v uint32) U32 { return U32{val{imm: uint64(v)}} }

// I64 is an immediate of 64 bits.
func I64(v int64) U64 { return U64{val{imm: uint64(v)}} }

// F is an immediate float.
func F(v float32) F32 { return F32{val{imm: uint64(math.Float32bits(v))}} }

// Bool is an immediate predicate: a branch on it is decided when it is written.
func Bool(v bool) Pred {
	if v {
		return Pred{val: val{imm: 1}}
	}
	return Pred{}
}

// Known is the value where it is an immediate.
func (a U32) Known() (uint32, bool) { return uint32(a.imm), a.isImm() }

// Known is the value where it is an immediate.
func (a F32) Known() (float32, bool) { return math.Float32frombits(uint32(a.imm)), a.isImm() }

// Known is the value where it is an immediate.
func (a Pred) Known() (bool, bool) { return a.imm != 0, a.isImm() }

// is says whether a is the immediate v.
func (a U32) is(v uint32) bool { return a.isImm() && uint32(a.imm) == v }

func (a F32) is(v float32) bool {
	return a.isImm() && uint32(a.imm) == math.Float32bits(v)
}

func (a F32) f() float32 { return math.Float32frombits(uint32(a.imm)) }
func (a U32) u() uint32  { return uint32(a.imm) }
func (a U32) s() int32   { return int32(uint32(a.imm)) }

// kernelOf is the kernel of the operands that are registers. Faulty immediates
// have none: a kernel that nobody reads takes their instructions, and what they
// give is refused where it meets a true one.
func kernelOf(vs ...val) *Kernel {
	for _, v := range vs {
		if v.k != nil {
			return v.k
		}
	}
	k := NewModule(Options{SM: 75}).Entry("nowhere")
	k.nowhere = true
	return k
}

// arg is the text of an operand of class c.
func (k *Kernel) arg(c class, v val) string {
	if !v.isImm() {
		switch {
		case v.reg == poison || v.k.nowhere:
			k.fail("an immediate beyond 32 bits, or a division by zero")
		case v.k != k:
			k.fail("a value of another kernel")
		case !k.open[k.regs[c][v.reg-1]]:
			k.fail("%s%d is used after the block that computes it", classes[c].prefix, v.reg)
		}
		return fmt.Sprintf("%s%d", classes[c].prefix, v.reg)
	}
	switch c {
	case f32:
		return fmt.Sprintf("0f%08X", uint32(v.imm))
	case b32:
		return fmt.Sprint(int32(uint32(v.imm)))
	}
	return fmt.Sprint(int64(v.imm))
}

// args are the texts of operands of one class.
func (k *Kernel) args(c class, vs ...val) string {
	s := ""
	for i, v := range vs {
		if i > 0 {
			s += ", "
		}
		s += k.arg(c, v)
	}
	return s
}

// op appends "name d, operands" with d fresh, of class c as the operands are.
func (k *Kernel) op(c class, name string, vs ...val) val {
	return k.op2(c, c, name, vs...)
}

// op2 is op with a result of class d.
func (k *Kernel) op2(d, c class, name string, vs ...val) val {
	text := k.args(c, vs...)
	r := k.fresh(d)
	k.ins("%s %s%d, %s", name, classes[d].prefix, r, text)
	return val{k: k, reg: r}
}

// inReg is v in a register: instructions that take no immediate need it.
func (k *Kernel) inReg(c class, v val) val {
	if !v.isImm() {
		return v
	}
	return k.op(c, "mov."+movType[c], v)
}

var movType = [numClasses]string{pred: "pred", b16: "b16", b32: "u32", b64: "u64", f32: "f32"}
