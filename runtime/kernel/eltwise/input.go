package eltwise

import (
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Reads says whether programs have operands of type d. All but float32 are
// widened to it as they are read, exactly, bool as its byte.
func Reads(d dtype.DType) bool {
	switch d {
	case dtype.F32, dtype.F16, dtype.U8, dtype.I8, dtype.Bool:
		return true
	}
	return false
}

const readsText = "f32, f16, u8, i8 or bool"

// input is an operand of a prepared call. The slice of its type is bound at each
// run.
type input struct {
	from  dtype.DType
	class class
	f32   []float32
	f16   []uint16
	bytes []byte
}

func (in *input) widened() bool { return in.from != dtype.F32 }

func (in *input) bind(t *tensor.Tensor) {
	switch in.from {
	case dtype.F32:
		in.f32 = tensor.Slice[float32](t)
	case dtype.F16:
		in.f16 = tensor.Slice[uint16](t)
	default:
		in.bytes = t.Bytes()
	}
}

// element is element i as float32.
func (in *input) element(i int) float32 {
	switch in.from {
	case dtype.F32:
		return in.f32[i]
	case dtype.F16:
		return dtype.F16ToF32(in.f16[i])
	}
	return byteValue(in.from, in.bytes[i])
}

func byteValue(d dtype.DType, b byte) float32 {
	if d == dtype.I8 {
		return float32(int8(b))
	}
	return float32(b)
}

// widen writes the elements from off on as float32; the operand's are of
// another type.
func (in *input) widen(f *Funcs, dst []float32, off int) {
	switch in.from {
	case dtype.F16:
		f.fromF16(dst, in.f16[off:][:len(dst)])
	case dtype.I8:
		for i, b := range in.bytes[off:][:len(dst)] {
			dst[i] = float32(int8(b))
		}
	default:
		for i, b := range in.bytes[off:][:len(dst)] {
			dst[i] = float32(b)
		}
	}
}
