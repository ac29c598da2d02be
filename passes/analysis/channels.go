package analysis

import (
	"github.com/mlc-go/mlc/ir"
)

// Channels says which indices of which axes of a module stand and fall
// together. Every index of an axis has a label; indices with one root go
// together: if one is removed, all are, everywhere. Labels that must stay are
// fixed, with a reason.
type Channels struct {
	// Layers are the products with constant weights, in order of the nodes:
	// what makes channels.
	Layers []Layer

	values map[*ir.Value][][]int32
	uses   map[ir.Use][][]int32 // of constants that each reader may cut for itself
	weight map[*ir.Value]bool
	order  [][]int32 // every labelled axis once, in order of discovery
	parent []int32
	reason []string // of a root: why it is fixed, "" if it is not
}

// Layer is one product with constant weights.
type Layer struct {
	Node    *ir.Node
	Weight  *ir.Value // a const node's value
	OutAxis int       // of Weight: one filter for each index (each group's, of a ConvTranspose)
	InAxis  int       // of Weight, along which it sums; -1: depthwise, nothing is summed over channels
	Out     []int32   // labels of the channels that it makes
}

// Relate finds the relation in m's main function. What it does not understand
// is fixed.
func Relate(m *ir.Module) *Channels {
	c := &Channels{
		values: map[*ir.Value][][]int32{}, uses: map[ir.Use][][]int32{}, weight: map[*ir.Value]bool{},
		parent: []int32{}, reason: []string{},
	}
	f := m.Main()
	if f == nil {
		return c
	}
	for _, n := range f.Nodes {
		for _, i := range weightPorts(n) {
			if i < len(n.In) && cuttable(n.In[i]) {
				c.weight[n.In[i]] = true
			}
		}
	}
	for _, n := range f.Nodes {
		if n.Const == nil {
			c.visit(n)
		}
	}
	for _, r := range f.Results {
		c.pin(c.values[r.Value], "it reaches the model's output "+r.Name)
	}
	return c
}

// Root gives the label that stands for all that go together with l.
func (c *Channels) Root(l int32) int32 {
	for c.parent[l] != l {
		c.parent[l] = c.parent[c.parent[l]]
		l = c.parent[l]
	}
	return l
}

// Fixed says whether l must stay.
func (c *Channels) Fixed(l int32) bool { return c.reason[c.Root(l)] != "" }

// Why says why labels must stay: the first reason found, "" if one of them
// need not.
func (c *Channels) Why(labels []int32) string {
	why := ""
	for _, l := range labels {
		r := c.reason[c.Root(l)]
		if r == "" {
			return ""
		}
		if why == "" {
			why = r
		}
	}
	return why
}

// Labels is how many labels there are: they are 0..Labels-1.
func (c *Channels) Labels() int { return len(c.parent) }

// Value gives the labels of v's axes, nil where v or an axis is not cut.
func (c *Channels) Value(v *ir.Value) [][]int32 { return c.values[v] }

// Operand gives the labels of what n reads at input i: those of the value, or,
// of a constant that every reader has for itself, those of this use.
func (c *Channels) Operand(n *ir.Node, i int) [][]int32 {
	v := n.In[i]
	if v == nil {
		return nil
	}
	if a, ok := c.uses[ir.Use{Node: n, Index: i}]; ok {
		return a
	}
	return c.values[v]
}

// Shared says whether v is a weight, which all its readers see alike: it is
// cut in place, other constants for each reader.
func (c *Channels) Shared(v *ir.Value) bool { return c.weight[v] }

// Axes visits every labelled axis, in a fixed order. The labels must not be
// changed.
func (c *Channels) Axes(visit func(labels []int32)) {
	for _, a := range c.order {
		visit(a)
	}
}

// cuttable says whether v is a constant that indices can be taken from.
func cuttable(v *ir.Value) bool {
	k := v.Const()
	return k != nil && k.DType.Bits() >= 8 && v.Func.Owner == nil
}

// label makes n labels that stand alone.
func (c *Channels) label(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(len(c.parent))
		c.parent = append(c.parent, out[i])
		c.reason = append(c.reason, "")
	}
	return out
}

// labelled makes labels for every axis of a constant.
func (c *Channels) labelled(k *ir.Const) [][]int32 {
	out := make([][]int32, len(k.Dims))
	for i, d := range k.Dims {
		out[i] = c.label(d)
		c.order = append(c.order, out[i])
	}
	return out
}

// set gives a value its labels.
func (c *Channels) set(v *ir.Value, axes [][]int32) {
	if v == nil {
		return
	}
	c.values[v] = axes
	for _, a := range axes {
		if a != nil {
			c.order = append(c.order, a)
		}
	}
}

// in gives the labels of input i of n, making those of a constant when it is
// first asked. An absent input has none.
func (c *Channels) in(n *ir.Node, i int) [][]int32 {
	if i >= len(n.In) || n.In[i] == nil {
		return nil
	}
	v := n.In[i]
	if a := c.Operand(n, i); a != nil {
		return a
	}
	if cuttable(v) {
		a := c.labelled(v.Const())
		if c.weight[v] {
			c.values[v] = a
		} else {
			c.uses[ir.Use{Node: n, Index: i}] = a
		}
		return a
	}
	return make([][]int32, max(v.Type.Rank(), 0))
}

// fix pins labels; the first reason stays.
func (c *Channels) fix(labels []int32, why string) {
	for _, l := range labels {
		if r := c.Root(l); c.reason[r] == "" {
			c.reason[r] = why
		}
	}
}

func (c *Channels) pin(axes [][]int32, why string) {
	for _, a := range axes {
		c.fix(a, why)
	}
}

// free says whether a label of the axis may go.
func (c *Channels) free(labels []int32) bool { return c.Why(labels) == "" && len(labels) > 0 }

// couple lets two labels go together.
func (c *Channels) couple(a, b int32) {
	a, b = c.Root(a), c.Root(b)
	if a == b {
		return
	}
	if b < a {
		a, b = b, a
	}
	c.parent[b] = a
	if c.reason[a] == "" {
		c.reason[a] = c.reason[b]
	}
}

// join couples two axes index by index and gives the labels of both. An axis
// without labels fixes the other.
func (c *Channels) join(a, b []int32, n *ir.Node) []int32 {
	if a == nil || b == nil || len(a) != len(b) {
		why := "node " + n.Label() + " (" + n.OpName() + ") joins it to what stays"
		c.fix(a, why)
		c.fix(b, why)
		return nil
	}
	for i := range a {
		c.couple(a[i], b[i])
	}
	return a
}
