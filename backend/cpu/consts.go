package cpu

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// isConst says whether v is a constant or computed from constants alone, and
// is kept as one. Not kept is what a few numbers blow up to a large tensor
// (ConstantOfShape, Expand, Tile), which is made while running instead, and a
// chain in a branch or loop that fails: whether it runs is not for us to say.
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
	o := v.Func.Owner
	if o != nil && o.Is("mlc.Fused") {
		return false // its operands are parameters, which eval.Const does not follow
	}
	c := v.Node.Def.Has(ir.Pure) && len(v.Node.Regions) == 0 && v.Type.IsTensor() && len(v.Node.In) > 0
	for _, in := range v.Node.In {
		c = c && (in == nil || l.isConst(in))
	}
	l.folded[v] = c && !inflated(v.Node) && (o == nil || l.computes(v))
	return l.folded[v]
}

// smallConst is the size in bytes up to which a computed constant is kept
// whatever it is made from.
const smallConst = 1 << 20

// inflated says whether an output of n is large, and much larger than all its
// inputs together.
func inflated(n *ir.Node) bool {
	size := func(v *ir.Value) int64 {
		d, ok := v.Type.Static()
		if !ok {
			return 0
		}
		if k, ok := tensor.Count(d); ok {
			return int64(v.Type.DType.Bytes(k))
		}
		return math.MaxInt64
	}
	in := int64(0)
	for _, v := range n.In {
		if v != nil {
			in += min(size(v), math.MaxInt64/64)
		}
	}
	for _, v := range n.Out {
		if v != nil && size(v) > max(smallConst, 4*in) {
			return true
		}
	}
	return false
}

// computes evaluates v, whose operands are constants.
func (l *lowerer) computes(v *ir.Value) bool {
	in := make([]tensor.Value, len(v.Node.In))
	for i, x := range v.Node.In {
		if x == nil {
			continue
		}
		c, err := l.constOf(x)
		if err != nil {
			return false
		}
		t, err := c.Tensor()
		if err != nil {
			return false
		}
		in[i] = tensor.V(t)
	}
	out, err := eval.Node(l.ctx, v.Node, in, l.constLimit())
	if err != nil {
		return false
	}
	for i, o := range v.Node.Out {
		if o == v && out[i].Kind == tensor.KindTensor && len(out[i].Tensor.Bytes()) <= smallConst {
			l.computed[v] = ir.NewConst(out[i].Tensor)
		}
	}
	return true
}

// constLimit bounds what evaluating one constant may take: so much for what
// the model itself holds.
func (l *lowerer) constLimit() eval.Option {
	if l.room == 0 {
		l.room = 1 << 30
		l.m.Walk(func(n *ir.Node) {
			if n.Const != nil {
				l.room += 4 * int64(n.Const.Bytes())
			}
		})
	}
	return eval.Limit(l.room)
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
	if c := l.computed[v]; c != nil {
		return c, nil
	}
	dims, ok := v.Type.Static()
	if !ok {
		t, err := eval.Const(v, l.constLimit())
		if err != nil {
			return nil, err
		}
		return ir.NewConst(t.Tensor), nil
	}
	return ir.LazyConst(v.Type.DType, dims, ir.Init{}, func() (tensor.Tensor, error) {
		t, err := eval.Const(v, l.constLimit())
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
