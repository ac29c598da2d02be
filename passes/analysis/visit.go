package analysis

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/shape"
)

// visit labels the outputs of n and couples what n couples.
func (c *Channels) visit(n *ir.Node) {
	if ranked(n) && len(n.Regions) == 0 && c.known(n) {
		return
	}
	c.unknown(n, c.whole(n))
}

// known handles the operators that are understood; false: n is not one.
func (c *Channels) known(n *ir.Node) bool {
	switch n.OpName() {
	case "Conv":
		return c.conv(n)
	case "ConvTranspose":
		return c.convTranspose(n)
	case "Gemm":
		return c.gemm(n)
	case "MatMul":
		return c.matMul(n)
	case "LSTM":
		return c.lstm(n)
	case "BatchNormalization":
		return c.batchNorm(n)
	case "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool":
		return c.pool(n)
	case "Dropout":
		return c.dropout(n)
	case "LayerNormalization":
		return c.layerNorm(n)
	case "Softmax":
		return c.through(n, axisOf(n, "axis", n.In[0].Type.Rank()))
	case "Concat":
		return c.concat(n)
	case "Split":
		return c.split(n)
	case "Slice":
		return c.slice(n)
	case "Pad":
		return c.pad(n)
	case "Resize":
		return c.resize(n)
	case "Gather":
		return c.gather(n)
	case "Transpose":
		return c.transpose(n)
	case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
		return c.reshape(n)
	case "Shape":
		return c.shapeOf(n)
	case "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
		"ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare":
		return c.reduce(n)
	}
	if n.Def.Has(ir.Elementwise | ir.Pure) {
		return c.elementwise(n)
	}
	return false
}

// whole is the reason why what n reads must stay.
func (c *Channels) whole(n *ir.Node) string {
	return "node " + n.Label() + " (" + n.OpName() + ") reads it whole"
}

// unknown fixes all that n reads, its regions included; its outputs have no
// labels.
func (c *Channels) unknown(n *ir.Node, why string) {
	for i, v := range n.In {
		if v != nil {
			c.pin(c.Operand(n, i), why)
			c.fixWeight(v, why)
		}
	}
	for _, r := range n.Regions {
		r.Walk(func(k *ir.Node) {
			for _, v := range k.In {
				if v != nil {
					c.pin(c.values[v], why)
					c.fixWeight(v, why)
				}
			}
		})
		for _, x := range r.Results {
			c.pin(c.values[x.Value], why)
			c.fixWeight(x.Value, why)
		}
	}
}

// fixWeight keeps a weight whole that somebody reads who is not understood,
// though its labels may not have been made yet.
func (c *Channels) fixWeight(v *ir.Value, why string) {
	if !c.weight[v] {
		return
	}
	if c.values[v] == nil {
		c.values[v] = c.labelled(v.Const())
	}
	c.pin(c.values[v], why)
}

// ranked says whether everything n reads and makes is a tensor of known rank.
func ranked(n *ir.Node) bool {
	for _, v := range append(slices.Clone(n.In), n.Out...) {
		if v != nil && !v.Type.Ranked() {
			return false
		}
	}
	return true
}

// axisOf is an axis attribute as 0..rank-1.
func axisOf(n *ir.Node, name string, rank int) int {
	a := n.Attrs.Int(name)
	if a < 0 {
		a += rank
	}
	return a
}

// extent is the constant extent of an axis of v, -1 where it is open.
func extent(v *ir.Value, axis int) int {
	if d, ok := v.Type.Dims[axis].Const(); ok {
		return int(d)
	}
	return -1
}

// ints gives the elements of a constant integer operand.
func ints(n *ir.Node, i int) ([]int64, bool) {
	if i >= len(n.In) || n.In[i] == nil {
		return nil, false
	}
	var ds []shape.Dim
	if ds = n.In[i].Ints; ds == nil {
		ds = ir.FactOf(n.In[i]).Ints
	}
	if ds == nil {
		return nil, false
	}
	out := make([]int64, len(ds))
	for j, d := range ds {
		v, ok := d.Const()
		if !ok {
			return nil, false
		}
		out[j] = v
	}
	return out, true
}

// normal turns axes that may count from the back into 0..rank-1.
func normal(axes []int64, rank int) []int {
	out := make([]int, len(axes))
	for i, a := range axes {
		if a < 0 {
			a += int64(rank)
		}
		out[i] = int(a)
	}
	return out
}

// elementwise couples the operands of an operator that broadcasts.
func (c *Channels) elementwise(n *ir.Node) bool {
	ds := n.Out[0].Type.Dims
	out := make([][]int32, len(ds))
	for k, d := range ds {
		first, fixed := true, false
		var have [][]int32
		for i, v := range n.In {
			if v == nil {
				continue
			}
			j := k - (len(ds) - v.Type.Rank())
			if j < 0 {
				continue
			}
			a := c.in(n, i)[j]
			if v.Type.Dims[j].Is(1) && !d.Is(1) {
				c.fix(a, "node "+n.Label()+" ("+n.OpName()+") broadcasts it")
				continue
			}
			fixed = fixed || a == nil
			have = append(have, a)
		}
		for _, a := range have {
			switch {
			case fixed:
				c.fix(a, "node "+n.Label()+" ("+n.OpName()+") joins it to what stays")
			case first:
				out[k], first = a, false
			default:
				out[k] = c.join(out[k], a, n)
			}
		}
	}
	for _, v := range n.Out {
		c.set(v, out)
	}
	return true
}

// through passes every axis of the first input to all outputs, except those
// named, which must stay.
func (c *Channels) through(n *ir.Node, stay ...int) bool {
	x := c.in(n, 0)
	out := slices.Clone(x)
	for _, a := range stay {
		c.fix(x[a], c.whole(n))
		out[a] = nil
	}
	for _, v := range n.Out {
		c.set(v, out)
	}
	return true
}

func (c *Channels) dropout(n *ir.Node) bool { return c.through(n) }

// layerNorm normalizes over the last axes; those before pass.
func (c *Channels) layerNorm(n *ir.Node) bool {
	r := n.In[0].Type.Rank()
	var stay []int
	for a := axisOf(n, "axis", r); a < r; a++ {
		stay = append(stay, a)
	}
	for _, v := range n.Out[1:] {
		if v != nil && len(v.Uses()) > 0 {
			return false
		}
	}
	return c.through(n, stay...)
}

// batchNorm has one scale, shift, mean and variance for each index of axis 1.
func (c *Channels) batchNorm(n *ir.Node) bool {
	if n.In[0].Type.Rank() < 2 {
		return false
	}
	x := slices.Clone(c.in(n, 0))
	for i := 1; i < len(n.In); i++ {
		x[1] = c.join(x[1], c.in(n, i)[0], n)
	}
	c.set(n.Out[0], x)
	for _, v := range n.Out[1:] {
		c.set(v, [][]int32{x[1]})
	}
	return true
}

// pool works on each channel alone. Indices that somebody reads count through
// all channels.
func (c *Channels) pool(n *ir.Node) bool {
	if len(n.Out) > 1 && n.Out[1] != nil && len(n.Out[1].Uses()) > 0 {
		return false
	}
	x := c.in(n, 0)
	out := make([][]int32, len(x))
	for a := range x {
		if a < 2 {
			out[a] = x[a]
		} else {
			c.fix(x[a], c.whole(n))
		}
	}
	c.set(n.Out[0], out)
	return true
}
