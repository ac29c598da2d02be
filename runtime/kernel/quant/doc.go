// Package quant holds what 8-bit integer kernels share: how an exact int32 sum
// becomes an 8-bit value (Rule), quantizing and dequantizing of float32,
// elementwise sums and tables over 8-bit values.
//
// The rule for sums is q = sat(rne(float32(acc)*m) + zero), without a fused
// multiply-add; every instruction set gives the same bits. Signed results are
// computed as unsigned ones with the zero point moved by 128 and the top bit
// turned at the end, so that one function writes both.
//
//	r := quant.NewRule(dtype.U8, zero, lo, hi)
//	quant.Generic.Requant(32, &acc[0], bias, m, &r, &dst[0])
//
// It knows no operator of a model and no shape.
package quant
