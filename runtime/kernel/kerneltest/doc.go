// Package kerneltest is the suite that kernels pass: each Desc that this CPU
// can run is driven as the runtime drives it, over cases, thread counts and
// poisoned memory, and is compared with the reference function and, bit for
// bit, with its generic twin. It knows how a Call is bound and no operator.
//
//	kerneltest.All(t, []*kernel.Desc{&gemm.F32_6x16_avx2, &gemm.F32_generic}, cases)
package kerneltest
