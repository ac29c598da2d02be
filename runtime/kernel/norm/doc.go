// Package norm normalizes rows of float32 by their mean and variance, with the
// sums of package reduce and the functions of package eltwise, so with the same
// bits for every instruction set and any number of threads.
//
//	call.In, call.Out = tensor.Vs(x, scale, bias), tensor.Vs(y)
//	call.Attrs = attr.Map{"axis": attr.Int(-1), "epsilon": attr.Float(1e-5)}
//
// It knows no graph. Training's BatchNormalization is in package grad.
package norm
