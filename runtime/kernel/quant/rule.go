package quant

import (
	"math"

	"github.com/mlc-go/mlc/ir/dtype"
)

// A Rule is how a float32 value in steps of the result's scale becomes a byte:
// it is bounded, rounded to the nearest even integer, moved by Zero, and its
// bits are turned by Xor. Assembly reads it by offset.
type Rule struct {
	Lo, Hi float32 // bounds before Zero is added
	Zero   int32   // of the unsigned result
	Xor    uint32  // 0x80808080 where the result is signed
}

// NewRule is the rule of results of type d (u8 or i8) with a zero point, which
// are at least lo and at most hi.
func NewRule(d dtype.DType, zero, lo, hi int) Rule {
	r := Rule{Lo: float32(lo - zero), Hi: float32(hi - zero), Zero: int32(zero)}
	if d == dtype.I8 {
		r.Zero += 128
		r.Xor = 0x80808080
	}
	return r
}

// Sign is what turns bytes of type d into unsigned ones that are 128 larger.
func Sign(d dtype.DType) uint32 {
	if d == dtype.I8 {
		return 0x80808080
	}
	return 0
}

// byteOf applies the rule to v. NaN gives the zero point.
func (r *Rule) byteOf(v float32) uint8 {
	switch {
	case v != v:
		v = 0
	case v < r.Lo:
		v = r.Lo
	case v > r.Hi:
		v = r.Hi
	}
	return uint8(int32(math.RoundToEven(float64(v)))+r.Zero) ^ uint8(r.Xor)
}

// Funcs are the inner loops of one instruction set.
type Funcs struct {
	// Requant writes n bytes, n a multiple of 16:
	//
	//	dst[i] = rule(float32(acc[i]+corr) * m)
	Requant func(n int, acc *int32, corr int32, m float32, r *Rule, dst *uint8)
	// RequantCols is Requant with a corr and an m for each element.
	RequantCols func(n int, acc *int32, corr *int32, m *float32, r *Rule, dst *uint8)
	// Quantize writes n bytes, n a multiple of 16:
	//
	//	dst[i] = rule(src[i] / scale)
	Quantize func(n int, src *float32, scale float32, r *Rule, dst *uint8)
	// Dequantize writes n values, n a multiple of 16:
	//
	//	dst[i] = float32(int32(src[i]^xor)-zero) * scale
	Dequantize func(n int, src *uint8, xor uint32, zero int32, scale float32, dst *float32)
	// Add writes n bytes, n a multiple of 16:
	//
	//	dst[i] = rule((float32(a[i]-za)*sa + float32(b[i]-zb)*sb) / sy)
	Add func(n int, a, b *uint8, p *Sum, r *Rule, dst *uint8)
}

// Sum are the scales and zero points of a sum of two quantized tensors, by
// offset. The terms and their sum are rounded to float32 one by one, as the
// operators that they stand for are.
type Sum struct {
	XorA, XorB   uint32
	ZeroA, ZeroB int32 // of the unsigned forms
	A, B, Y      float32
}
