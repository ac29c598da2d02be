package op

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// activationOps are the nonlinear functions of networks, softmax apart.
func activationOps() []*ir.OpDef {
	return []*ir.OpDef{reluOp(), leakyReluOp(), preluOp(), sigmoidOp(), tanhOp(), geluOp(), clipOp()}
}

func reluOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Relu", Since: []int{1, 6, 13, 14}, Source: "ONNX Relu-14",
		Doc:  unaryDoc("Relu is max(x, 0); NaN stays.", "X", "Y", "|Y|", "dX = dY where X > 0"),
		Eval: ref.Relu, Ref: &ref.ReluDesc,
		Downgrade: map[int]lower{13: onlyTypes(13, 0, floats)},
		Grad:      unaryGrad(func(c calc, dy, x, _ *ir.Value) *ir.Value { return c.ramp(dy, x) }),
		Traits:    ir.Idempotent | ir.Monotone,
		Examples: []ir.Case{
			tensorCase("floats", "hand calculation", nil, vec(0, 0, 2.5), vec(-1, 0, 2.5)),
			tensorCase("bytes", "hand calculation", nil, i8s(0, 127), i8s(-128, 127)),
		},
	}, signed, "X", "Y")
}

func leakyReluOp() *ir.OpDef {
	d := pointwise(ir.OpDef{
		Name: "LeakyRelu", Since: []int{1, 6, 16}, Source: "ONNX LeakyRelu-16",
		Doc:   unaryDoc("LeakyRelu is x, or alpha*x where x is negative.", "X", "Y", "|Y|", "dX = dY, times alpha where X < 0"),
		Attrs: []ir.Attr{{Name: "alpha", Kind: attr.KindFloat, Default: attr.Float(0.01), Doc: "slope below 0"}},
		Eval:  ref.LeakyRelu, Ref: &ref.LeakyReluDesc,
		Downgrade: map[int]lower{6: onlyTypes(6, 0, less(floats, dtype.BF16))},
		Examples: []ir.Case{
			tensorCase("alpha 0.1", "ONNX test_leakyrelu_example", attr.Map{"alpha": attr.Float(0.1)}, vec(-0.1, 0, 1), vec(-1, 0, 1)),
			tensorCase("default", "hand calculation", nil, vec(-0.01, 3), vec(-1, 3)),
		},
	}, floats, "X", "Y")
	d.Grad = floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
		x := n.In[0]
		slope := c.num(x, float64(n.Attrs.Float("alpha")))
		return []*ir.Value{c.where(c.less(x, c.num(x, 0)), c.mul(dy, slope), dy)}
	})
	return d
}

func preluOp() *ir.OpDef {
	types := []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16, dtype.U32, dtype.U64, dtype.I32, dtype.I64}
	return &ir.OpDef{
		Name: "PRelu", Since: []int{1, 6, 7, 9, 16}, Source: "ONNX PRelu-16",
		Doc: "PRelu is x, or slope*x where x is negative.\n\n" +
			"\tX      T[...]\n\tslope  T[...]   broadcasts to X\n\tY      T[...]   the shape of X\n\n" +
			"Cost: |Y| FLOP.  Errors: C1.  Grad: dX = dY, times slope where X < 0; dslope = dY*X where X < 0, summed.",
		In:  []ir.Port{{Name: "X", DTypes: types, Var: "T"}, {Name: "slope", DTypes: types, Var: "T"}},
		Out: []ir.Port{{Name: "Y", DTypes: types, Var: "T"}},
		Constraints: []ir.C{{ID: "C1", Text: "slope broadcasts to the shape of X", Check: func(q *ir.Query) error {
			x, s := q.In[0].Type, q.In[1].Type
			if !x.Ranked() || !s.Ranked() {
				return nil
			}
			ok := s.Rank() <= x.Rank()
			for i := 0; ok && i < s.Rank(); i++ {
				d := s.Dims[i]
				ok = d.Is(1) || !differ(d, x.Dims[x.Rank()-s.Rank()+i])
			}
			if !ok {
				return ir.Fault("slope", s.String(), "one that broadcasts to "+x.String())
			}
			return nil
		}}},
		Infer: sameAs,
		Eval:  ref.PRelu, Ref: &ref.PReluDesc,
		Downgrade: map[int]lower{9: onlyTypes(9, 0, less(types, dtype.BF16))},
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			x, s := n.In[0], n.In[1]
			zero := c.num(x, 0)
			neg := c.less(x, zero)
			return []*ir.Value{
				c.where(neg, c.mul(dy, s), dy),
				sumTo(c.e, c.where(neg, c.mul(dy, x), zero), s),
			}
		}),
		Traits: ir.Elementwise,
		Cost:   perElement(1),
		Examples: []ir.Case{
			tensorCase("a slope each", "hand calculation", nil, vec(-0.5, -4, 3), vec(-1, -2, 3), vec(0.5, 2, 7)),
			tensorCase("one slope a channel", "hand calculation", nil, f32s([]int{1, 2, 2}, -2, 1, -6, 2),
				f32s([]int{1, 2, 2}, -1, 1, -2, 2), f32s([]int{2, 1}, 2, 3)),
		},
	}
}

func sigmoidOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Sigmoid", Since: []int{1, 6, 13}, Source: "ONNX Sigmoid-13",
		Doc:  unaryDoc("Sigmoid is 1/(1+exp(-x)).", "X", "Y", "12*|Y|", "dX = dY*Y*(1-Y)"),
		Eval: ref.Sigmoid, Ref: &ref.SigmoidDesc,
		Grad: unaryGrad(func(c calc, dy, _, y *ir.Value) *ir.Value {
			return c.mul(dy, c.mul(y, c.sub(c.num(y, 1), y)))
		}),
		Traits: ir.Monotone, Cost: perElement(12),
		Examples: []ir.Case{
			tensorCase("around 0", "ONNX test_sigmoid_example", nil, vec(0.26894143, 0.5, 0.7310586), vec(-1, 0, 1)),
			tensorCase("ends", "limits", nil, vec(0, 1), vec(float32(math.Inf(-1)), float32(math.Inf(1)))),
		},
	}, floats, "X", "Y")
}

func tanhOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Tanh", Since: []int{1, 6, 13}, Source: "ONNX Tanh-13",
		Doc:  unaryDoc("Tanh is the hyperbolic tangent.", "input", "output", "12*|output|", "dX = dY*(1-Y*Y)"),
		Eval: ref.Tanh, Ref: &ref.TanhDesc,
		Grad: unaryGrad(func(c calc, dy, _, y *ir.Value) *ir.Value {
			return c.mul(dy, c.sub(c.num(y, 1), c.mul(y, y)))
		}),
		Traits: ir.Monotone, Cost: perElement(12),
		Examples: []ir.Case{
			tensorCase("around 0", "ONNX test_tanh_example", nil, vec(-0.7615942, 0, 0.7615942), vec(-1, 0, 1)),
			tensorCase("ends", "limits", nil, vec(-1, 1), vec(float32(math.Inf(-1)), float32(math.Inf(1)))),
		},
	}, floats, "input", "output")
}

func geluOp() *ir.OpDef {
	d := pointwise(ir.OpDef{
		Name: "Gelu", Since: []int{20}, Source: "ONNX Gelu-20",
		Doc: unaryDoc("Gelu is x times the normal distribution function of x: x/2*(1+erf(x/sqrt(2))), or its approximation "+
			"x/2*(1+tanh(sqrt(2/pi)*(x+0.044715*x^3))).", "X", "Y", "25*|Y|", "dX = dY times the derivative of either form"),
		Attrs: []ir.Attr{{Name: "approximate", Kind: attr.KindString, Default: attr.Str("none"), Check: oneOf("none", "tanh"), Doc: "none or tanh"}},
		Eval:  ref.Gelu, Ref: &ref.GeluDesc,
		Grad: floatGrad(gradGelu),
		Cost: perElement(25),
		Examples: []ir.Case{
			tensorCase("exact", "ONNX test_gelu_default_1", nil, vec(-0.15865526, 0, 0.8413447), vec(-1, 0, 1)),
			tensorCase("approximate", "ONNX test_gelu_tanh_1", attr.Map{"approximate": attr.Str("tanh")}, vec(-0.158808, 0, 0.841192), vec(-1, 0, 1)),
		},
	}, floats, "X", "Y")
	d.Examples[0].Tol, d.Examples[1].Tol = tensor.Ulp(1), tensor.Close // the source prints six digits
	return d
}

func gradGelu(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
	x := n.In[0]
	num := func(v float64) *ir.Value { return c.num(x, v) }
	half, one := num(0.5), num(1)
	if n.Attrs.Str("approximate") == "tanh" {
		k := math.Sqrt(2 / math.Pi)
		x2 := c.mul(x, x)
		in := c.mul(c.mul(x, num(k)), c.add(one, c.mul(x2, num(0.044715))))
		t := c.e.Op("Tanh", nil, in)
		slope := c.mul(num(k), c.add(one, c.mul(x2, num(3*0.044715))))
		d := c.mul(c.mul(half, x), c.mul(c.sub(one, c.mul(t, t)), slope))
		return []*ir.Value{c.mul(dy, c.add(c.mul(half, c.add(one, t)), d))}
	}
	cdf := c.mul(half, c.add(one, c.e.Op("Erf", nil, c.mul(x, num(math.Sqrt2/2)))))
	pdf := c.mul(c.e.Op("Exp", nil, c.neg(c.mul(c.mul(x, x), half))), num(1/math.Sqrt(2*math.Pi)))
	return []*ir.Value{c.mul(dy, c.add(cdf, c.mul(x, pdf)))}
}

func clipOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Clip", Since: []int{1, 6, 11, 12, 13}, Source: "ONNX Clip-13",
		Doc: "Clip is min(max(x, min), max). A bound that is absent does not bind; where min is above max the result is max; NaN stays. " +
			"(Clip-6 clipped infinities to the largest finite float by default; here they stay.)\n\n" +
			"\tinput   T[...]\n\tmin     T[]      optional lower bound\n\tmax     T[]      optional upper bound\n\toutput  T[...]   the same shape\n\n" +
			"Cost: 2*|output| FLOP.  Errors: C1.  Grad: dinput = doutput inside the bounds; to a bound what it clipped, summed.",
		In: []ir.Port{{Name: "input", DTypes: numerics, Var: "T"}, {Name: "min", DTypes: numerics, Var: "T", Optional: true},
			{Name: "max", DTypes: numerics, Var: "T", Optional: true}},
		Out: []ir.Port{{Name: "output", DTypes: numerics, Var: "T"}},
		Constraints: []ir.C{{ID: "C1", Text: "min and max are scalars", Check: func(q *ir.Query) error {
			for i, name := range []string{"min", "max"} {
				// Exporters write [1], too.
				if n := q.Input(i + 1); n.Present() && n.Type.Ranked() && differ(shape.Prod(n.Type.Dims), shape.Int(1)) {
					return ir.Fault(name, n.Type.String(), "a scalar")
				}
			}
			return nil
		}}},
		Infer: sameAs,
		Eval:  ref.Clip, Ref: &ref.ClipDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){6: upgradeClip, 1: upgradeClip},
		Grad:    floatGrad(gradClip),
		Traits:  ir.Elementwise | ir.Idempotent | ir.Monotone,
		Cost:    perElement(2),
		Examples: []ir.Case{
			tensorCase("both bounds", "ONNX test_clip_example", nil, vec(-1, 0, 1), vec(-2, 0, 2), num32(-1), num32(1)),
			tensorCase("crossed bounds", "ONNX test_clip_min_greater_than_max", nil, vec(1, 1, 1), vec(-2, 0, 6), num32(2), num32(1)),
			{Name: "upper bound alone", In: []tensor.Value{tensor.V(i32s(-5, 9)), {}, tensor.V(tensor.MustOf([]int32{4}))},
				Out: tensor.Vs(i32s(-5, 4)), Source: "hand calculation"},
		},
	}
}

// upgradeClip turns the attributes of Clip before opset 11 into inputs.
func upgradeClip(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	in := []*ir.Value{rawIn(&r, 0), nil, nil}
	for i, name := range []string{"min", "max"} {
		if v, ok := r.Attrs[name]; ok && math.Abs(float64(v.Float)) < math.MaxFloat32 {
			in[i+1] = e.Scalar(in[0].Type.DType, float64(v.Float))
		}
	}
	return e.OpN("Clip", 1, nil, nil, in...), nil
}

func gradClip(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
	x, zero := n.In[0], c.num(dy, 0)
	out := make([]*ir.Value, len(n.In))
	rest := dy
	// The upper bound acts last: what it clips is its alone.
	if len(n.In) > 2 && n.In[2] != nil {
		hit := c.less(n.In[2], x)
		if n.In[1] != nil {
			hit = c.less(n.In[2], c.e.Op("Max", nil, x, n.In[1]))
		}
		out[2] = sumTo(c.e, c.where(hit, rest, zero), n.In[2])
		rest = c.where(hit, zero, rest)
	}
	if len(n.In) > 1 && n.In[1] != nil {
		hit := c.less(x, n.In[1])
		out[1] = sumTo(c.e, c.where(hit, rest, zero), n.In[1])
		rest = c.where(hit, zero, rest)
	}
	out[0] = rest
	return out
}
