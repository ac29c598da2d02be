package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/plan"
)

// matmul lowers a MatMul: a constant matrix B is packed, other operands are
// multiplied as they come.
func (fl *funcLowerer) matmul(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	return fl.product(n, a, a.Attrs, fl.ending(a.Out[0], rest))
}

// gemm lowers a Gemm: alpha, beta and C go to the front of the epilogue.
func (fl *funcLowerer) gemm(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	e := fl.ending(a.Out[0], nil)
	if alpha := a.Attrs.Float("alpha"); alpha != 1 {
		e.last = e.add(eltwise.Mul, e.last, eltwise.Number(alpha))
	}
	if len(a.In) > 2 && a.In[2] != nil {
		c, ok := e.operand(a.In[2])
		if beta := a.Attrs.Float("beta"); beta != 1 && ok {
			if c.number {
				c.v *= beta
			} else {
				c = e.add(eltwise.Mul, c, number(beta))
			}
		}
		e.last = e.add(eltwise.Add, e.last, c)
	}
	e.follow(a.Out[0], rest)
	return fl.product(n, a, a.Attrs, e)
}

// product multiplies the first two operands of a.
func (fl *funcLowerer) product(n, a *ir.Node, at attr.Map, e *ending) (bool, error) {
	x, y, out := a.In[0], a.In[1], a.Out[0].Type
	if !x.Type.Ranked() || !y.Type.Ranked() || x.Type.Rank() == 0 || y.Type.Rank() == 0 {
		return false, nil
	}
	return false, nil
}
