package analysis

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/shape"
)

// reshape follows labels through a new view of the same elements. Axes that
// are equal from the front and from the back pass. Between them, runs of axes
// of one product are merged or cut.
func (c *Channels) reshape(n *ir.Node) bool {
	x := c.in(n, 0)
	from, to := n.In[0].Type.Dims, n.Out[0].Type.Dims
	if n.Is("Reshape") && !sayable(from, to) {
		return false
	}
	out := make([][]int32, len(to))
	lo := 0
	for lo < len(from) && lo < len(to) && from[lo].Equal(to[lo]) {
		out[lo] = x[lo]
		lo++
	}
	hi := 0
	for hi < len(from)-lo && hi < len(to)-lo && from[len(from)-1-hi].Equal(to[len(to)-1-hi]) {
		out[len(to)-1-hi] = x[len(from)-1-hi]
		hi++
	}
	c.runs(n, x, out, span{lo, len(from) - hi}, span{lo, len(to) - hi})
	c.set(n.Out[0], out)
	return true
}

// span is a range of axes.
type span struct{ lo, hi int }

// runs walks both lists of axes and handles the shortest runs of equal
// product.
func (c *Channels) runs(n *ir.Node, x, out [][]int32, from, to span) {
	src, okSrc := shape.Consts(n.In[0].Type.Dims[from.lo:from.hi])
	dst, okDst := shape.Consts(n.Out[0].Type.Dims[to.lo:to.hi])
	if !okSrc || !okDst {
		c.pin(x[from.lo:from.hi], c.whole(n))
		return
	}
	i, j := 0, 0
	for i < len(src) || j < len(dst) {
		i0, j0 := i, j
		p, q := 1, 1
		if i < len(src) {
			p *= src[i]
			i++
		}
		if j < len(dst) {
			q *= dst[j]
			j++
		}
		for p != q && (i < len(src) || j < len(dst)) {
			switch {
			case p < q && i < len(src) || j == len(dst):
				p *= src[i]
				i++
			default:
				q *= dst[j]
				j++
			}
		}
		c.run(n, x, out, src, dst, from.lo, to.lo, span{i0, i}, span{j0, j})
	}
}

// run maps the labels of one run: src[a.lo:a.hi] becomes dst[b.lo:b.hi].
func (c *Channels) run(n *ir.Node, x, out [][]int32, src, dst []int, x0, out0 int, a, b span) {
	axis, inner, free := -1, 1, 0
	for i := a.lo; i < a.hi; i++ {
		if c.free(x[x0+i]) {
			axis, inner, free = i, 1, free+1
		} else {
			inner *= src[i]
		}
	}
	if free == 0 {
		return
	}
	whole := func() {
		for i := a.lo; i < a.hi; i++ {
			c.fix(x[x0+i], c.whole(n))
		}
	}
	if free > 1 || src[axis] == 0 {
		whole()
		return
	}
	labels := x[x0+axis]
	// The flat index of the run is (outer, index, inner).
	flat := func(t int) int32 { return labels[t/inner%src[axis]] }
	var wide []int
	for j := b.lo; j < b.hi; j++ {
		if dst[j] != 1 {
			wide = append(wide, j)
		}
	}
	total := 1
	for _, j := range wide {
		total *= dst[j]
	}
	switch len(wide) {
	case 0:
		whole()
	case 1:
		l := make([]int32, total)
		for t := range l {
			l[t] = flat(t)
		}
		out[out0+wide[0]] = l
	default:
		c.cut(n, out, dst, out0, wide, total, flat)
	}
}

// cut splits an axis: one of the new axes takes the labels, so that all flat
// indices with one index there go together.
func (c *Channels) cut(n *ir.Node, out [][]int32, dst []int, out0 int, wide []int, total int, flat func(int) int32) {
	at := len(wide) - 1
	if k := channelAxis(n.Out[0], 4) - out0; k >= 0 {
		for i, j := range wide {
			if j == k {
				at = i
			}
		}
	}
	inner := 1
	for _, j := range wide[at+1:] {
		inner *= dst[j]
	}
	l := make([]int32, dst[wide[at]])
	seen := make([]bool, len(l))
	for t := range total {
		k := t / inner % len(l)
		if seen[k] {
			c.couple(l[k], flat(t))
		} else {
			l[k], seen[k] = flat(t), true
		}
	}
	out[out0+wide[at]] = l
}

// channelAxis is 1 if v reaches, through at most depth operators on elements,
// one that has channels there, else -1.
func channelAxis(v *ir.Value, depth int) int {
	if depth == 0 {
		return -1
	}
	for _, u := range v.Uses() {
		switch {
		case u.Node == nil:
		case u.Node.Is("Conv"), u.Node.Is("ConvTranspose"), u.Node.Is("BatchNormalization"),
			u.Node.Is("MaxPool"), u.Node.Is("AveragePool"), u.Node.Is("GlobalAveragePool"), u.Node.Is("Resize"):
			return 1
		case u.Node.Def.Has(ir.Elementwise):
			if channelAxis(u.Node.Out[0], depth-1) == 1 {
				return 1
			}
		}
	}
	return -1
}

// sayable says whether the extents to can be written as a Reshape's constant
// shape whatever becomes of the constant ones: as many as one are open and not
// those of the same place before.
func sayable(from, to []shape.Dim) bool {
	open := 0
	for i, d := range to {
		if d.Is(0) {
			return false
		}
		if !d.IsConst() && (i >= len(from) || !from[i].Equal(d)) {
			open++
		}
	}
	return open <= 1
}
