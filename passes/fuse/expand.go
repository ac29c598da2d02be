package fuse

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Expand is the pass expand-eltwise: elementwise operators that groups do not
// hold are said with those that they do.
func Expand() pass.Pass {
	x := rewrite.Any("x")
	float := func(m *rewrite.Match) bool { return groupType(m.Root.Out[0].Type.DType) }
	return pass.Pass{
		Name: "expand-eltwise", Level: 2, Tol: tensor.Close,
		Doc: "say elementwise operators that groups do not hold with those that they do",
		Rules: []rewrite.Rule{{
			Name: "pow-square", Doc: "Pow by 2 is a product.",
			Match: rewrite.Op("Pow", x, rewrite.Const("c").That(func(v *ir.Value) bool { return rewrite.AllEqual(v, 2) })),
			If:    func(m *rewrite.Match) bool { return float(m) && rewrite.Same(m.Root.Out[0], m.Value("x")) }, Tol: tensor.Ulp(1),
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				return []*ir.Value{m.Emit().Op("Mul", nil, m.Value("x"), m.Value("x"))}
			},
		}, {
			Name: "reciprocal-div", Doc: "Reciprocal is a division.",
			Match: rewrite.Op("Reciprocal", x), If: float,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				e := m.Emit()
				return []*ir.Value{e.Op("Div", nil, e.Scalar(m.Value("x").Type.DType, 1), m.Value("x"))}
			},
		}, {
			Name: "hard-sigmoid", Doc: "HardSigmoid is alpha*x+beta between 0 and 1.",
			Match: rewrite.Op("HardSigmoid", x), If: float, Tol: tensor.Close,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				a := m.Root.Attrs
				return []*ir.Value{hardSigmoid(m.Emit(), m.Value("x"), float64(a.Float("alpha")), float64(a.Float("beta")))}
			},
		}, {
			Name: "hard-swish", Doc: "HardSwish is m times the lesser of m/6+1/2 and 1, m being x, -3 at least.",
			Match: rewrite.Op("HardSwish", x), If: float, Tol: tensor.Close,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				e, x := m.Emit(), m.Value("x")
				d := x.Type.DType
				// Bounding x itself keeps -Inf*0 from being NaN.
				x = e.Op("Max", nil, x, e.Scalar(d, -3))
				y := e.Op("Add", nil, e.Op("Mul", nil, x, e.Scalar(d, 1.0/6)), e.Scalar(d, 0.5))
				return []*ir.Value{e.Op("Mul", nil, x, e.Op("Min", nil, y, e.Scalar(d, 1)))}
			},
		}},
	}
}

func hardSigmoid(e ir.Emitter, x *ir.Value, alpha, beta float64) *ir.Value {
	d := x.Type.DType
	y := e.Op("Add", nil, e.Op("Mul", nil, x, e.Scalar(d, alpha)), e.Scalar(d, beta))
	return e.Op("Clip", nil, y, e.Scalar(d, 0), e.Scalar(d, 1))
}
