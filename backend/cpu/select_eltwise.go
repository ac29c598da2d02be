package cpu

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/plan"
)

// elementwise lowers one elementwise operator.
func elementwise(fl *funcLowerer, n *ir.Node) (bool, error) { return fl.eltwise(n, []*ir.Node{n}) }

// selectCast lowers casts to float16 and float32 from what programs read.
func selectCast(fl *funcLowerer, n *ir.Node) (bool, error) { return fl.eltwise(n, []*ir.Node{n}) }

// eltwise lowers nodes, the last of which gives the value of n, to one
// program.
func (fl *funcLowerer) eltwise(n *ir.Node, nodes []*ir.Node) (bool, error) {
	last := nodes[len(nodes)-1].Out[0]
	alts := fl.alts(eltwise.OpF32, "")
	if alts == nil || !last.Type.Ranked() || !computed(last.Type.DType) {
		return false, nil
	}
	p := fl.program()
	for _, c := range nodes {
		if !p.node(c) {
			return false, nil
		}
	}
	if !p.result(last) {
		return false, nil
	}
	prog, ok := p.prog()
	if !ok {
		return false, nil
	}
	in, err := p.slots(0)
	if err != nil {
		return false, err
	}
	fl.emit(plan.Instr{Op: plan.Call, Name: eltwise.OpF32, Alts: alts, Attrs: prog.Attrs(), In: in, Out: fl.results(n), Source: n.Source})
	return true, nil
}

// unaries are the operators that are one function of one operand.
var unaries = map[string]eltwise.Op{
	"Neg": eltwise.Neg, "Abs": eltwise.Abs, "Sqrt": eltwise.Sqrt, "Floor": eltwise.Floor, "Ceil": eltwise.Ceil, "Round": eltwise.Round,
	"Relu": eltwise.Relu, "Exp": eltwise.Exp, "Log": eltwise.Log, "Tanh": eltwise.Tanh, "Sigmoid": eltwise.Sigmoid, "Erf": eltwise.Erf,
	"Cast": eltwise.Copy,
}

// binaries are those of two or, one after the other, more.
var binaries = map[string]eltwise.Op{
	"Add": eltwise.Add, "Sub": eltwise.Sub, "Mul": eltwise.Mul, "Div": eltwise.Div, "Min": eltwise.Min, "Max": eltwise.Max,
	"PRelu": eltwise.PRelu, "Sum": eltwise.Add,
}

// node adds the steps of n; false where it has none.
func (p *program) node(n *ir.Node) bool {
	if len(n.In) == 0 || len(n.Out) != 1 || !computed(n.Out[0].Type.DType) {
		return false
	}
	x, ok := p.read(n.In[0])
	if !ok {
		return false
	}
	name := n.OpName()
	var y arg
	if op, found := unaries[name]; found {
		y = p.do1(op, x)
	} else if op, found := binaries[name]; found {
		y = x
		for _, v := range n.In[1:] {
			b, ok := p.read(v)
			if !ok {
				return false
			}
			y = p.do2(op, y, b)
		}
	} else if y, ok = p.formula(name, n, x); !ok {
		return false
	}
	p.vals[n.Out[0]] = y
	return true
}

// formula adds the steps of an operator with attributes or constant operands.
func (p *program) formula(name string, n *ir.Node, x arg) (arg, bool) {
	a := n.Attrs
	alpha, beta := number(a.Float("alpha")), number(a.Float("beta"))
	one, zero := number(1), number(0)
	switch name {
	case "Gelu":
		if a.Str("approximate") == "tanh" {
			return p.do1(eltwise.GeluTanh, x), true
		}
		return p.do1(eltwise.Gelu, x), true
	case "Reciprocal":
		return p.do2(eltwise.Div, one, x), true
	case "LeakyRelu":
		return p.add(step{op: eltwise.LeakyRelu, x: x, p: alpha.v}), true
	case "Clip":
		return p.clip(n, x)
	case "Pow":
		return p.pow(n, x)
	case "HardSigmoid":
		return p.bound(p.do2(eltwise.Add, p.do2(eltwise.Mul, x, alpha), beta), 0, 1), true
	case "HardSwish":
		// Bounded below first, so that -Inf does not meet 0.
		x = p.bound(x, -3, float32(math.Inf(1)))
		gate := p.bound(p.do2(eltwise.Div, p.do2(eltwise.Add, x, number(3)), number(6)), 0, 1)
		return p.do2(eltwise.Mul, x, gate), true
	case "Swish":
		return p.do2(eltwise.Mul, x, p.do1(eltwise.Sigmoid, p.do2(eltwise.Mul, x, alpha))), true
	case "Mish":
		return p.do2(eltwise.Mul, x, p.do1(eltwise.Tanh, p.softplus(x))), true
	case "Softplus":
		return p.softplus(x), true
	case "Softsign":
		return p.do2(eltwise.Div, x, p.do2(eltwise.Add, p.do1(eltwise.Abs, x), one)), true
	case "Elu", "Selu":
		low := p.do2(eltwise.Sub, p.do1(eltwise.Exp, p.do2(eltwise.Min, x, zero)), one)
		y := p.do2(eltwise.Add, p.do2(eltwise.Max, x, zero), p.do2(eltwise.Mul, low, alpha))
		if name == "Selu" {
			y = p.do2(eltwise.Mul, y, number(a.Float("gamma")))
		}
		return y, true
	}
	return arg{}, false
}

func (p *program) bound(x arg, lo, hi float32) arg {
	return p.add(step{op: eltwise.Clip, x: x, p: lo, q: hi})
}

// softplus is max(x, 0) + log(1 + exp(-|x|)), which does not overflow.
func (p *program) softplus(x arg) arg {
	e := p.do1(eltwise.Exp, p.do1(eltwise.Neg, p.do1(eltwise.Abs, x)))
	return p.do2(eltwise.Add, p.do2(eltwise.Max, x, number(0)), p.do1(eltwise.Log, p.do2(eltwise.Add, e, number(1))))
}

// clip takes constant bounds.
func (p *program) clip(n *ir.Node, x arg) (arg, bool) {
	b := [2]float32{float32(math.Inf(-1)), float32(math.Inf(1))}
	for i := range b {
		if i+1 >= len(n.In) || n.In[i+1] == nil {
			continue
		}
		v, ok := p.read(n.In[i+1])
		if !ok || v.kind != argNumber || v.v != v.v {
			return arg{}, false
		}
		b[i] = v.v
	}
	return p.bound(x, b[0], b[1]), true
}

// pow takes the exponents that are products.
func (p *program) pow(n *ir.Node, x arg) (arg, bool) {
	v := p.fl.resolve(n.In[1])
	if v == nil || n.Out[0].Type.DType == dtype.F16 && v.Type.DType != dtype.F16 {
		return arg{}, false
	}
	e, ok := p.fl.scalar(v)
	if !ok || v.Type.Rank() > n.Out[0].Type.Rank() {
		return arg{}, false
	}
	switch e {
	case 1:
		return x, true
	case 2:
		return p.do2(eltwise.Mul, x, x), true
	case 3:
		return p.do2(eltwise.Mul, p.do2(eltwise.Mul, x, x), x), true
	case -1:
		return p.do2(eltwise.Div, number(1), x), true
	}
	return arg{}, false
}
