package analysis

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
)

// weightPorts are the inputs of n that may be weights: factors of a product.
func weightPorts(n *ir.Node) []int {
	switch n.OpName() {
	case "Conv", "ConvTranspose", "LSTM":
		return []int{1}
	case "Gemm", "MatMul":
		return []int{0, 1}
	}
	return nil
}

// conv: W is [M, C/group, k...]. Every filter makes a channel of Y and sums
// over the channels of X. With groups, one channel of every group goes at a
// time, so that groups stay equal; a depthwise filter goes with its channel.
func (c *Channels) conv(n *ir.Node) bool {
	x, w, g := c.in(n, 0), c.in(n, 1), n.Attrs.Int("group")
	if !c.weight[n.In[1]] || g < 1 {
		return false
	}
	c.pin(w[2:], c.whole(n))
	c.pin(x[2:], c.whole(n))
	xc, layer := x[1], Layer{Node: n, Weight: n.In[1], InAxis: 1, Out: w[0]}
	switch {
	case g == 1:
		c.join(xc, w[1], n)
	case len(w[1]) == 1:
		layer.InAxis = -1
		if len(xc) != g {
			c.join(nil, w[0], n)
			break
		}
		c.fix(w[1], c.whole(n))
		for i, l := range w[0] {
			c.couple(xc[i/(len(w[0])/g)], l)
		}
	default:
		c.grouped(xc, w[1], g, n)
		c.periodic(w[0], len(w[0])/g)
	}
	c.produce(n, layer)
	return true
}

// grouped couples the channels of each of g groups with the weight's axis that
// all groups share.
func (c *Channels) grouped(x, w []int32, g int, n *ir.Node) {
	if len(x) != g*len(w) {
		c.join(nil, w, n)
		c.fix(x, c.whole(n))
		return
	}
	for i, l := range x {
		c.couple(l, w[i%len(w)])
	}
}

// periodic couples all indices that are equal modulo period.
func (c *Channels) periodic(a []int32, period int) {
	for i := period; i < len(a); i++ {
		c.couple(a[i], a[i-period])
	}
}

// produce records a layer and labels its output [N, channels, spatial...].
func (c *Channels) produce(n *ir.Node, l Layer) {
	if len(n.In) > 2 && n.In[2] != nil {
		c.join(c.in(n, 2)[0], l.Out, n)
	}
	out := make([][]int32, n.Out[0].Type.Rank())
	out[0], out[1] = c.in(n, 0)[0], l.Out
	c.set(n.Out[0], out)
	c.Layers = append(c.Layers, l)
}

// convTranspose: W is [C, M/group, k...].
func (c *Channels) convTranspose(n *ir.Node) bool {
	x, w, g := c.in(n, 0), c.in(n, 1), n.Attrs.Int("group")
	if !c.weight[n.In[1]] || g < 1 {
		return false
	}
	c.pin(w[2:], c.whole(n))
	c.pin(x[2:], c.whole(n))
	layer := Layer{Node: n, Weight: n.In[1], OutAxis: 1, InAxis: 0}
	c.join(x[1], w[0], n)
	switch per := len(w[1]); {
	case g == 1:
		layer.Out = w[1]
	case len(w[0]) == g: // depthwise: each channel has filters of its own
		c.fix(w[1], c.whole(n))
		layer.OutAxis, layer.InAxis = 0, -1
		for _, l := range w[0] {
			for range per {
				layer.Out = append(layer.Out, l)
			}
		}
	default:
		c.periodic(w[0], len(w[0])/g)
		for range g {
			layer.Out = append(layer.Out, w[1]...)
		}
	}
	c.produce(n, layer)
	return true
}

// gemm: Y[M,N] = A[M,K] B[K,N] + C, each factor perhaps given transposed.
func (c *Channels) gemm(n *ir.Node) bool {
	ka, kb := 1-n.Attrs.Int("transA"), n.Attrs.Int("transB")
	a, b := c.in(n, 0), c.in(n, 1)
	rows, cols := a[1-ka], b[1-kb]
	if !c.contract(n, a[ka], b[kb], ka, kb) {
		return false
	}
	out := [][]int32{rows, cols}
	if len(n.In) > 2 && n.In[2] != nil {
		bias, t := c.in(n, 2), n.In[2].Type
		for i := range bias {
			k := 2 - len(bias) + i
			if t.Dims[i].Is(1) && !n.Out[0].Type.Dims[k].Is(1) {
				continue
			}
			out[k] = c.join(out[k], bias[i], n)
		}
	}
	c.set(n.Out[0], out)
	return true
}

// contract couples the axes that a product sums over, and records the product
// as a layer. Of two factors that are not weights nothing may go: nothing
// makes the terms zero.
func (c *Channels) contract(n *ir.Node, a, b []int32, ka, kb int) bool {
	wa, wb := c.weight[n.In[0]], c.weight[n.In[1]]
	if wa == wb {
		return false
	}
	c.join(a, b, n)
	v, k := n.In[1], kb
	if wa {
		v, k = n.In[0], ka
	}
	r := v.Type.Rank()
	out := r - 1
	if k == r-1 {
		out = r - 2
	}
	c.Layers = append(c.Layers, Layer{Node: n, Weight: v, OutAxis: out, InAxis: k, Out: c.values[v][out]})
	return true
}

// matMul: the last two axes are matrices, those before broadcast.
func (c *Channels) matMul(n *ir.Node) bool {
	ra, rb := n.In[0].Type.Rank(), n.In[1].Type.Rank()
	if ra < 2 || rb < 2 {
		return false
	}
	a, b := c.in(n, 0), c.in(n, 1)
	if !c.contract(n, a[ra-1], b[rb-2], ra-1, rb-2) {
		return false
	}
	r := n.Out[0].Type.Rank()
	out := make([][]int32, r)
	out[r-2], out[r-1] = a[ra-2], b[rb-1]
	for k := range r - 2 {
		x := c.batchAxis(n, 0, k, r)
		y := c.batchAxis(n, 1, k, r)
		switch {
		case x == none:
			out[k] = b[k-(r-rb)]
		case y == none:
			out[k] = a[k-(r-ra)]
		default:
			out[k] = c.join(a[x], b[y], n)
		}
	}
	c.set(n.Out[0], out)
	return true
}

// none says that an operand has nothing on an axis, or broadcasts there.
const none = -1

// batchAxis is the axis of input i that goes to axis k of a result of rank r.
func (c *Channels) batchAxis(n *ir.Node, i, k, r int) int {
	v := n.In[i]
	j := k - (r - v.Type.Rank())
	if j < 0 {
		return none
	}
	if v.Type.Dims[j].Is(1) && !n.Out[0].Type.Dims[k].Is(1) {
		c.fix(c.in(n, i)[j], "node "+n.Label()+" (MatMul) broadcasts it")
		return none
	}
	return j
}

// lstm sums over the features of its input, the last axes of X and W; what it
// makes stays.
func (c *Channels) lstm(n *ir.Node) bool {
	if !c.weight[n.In[1]] {
		return false
	}
	x, w := c.in(n, 0), c.in(n, 1)
	c.join(x[2], w[2], n)
	c.pin(x[:2], c.whole(n))
	c.pin(w[:2], c.whole(n))
	for i := 2; i < len(n.In); i++ {
		c.pin(c.in(n, i), c.whole(n))
		c.fixWeight(n.In[i], c.whole(n))
	}
	return true
}

// gather picks whole indices of one axis of its data; the other axes pass.
func (c *Channels) gather(n *ir.Node) bool {
	data := c.in(n, 0)
	axis := axisOf(n, "axis", len(data))
	c.fix(data[axis], c.whole(n))
	c.pin(c.in(n, 1), c.whole(n))
	out := slices.Clone(data[:axis])
	out = append(out, make([][]int32, n.In[1].Type.Rank())...)
	c.set(n.Out[0], append(out, data[axis+1:]...))
	return true
}

// reduce keeps the axes that it sums over whole; the others pass.
func (c *Channels) reduce(n *ir.Node) bool {
	x := c.in(n, 0)
	axes, ok := ints(n, 1)
	if !ok {
		if len(n.In) > 1 && n.In[1] != nil {
			return false
		}
	}
	all := len(axes) == 0 && !n.Attrs.Bool("noop_with_empty_axes")
	cut := normal(axes, len(x))
	var out [][]int32
	for a := range x {
		switch {
		case !all && !slices.Contains(cut, a):
			out = append(out, x[a])
		default:
			c.fix(x[a], c.whole(n))
			if n.Attrs.Bool("keepdims") {
				out = append(out, nil)
			}
		}
	}
	c.set(n.Out[0], out)
	return true
}

// shapeOf reads extents. Those that readers pick by constant indices are
// fixed, the others may change.
func (c *Channels) shapeOf(n *ir.Node) bool {
	x := c.in(n, 0)
	start, end := n.Attrs.Int("start"), len(x)
	if n.Attrs.Has("end") {
		end = n.Attrs.Int("end")
	}
	clamp := func(a int) int {
		if a < 0 {
			a += len(x)
		}
		return min(max(a, 0), len(x))
	}
	start, end = clamp(start), clamp(end)
	if start >= end {
		return true
	}
	span := x[start:end]
	for _, u := range n.Out[0].Uses() {
		picked, ok := []int64(nil), false
		if u.Node.Is("Gather") && u.Index == 0 {
			picked, ok = ints(u.Node, 1)
		}
		if !ok {
			c.pin(span, c.whole(n))
			break
		}
		for _, i := range normal(picked, len(span)) {
			if i >= 0 && i < len(span) {
				c.fix(span[i], c.whole(n))
			}
		}
	}
	return true
}
