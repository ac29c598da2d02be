// Package conv computes float32 convolutions on the GEMM tiles: the output
// [M, OH*OW] of one image and group is the product of the filters, rows in
// gemm.FormatA, with the patches of the image, which a Packer copies into
// panels as they are needed; a transposed convolution multiplies first and
// adds the columns up afterwards. It knows layouts and shapes, no operator
// table and no graph; depthwise convolution has its own package.
//
// Numerics: per output one chain of fused multiply-adds over (channel, ky, kx)
// for each block of gemm.BlockK, blocks added in order, padding as zeros that
// take part; then the epilogue.
package conv
