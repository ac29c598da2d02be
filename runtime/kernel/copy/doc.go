// Package copy moves elements of any type with a whole number of bytes:
// Transpose, Concat, Slice, Pad with a constant. Nothing is computed, so nothing
// can differ by instruction set; there is one kernel each, in plain Go, whose
// work is laid out when the call is prepared. Gather is not here: its indices
// are data, and an index out of range must be an error of the run, which only
// the reference function can give.
//
// Shape operands (starts, ends, axes, steps, pads) come as inputs like in ONNX
// and their values must be known when the call is prepared.
//
//	call.In, call.Out = tensor.Vs(x), tensor.Vs(y)
//	call.Attrs = attr.Map{"perm": attr.Ints(0, 2, 3, 1)}
//
// It knows no graph and imports no other kernel.
package copy
