package tflite

import (
	"errors"
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// emitGather: the builtin does not count from the back: constant indices are
// made to count from the front, and others are refused, for they may be
// negative.
func emitGather(x *exporter, n *ir.Node) error {
	if err := takes(n, opGather); err != nil {
		return err
	}
	r := n.In[0].Type.Rank()
	axis := axisOf(n.Attrs.Int("axis"), r)
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	idx := n.In[1]
	o := opts(23)
	o.t.i32(0, x.a.In(n, 0).Stored(r, axis))
	c := idx.Const()
	if c == nil {
		if !idx.Node.Is("Cast") || !idx.Node.In[0].Type.DType.IsUnsigned() {
			return errors.New("indices that are computed at run time, which may be negative (supported: constants, and casts of unsigned integers)")
		}
		at, err := x.in(n, 1)
		if err != nil {
			return err
		}
		out, err := x.define(n.Out[0])
		if err != nil {
			return err
		}
		x.op(opGather, o, []int{in, at}, out)
		return nil
	}
	t, err := c.Tensor()
	if err != nil {
		return err
	}
	dims, _ := layout.Extents(n.In[0])
	folded := tensor.New(dtype.I32, t.Dims()...)
	for i := range t.Len() {
		v := t.Int(i)
		if v < 0 {
			v += int64(dims[axis])
		}
		if v < 0 || v >= int64(dims[axis]) {
			return fmt.Errorf("index %d of an extent of %d", t.Int(i), dims[axis])
		}
		folded.SetInt(i, v)
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	x.op(opGather, o, []int{in, x.constant(idx.Name, dtype.I32, t.Dims(), folded.Bytes())}, out)
	return nil
}

// gatherRule: one constant index takes its axis away, several leave the axes
// as they are.
func gatherRule(n *ir.Node) layout.Rule {
	c := n.In[1].Const()
	switch {
	case c == nil:
	case len(c.Dims) == 0:
		return layout.Rule{Class: layout.ClassDrop, Data: []int{0}, Axes: []int{axisOf(n.Attrs.Int("axis"), n.In[0].Type.Rank())}}
	case len(c.Dims) == 1:
		return layout.Rule{Class: layout.ClassAny, Data: []int{0}}
	}
	return layout.Rule{}
}

// compare writes a comparison.
func compare(c code, kind int) func(x *exporter, n *ir.Node) error {
	return func(x *exporter, n *ir.Node) error {
		if err := takes(n, c); err != nil {
			return err
		}
		a, err := x.aligned(n, 0)
		if err != nil {
			return err
		}
		b, err := x.aligned(n, 1)
		if err != nil {
			return err
		}
		out, err := x.define(n.Out[0])
		if err != nil {
			return err
		}
		x.op(c, opts(kind), []int{a, b}, out)
		return nil
	}
}

func emitWhere(x *exporter, n *ir.Node) error {
	if err := takesType(n.In[1].Type.DType, opSelectV2); err != nil {
		return err
	}
	var ids []int
	for i := range 3 {
		id, err := x.aligned(n, i)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	x.op(opSelectV2, opts(98), ids, out)
	return nil
}
