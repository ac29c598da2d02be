// Package eltwise computes elementwise chains of float32: the vector functions
// of each instruction set, a small program that strings them together chunk by
// chunk so that intermediate values stay in the first-level cache, and the
// epilogues that other kernels apply to their finished rows.
//
// Every function has the same bits in every instruction set and in generic Go,
// whatever the length and the alignment of its slices. A program rounds after
// each step as the operators that it stands for do; nothing is contracted.
// Tensors of float16 are computed in float32 and rounded where they are stored.
//
// It knows neither the operators of the IR nor how a chain came to be fused.
//
//	p, _ := eltwise.Decode(2, []string{"add %0 %1", "clip %2 0 6"})
//	call.Attrs = p.Attrs()
package eltwise
