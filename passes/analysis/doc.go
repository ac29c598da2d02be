// Package analysis holds what passes ask about a module without changing it.
// Here: the relation between the channels of a model's values, which pruning
// needs to know what must go together.
//
// It knows operators by name, but only how they move and couple the indices of
// an axis; what they compute belongs to ir/op. It changes nothing and decides
// nothing: which channels go is for passes/prune.
//
//	c := analysis.Relate(m)
//	for _, l := range c.Layers {
//		fmt.Println(l.Node.Label(), l.Out, c.Why(l.Out))
//	}
package analysis
