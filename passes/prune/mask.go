package prune

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
)

// masks lists what removing the selection takes out of weights, biases and
// BatchNormalization's scale and shift. A constant that several read loses
// what all of them lose; the weights that sum over a channel make the rest
// equal, whatever the channel is.
func (s *selection) masks(m *ir.Module) []Mask {
	var out []Mask
	for _, n := range m.Main().Nodes {
		if n.Const == nil || !n.Const.DType.IsFloat() {
			continue
		}
		v := n.Out[0]
		if s.rel.Shared(v) {
			if k, cut := s.elements(n.Const.Dims, s.rel.Value(v)); cut {
				out = append(out, Mask{v, k})
			}
			continue
		}
		var keep []bool
		for i, u := range v.Uses() {
			var k []bool
			cut := false
			if u.Node != nil && maskable(u) {
				k, cut = s.elements(n.Const.Dims, s.rel.Operand(u.Node, u.Index))
			}
			if !cut {
				keep = nil
				break
			}
			if i == 0 {
				keep = k
				continue
			}
			for e := range keep {
				keep[e] = keep[e] || k[e]
			}
		}
		if keep != nil {
			out = append(out, Mask{v, keep})
		}
	}
	return out
}

// unshare gives readers that lose different elements of one constant a
// constant each, so that masks need not compromise.
func (s *selection) unshare(m *ir.Module) {
	for _, n := range slices.Clone(m.Main().Nodes) {
		if n.Const == nil || s.rel.Shared(n.Out[0]) {
			continue
		}
		byNeed := map[string]*ir.Value{}
		uses := slices.Clone(n.Out[0].Uses())
		needs := make([]string, len(uses))
		for i, u := range uses {
			if u.Node != nil && maskable(u) {
				_, needs[i] = s.gather(n.Const, s.rel.Operand(u.Node, u.Index))
			}
		}
		if len(uses) > 0 && !slices.Contains(needs, "") {
			byNeed[needs[0]] = n.Out[0]
		}
		for i, u := range uses {
			if needs[i] == "" {
				continue
			}
			w := byNeed[needs[i]]
			if w == nil {
				w = insertConst(n.Func, n.Index()+1, n.Const, n.Source)
				byNeed[needs[i]] = w
			}
			u.Node.SetIn(u.Index, w)
		}
	}
}

// maskable says whether zeros at this use do no harm: a divisor or a variance
// is no place for them.
func maskable(u ir.Use) bool {
	switch u.Node.OpName() {
	case "Conv", "ConvTranspose", "Gemm":
		return u.Index == 2
	case "BatchNormalization":
		return u.Index == 1 || u.Index == 2
	case "Add", "Sub", "Mul":
		return true
	}
	return false
}

// elements says which elements of a tensor stay when its axes are cut.
func (s *selection) elements(dims []int, axes [][]int32) (keep []bool, cut bool) {
	n := 1
	for _, d := range dims {
		n *= d
	}
	keep = make([]bool, n)
	for e := range keep {
		keep[e] = true
	}
	inner := n
	for a, d := range dims {
		if d == 0 {
			return keep, false
		}
		inner /= d
		if a >= len(axes) || axes[a] == nil {
			continue
		}
		for i, l := range axes[a] {
			if !s.drops(l) {
				continue
			}
			cut = true
			for o := i * inner; o < n; o += d * inner {
				clear(keep[o : o+inner])
			}
		}
	}
	return keep, cut
}
