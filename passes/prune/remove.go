package prune

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// remove takes what goes out of every constant and attribute that knows the
// extent of an axis, and infers all types again.
func (s *selection) remove(m *ir.Module) error {
	for _, n := range slices.Clone(m.Main().Nodes) {
		if n.Const != nil {
			s.cutConst(n)
		} else {
			s.cutNode(n)
		}
	}
	if err := rewrite.Reinfer(m); err != nil {
		return diag.New(diag.Internal, "the pruned model does not fit together: %v", err)
	}
	if err := verify.Module(m); err != nil {
		return diag.New(diag.Internal, "the pruned model does not hold: %v", err)
	}
	return nil
}

// cutConst gathers what stays of a constant. A weight is cut for all its
// readers; other constants for each reader as it needs, readers of one need
// sharing one constant.
func (s *selection) cutConst(n *ir.Node) {
	v, old := n.Out[0], n.Const
	if s.rel.Shared(v) {
		if cut, _ := s.gather(old, s.rel.Value(v)); cut != nil {
			setConst(n, cut)
		}
		return
	}
	byNeed := map[string]*ir.Value{}
	var needs []string
	whole := false
	uses := slices.Clone(v.Uses())
	for _, u := range uses {
		need := ""
		if u.Node != nil {
			_, need = s.gather(old, s.rel.Operand(u.Node, u.Index))
		}
		needs = append(needs, need)
		whole = whole || need == ""
	}
	if !whole && len(needs) > 0 { // nobody needs it as it was: the first need takes its name
		cut, need := s.gather(old, s.rel.Operand(uses[0].Node, uses[0].Index))
		byNeed[need] = v
		setConst(n, cut)
	}
	at := n.Index() + 1
	for i, u := range uses {
		if needs[i] == "" {
			continue
		}
		w := byNeed[needs[i]]
		if w == nil {
			cut, _ := s.gather(old, s.rel.Operand(u.Node, u.Index))
			w = insertConst(n.Func, at, cut, n.Source)
			byNeed[needs[i]] = w
			at++
		}
		u.Node.SetIn(u.Index, w)
	}
}

func setConst(n *ir.Node, c *ir.Const) {
	n.Const = c
	n.Out[0].Type = c.Type()
}

func insertConst(f *ir.Func, at int, c *ir.Const, source []string) *ir.Value {
	v := &ir.Value{Name: f.Root().Module.FreshName(), Type: c.Type()}
	if c.DType.IsInt() {
		if t, err := c.Tensor(); err == nil {
			v.Ints = ir.IntsOf(t)
		}
	}
	f.InsertNode(at, &ir.Node{Def: ir.ConstDef, Const: c, Out: []*ir.Value{v}, Source: source})
	return v
}

// gather is the constant that remains of c, made when somebody asks for it,
// and a text that tells remainders apart; nil and "" where all of it stays.
func (s *selection) gather(c *ir.Const, axes [][]int32) (*ir.Const, string) {
	idx := make([][]int, len(c.Dims))
	dims := slices.Clone(c.Dims)
	key := ""
	for a := range c.Dims {
		if a >= len(axes) || axes[a] == nil {
			continue
		}
		if stay, cut := s.kept(axes[a]); cut {
			idx[a], dims[a] = stay, len(stay)
			key += fmt.Sprint(a, stay)
		}
	}
	if key == "" {
		return nil, ""
	}
	return ir.LazyConst(c.DType, dims, ir.Init{}, func() (tensor.Tensor, error) {
		t, err := c.Tensor()
		if err != nil {
			return tensor.Tensor{}, err
		}
		return take(t, dims, idx), nil
	}), key
}

// take picks indices of each axis; nil takes all of them.
func take(t tensor.Tensor, dims []int, idx [][]int) tensor.Tensor {
	out := tensor.New(t.DType(), dims...)
	size := t.DType().Size()
	from, to := t.Bytes(), out.Bytes()
	at := 0
	var walk func(axis, base int)
	walk = func(axis, base int) {
		if axis == len(dims) {
			at += copy(to[at:at+size], from[base*size:])
			return
		}
		for i := range dims[axis] {
			j := i
			if idx[axis] != nil {
				j = idx[axis][i]
			}
			walk(axis+1, base*t.Dim(axis)+j)
		}
	}
	walk(0, 0)
	return out
}

// cutNode changes the attributes and integer operands in which a node says
// extents.
func (s *selection) cutNode(n *ir.Node) {
	switch n.OpName() {
	case "Conv", "ConvTranspose":
		s.cutGroups(n)
	case "Reshape":
		s.cutShape(n)
	case "Split":
		s.cutParts(n)
	case "Resize":
		s.cutSizes(n)
	}
}

// cutGroups: a depthwise convolution has as many groups as channels.
func (s *selection) cutGroups(n *ir.Node) {
	for _, l := range s.rel.Layers {
		if l.Node != n || l.InAxis >= 0 {
			continue
		}
		x := s.rel.Operand(n, 0)
		if x == nil {
			continue
		}
		if stay, cut := s.kept(x[1]); cut {
			n.Attrs = n.Attrs.Clone()
			n.Attrs["group"] = attr.Int(len(stay))
		}
	}
}

// extents are those of v after the cut, -1 where they are open, and whether
// any changes.
func (s *selection) extents(v *ir.Value) (out []int64, changed bool) {
	axes := s.rel.Value(v)
	for a, d := range v.Type.Dims {
		n, ok := d.Const()
		if !ok {
			n = -1
		}
		if axes != nil && axes[a] != nil {
			stay, cut := s.kept(axes[a])
			n, changed = int64(len(stay)), changed || cut
		}
		out = append(out, n)
	}
	return out, changed
}

// cutShape writes the shape of a Reshape anew: open extents that stand where
// they stood are copied, one other is found from the rest.
func (s *selection) cutShape(n *ir.Node) {
	shape, changed := s.extents(n.Out[0])
	if !changed {
		return
	}
	from, to := n.In[0].Type.Dims, n.Out[0].Type.Dims
	for i, d := range to {
		if shape[i] < 0 && i < len(from) && from[i].Equal(d) {
			shape[i] = 0
		}
	}
	n.Attrs = n.Attrs.Clone()
	n.Attrs["allowzero"] = attr.Int(0)
	setInts(n, 1, shape)
}

// setInts replaces an integer operand; the old constant goes if nobody else
// reads it.
func setInts(n *ir.Node, i int, v []int64) {
	var old *ir.Value
	if i < len(n.In) {
		old = n.In[i]
	}
	w := insertConst(n.Func, n.Index(), ir.NewConst(tensor.Int64s(v...)), n.Source)
	for len(n.In) <= i {
		n.In = append(n.In, nil)
	}
	n.SetIn(i, w)
	if old.Const() != nil && len(old.Uses()) == 0 {
		old.Node.Remove()
	}
}

// cutParts writes the extents of a Split's parts anew.
func (s *selection) cutParts(n *ir.Node) {
	var parts []int64
	changed := false
	for _, v := range n.Out {
		axis := n.Attrs.Int("axis")
		if axis < 0 {
			axis += v.Type.Rank()
		}
		e, cut := s.extents(v)
		parts, changed = append(parts, e[axis]), changed || cut
	}
	if !changed || slices.Contains(parts, -1) {
		return
	}
	n.Attrs = n.Attrs.Clone()
	delete(n.Attrs, "num_outputs")
	setInts(n, 1, parts)
}

// cutSizes writes the sizes of a Resize anew, where it has sizes.
func (s *selection) cutSizes(n *ir.Node) {
	if len(n.In) < 4 || n.In[3] == nil {
		return
	}
	all, changed := s.extents(n.Out[0])
	if !changed {
		return
	}
	sizes := all
	if n.Attrs.Has("axes") {
		sizes = nil
		for _, a := range n.Attrs.Ints("axes") {
			if a < 0 {
				a += int64(len(all))
			}
			sizes = append(sizes, all[a])
		}
	}
	setInts(n, 3, sizes)
}
