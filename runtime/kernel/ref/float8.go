package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// tiny describes a floating-point format of 4 or 8 bits.
type tiny struct {
	bits, man, bias int
	max             uint8 // code of the largest finite value
	inf, nan        uint8 // code of +Inf (0: none) and NaN (0: none)
	unsignedZero    bool  // the code of -0 is NaN (the FNUZ formats)
}

// tinyOf gives the format; ok is false for other types, and for F8E8M0, which
// is an exponent alone.
func tinyOf(d dtype.DType) (f tiny, ok bool) {
	switch d {
	case dtype.F8E4M3FN:
		return tiny{8, 3, 7, 0x7e, 0, 0x7f, false}, true
	case dtype.F8E4M3FNUZ:
		return tiny{8, 3, 8, 0x7f, 0, 0x80, true}, true
	case dtype.F8E5M2:
		return tiny{8, 2, 15, 0x7b, 0x7c, 0x7e, false}, true
	case dtype.F8E5M2FNUZ:
		return tiny{8, 2, 16, 0x7f, 0, 0x80, true}, true
	case dtype.F4E2M1:
		return tiny{4, 1, 1, 0x7, 0, 0, false}, true
	}
	return tiny{}, false
}

// decode is exact.
func (f *tiny) decode(code uint8) float64 {
	sign := code >> (f.bits - 1)
	mag := code & (1<<(f.bits-1) - 1)
	switch {
	case f.unsignedZero && code == f.nan, !f.unsignedZero && f.nan != 0 && mag > f.max && mag != f.inf:
		return math.NaN()
	case f.inf != 0 && mag == f.inf:
		return math.Inf(1 - 2*int(sign))
	}
	e, m := int(mag>>f.man), int(mag&(1<<f.man-1))
	v := math.Ldexp(float64(m), 1-f.bias-f.man)
	if e > 0 {
		v = math.Ldexp(float64(m+1<<f.man), e-f.bias-f.man)
	}
	if sign != 0 {
		return -v
	}
	return v
}

// encode rounds to nearest even. Beyond the largest value it saturates, or
// gives Inf, else NaN, where the format has them. A format without NaN gives
// -0 for it, as ONNX's own conversion to float4 does.
func (f *tiny) encode(v float64, saturate bool) uint8 {
	sign := uint8(0)
	if math.Signbit(v) {
		sign = 1 << (f.bits - 1)
	}
	a := math.Abs(v)
	switch {
	case v != v && f.unsignedZero:
		return f.nan
	case v != v && f.nan == 0:
		return 1 << (f.bits - 1)
	case v != v:
		return sign | f.nan
	}
	over := math.IsInf(a, 1)
	var code int
	if !over && a > 0 {
		_, e := math.Frexp(a) // a = 0.5..1 * 2^e
		e = max(e-1, 1-f.bias)
		q := int(math.RoundToEven(math.Ldexp(a, f.man-e)))
		code = (e+f.bias-1)<<f.man + q
		over = code > int(f.max)
	}
	switch {
	case !over && code == 0 && f.unsignedZero:
		return 0
	case !over:
		return sign | uint8(code)
	case saturate || f.bits == 4:
		return sign | f.max
	case f.inf != 0:
		return sign | f.inf
	case f.unsignedZero:
		return f.nan
	}
	return sign | f.nan
}

// encodeE8M0 is the exponent alone: powers of two from 2^-127 to 2^127, 255 is
// NaN. Negative numbers, which have no meaning there, give NaN.
func encodeE8M0(v float64, mode string, saturate bool) uint8 {
	switch {
	case v != v || v < 0:
		return 255
	case v == 0 && saturate && mode != "nearest", v > 0 && v < 0x1p-127 && saturate:
		return 0
	case v < 0x1p-127:
		return 255
	case v > 0x1p127:
		if saturate {
			return 254
		}
		return 255
	}
	m, e := math.Frexp(v) // m in 0.5..1
	e += 126
	if m > 0.5 && (mode == "up" || mode == "nearest" && m >= 0.75) {
		e++
	}
	return uint8(min(e, 254))
}

// loadReal is element i of any real type as a float64.
func loadReal(t *tensor.Tensor, i int) float64 {
	d := t.DType()
	if f, ok := tinyOf(d); ok {
		return f.decode(tinyCode(t, i))
	}
	if d == dtype.F8E8M0 {
		if b := t.Bytes()[i]; b != 255 {
			return math.Ldexp(1, int(b)-127)
		}
		return math.NaN()
	}
	return t.Float(i)
}

func tinyCode(t *tensor.Tensor, i int) uint8 {
	if t.DType() == dtype.F4E2M1 {
		return t.Bytes()[i/2] >> (4 * (i & 1)) & 15
	}
	return t.Bytes()[i]
}

func setTinyCode(t *tensor.Tensor, i int, v uint8) {
	b := t.Bytes()
	if t.DType() == dtype.F4E2M1 {
		s := 4 * (i & 1)
		b[i/2] = b[i/2]&^(15<<s) | v<<s
		return
	}
	b[i] = v
}
