// Package grad is reverse mode: it appends to a function the nodes that
// compute the gradients of a scalar in it, emitting what each operator's entry
// in the table (OpDef.Grad) says and adding up where a value is read more than
// once. It must not know an operator by name, a loss or an optimizer.
//
//	b := ir.NewBuilder(m.Main(), -1, op.Builtin())
//	dws, err := grad.Gradients(b, loss, weights)
//
// The order in which the gradients of one value are added is that of its
// readers, last first, so the same function gives the same nodes.
package grad
