// Package eval is the interpreter of modules: it runs each node by the
// reference function of its OpDef, in order, and nothing else. It is the
// meaning that every other executor is compared with, what the constant folder
// and the packer call, and an ir.Executor. It must not know an operator by
// name, a pass, a plan or a kernel.
//
// Extents are bound from the inputs of a run, and whatever a reference
// function gives is compared with the type that inference promised, so that a
// wrong Infer shows at the node that has it.
//
//	out, err := eval.Run(ctx, m, tensor.Vs(x))
package eval
