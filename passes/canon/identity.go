package canon

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// identityRules remove operators that give their input.
func identityRules() []rewrite.Rule {
	x := rewrite.Any("x")
	return []rewrite.Rule{
		{Name: "identity-value", Doc: "Identity is its input.",
			Match: rewrite.Op("Identity", x), If: sameType("x"), Make: to("x")},
		{Name: "dropout-inference", Doc: "Dropout that does not train is its input, where nobody reads the mask.",
			Match: rewrite.Op("Dropout", x).Rest().Where(notTraining).Where(onlyFirst), If: sameType("x"), Make: to("x")},
		{Name: "single-operand", Doc: "Concat, Sum, Max, Min and Mean of one operand are the operand.",
			Match: rewrite.OneOf([]string{"Concat", "Sum", "Max", "Min", "Mean"}, x), If: same("x"), Make: to("x")},
		{Name: "single-part", Doc: "Split into one part is its input.",
			Match: rewrite.Op("Split", x).Rest().Where(func(n *ir.Node) bool { return len(n.Out) == 1 }), If: same("x"), Make: to("x")},
		{Name: "cast-same", Doc: "Cast and CastLike to the type that a value has are the value.",
			Match: rewrite.OneOf([]string{"Cast", "CastLike"}, x).Rest(), If: sameType("x"), Make: to("x")},
		{Name: "cast-back", Doc: "Cast to a wider type and back is the value.",
			Match: rewrite.OneOf([]string{"Cast", "CastLike"}, rewrite.OneOf([]string{"Cast", "CastLike"}, x).Rest().As("wide")).Rest(),
			If: func(m *rewrite.Match) bool {
				return rewrite.Same(m.Root.Out[0], m.Value("x")) && lossless(m.Value("x").Type.DType, m.Value("wide").Type.DType)
			}, Make: to("x")},
		{Name: "expand-same", Doc: "Expand to the shape that a value has is the value.",
			Match: rewrite.Op("Expand", x, rewrite.Any("shape")), If: same("x"), Make: to("x")},
		{Name: "tile-once", Doc: "Tile by ones is its input.",
			Match: rewrite.Op("Tile", x, rewrite.Any("repeats").That(allOnes)), If: same("x"), Make: to("x")},
		{Name: "slice-whole", Doc: "Slice with steps of 1 that keeps every extent is its input.",
			Match: rewrite.Op("Slice", x, rewrite.Any("starts"), rewrite.Any("ends"), rewrite.Opt("axes"), rewrite.Opt("steps")),
			If: func(m *rewrite.Match) bool {
				steps := m.Value("steps")
				return rewrite.Same(m.Root.Out[0], m.Value("x")) && (steps == nil || allOnes(steps))
			}, Make: to("x")},
		{Name: "reduce-nothing", Doc: "A sum over no axes is its input.",
			Match: rewrite.OneOf([]string{"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"}, x, rewrite.Opt("axes")).Int("noop_with_empty_axes", 1),
			If: func(m *rewrite.Match) bool {
				axes := m.Value("axes")
				return rewrite.Same(m.Root.Out[0], m.Value("x")) && (axes == nil || axes.Type.Rank() == 1 && axes.Type.Dims[0].Is(0))
			}, Make: to("x")},
	}
}

// notTraining says whether a Dropout is in inference mode for sure.
func notTraining(n *ir.Node) bool {
	if len(n.In) < 3 || n.In[2] == nil {
		return true
	}
	c := n.In[2].Const()
	if c == nil || c.Len() != 1 {
		return false
	}
	t, err := c.Tensor()
	return err == nil && t.Int(0) == 0
}

func allOnes(v *ir.Value) bool {
	ns, ok := rewrite.Ints(v)
	for _, n := range ns {
		ok = ok && n == 1
	}
	return ok
}
