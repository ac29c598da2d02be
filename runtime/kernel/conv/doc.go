// Package conv computes float32 convolutions on the GEMM tiles: the output
// [M, OH*OW] of one image and group is the product of the filters, rows in
// gemm.FormatA, with the patches of the image, which a Packer copies into
// panels as they are needed; a transposed convolution multiplies first and
// adds the columns up afterwards. It knows layouts and shapes, no operator
// table and no graph; depthwise convolution has its own package.
//
// Before that the input is padded and its columns are sorted by their
// remainder modulo the stride (see planes), so that the Packer copies runs of
// elements and never tests a bound. A pointwise convolution reads its input as
// it is.
//
// Numerics: per output one chain of fused multiply-adds over (channel, ky, kx)
// for each block of gemm.BlockK, blocks added in order, padding as zeros that
// take part; then the epilogue. For a transposed one see OpTranspose.
//
//	call.In, call.Consts = tensor.Vs(x), []tensor.Tensor{filters} // in gemm.FormatA
//	call.Attrs = attr.Map{"kernel_shape": attr.Ints(3, 3), "pads": attr.Ints(1, 1, 1, 1)}
//	call.State, err = conv.F32_6x16_avx2.Prepare(call)
package conv
