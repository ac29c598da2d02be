// Package cuda lowers a module for NVIDIA GPUs. It has the CPU's backend choose
// what is computed at once and in which format constants lie, and replaces its
// calls by launches of kernels that it writes as PTX, one generator for each
// kind of call; what has none stays on the host, between copies.
//
// A generator must know nothing of ONNX: it reads the call's attributes, the
// types of its operands and the formats of its constants, as the CPU's kernel
// of that name does, and computes the same to rounding. The package runs
// nothing: runtime/cuda and ptxsim do.
//
//	p, err := cuda.Lower(ctx, m, cuda.Options{Target: t, Set: all.Set()})
package cuda
