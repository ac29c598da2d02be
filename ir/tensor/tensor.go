package tensor

import (
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
)

// Align is the alignment in bytes of buffers that New allocates.
const Align = 64

// Tensor is a dense row-major array. It is a small value that refers to a
// buffer; copies share it. The zero Tensor is invalid.
type Tensor struct {
	dt   dtype.DType
	dims []int
	b    []byte
	strs []string // of dtype.String
}

// Element is a Go type that can view a tensor's buffer. Types without a Go
// form (f16, bf16, 8-bit floats) are viewed as unsigned integers of their
// width.
type Element interface {
	~float32 | ~float64 | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~bool | ~complex64 | ~complex128
}

// Count is the number of elements of a shape, and false if an extent is
// negative or the product does not fit.
func Count(dims []int) (int, bool) {
	n := uint64(1)
	for _, d := range dims {
		if d < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt>>4 {
			return 0, false
		}
		n = lo
	}
	return int(n), true
}

// AlignedBytes allocates n zeroed bytes at a 64-byte boundary.
func AlignedBytes(n int) []byte {
	if n == 0 {
		return nil
	}
	b := make([]byte, n+Align)
	o := int(-uintptr(unsafe.Pointer(&b[0])) & (Align - 1))
	return b[o : o+n : o+n]
}

// New allocates a zeroed tensor; it panics on a negative extent (a caller's
// fault: sizes from files are checked before).
func New(d dtype.DType, dims ...int) Tensor {
	n, ok := Count(dims)
	if !ok {
		panic(fmt.Sprintf("tensor.New: extents %v", dims))
	}
	t := Tensor{dt: d, dims: append(make([]int, 0, len(dims)), dims...)}
	if d == dtype.String {
		t.strs = make([]string, n)
	} else {
		t.b = AlignedBytes(d.Bytes(n))
	}
	return t
}

// Of views data as a tensor without copying. Error: the count does not match.
func Of[T Element](data []T, dims ...int) (Tensor, error) {
	n, ok := Count(dims)
	if !ok || n != len(data) {
		return Tensor{}, fmt.Errorf("tensor of shape %v from %d elements", dims, len(data))
	}
	var z T
	t := Tensor{dt: goType(z), dims: append([]int(nil), dims...)}
	if n > 0 {
		t.b = unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), n*int(unsafe.Sizeof(z)))
	}
	return t, nil
}

// MustOf is Of for literals in tests and generated code; it panics on error.
// Without dims it is a scalar, of one element.
func MustOf[T Element](data []T, dims ...int) Tensor {
	t, err := Of(data, dims...)
	if err != nil {
		panic(err)
	}
	return t
}

// OfStrings views strings as a tensor.
func OfStrings(data []string, dims ...int) (Tensor, error) {
	n, ok := Count(dims)
	if !ok || n != len(data) {
		return Tensor{}, fmt.Errorf("tensor of shape %v from %d strings", dims, len(data))
	}
	return Tensor{dt: dtype.String, dims: append([]int(nil), dims...), strs: data}, nil
}

// FromBytes views b, little-endian elements, as a tensor. It copies only where
// b is not aligned for the type. Error: the size does not match.
func FromBytes(d dtype.DType, dims []int, b []byte) (Tensor, error) {
	n, ok := Count(dims)
	if !ok || d == dtype.String || !d.Valid() || d.Bytes(n) != len(b) {
		return Tensor{}, fmt.Errorf("tensor %v%v from %d bytes", d, dims, len(b))
	}
	if a := uintptr(min(8, max(1, d.Size()))); len(b) > 0 && uintptr(unsafe.Pointer(&b[0]))%a != 0 {
		c := AlignedBytes(len(b))
		copy(c, b)
		b = c
	}
	return Tensor{dt: d, dims: append([]int(nil), dims...), b: b}, nil
}

func goType(z any) dtype.DType {
	switch z.(type) {
	case float32:
		return dtype.F32
	case float64:
		return dtype.F64
	case int8:
		return dtype.I8
	case int16:
		return dtype.I16
	case int32:
		return dtype.I32
	case int64:
		return dtype.I64
	case uint8:
		return dtype.U8
	case uint16:
		return dtype.U16
	case uint32:
		return dtype.U32
	case uint64:
		return dtype.U64
	case bool:
		return dtype.Bool
	case complex64:
		return dtype.C64
	case complex128:
		return dtype.C128
	}
	return dtype.Invalid
}

// Data views the elements without copying. Error: T is not the tensor's type
// (f16, bf16 and the small floats are viewed by the unsigned type of their
// width).
func Data[T Element](t Tensor) ([]T, error) {
	var z T
	g := goType(z)
	if g != t.dt && !(g.IsUnsigned() && g.Bits() == t.dt.Bits() && t.dt.IsFloat() && g != dtype.U32 && g != dtype.U64) {
		return nil, fmt.Errorf("tensor of %v viewed as %v", t.dt, g)
	}
	return Slice[T](&t), nil
}

// Slice views the buffer as []T without any check: for kernels, whose wrappers
// have checked.
func Slice[T Element](t *Tensor) []T {
	if len(t.b) == 0 {
		return nil
	}
	var z T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(t.b))), len(t.b)/int(unsafe.Sizeof(z)))
}

// Valid says whether t is a tensor at all.
func (t *Tensor) Valid() bool { return t.dt != dtype.Invalid }

// DType is the element type.
func (t *Tensor) DType() dtype.DType { return t.dt }

// Dims are the extents; the caller must not change them.
func (t *Tensor) Dims() []int { return t.dims }

// Rank is the number of axes.
func (t *Tensor) Rank() int { return len(t.dims) }

// Dim is the extent of axis i.
func (t *Tensor) Dim(i int) int { return t.dims[i] }

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.dims {
		n *= d
	}
	return n
}

// Bytes is the buffer (nil for strings).
func (t *Tensor) Bytes() []byte { return t.b }

// Strings are the elements of a string tensor.
func (t *Tensor) Strings() []string { return t.strs }

// Type is the static type of t.
func (t *Tensor) Type() Type { return T(t.dt, shape.Ints(t.dims...)...) }

// Clone copies the buffer.
func (t Tensor) Clone() Tensor {
	c := New(t.dt, t.dims...)
	copy(c.b, t.b)
	copy(c.strs, t.strs)
	return c
}

// View is the same buffer under other extents. Error: the counts differ.
func (t Tensor) View(dims ...int) (Tensor, error) {
	n, ok := Count(dims)
	if !ok || n != t.Len() {
		return Tensor{}, fmt.Errorf("tensor %v%v viewed as %v", t.dt, t.dims, dims)
	}
	t.dims = append([]int(nil), dims...)
	return t, nil
}

// Rebind makes t a view of b with the given extents, keeping both slices: for
// runtimes that place tensors in an arena without allocating. len(b) must be
// what the type and extents need.
func (t *Tensor) Rebind(d dtype.DType, dims []int, b []byte) {
	t.dt, t.dims, t.b, t.strs = d, dims, b, nil
}

// NotFinite is the first element of floats that is NaN or infinite; -1: none is.
func (t *Tensor) NotFinite() int {
	if !t.Valid() || !t.dt.IsFloat() {
		return -1
	}
	for i := range t.Len() {
		if v := t.Float(i); v-v != 0 {
			return i
		}
	}
	return -1
}

// Float is element i as a float64; ints beyond 2^53 round, bool is 0 or 1.
func (t *Tensor) Float(i int) float64 {
	switch t.dt {
	case dtype.F32:
		return float64(Slice[float32](t)[i])
	case dtype.F64:
		return Slice[float64](t)[i]
	case dtype.F16:
		return float64(dtype.F16ToF32(Slice[uint16](t)[i]))
	case dtype.BF16:
		return float64(dtype.BF16ToF32(Slice[uint16](t)[i]))
	case dtype.U64:
		return float64(Slice[uint64](t)[i])
	}
	return float64(t.Int(i))
}

// SetFloat stores v at i, rounded to nearest even for floats and truncated for
// integers (v must be in range).
func (t *Tensor) SetFloat(i int, v float64) {
	switch t.dt {
	case dtype.F32:
		Slice[float32](t)[i] = float32(v)
	case dtype.F64:
		Slice[float64](t)[i] = v
	case dtype.F16:
		Slice[uint16](t)[i] = dtype.F64ToF16(v)
	case dtype.BF16:
		Slice[uint16](t)[i] = dtype.F64ToBF16(v)
	case dtype.U64:
		Slice[uint64](t)[i] = uint64(v)
	default:
		t.SetInt(i, int64(v))
	}
}

// Int is element i of an integer or bool tensor.
func (t *Tensor) Int(i int) int64 {
	switch t.dt {
	case dtype.I64:
		return Slice[int64](t)[i]
	case dtype.I32:
		return int64(Slice[int32](t)[i])
	case dtype.I16:
		return int64(Slice[int16](t)[i])
	case dtype.I8:
		return int64(Slice[int8](t)[i])
	case dtype.U64:
		return int64(Slice[uint64](t)[i])
	case dtype.U32:
		return int64(Slice[uint32](t)[i])
	case dtype.U16:
		return int64(Slice[uint16](t)[i])
	case dtype.U8, dtype.Bool:
		return int64(t.b[i])
	case dtype.I4:
		return int64(int8(t.b[i/2]>>(4*(i&1))<<4) >> 4)
	case dtype.U4:
		return int64(t.b[i/2] >> (4 * (i & 1)) & 15)
	case dtype.I2:
		return int64(int8(t.b[i/4]>>(2*(i&3))<<6) >> 6)
	case dtype.U2:
		return int64(t.b[i/4] >> (2 * (i & 3)) & 3)
	}
	panic("tensor.Int of " + t.dt.String())
}

// SetInt stores the low bits of v at i of an integer or bool tensor.
func (t *Tensor) SetInt(i int, v int64) {
	switch t.dt {
	case dtype.I64:
		Slice[int64](t)[i] = v
	case dtype.I32:
		Slice[int32](t)[i] = int32(v)
	case dtype.I16:
		Slice[int16](t)[i] = int16(v)
	case dtype.I8:
		Slice[int8](t)[i] = int8(v)
	case dtype.U64:
		Slice[uint64](t)[i] = uint64(v)
	case dtype.U32:
		Slice[uint32](t)[i] = uint32(v)
	case dtype.U16:
		Slice[uint16](t)[i] = uint16(v)
	case dtype.U8:
		t.b[i] = uint8(v)
	case dtype.Bool:
		t.b[i] = 0
		if v != 0 {
			t.b[i] = 1
		}
	case dtype.I4, dtype.U4:
		s := 4 * (i & 1)
		t.b[i/2] = t.b[i/2]&^(15<<s) | uint8(v)&15<<s
	case dtype.I2, dtype.U2:
		s := 2 * (i & 3)
		t.b[i/4] = t.b[i/4]&^(3<<s) | uint8(v)&3<<s
	default:
		panic("tensor.SetInt of " + t.dt.String())
	}
}

// Scalar is a tensor of rank 0.
func Scalar(d dtype.DType, v float64) Tensor {
	t := New(d)
	t.SetFloat(0, v)
	return t
}

// Int64s is an i64 vector.
func Int64s(v ...int64) Tensor {
	t := New(dtype.I64, len(v))
	copy(Slice[int64](&t), v)
	return t
}
