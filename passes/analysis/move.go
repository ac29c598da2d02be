package analysis

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
)

// concat puts the labels of its inputs side by side.
func (c *Channels) concat(n *ir.Node) bool {
	r := n.Out[0].Type.Rank()
	axis := axisOf(n, "axis", r)
	out := make([][]int32, r)
	open := extent(n.Out[0], axis) < 0
	for i, v := range n.In {
		x := c.in(n, i)
		for a := range x {
			switch {
			case a != axis && i == 0:
				out[a] = x[a]
			case a != axis:
				out[a] = c.join(out[a], x[a], n)
			case open:
				c.fix(x[a], c.whole(n))
			case x[a] == nil:
				l := c.label(extent(v, a))
				c.fix(l, "it comes from "+v.Name)
				out[a] = append(out[a], l...)
			default:
				out[a] = append(slices.Clip(out[a]), x[a]...)
			}
		}
	}
	c.set(n.Out[0], out)
	return true
}

// split cuts an axis into parts, each with its labels.
func (c *Channels) split(n *ir.Node) bool {
	x := c.in(n, 0)
	axis := axisOf(n, "axis", len(x))
	at := 0
	for _, v := range n.Out {
		out := slices.Clone(x)
		out[axis] = nil
		if v == nil || extent(v, axis) < 0 || x[axis] == nil {
			c.fix(x[axis], c.whole(n))
		} else {
			out[axis] = x[axis][at : at+extent(v, axis)]
			at += extent(v, axis)
		}
		c.set(v, out)
	}
	return true
}

// slice passes the axes that it leaves whole.
func (c *Channels) slice(n *ir.Node) bool {
	x := c.in(n, 0)
	starts, ok := ints(n, 1)
	if !ok {
		return false
	}
	var axes []int
	if len(n.In) > 3 && n.In[3] != nil {
		a, ok := ints(n, 3)
		if !ok {
			return false
		}
		axes = normal(a, len(x))
	} else {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	forward := len(n.In) < 5 || n.In[4] == nil
	steps, known := ints(n, 4)
	var stay []int
	for i, a := range axes {
		one := forward || known && steps[i] == 1
		if !one || !n.In[0].Type.Dims[a].Equal(n.Out[0].Type.Dims[a]) {
			stay = append(stay, a)
		}
	}
	return c.through(n, stay...)
}

// pad passes the axes to which it adds nothing.
func (c *Channels) pad(n *ir.Node) bool {
	x := c.in(n, 0)
	pads, ok := ints(n, 1)
	if !ok {
		return false
	}
	var axes []int
	if len(n.In) > 3 && n.In[3] != nil {
		a, ok := ints(n, 3)
		if !ok {
			return false
		}
		axes = normal(a, len(x))
	} else {
		for i := range x {
			axes = append(axes, i)
		}
	}
	if len(pads) != 2*len(axes) {
		return false
	}
	var stay []int
	for i, a := range axes {
		if pads[i] != 0 || pads[i+len(axes)] != 0 {
			stay = append(stay, a)
		}
	}
	return c.through(n, stay...)
}

// resize passes the axes that it leaves as they are.
func (c *Channels) resize(n *ir.Node) bool {
	x := c.in(n, 0)
	if n.Attrs.Str("coordinate_transformation_mode") == "tf_crop_and_resize" {
		return false
	}
	axes := normal(n.Attrs.Ints("axes"), len(x))
	if !n.Attrs.Has("axes") {
		for i := range x {
			axes = append(axes, i)
		}
	}
	var stay []int
	if len(n.In) > 3 && n.In[3] != nil {
		if _, ok := ints(n, 3); !ok || n.Attrs.Str("keep_aspect_ratio_policy") != "stretch" {
			return false
		}
		for _, a := range axes {
			if !n.In[0].Type.Dims[a].Equal(n.Out[0].Type.Dims[a]) {
				stay = append(stay, a)
			}
		}
		return c.through(n, stay...)
	}
	if len(n.In) < 3 || n.In[2] == nil || n.In[2].Const() == nil {
		return false
	}
	scales, err := n.In[2].Const().Tensor()
	if err != nil || scales.Len() != len(axes) {
		return false
	}
	for i, a := range axes {
		if scales.Float(i) != 1 {
			stay = append(stay, a)
		}
	}
	return c.through(n, stay...)
}

// transpose moves whole axes.
func (c *Channels) transpose(n *ir.Node) bool {
	x := c.in(n, 0)
	out := make([][]int32, len(x))
	perm := n.Attrs.Ints("perm")
	for i := range out {
		if perm == nil {
			out[i] = x[len(x)-1-i]
		} else {
			out[i] = x[perm[i]]
		}
	}
	c.set(n.Out[0], out)
	return true
}
