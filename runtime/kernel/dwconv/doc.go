// Package dwconv is the depthwise convolution of float32 images in NCHW order:
// every channel has filters of its own.
//
// The numerics rule: each output is one ascending chain of fused multiply-adds
// over its taps, row by row, that starts from zero and includes the padding's
// zeros; the bias, zero where there is none, is added after; then the epilogue
// runs. Instruction sets and threads change nothing in that.
//
// A strip of a channel is copied into a padded image, split by the phases of
// the strides, so that every tap of every output row is a run of consecutive
// elements. One kernel, a weighted sum of shifted rows, then serves all sizes,
// strides and dilations.
//
//	call.In = tensor.Vs(x, bias)        // and the epilogue's operands
//	call.Consts = []tensor.Tensor{w}    // [M,1,kh,kw]
//	call.Attrs = attr.Map{"strides": attr.Ints(2, 2), "pads": attr.Ints(1, 1, 1, 1), "prog": attr.Strs("clip %0 0 6")}
//
// It knows no graph and no other convolution.
package dwconv
