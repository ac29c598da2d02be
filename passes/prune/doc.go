// Package prune makes models smaller by leaving out weights that matter least:
// single weights become zeros, whole channels are removed with all that
// belongs to them.
//
//	rep, err := prune.Apply(m, prune.Config{Structure: prune.Channel, Sparsity: 0.4, Align: 16})
//	masks, err := prune.Masks(m, prune.Config{Structure: prune.Unstructured, Sparsity: 0.7, Scope: prune.Global})
//
// Channels go in groups that passes/analysis finds: what a residual addition
// or a depthwise convolution ties together goes together. A model with removed
// channels computes what the original does with the same weights set to zero
// (Zero writes that model, with its shapes as they were).
//
// It expects the canonical form and runs before fusion and quantization. It
// must not know how models are trained: a trainer takes Masks and calls Apply
// at the end, when the masked channels have the lowest scores.
package prune
