// Package softmax normalizes float32 along one axis: e^(x-max) over its sum,
// with the maximum, the sum and the exponential of packages reduce and eltwise,
// so with the same bits for every instruction set and any number of threads.
//
//	call.In, call.Out = tensor.Vs(x), tensor.Vs(y)
//	call.Attrs = attr.Map{"axis": attr.Int(-1)}
//
// It knows no graph.
package softmax
