// Package build makes modules in Go, with one typed method for each operator
// of the table: its ports are the method's parameters, its required attributes
// follow, optional ones are options (Axis, Pads, ...). The methods and options
// are generated from the table by tools/opdoc; here stands what is written by
// hand. It must not know what an operator does: inference checks each call.
//
//	b := build.New("mlp", op.Builtin())
//	x := b.Param("x", tensor.T(dtype.F32, b.Dim("N", 1, 64), shape.Int(784)))
//	b.Result("y", b.Relu(b.Gemm(x, w, bias, build.TransB(1))))
//	m, err := b.Finish()
package build
