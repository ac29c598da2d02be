package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// eluOps are the less common activations.
func eluOps() []*ir.OpDef {
	return []*ir.OpDef{eluOp(), seluOp(), hardSigmoidOp(), hardSwishOp(), softplusOp(), softsignOp()}
}

func floatAttr(name string, v float32, doc string) ir.Attr {
	return ir.Attr{Name: name, Kind: attr.KindFloat, Default: attr.Float(v), Doc: doc}
}

func eluOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Elu", Since: []int{1, 6, 22}, Source: "ONNX Elu-22",
		Doc:   unaryDoc("Elu is x, or alpha*(exp(x)-1) where x is negative.", "X", "Y", "12*|Y|", "dX = dY, times Y+alpha where X < 0"),
		Attrs: []ir.Attr{floatAttr("alpha", 1, "of the exponential branch")},
		Eval:  ref.Elu, Ref: &ref.EluDesc,
		Downgrade: map[int]lower{6: withoutBF16(6, nil)},
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			x, y := n.In[0], n.Out[0]
			slope := c.add(y, c.num(x, float64(n.Attrs.Float("alpha"))))
			return []*ir.Value{c.where(c.less(x, c.num(x, 0)), c.mul(dy, slope), dy)}
		}),
		Cost: perElement(12),
		Examples: []ir.Case{
			tensorCase("alpha 2", "ONNX test_elu_example", attr.Map{"alpha": attr.Float(2)}, vec(-1.2642411, 0, 1), vec(-1, 0, 1)),
			tensorCase("default", "hand calculation: exp(-1)-1", nil, vec(-0.63212056, 3), vec(-1, 3)),
		},
	}, floats, "X", "Y")
}

func seluOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Selu", Since: []int{1, 6, 22}, Source: "ONNX Selu-22",
		Doc: unaryDoc("Selu is gamma*x, or gamma*alpha*(exp(x)-1) where x is not positive.", "X", "Y", "12*|Y|",
			"dX = dY*gamma, or dY*(Y+gamma*alpha) where X <= 0"),
		Attrs: []ir.Attr{floatAttr("alpha", 1.67326319217681884765625, "of the exponential branch"), floatAttr("gamma", 1.05070102214813232421875, "of both branches")},
		Eval:  ref.Selu, Ref: &ref.SeluDesc,
		Downgrade: map[int]lower{6: withoutBF16(6, nil)},
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			x, y := n.In[0], n.Out[0]
			gamma, alpha := float64(n.Attrs.Float("gamma")), float64(n.Attrs.Float("alpha"))
			return []*ir.Value{c.mul(dy, c.where(c.less(c.num(x, 0), x), c.num(x, gamma), c.add(y, c.num(x, gamma*alpha))))}
		}),
		Cost: perElement(12),
		Examples: []ir.Case{
			tensorCase("alpha 2, gamma 3", "mpmath: 6*(exp(-1)-1)", attr.Map{"alpha": attr.Float(2), "gamma": attr.Float(3)}, vec(-3.7927233529713461, 0, 3), vec(-1, 0, 1)),
			tensorCase("default", "the default gamma", nil, vec(1.050701), vec(1)),
		},
	}, floats, "X", "Y")
}

func hardSigmoidOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "HardSigmoid", Since: []int{1, 6, 22}, Source: "ONNX HardSigmoid-22",
		Doc:   unaryDoc("HardSigmoid is max(0, min(1, alpha*x + beta)).", "X", "Y", "4*|Y|", "dX = dY*alpha where 0 < Y < 1"),
		Attrs: []ir.Attr{floatAttr("alpha", 0.2, "slope"), floatAttr("beta", 0.5, "offset")},
		Eval:  ref.HardSigmoid, Ref: &ref.HardSigmoidDesc,
		Downgrade: map[int]lower{6: withoutBF16(6, nil)},
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			x, y := n.In[0], n.Out[0]
			zero := c.num(x, 0)
			inside := c.e.Op("And", nil, c.less(zero, y), c.less(y, c.num(x, 1)))
			return []*ir.Value{c.where(inside, c.mul(dy, c.num(x, float64(n.Attrs.Float("alpha")))), zero)}
		}),
		Cost: perElement(4),
		Examples: []ir.Case{
			tensorCase("alpha 0.5, beta 0.625", "hand calculation", attr.Map{"alpha": attr.Float(0.5), "beta": attr.Float(0.625)}, vec(0.125, 0.625, 1), vec(-1, 0, 1)),
			tensorCase("ends", "hand calculation", nil, vec(0, 0.5, 1), vec(-9, 0, 9)),
		},
	}, floats, "X", "Y")
}

func hardSwishOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "HardSwish", Since: []int{14, 22}, Source: "ONNX HardSwish-22",
		Doc:  unaryDoc("HardSwish is x*max(0, min(1, x/6 + 1/2)).", "X", "Y", "5*|Y|", "dX = dY*(2X+3)/6 where -3 < X < 3, dY above, 0 below"),
		Eval: ref.HardSwish, Ref: &ref.HardSwishDesc,
		Downgrade: map[int]lower{14: withoutBF16(14, nil)},
		Grad: unaryGrad(func(c calc, dy, x, _ *ir.Value) *ir.Value {
			zero, three := c.num(x, 0), c.num(x, 3)
			mid := c.mul(dy, c.add(c.mul(x, c.num(x, 1.0/3)), c.num(x, 0.5)))
			return c.where(c.less(x, three), c.where(c.less(c.num(x, -3), x), mid, zero), dy)
		}),
		Cost: perElement(5),
		Examples: []ir.Case{
			tensorCase("three branches", "hand calculation: 1*(1+3)/6", nil, vec(0, 0.6666667, 4), vec(-4, 1, 4)),
			tensorCase("edges", "hand calculation", nil, vec(0, 3), vec(-3, 3)),
		},
	}, floats, "X", "Y")
}

func softplusOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Softplus", Since: []int{1, 22}, Source: "ONNX Softplus-22",
		Doc:  unaryDoc("Softplus is log(1+exp(x)).", "X", "Y", "20*|Y|", "dX = dY*sigmoid(X)"),
		Eval: ref.Softplus, Ref: &ref.SoftplusDesc,
		Downgrade: map[int]lower{1: withoutBF16(1, nil)},
		Grad:      unaryGrad(func(c calc, dy, x, _ *ir.Value) *ir.Value { return c.mul(dy, c.e.Op("Sigmoid", nil, x)) }),
		Traits:    ir.Monotone,
		Cost:      perElement(20),
		Examples: []ir.Case{
			tensorCase("around 0", "mpmath: log(1+exp(x))", nil, vec(0.31326168751822286, 0.69314718055994529, 1.3132616875182228), vec(-1, 0, 1)),
			tensorCase("large", "limits", nil, vec(0, 500), vec(-500, 500)),
		},
	}, floats, "X", "Y")
}

func softsignOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Softsign", Since: []int{1, 22}, Source: "ONNX Softsign-22",
		Doc:  unaryDoc("Softsign is x/(1+|x|).", "input", "output", "3*|output|", "dX = dY/(1+|X|)^2"),
		Eval: ref.Softsign, Ref: &ref.SoftsignDesc,
		Downgrade: map[int]lower{1: withoutBF16(1, nil)},
		Grad: unaryGrad(func(c calc, dy, x, _ *ir.Value) *ir.Value {
			s := c.add(c.e.Op("Abs", nil, x), c.num(x, 1))
			return c.div(dy, c.mul(s, s))
		}),
		Traits: ir.Monotone,
		Cost:   perElement(3),
		Examples: []ir.Case{
			tensorCase("around 0", "ONNX test_softsign_example", nil, vec(-0.5, 0, 0.5), vec(-1, 0, 1)),
			tensorCase("three", "hand calculation", nil, vec(0.75), vec(3)),
		},
	}, floats, "input", "output")
}
