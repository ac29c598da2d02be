// Package layout decides in which order a backend stores the axes of each
// value. It is an analysis: a module always means ONNX's order and is never
// changed; whoever emits code asks the Assignment and materializes what it
// says. It knows operators only by the Rule that the backend gives for each
// node, and no format.
//
// The choice is a minimum cut: every node that runs in any order, and every
// value, takes one of two orders, and each value that is read in another order
// than it is written in costs one copy.
//
//	a := layout.Solve(m.Main(), layout.Costs{Rule: rule})
//	a.Out(v).Perm // stored axis i is axis Perm[i] of v
package layout
