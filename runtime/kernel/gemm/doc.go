// Package gemm multiplies float32 matrices: C = A·B with constant, produced or
// given B, and with tiles for each instruction set that give equal bits.
//
// The numerics rule: each element of C is, for each block of BlockK steps of k
// in ascending order, one chain of fused multiply-adds that starts from zero;
// the first block is stored, later ones are added. Tiles, threads and the
// splitting of rows and columns change nothing in that.
//
// Formats. "gemm.f32.panel16.kc256" holds B: for each block of k, panels of 16
// columns, each [kc][16], the last panel padded with zeros (see PackB).
// "gemm.f32.row.kc256" holds A: for each block of k, all rows, each kc elements
// long (see PackRows). A given as activations stays in its rows and is never
// packed.
//
//	job := gemm.AVX2_6x16.Prepare(gemm.Params{M: m, N: n, K: k, LdA: k, LdC: n}, 2)
//	job.A, job.B, job.C = a, packed, c
//	job.Run(pool, make([]float32, job.Scratch()))
//
// It knows no operator, tensor or graph; convolution reaches it by a Packer
// and epilogues by an Epilogue. The assembly is written by tools/asmgen.
package gemm
