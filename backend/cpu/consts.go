package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// isConst says whether v is a constant or computed from constants alone.
func (l *lowerer) isConst(v *ir.Value) bool {
	if v = l.resolve(v); v == nil || v.Node == nil {
		return false
	}
	if v.Node.Const != nil {
		return true
	}
	if c, ok := l.folded[v]; ok {
		return c
	}
	if o := v.Func.Owner; o != nil && o.Is("mlc.Fused") {
		return false // its operands are parameters, which eval.Const does not follow
	}
	c := v.Node.Def.Has(ir.Pure) && len(v.Node.Regions) == 0 && v.Type.IsTensor()
	for _, in := range v.Node.In {
		c = c && (in == nil || l.isConst(in))
	}
	c = c && len(v.Node.In) > 0
	l.folded[v] = c
	return c
}

// resolve follows the parameters of inlined groups to what they stand for.
func (l *lowerer) resolve(v *ir.Value) *ir.Value {
	for {
		o, ok := l.same[v]
		if !ok {
			return v
		}
		v = o
	}
}

// constOf gives the constant behind v; a chain of pure nodes is evaluated
// when its bytes are asked for, so that one constant at a time is in memory.
func (l *lowerer) constOf(v *ir.Value) (*ir.Const, error) {
	v = l.resolve(v)
	if c := v.Const(); c != nil {
		return c, nil
	}
	dims, ok := v.Type.Static()
	if !ok {
		t, err := eval.Const(v)
		if err != nil {
			return nil, err
		}
		return ir.NewConst(t.Tensor), nil
	}
	return ir.LazyConst(v.Type.DType, dims, ir.Init{}, func() (tensor.Tensor, error) {
		t, err := eval.Const(v)
		return t.Tensor, err
	}), nil
}

// addConst adds a constant as it is, once.
func (l *lowerer) addConst(name string, c *ir.Const) int {
	return l.addPacked(name, c, "", c.DType, c.Dims, func() ([]byte, error) {
		t, err := c.Tensor()
		if err != nil {
			return nil, err
		}
		if t.DType() == dtype.String {
			return plan.EncodeStrings(t.Strings()), nil
		}
		return t.Bytes(), nil
	})
}

// addPacked adds constant c in a format, once per format. data makes the
// bytes when they are written.
func (l *lowerer) addPacked(name string, c *ir.Const, format string, d dtype.DType, dims []int, data func() ([]byte, error)) int {
	k := constKey{c, format}
	if i, ok := l.consts[k]; ok {
		return i
	}
	i := len(l.p.Consts)
	l.p.Consts = append(l.p.Consts, plan.Const{Name: name, DType: d, Dims: dims, Format: format, Data: data})
	l.consts[k] = i
	return i
}
