// Package pooling slides windows over float32 images in NCHW order, or rows in
// NCW order: the largest element, the mean, and the mean of whole planes.
//
// The numerics rule: a window is first taken down its rows, then along the row
// of results, each in ascending order; sums are plain additions of float32 and
// divided at the end. The mean of a plane is reduce's fixed-order sum. NaN and
// padding never are the largest element. Instruction sets and threads change
// nothing in that.
//
//	call.In, call.Out = tensor.Vs(x), tensor.Vs(y)
//	call.Attrs = attr.Map{"kernel_shape": attr.Ints(3, 3), "strides": attr.Ints(2, 2), "pads": attr.Ints(1, 1, 1, 1)}
//
// It knows no graph. Positions of the largest elements are left to the
// reference function.
package pooling
