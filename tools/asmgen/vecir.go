package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// A vecOp is an operation of one vector, the same for every instruction set.
type vecOp int

const (
	vArg   vecOp = iota // element of slice number imm
	vParam              // scalar parameter number imm, in all lanes
	vConst              // the bits imm, in all lanes
	vAdd
	vSub
	vMul
	vDiv
	vFMA  // a*b + c, rounded once
	vMin  // a < b ? a : b
	vMax  // a > b ? a : b
	vSqrt // square root
	vRound
	vFloor
	vCeil
	vFromInt // signed integer lanes to float32
	vAnd
	vOr
	vXor
	vAddI
	vSubI
	vShl    // left by imm
	vShr    // right by imm, zeros enter
	vSar    // right by imm, the sign enters
	vLess   // mask: a < b
	vUnord  // mask: a or b is NaN
	vSign   // mask: the sign bit of a
	vSelect // mask a ? b : c
)

// A vecNode is one value of a straight-line vector program; a, b and c number
// earlier values.
type vecNode struct {
	op      vecOp
	in      []int
	imm     uint32
	mask    bool // the value is a mask
	lastUse int  // number of the node that uses it last
}

// A vecProg is a straight-line program from slice elements to one value, which
// is the last node. Nodes are in the order in which they will be emitted.
type vecProg struct {
	nodes  []vecNode
	consts []uint32
	args   int // slices read
	params int // scalar parameters read
}

func (p *vecProg) add(op vecOp, imm uint32, in ...int) int {
	p.nodes = append(p.nodes, vecNode{op: op, in: in, imm: imm, mask: op == vLess || op == vUnord || op == vSign})
	return len(p.nodes) - 1
}

func (p *vecProg) Arg(i int) int {
	p.args = max(p.args, i+1)
	return p.add(vArg, uint32(i))
}

func (p *vecProg) Param(i int) int {
	p.params = max(p.params, i+1)
	return p.add(vParam, uint32(i))
}

// Bits is a constant by its bit pattern. Equal constants are one value.
func (p *vecProg) Bits(b uint32) int {
	for i, n := range p.nodes {
		if n.op == vConst && n.imm == b {
			return i
		}
	}
	p.consts = append(p.consts, b)
	return p.add(vConst, b)
}

func (p *vecProg) F(v float32) int         { return p.Bits(math.Float32bits(v)) }
func (p *vecProg) Add(a, b int) int        { return p.add(vAdd, 0, a, b) }
func (p *vecProg) Sub(a, b int) int        { return p.add(vSub, 0, a, b) }
func (p *vecProg) Mul(a, b int) int        { return p.add(vMul, 0, a, b) }
func (p *vecProg) Div(a, b int) int        { return p.add(vDiv, 0, a, b) }
func (p *vecProg) FMA(a, b, c int) int     { return p.add(vFMA, 0, a, b, c) }
func (p *vecProg) Min(a, b int) int        { return p.add(vMin, 0, a, b) }
func (p *vecProg) Max(a, b int) int        { return p.add(vMax, 0, a, b) }
func (p *vecProg) Sqrt(a int) int          { return p.add(vSqrt, 0, a) }
func (p *vecProg) Round(a int) int         { return p.add(vRound, 0, a) }
func (p *vecProg) Floor(a int) int         { return p.add(vFloor, 0, a) }
func (p *vecProg) Ceil(a int) int          { return p.add(vCeil, 0, a) }
func (p *vecProg) FromInt(a int) int       { return p.add(vFromInt, 0, a) }
func (p *vecProg) And(a, b int) int        { return p.add(vAnd, 0, a, b) }
func (p *vecProg) Or(a, b int) int         { return p.add(vOr, 0, a, b) }
func (p *vecProg) Xor(a, b int) int        { return p.add(vXor, 0, a, b) }
func (p *vecProg) AddI(a, b int) int       { return p.add(vAddI, 0, a, b) }
func (p *vecProg) SubI(a, b int) int       { return p.add(vSubI, 0, a, b) }
func (p *vecProg) Shl(a int, s uint32) int { return p.add(vShl, s, a) }
func (p *vecProg) Shr(a int, s uint32) int { return p.add(vShr, s, a) }
func (p *vecProg) Sar(a int, s uint32) int { return p.add(vSar, s, a) }
func (p *vecProg) Less(a, b int) int       { return p.add(vLess, 0, a, b) }
func (p *vecProg) Unord(a, b int) int      { return p.add(vUnord, 0, a, b) }
func (p *vecProg) Sign(a int) int          { return p.add(vSign, 0, a) }
func (p *vecProg) Select(m, a, b int) int  { return p.add(vSelect, 0, m, a, b) }

// Horner evaluates c[0] + c[1] r + ... from the last coefficient down, one FMA
// a step.
func (p *vecProg) Horner(r int, c ...float32) int {
	s := p.F(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		s = p.FMA(s, r, p.F(c[i]))
	}
	return s
}

// finish computes the last uses. It must be called once, after the last node.
func (p *vecProg) finish() {
	for i, n := range p.nodes {
		for _, a := range n.in {
			p.nodes[a].lastUse = i
		}
	}
	p.nodes[len(p.nodes)-1].lastUse = len(p.nodes)
}

// maxCopies bounds how many vectors go through a program side by side.
const maxCopies = 8

// regAlloc hands out vector registers to the values of a vecProg in order,
// each for several copies of the program that run side by side. A value's
// register is free for the result of the node that uses it last.
type regAlloc struct {
	free []int
	of   map[int]int // node*maxCopies+copy to register
	copy int         // the copy that methods speak of
}

func newRegAlloc(first, last int) *regAlloc {
	r := &regAlloc{of: map[int]int{}}
	for i := last; i >= first; i-- {
		r.free = append(r.free, i)
	}
	return r
}

func (r *regAlloc) take() int {
	if len(r.free) == 0 {
		panic(errRegisters)
	}
	i := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	return i
}

var errRegisters = errors.New("asmgen: out of vector registers")

func (r *regAlloc) give(i int) {
	if slices.Contains(r.free, i) {
		panic(fmt.Sprintf("asmgen: register %d freed twice", i))
	}
	r.free = append(r.free, i)
}

// at is the register of a node, has whether it has one.
func (r *regAlloc) at(node int) int { return r.of[node*maxCopies+r.copy] }

func (r *regAlloc) has(node int) bool {
	_, ok := r.of[node*maxCopies+r.copy]
	return ok
}

func (r *regAlloc) set(node, reg int) int {
	r.of[node*maxCopies+r.copy] = reg
	return reg
}

// drop forgets a node's register without freeing it.
func (r *regAlloc) drop(node int) { delete(r.of, node*maxCopies+r.copy) }

// dies reports whether node i is the last to use the register of value a.
func (r *regAlloc) dies(p *vecProg, a, i int) bool { return r.has(a) && p.nodes[a].lastUse == i }

// release frees the registers of the operands of node i that die there.
func (r *regAlloc) release(p *vecProg, i int) {
	for _, a := range p.nodes[i].in {
		if r.dies(p, a, i) {
			r.give(r.at(a))
			r.drop(a)
		}
	}
}

// overwrite hands the register of the dying operand a to node i.
func (r *regAlloc) overwrite(p *vecProg, i, a int) {
	reg := r.at(a)
	r.drop(a)
	r.release(p, i)
	r.set(i, reg)
}

// fits reports whether emitting finds enough registers.
func fits(emit func()) (ok bool) {
	defer func() {
		if e := recover(); e == errRegisters {
			ok = false
		} else if e != nil {
			panic(e)
		}
	}()
	emit()
	return true
}
