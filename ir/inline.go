package ir

import "slices"

// Inline puts the nodes of n's first region in its place: parameters become
// n's inputs, results its outputs. n must capture nothing (mlc.Fused does not).
func Inline(n *Node) {
	f, at, r := n.Func, n.Index(), n.Regions[0]
	c := &Cloner{Values: map[*Value]*Value{}}
	for i, p := range r.Params {
		if i < len(n.In) {
			c.Values[p] = n.In[i]
		}
	}
	for k, inner := range r.Nodes {
		c.Node(f, at+k, inner)
	}
	for i, res := range r.Results {
		if i >= len(n.Out) || n.Out[i] == nil {
			continue
		}
		v := c.Value(res.Value)
		ReplaceUses(n.Out[i], v)
		if v.Node != nil && v.Node.Const == nil && slices.Contains(f.Nodes[at:at+len(r.Nodes)], v.Node) {
			v.Name = n.Out[i].Name
		}
	}
	n.Remove()
}
