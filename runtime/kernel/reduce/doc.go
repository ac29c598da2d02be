// Package reduce folds float32 tensors along axes: sums, means, extremes,
// products.
//
// The numerics rule: the elements of one result stand in row-major order of
// the reduced axes; in chunks of 4096, lane l of 16 takes those whose index is
// l modulo 16, the lanes combine as a balanced tree, and so do the chunks (see
// vecmath.Sum16 and vecmath.Tree). Instruction sets and threads change nothing
// in that.
//
//	call.In = tensor.Vs(x, tensor.Int64s(-1))
//	call.Attrs = attr.Map{"kind": attr.Str("mean"), "keepdims": attr.Int(1)}
//
// It knows no graph and imports no other kernel.
package reduce
