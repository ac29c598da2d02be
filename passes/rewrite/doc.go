// Package rewrite is what passes are written with: the context that counts,
// traces and limits every rewrite, patterns over the graph, rules made of
// them, and the engine that applies rules until nothing matches. It knows no
// pass and no operator by name, and it computes no number: rules emit
// operators on constants, passes/fold evaluates them.
//
//	rule := rewrite.Rule{
//		Name:  "double-neg",
//		Doc:   "Neg of Neg is the value itself.",
//		Match: rewrite.Op("Neg", rewrite.Op("Neg", rewrite.Any("x"))),
//		Make:  func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value { return []*ir.Value{m.Value("x")} },
//	}
//	err := rewrite.Apply(ctx, module, []rewrite.Rule{rule})
package rewrite
