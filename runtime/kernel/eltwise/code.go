package eltwise

import "unsafe"

// class says how an operand arrives for a run of elements.
type class uint8

const (
	classSlice  class = iota // float32 in place, one an element
	classScalar              // one float32 for the whole run
	classLoad                // one an element, put into a register before the steps run
)

// chunk registers: code is a program compiled for operand classes. A register
// holds as many float32 as the longest run; intermediate values share them.
type code struct {
	f      *Funcs
	prog   *Prog
	load   [MaxInputs]int // register of a classLoad operand, else -1
	instrs []instr
	regs   int
	result int // register of the result, -1 where the last step writes it in place
}

// instr is one call of a vector function.
type instr struct {
	op   Op
	dst  int // register, -1 for the output
	x, y operand
	p, q float32
	par  int // input whose scalar is the parameter a; -1: p is
	neg  bool
}

// operand names a run of float32: register reg, input in where reg is -1, the
// output where both are.
type operand struct{ reg, in int }

// frame is what one run of elements works on.
type frame struct {
	slice  [MaxInputs][]float32 // classSlice: at least n elements
	scalar [MaxInputs]float32   // classScalar
	regs   []float32
	length int // of a register
	out    []float32
	n      int
}

func (fr *frame) reg(i int) []float32 { return fr.regs[i*fr.length:][:fr.n] }

func (fr *frame) operand(o operand) []float32 {
	if o.reg >= 0 {
		return fr.reg(o.reg)
	}
	if o.in >= 0 {
		return fr.slice[o.in]
	}
	return fr.out
}

// compiler assigns registers in the order of the steps.
type compiler struct {
	c       *code
	classes []class
	where   []operand // of each value; undefined for scalars
	last    []int     // step that uses a value last
	free    []int
	outFree bool // the output's run may hold an intermediate value
}

// compile prepares a program. Where inPlace is set the last step writes to the
// output itself, else to register result. Where own is set the output's run
// holds value 0 at first and belongs to the program alone.
func compile(f *Funcs, p *Prog, classes []class, inPlace, own bool) *code {
	c := &compiler{c: &code{f: f, prog: p, result: -1}, classes: classes,
		where: make([]operand, p.Inputs+len(p.Steps)), last: make([]int, p.Inputs+len(p.Steps))}
	for i, s := range p.Steps {
		for _, a := range [2]Arg{s.X, s.Y} {
			if a.Val >= 0 {
				c.last[a.Val] = i
			}
		}
	}
	for i := range c.c.load {
		c.c.load[i] = -1
	}
	for i, k := range classes {
		c.where[i] = operand{-1, i}
		if k == classLoad {
			c.c.load[i] = c.take()
			c.where[i] = operand{c.c.load[i], -1}
		}
	}
	if own {
		c.where[0] = operand{-1, -1}
	}
	for i, s := range p.Steps {
		last := i == len(p.Steps)-1
		c.step(i, s, last && inPlace)
		if last && !inPlace {
			c.c.result = c.where[p.Inputs+i].reg
		}
	}
	return c.c
}

func (c *compiler) take() int {
	if n := len(c.free); n > 0 {
		r := c.free[n-1]
		c.free = c.free[:n-1]
		return r
	}
	c.c.regs++
	return c.c.regs - 1
}

func (c *compiler) isScalar(a Arg) bool {
	return a.Val < 0 || a.Val < len(c.classes) && c.classes[a.Val] == classScalar
}

// scalarForm gives the form of a binary function with one scalar, and whether
// the scalar is to be negated; ok is false where there is none.
func scalarForm(op Op, scalarIsX bool) (form Op, neg, ok bool) {
	switch op {
	case Add:
		return AddS, false, true
	case Mul:
		return MulS, false, true
	case Min:
		return MinS, false, true
	case Max:
		return MaxS, false, true
	case Sub:
		if scalarIsX {
			return RSubS, false, true
		}
		return AddS, true, true
	case Div:
		if scalarIsX {
			return RDivS, false, true
		}
		return DivS, false, true
	case PRelu:
		return LeakyRelu, false, !scalarIsX
	}
	return 0, false, false
}

// step emits step i; its result goes to the output where toOut is set.
func (c *compiler) step(i int, s Step, toOut bool) {
	in := instr{op: s.Op, p: s.P, q: s.Q, par: -1, dst: -1}
	var temps []int
	vector := func(a Arg) operand { // a scalar is spread over a register
		if !c.isScalar(a) {
			return c.where[a.Val]
		}
		t := c.take()
		temps = append(temps, t)
		c.c.instrs = append(c.c.instrs, instr{op: fill, dst: t, par: a.Val, p: a.Imm})
		return operand{t, -1}
	}
	if s.Op.Values() == 1 {
		in.x = vector(s.X)
	} else {
		xs, ys := c.isScalar(s.X), c.isScalar(s.Y)
		form, neg, ok := scalarForm(s.Op, xs && !ys)
		switch {
		case ys && ok:
			in.op, in.neg, in.par, in.p = form, neg, s.Y.Val, s.Y.Imm
			in.x = vector(s.X)
		case xs && ok:
			in.op, in.neg, in.par, in.p = form, neg, s.X.Val, s.X.Imm
			in.x = vector(s.Y)
		default:
			in.x, in.y = vector(s.X), vector(s.Y)
		}
	}
	c.free = append(c.free, temps...)
	for k, a := range [2]Arg{s.X, s.Y} {
		if k >= s.Op.Values() || a.Val < 0 || c.last[a.Val] != i || k == 1 && s.Y == s.X {
			continue
		}
		if w := c.where[a.Val]; w.reg >= 0 {
			c.free = append(c.free, w.reg)
		} else if w.in < 0 {
			c.outFree = true
		}
	}
	switch {
	case toOut:
	case c.outFree:
		c.outFree = false
	default:
		in.dst = c.take()
	}
	c.where[len(c.classes)+i] = operand{in.dst, -1}
	c.c.instrs = append(c.c.instrs, in)
}

// fill spreads a scalar over a register; it exists in instrs only.
const fill Op = numOps

// run executes the steps on a frame whose operands are in place.
func (c *code) run(fr *frame) {
	if fr.n == 0 {
		return
	}
	for i := range c.instrs {
		in := &c.instrs[i]
		a := in.p
		if in.par >= 0 {
			a = fr.scalar[in.par]
		}
		if in.neg {
			a = -a
		}
		dst := fr.out
		if in.dst >= 0 {
			dst = fr.reg(in.dst)
		}
		switch {
		case in.op == fill:
			for k := range dst {
				dst[k] = a
			}
		case in.op >= numUnary:
			c.f.binary[in.op-numUnary](unsafe.SliceData(dst), unsafe.SliceData(fr.operand(in.x)), unsafe.SliceData(fr.operand(in.y)), fr.n)
		default:
			c.f.unary[in.op](unsafe.SliceData(dst), unsafe.SliceData(fr.operand(in.x)), fr.n, a, in.q)
		}
	}
}
