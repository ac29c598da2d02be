package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/plan"
)

// program collects nodes of a group as an elementwise program. Operands get
// their numbers as they are met, steps only when all operands are known.
type program struct {
	fl       *funcLowerer
	operands []operand
	steps    []step
	vals     map[*ir.Value]arg // computed by the nodes so far
}

// operand is what the call reads: a value of the function, or a constant under
// extents of its own. An epilogue's first operand is neither: the element that
// the kernel has computed.
type operand struct {
	v    *ir.Value
	w    *weight
	dims []int // of w
}

// arg is a number, an operand or the result of a step.
type arg struct {
	kind argKind
	i    int
	v    float32
}

type argKind uint8

const (
	argNumber argKind = iota
	argOperand
	argStep
)

func number(v float32) arg { return arg{kind: argNumber, v: v} }

// step is eltwise.Step over args.
type step struct {
	op   eltwise.Op
	x, y arg
	p, q float32
}

func (fl *funcLowerer) program() *program {
	return &program{fl: fl, vals: map[*ir.Value]arg{}}
}

// epilogue begins a program with the element that the kernel computes, which
// stands for v.
func (fl *funcLowerer) epilogue(v *ir.Value) *program {
	p := fl.program()
	p.operands = append(p.operands, operand{})
	p.vals[v] = arg{kind: argOperand}
	return p
}

// do1 and do2 add a step.
func (p *program) do1(op eltwise.Op, x arg) arg { return p.add(step{op: op, x: x}) }

func (p *program) do2(op eltwise.Op, x, y arg) arg { return p.add(step{op: op, x: x, y: y}) }

func (p *program) add(s step) arg {
	p.steps = append(p.steps, s)
	return arg{kind: argStep, i: len(p.steps) - 1}
}

// read gives the arg for v: a step's result, a number, or an operand. false:
// no kernel reads values of its type.
func (p *program) read(v *ir.Value) (arg, bool) {
	if a, ok := p.vals[v]; ok {
		return a, true
	}
	if v = p.fl.resolve(v); v == nil || !v.Type.Ranked() || !eltwise.Reads(v.Type.DType) || p.fl.isConst(v) && !computed(v.Type.DType) {
		return arg{}, false
	}
	if a, ok := p.vals[v]; ok {
		return a, true
	}
	if n, ok := p.fl.scalar(v); ok {
		return number(n), true
	}
	for i, o := range p.operands {
		if o.v == v {
			return arg{kind: argOperand, i: i}, true
		}
	}
	p.operands = append(p.operands, operand{v: v})
	return arg{kind: argOperand, i: len(p.operands) - 1}, true
}

// constant gives the arg for a constant under extents of its own.
func (p *program) constant(w *weight, dims ...int) arg {
	p.operands = append(p.operands, operand{w: w, dims: dims})
	return arg{kind: argOperand, i: len(p.operands) - 1}
}

// scalar is the value of a constant of one element.
func (fl *funcLowerer) scalar(v *ir.Value) (float32, bool) {
	if d, ok := v.Type.Static(); !ok || !fl.isConst(v) || shapeCount(d) != 1 {
		return 0, false
	}
	w, err := fl.weight(v)
	if w == nil || err != nil {
		return 0, false
	}
	x, err := w.floats()
	if err != nil {
		return 0, false
	}
	return x[0], true
}

func shapeCount(d []int) int {
	n := 1
	for _, x := range d {
		n *= x
	}
	return n
}

// result makes the value of n the last step's, copying where n was no step.
func (p *program) result(v *ir.Value) bool {
	a, ok := p.vals[v]
	if !ok {
		return false
	}
	if a.kind != argStep || a.i != len(p.steps)-1 {
		p.vals[v] = p.do1(eltwise.Copy, a)
	}
	return true
}

// prog is the finished program; false where it is beyond what kernels take.
func (p *program) prog() (*eltwise.Prog, bool) {
	out := &eltwise.Prog{Inputs: len(p.operands)}
	conv := func(a arg) eltwise.Arg {
		switch a.kind {
		case argOperand:
			return eltwise.Value(a.i)
		case argStep:
			return eltwise.Value(len(p.operands) + a.i)
		}
		return eltwise.Number(a.v)
	}
	for _, s := range p.steps {
		e := eltwise.Step{Op: s.op, X: conv(s.x), P: s.p, Q: s.q}
		if s.op.Values() > 1 {
			e.Y = conv(s.y)
		}
		out.Steps = append(out.Steps, e)
	}
	return out, out.Check() == nil
}

// slots are those of the operands from the first on.
func (p *program) slots(first int) ([]plan.SlotID, error) {
	var out []plan.SlotID
	for _, o := range p.operands[first:] {
		if o.w != nil {
			out = append(out, p.fl.plain(o.w, o.dims...))
			continue
		}
		s, err := p.fl.slot(o.v)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// fits says whether every operand of an epilogue broadcasts to an output of
// extents out as kernels take it: within each of the groups of axes that end
// where ends say, it has all extents or none.
func (p *program) fits(out []shape.Dim, ends ...int) bool {
	for _, o := range p.operands[1:] {
		if o.w != nil {
			continue // made to fit
		}
		lead := len(out) - o.v.Type.Rank()
		if lead < 0 {
			return false
		}
		from := 0
		for _, end := range ends {
			ones, same := true, true
			for i := from; i < end; i++ {
				d := shape.Int(1)
				if i >= lead {
					d = o.v.Type.Dims[i-lead]
				}
				ones, same = ones && d.Is(1), same && d.Equal(out[i])
			}
			if !ones && !same {
				return false
			}
			from = end
		}
	}
	return true
}
