package dtype

import (
	"fmt"
)

// DType is the element type of a tensor. The zero value is Invalid.
type DType uint8

// The element types. The order is part of the artifact format: append only.
const (
	Invalid DType = iota
	F32
	F64
	F16
	BF16
	I8
	I16
	I32
	I64
	U8
	U16
	U32
	U64
	Bool
	String
	C64
	C128
	F8E4M3FN
	F8E4M3FNUZ
	F8E5M2
	F8E5M2FNUZ
	U4
	I4
	F4E2M1
	F8E8M0
	U2
	I2
	numDTypes
)

type info struct {
	name string
	bits int
	onnx int32 // TensorProto.DataType
}

var infos = [numDTypes]info{
	Invalid: {"invalid", 0, 0},
	F32:     {"f32", 32, 1}, F64: {"f64", 64, 11}, F16: {"f16", 16, 10}, BF16: {"bf16", 16, 16},
	I8: {"i8", 8, 3}, I16: {"i16", 16, 5}, I32: {"i32", 32, 6}, I64: {"i64", 64, 7},
	U8: {"u8", 8, 2}, U16: {"u16", 16, 4}, U32: {"u32", 32, 12}, U64: {"u64", 64, 13},
	Bool: {"bool", 8, 9}, String: {"str", 0, 8},
	C64: {"c64", 64, 14}, C128: {"c128", 128, 15},
	F8E4M3FN: {"f8e4m3fn", 8, 17}, F8E4M3FNUZ: {"f8e4m3fnuz", 8, 18},
	F8E5M2: {"f8e5m2", 8, 19}, F8E5M2FNUZ: {"f8e5m2fnuz", 8, 20},
	U4: {"u4", 4, 21}, I4: {"i4", 4, 22}, F4E2M1: {"f4e2m1", 4, 23}, F8E8M0: {"f8e8m0", 8, 24},
	U2: {"u2", 2, 25}, I2: {"i2", 2, 26},
}

// String is the name used in .mir: "f32", "i64", "bool", "str".
func (d DType) String() string {
	if d < numDTypes {
		return infos[d].name
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Parse is the inverse of String.
func Parse(s string) (DType, bool) {
	for d := F32; d < numDTypes; d++ {
		if infos[d].name == s {
			return d, true
		}
	}
	return Invalid, false
}

// All lists every valid type in order.
func All() []DType {
	out := make([]DType, 0, numDTypes-1)
	for d := F32; d < numDTypes; d++ {
		out = append(out, d)
	}
	return out
}

// Valid says whether d is one of the listed types.
func (d DType) Valid() bool { return d > Invalid && d < numDTypes }

// Bits is the storage of one element in bits; 0 for strings.
func (d DType) Bits() int {
	if d < numDTypes {
		return infos[d].bits
	}
	return 0
}

// Size is the storage of one element in bytes; 0 for strings and for types
// packed below a byte (use Bytes).
func (d DType) Size() int { return d.Bits() / 8 }

// Bytes is the storage of n elements in bytes; types below a byte are packed,
// low bits first, and round up. It does not overflow for a count that
// tensor.Count allows.
func (d DType) Bytes(n int) int {
	if bits := d.Bits(); bits < 8 {
		return (n*bits + 7) / 8
	}
	return n * (d.Bits() / 8)
}

// IsFloat reports real floating-point types, the 8- and 4-bit ones included.
func (d DType) IsFloat() bool {
	switch d {
	case F32, F64, F16, BF16, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F4E2M1, F8E8M0:
		return true
	}
	return false
}

// IsInt reports integer types of either signedness; bool is none.
func (d DType) IsInt() bool { return d.IsSigned() || d.IsUnsigned() }

// IsSigned reports signed integers.
func (d DType) IsSigned() bool {
	switch d {
	case I8, I16, I32, I64, I4, I2:
		return true
	}
	return false
}

// IsUnsigned reports unsigned integers.
func (d DType) IsUnsigned() bool {
	switch d {
	case U8, U16, U32, U64, U4, U2:
		return true
	}
	return false
}

// IsComplex reports complex types.
func (d DType) IsComplex() bool { return d == C64 || d == C128 }

// IntRange is the smallest and largest value of an integer type; of U64 the
// upper end is given as math.MaxInt64.
func (d DType) IntRange() (lo, hi int64) {
	b := d.Bits()
	switch {
	case d.IsSigned():
		return -1 << (b - 1), 1<<(b-1) - 1
	case d == U64:
		return 0, 1<<63 - 1
	case d.IsUnsigned():
		return 0, 1<<b - 1
	}
	return 0, 0
}

// ONNX is the TensorProto.DataType code.
func (d DType) ONNX() int32 {
	if d < numDTypes {
		return infos[d].onnx
	}
	return 0
}

// FromONNX maps a TensorProto.DataType code.
func FromONNX(code int32) (DType, bool) {
	if code == 0 {
		return Invalid, false
	}
	for d := F32; d < numDTypes; d++ {
		if infos[d].onnx == code {
			return d, true
		}
	}
	return Invalid, false
}
