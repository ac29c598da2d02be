// Package grad holds what training runs and inference does not: convolutions
// whose filters are operands, the gradients of convolution and pooling, the
// gate of Relu's gradient, masks of dropout, and cross-entropy. It knows
// layouts and shapes, no operator table and no graph.
//
// Numerics: sums over a batch are formed in chunks of images that the extents
// alone decide, and chunks are added in order; inside, products follow package
// gemm. So the bits do not depend on threads or instruction sets.
package grad
