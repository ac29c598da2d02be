package tflite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// product is a FULLY_CONNECTED to be: rows of the operand times weights
// [m, k], plus a bias.
type product struct {
	in      int
	weights tensor.Tensor
	order   layout.Order // of the weights, which brings them to [m, k]
	name    string
	m       int
	scale   float64
	bias    []float32
	eight   *eight // in int8: weights of these scales, and a bias of int32
	scales  []float32
	bias8   int
}

// operand is input 0 of a product, and the shuffle of its last axis that the
// weights must follow.
func (x *exporter) operand(n *ir.Node) (int, map[int]layout.Shuffle, error) {
	o := x.a.In(n, 0)
	id, err := x.value(n.In[0], o)
	return id, o.Inner, err
}

func emitGemm(x *exporter, n *ir.Node) error {
	if err := takes(n, opFullyConnected); err != nil {
		return err
	}
	if n.Attrs.Bool("transA") {
		return errors.New("transA")
	}
	if p, err := x.product8(n, n.Attrs.Bool("transB")); p != nil || err != nil {
		return x.dense8(p, err)
	}
	wt, err := weightsOf(n, 1)
	if err != nil {
		return err
	}
	id, inner, err := x.operand(n)
	if err != nil {
		return err
	}
	p := product{in: id, weights: wt, name: n.In[1].Name, scale: float64(n.Attrs.Float("alpha"))}
	d := wt.Dims()
	if n.Attrs.Bool("transB") {
		p.m = d[0]
		p.order = layout.Order{Inner: inner}
	} else {
		p.m = d[1]
		p.order = layout.Order{Perm: []int{1, 0}, Inner: swapped(inner)}
	}
	left := -1 // what is added afterwards
	if len(n.In) > 2 && n.In[2] != nil {
		beta := float64(n.Attrs.Float("beta"))
		if c, ok := vectorOf(n.In[2], p.m); ok {
			for _, v := range c {
				p.bias = append(p.bias, float32(float64(v)*beta))
			}
		} else if left, err = x.in(n, 2); err != nil {
			return err
		} else if beta != 1 {
			s := x.like(left, "_beta", x.tensors[left].dims)
			x.op(opMul, binaryOptions(opMul, actNone), []int{left, x.floats("beta", []int{1}, float32(beta))}, s)
			left = s
		}
	}
	if left < 0 {
		return x.dense(n, p)
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	prod := x.like(out, "_product", x.tensors[out].dims)
	if err := x.fullyConnected(p, actNone, prod); err != nil {
		return err
	}
	x.op(opAdd, binaryOptions(opAdd, actNone), []int{prod, left}, out)
	return nil
}

func swapped(inner map[int]layout.Shuffle) map[int]layout.Shuffle {
	if s, ok := inner[1]; ok {
		return map[int]layout.Shuffle{0: s}
	}
	return nil
}

// vectorOf is a constant that adds one number to each of m columns.
func vectorOf(v *ir.Value, m int) ([]float32, bool) {
	c := known(v)
	if c == nil || c.DType != dtype.F32 {
		return nil, false
	}
	t, err := c.Tensor()
	if err != nil {
		return nil, false
	}
	d := t.Dims()
	for i := range len(d) - 1 {
		if d[i] != 1 {
			return nil, false
		}
	}
	if t.Len() != m && t.Len() != 1 {
		return nil, false
	}
	out := make([]float32, m)
	for i := range out {
		out[i] = float32(t.Float(i % t.Len()))
	}
	return out, true
}

func emitMatMul(x *exporter, n *ir.Node) error {
	if err := takes(n, opFullyConnected); err != nil {
		return err
	}
	if p, err := x.product8(n, false); p != nil || err != nil {
		return x.dense8(p, err)
	}
	c := known(n.In[1])
	if c == nil || len(c.Dims) != 2 || n.In[0].Type.Rank() < 2 {
		return x.batchMatMul(n)
	}
	wt, err := c.Tensor()
	if err != nil {
		return err
	}
	id, inner, err := x.operand(n)
	if err != nil {
		return err
	}
	return x.dense(n, product{in: id, weights: wt, name: n.In[1].Name, scale: 1, m: wt.Dim(1),
		order: layout.Order{Perm: []int{1, 0}, Inner: swapped(inner)}})
}

// dense writes a product with the bias and activation that follow it.
func (x *exporter) dense(n *ir.Node, p product) error {
	v := n.Out[0]
	if p.bias == nil {
		if add, at := follower(v, "Add"); add != nil {
			if b, ok := vectorOf(add.In[1-at], p.m); ok && sameExtents(v, add.Out[0]) && x.a.Out(add.Out[0]).Equal(layout.Plain(), v.Type.Rank()) {
				p.bias = b
				v = add.Out[0]
				x.done[add] = true
			}
		}
	}
	v, act := x.absorb(v)
	out, err := x.define(v)
	if err != nil {
		return err
	}
	return x.fullyConnected(p, act, out)
}

// product8 is n in int8, nil if it is not one of those.
func (x *exporter) product8(n *ir.Node, trans bool) (*product, error) {
	axis := 1
	if trans {
		axis = 0
	}
	w, scales, ok := weights8(n.In[1], axis)
	q := x.bytesOf(n.In[0])
	if !ok || q == nil || w.Rank() != 2 || n.Is("Gemm") && (n.Attrs.Float("alpha") != 1 || n.Attrs.Float("beta") != 1) {
		return nil, nil
	}
	e := x.plan8(n, 0)
	if e == nil {
		return nil, nil
	}
	scales = settled(q.scale[0], scales, x.q8[e.out].scale[0])
	p := &product{weights: w, name: n.In[1].Name, m: w.Dim(axis), scales: scales}
	var b *ir.Value
	if n.Is("Gemm") && len(n.In) > 2 {
		b = n.In[2]
	}
	if p.bias8, ok = x.bias8(b, p.m, q.scale[0], scales); !ok {
		return nil, nil
	}
	var err error
	if p.eight, err = x.inEight(n, 0); p.eight == nil || err != nil {
		return nil, err
	}
	p.in = p.eight.in[0]
	inner := x.a.In(n, 0).Inner
	p.order = layout.Order{Perm: []int{1, 0}, Inner: swapped(inner)}
	if trans {
		p.order = layout.Order{Inner: inner}
	}
	return p, nil
}

func (x *exporter) dense8(p *product, err error) error {
	if err != nil {
		return err
	}
	w, err := x.filter(p.name, p.weights, p.scales, p.order, 0)
	if err != nil {
		return err
	}
	out, close, err := x.defineAs(p.eight.out, p.eight.as)
	if err != nil {
		return err
	}
	defer close()
	keep := len(x.tensors[out].dims) > 2
	x.op(opFullyConnected, fcOptions(keep, p.eight.act), []int{p.in, w, p.bias8}, out)
	return nil
}

func (x *exporter) fullyConnected(p product, act, out int) error {
	b, err := rearrange(p.weights, p.order)
	if err != nil {
		return err
	}
	if p.scale != 1 {
		s := make([]byte, 0, len(b))
		for i := 0; i < len(b); i += 4 {
			f := math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
			s = binary.LittleEndian.AppendUint32(s, math.Float32bits(float32(float64(f)*p.scale)))
		}
		b = s
	}
	k := len(b) / 4 / max(p.m, 1)
	w := x.constant(p.name, dtype.F32, []int{p.m, k}, b)
	bias := -1
	keep := len(x.tensors[out].dims) > 2
	if p.bias != nil {
		bias = x.floats(p.name+"_bias", []int{p.m}, p.bias...)
	}
	x.op(opFullyConnected, fcOptions(keep, act), []int{p.in, w, bias}, out)
	return nil
}

// batchMatMul is a product whose factors are both computed, or of more than
// two axes.
func (x *exporter) batchMatMul(n *ir.Node) error {
	ad, _ := layout.Extents(n.In[0])
	bd, _ := layout.Extents(n.In[1])
	if len(ad) < 2 || len(bd) < 2 {
		return fmt.Errorf("factors of %d and %d axes (supported: 2 or more)", len(ad), len(bd))
	}
	a, err := x.in(n, 0)
	if err != nil {
		return err
	}
	b, err := x.in(n, 1)
	if err != nil {
		return err
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	x.op(opBatchMatMul, opts(101), []int{a, b}, out)
	return nil
}

// follower is the only reader of v, if it is the operator of that name, and
// which of its inputs v is.
func follower(v *ir.Value, name string) (*ir.Node, int) {
	u := v.Uses()
	if len(u) != 1 || u[0].Node == nil || !u[0].Node.Is(name) {
		return nil, 0
	}
	return u[0].Node, u[0].Index
}

func sameExtents(a, b *ir.Value) bool {
	p, _ := layout.Extents(a)
	q, _ := layout.Extents(b)
	return fmt.Sprint(p) == fmt.Sprint(q)
}

// absorb looks for an activation that is the only reader of v and that the
// operator about to be written can do itself. It gives the value to write.
func (x *exporter) absorb(v *ir.Value) (*ir.Value, int) {
	u := v.Uses()
	if len(u) != 1 || u[0].Node == nil || u[0].Index != 0 || v.Type.DType != dtype.F32 {
		return v, actNone
	}
	n := u[0].Node
	act := activationOf(n)
	r := v.Type.Rank()
	if act == actNone || !x.a.Out(v).Equal(x.a.Out(n.Out[0]), r) || !x.a.Out(v).Equal(x.a.In(n, 0), r) {
		return v, actNone
	}
	x.done[n] = true
	return n.Out[0], act
}

// activationOf is the activation that n is, if operators can do it themselves.
func activationOf(n *ir.Node) int {
	switch {
	case n.Is("Relu"):
		return actRelu
	case n.Is("Clip"):
		switch lo, hi, err := clipBounds(n); {
		case err != nil:
		case lo == 0 && hi == 6:
			return actRelu6
		case lo == -1 && hi == 1:
			return actReluN1
		case lo == 0 && math.IsInf(hi, 1):
			return actRelu
		}
	}
	return actNone
}

// actCodes are the builtins of activations.
var actCodes = map[int]code{actRelu: opRelu, actReluN1: opReluN1To1, actRelu6: opRelu6}

// clipBounds are the bounds of a Clip, infinite where they are absent.
func clipBounds(n *ir.Node) (lo, hi float64, err error) {
	lo, hi = math.Inf(-1), math.Inf(1)
	if v, ok, e := constFloats(n, 1); e != nil {
		return 0, 0, e
	} else if ok && len(v) == 1 {
		lo = v[0]
	}
	if v, ok, e := constFloats(n, 2); e != nil {
		return 0, 0, e
	} else if ok && len(v) == 1 {
		hi = v[0]
	}
	return lo, hi, nil
}
