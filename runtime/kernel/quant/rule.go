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

// Byte applies the rule to v. NaN gives the zero point.
func (r *Rule) Byte(v float32) uint8 {
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
	// Evens writes dst[i] = src[2*i], n bytes, n a multiple of 16; it reads 2*n.
	Evens func(n int, dst, src *uint8)
	// MaxU8 and MaxS8 write dst[i] = max(dst[i], src[i]), n bytes, n a multiple
	// of 16.
	MaxU8, MaxS8 func(n int, dst, src *uint8)
	// Bounds widens 16 ranges by n values, n a multiple of 16, of which NaN
	// changes nothing: lo[i%16] becomes src[i] where that is less, hi[i%16]
	// where it is larger.
	Bounds func(n int, src, lo, hi *float32)
	// Offset writes dst[i] = src[i] + add, n sums, n a multiple of 16; dst may
	// be src.
	Offset func(n int, src *int32, add int32, dst *int32)
}

// Sum are the scales and zero points of a sum of two quantized tensors, by
// offset. The terms and their sum are rounded to float32 one by one, as the
// operators that they stand for are.
type Sum struct {
	XorA, XorB   uint32
	ZeroA, ZeroB int32 // of the unsigned forms
	A, B, Y      float32
}

// Arrange writes src[x*step+from] to dst[x], zero where there is none.
func (f *Funcs) Arrange(dst, src []uint8, step, from int, zero uint8) {
	first := 0
	if from < 0 {
		first = min(len(dst), (-from+step-1)/step)
	}
	end := first
	if last := len(src) - 1 - from; last >= 0 {
		end = max(first, min(len(dst), last/step+1))
	}
	for i := range first {
		dst[i] = zero
	}
	for i := end; i < len(dst); i++ {
		dst[i] = zero
	}
	if first == end {
		return
	}
	at := first*step + from
	if step == 1 {
		copy(dst[first:end], src[min(at, len(src)):])
		return
	}
	if n := (end - first - 1) &^ 15; step == 2 && n > 0 { // one is left, so that 2*n bytes are there
		f.Evens(n, &dst[first], &src[at])
		first, at = first+n, at+2*n
	}
	for x := range dst[first:end] {
		dst[first+x] = src[at+x*step]
	}
}
