package cpu

import (
	"context"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// table lowers a group that is a function of one byte to a table of its 256
// values, which the reference computes.
func (g *qgroup) table(nodes []*ir.Node) (bool, error) {
	if len(g.dq) != 1 {
		return false, nil
	}
	var in *ir.Value // what the group dequantizes
	for v := range g.dq {
		in = v
	}
	made := map[*ir.Value]bool{in: true}
	for i, k := range nodes {
		if last := i == len(nodes)-1; !last && !k.Def.Has(ir.Elementwise) || len(k.Out) != 1 || !sameDims(in, nodes[len(nodes)-1].In[0]) {
			return false, nil
		}
		for _, v := range k.In {
			if v != nil && !made[v] && !g.fl.isConst(v) {
				return false, nil
			}
		}
		made[k.Out[0]] = true
	}
	x, p, ok := g.operand(in)
	if !ok {
		return false, nil
	}
	all := tensor.New(p.d, 256)
	for i := range all.Bytes() {
		all.Bytes()[i] = byte(i)
	}
	t, err := g.evaluate(all, x, g.dq[in], nodes)
	if err != nil || len(t.Bytes()) != 256 {
		return false, err
	}
	c := tensor.New(dtype.U8, 256)
	copy(c.Bytes(), t.Bytes())
	return g.fl.bytes(g.n, quant.OpTable, attr.Map{}, []int{g.fl.addConst("table", ir.NewConst(c))}, x)
}

// evaluate runs the group's nodes over all values of a byte in place of x.
func (g *qgroup) evaluate(all tensor.Tensor, x *ir.Value, dq *ir.Node, nodes []*ir.Node) (tensor.Tensor, error) {
	m := ir.NewModule("table")
	f := m.AddFunc("main")
	in := f.AddParam("x", tensor.T(all.DType(), shape.Int(256)))
	cl := &ir.Cloner{Values: map[*ir.Value]*ir.Value{x: in}}
	b := ir.NewBuilder(f, -1, nil)
	var last *ir.Value
	for _, k := range append([]*ir.Node{dq}, nodes...) {
		ins := make([]*ir.Value, len(k.In))
		for i, v := range k.In {
			if v == nil {
				continue
			}
			if ins[i] = cl.Values[v]; ins[i] == nil {
				c, err := g.fl.constOf(v)
				if err != nil {
					return tensor.Tensor{}, err
				}
				ins[i] = b.ConstOf(c)
				cl.Values[v] = ins[i]
			}
		}
		last = &ir.Value{Name: m.FreshName()}
		b.Node(k.Def, k.Attrs, nil, ins, []*ir.Value{last})
		if err := b.Err(); err != nil {
			return tensor.Tensor{}, err
		}
		cl.Values[k.Out[0]] = last
	}
	f.AddResult("y", last)
	e, err := eval.New().Compile(context.Background(), m)
	if err != nil {
		return tensor.Tensor{}, err
	}
	defer e.Close()
	out, err := e.Run(context.Background(), []tensor.Value{tensor.V(all)})
	if err != nil {
		return tensor.Tensor{}, err
	}
	return out[0].Tensor, nil
}
