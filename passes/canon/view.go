package canon

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// views are the operators that give their first operand another shape.
var views = []string{"Reshape", "Flatten", "Squeeze", "Unsqueeze"}

// viewRules merge operators that only change shapes.
func viewRules() []rewrite.Rule {
	x := rewrite.Any("x")
	reshape := func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
		spec, ok := Spec(m.Root.Func.Module, m.Value("x").Type, m.Root.Out[0].Type)
		if !ok {
			return nil
		}
		e := m.Emit()
		return []*ir.Value{e.Op("Reshape", nil, m.Value("x"), e.Ints(spec...))}
	}
	hasSpec := func(m *rewrite.Match) bool {
		_, ok := Spec(m.Root.Func.Module, m.Value("x").Type, m.Root.Out[0].Type)
		return ok
	}
	return []rewrite.Rule{
		{Name: "view-same", Doc: "A view in the shape that a value has is the value.",
			Match: rewrite.OneOf(views, x).Rest(), If: same("x"), Make: to("x")},
		{Name: "view-view", Doc: "A view of a view is one Reshape.",
			Match: rewrite.OneOf(views, rewrite.OneOf(views, x).Rest()).Rest(), If: hasSpec, Make: reshape},
		{Name: "reshape-known", Doc: "Reshape to a computed shape whose extents inference knows takes a constant.",
			Match: rewrite.Op("Reshape", x, rewrite.Any("shape").That(func(v *ir.Value) bool { return !rewrite.IsConst(v) })),
			If:    func(m *rewrite.Match) bool { _, ok := operandSpec(m); return ok },
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				spec, _ := operandSpec(m)
				e := m.Emit()
				return []*ir.Value{e.Op("Reshape", nil, m.Value("x"), e.Ints(spec...))}
			}},
	}
}

// Spec is the constant shape operand with which Reshape (allowzero=0) turns
// a value of type in into one of type out: known extents, 0 for an extent
// taken over, at most one -1. false: there is none for every binding of the
// symbols.
func Spec(m *ir.Module, in, out ir.Type) ([]int64, bool) {
	if !in.Ranked() || !out.Ranked() {
		return nil, false
	}
	spec := make([]int64, len(out.Dims))
	free, copies := -1, true
	for i, d := range out.Dims {
		n, known := d.Const()
		switch {
		case known && n == 0:
			return nil, false // 0 means something else in the operand
		case known:
			spec[i] = n
		case i < len(in.Dims) && in.Dims[i].Equal(d):
			// An empty copied axis would leave a -1 undefined.
			lo, _ := d.Range(m.DimBounds)
			copies = copies && lo > 0
		case free < 0:
			free, spec[i] = i, -1
		default:
			return nil, false
		}
	}
	return spec, free < 0 || copies
}

// operandSpec is Spec for a Reshape whose shape operand is computed. Where the
// types leave an extent open it goes by the operand's elements: what they copy
// from the input becomes 0, the rest must be numbers, -1 among them.
func operandSpec(m *rewrite.Match) ([]int64, bool) {
	in, ints := m.Value("x").Type, m.Value("shape").Ints
	typed, found := Spec(m.Root.Func.Module, in, m.Root.Out[0].Type)
	if found && !slices.Contains(typed, -1) {
		return typed, true
	}
	spec := make([]int64, len(ints))
	ok := ints != nil && in.Ranked() && !m.Root.Attrs.Bool("allowzero")
	for i, d := range ints {
		n, known := d.Const()
		switch {
		case known:
			spec[i] = n
		case i < len(in.Dims) && in.Dims[i].Equal(d):
			spec[i] = 0
		default:
			ok = false
		}
	}
	if ok {
		return spec, true
	}
	return typed, found
}

// moveRules merge transpositions.
func moveRules() []rewrite.Rule {
	x := rewrite.Any("x")
	return []rewrite.Rule{
		{Name: "transpose-same", Doc: "Transpose that keeps every axis in place is its input.",
			Match: rewrite.Op("Transpose", x).Where(func(n *ir.Node) bool { p, ok := perm(n); return ok && sorted(p) }),
			If:    same("x"), Make: to("x")},
		{Name: "transpose-pair", Doc: "Transpose of Transpose is one Transpose.",
			Match: rewrite.Op("Transpose", rewrite.Op("Transpose", x).As("inner")),
			If:    func(m *rewrite.Match) bool { _, ok := perm(m.Root); return ok },
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				outer, _ := perm(m.Root)
				inner, ok := perm(m.Node("inner"))
				if !ok {
					return nil
				}
				p := make([]int64, len(outer))
				for i, a := range outer {
					p[i] = inner[a]
				}
				return []*ir.Value{m.Emit().Op("Transpose", attr.Map{"perm": attr.Ints(p...)}, m.Value("x"))}
			}},
		{Name: "transpose-view", Doc: "Transpose that moves only extents of 1 is a Reshape.",
			Match: rewrite.Op("Transpose", x).Where(movesOnes),
			If: func(m *rewrite.Match) bool {
				_, ok := Spec(m.Root.Func.Module, m.Value("x").Type, m.Root.Out[0].Type)
				return ok
			},
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				spec, _ := Spec(m.Root.Func.Module, m.Value("x").Type, m.Root.Out[0].Type)
				e := m.Emit()
				return []*ir.Value{e.Op("Reshape", nil, m.Value("x"), e.Ints(spec...))}
			}},
	}
}

// perm is the permutation of a Transpose, false if the rank is not known.
func perm(n *ir.Node) ([]int64, bool) {
	r := n.In[0].Type.Rank()
	if r < 0 {
		return nil, false
	}
	if n.Attrs.Has("perm") && (r == 0 || len(n.Attrs.Ints("perm")) > 0) {
		return n.Attrs.Ints("perm"), true
	}
	p := make([]int64, r)
	for i := range p {
		p[i] = int64(r - 1 - i)
	}
	return p, true
}

func sorted(p []int64) bool { return slices.IsSorted(p) }

// movesOnes says whether the axes of more than one element keep their order,
// and some axis moves.
func movesOnes(n *ir.Node) bool {
	p, ok := perm(n)
	if !ok || sorted(p) {
		return false
	}
	var long []int64
	for _, a := range p {
		if !n.In[0].Type.Dims[a].Is(1) {
			long = append(long, a)
		}
	}
	return sorted(long)
}
