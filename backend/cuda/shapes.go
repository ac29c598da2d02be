package cuda

import (
	"encoding/binary"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	kref "github.com/mlc-go/mlc/runtime/kernel/ref"
)

// shapeOf writes the extents of operand 0, which itself stays where it is.
func shapeOf(o *op) (bool, error) {
	x := o.input(0).Dims
	lo, hi := kref.ShapeSpan(o.attrs(), len(x))
	if o.output(0).DType != dtype.I64 || !shape.Prod(o.output(0).Dims).Is(int64(hi-lo)) {
		return false, nil
	}
	k := o.kernel("shape")
	k.each([]shape.Dim{shape.Int(1)}, func(ptx.U32, []ptx.U32) {
		for i, d := range x[lo:hi] {
			k.storeI64(k.store(0).Off(8*i), k.extent(d))
		}
	})
	return true, nil
}

// storeI64 stores a number with a sign as 64 bits.
func (k *kern) storeI64(p ptx.Ptr, v ptx.U32) {
	p.StU32(v)
	p.Off(4).StU32(v.ShrS(ptx.I(31)))
}

// constantOfShape fills the result, whose extents are known without the operand.
func constantOfShape(o *op) (bool, error) {
	size, y := o.elem(0), o.output(0)
	value := tensor.New(dtype.F32, 1)
	if v, ok := o.attrs()["value"]; ok {
		value = *v.Tensor
	}
	if size == 0 || size > 8 || value.DType() != y.DType || value.Len() != 1 {
		return false, nil
	}
	var bits [8]byte
	copy(bits[:], value.Bytes())
	v := binary.LittleEndian.Uint64(bits[:])
	k := o.kernel("fill")
	k.each([]shape.Dim{shape.Prod(y.Dims)}, func(i ptx.U32, _ []ptx.U32) {
		to := k.store(0).At(i, size)
		switch low := ptx.I(int(uint32(v))); size {
		case 1:
			to.StU8(low)
		case 2:
			to.StU16(low)
		case 4:
			to.StU32(low)
		case 8:
			to.StU64(ptx.I64(int64(v)))
		}
	})
	return true, nil
}

// cast converts integers to others or to floats. Integers keep their low bits.
func cast(o *op) (bool, error) {
	x, y := o.input(0), o.output(0)
	from, fromOK := integers[x.DType]
	to, toOK := integers[y.DType]
	// An integer of 64 bits is cut, but is no float of 32 bits.
	if !fromOK || !toOK && !(floats(y.DType) && x.DType != dtype.I64 && x.DType != dtype.U64) || !shape.EqualAll(x.Dims, y.Dims) || y.DType == dtype.Bool && from.bytes == 8 {
		return false, nil
	}
	k := o.kernel("cast")
	k.each([]shape.Dim{shape.Prod(y.Dims)}, func(i ptx.U32, _ []ptx.U32) {
		if from.bytes == 8 && to.bytes == 8 {
			k.store(0).At(i, 8).StU64(k.load(0).At(i, 8).LdU64())
			return
		}
		v := from.load(k.load(0).At(i, from.bytes))
		at := k.store(0).At(i, max(to.bytes, 1))
		switch {
		case floats(y.DType) && from.signed:
			storeFloat(k.store(0), i, y.DType, v.ToF32S())
		case floats(y.DType):
			storeFloat(k.store(0), i, y.DType, v.ToF32())
		case y.DType == dtype.Bool:
			at.StU8(v.Ne(ptx.I(0)).SelU32(ptx.I(1), ptx.I(0)))
		case to.bytes == 8 && from.signed:
			k.storeI64(at, v)
		case to.bytes == 8:
			at.StU32(v)
			at.Off(4).StU32(ptx.I(0))
		case to.bytes == 4:
			at.StU32(v)
		case to.bytes == 2:
			at.StU16(v)
		default:
			at.StU8(v)
		}
	})
	return true, nil
}

// integer is a type of integers.
type integer struct {
	bytes  int
	signed bool
}

var integers = map[dtype.DType]integer{
	dtype.Bool: {1, false}, dtype.U8: {1, false}, dtype.I8: {1, true}, dtype.U16: {2, false}, dtype.I16: {2, true},
	dtype.U32: {4, false}, dtype.I32: {4, true}, dtype.U64: {8, false}, dtype.I64: {8, true},
}

// load gives a number in 32 bits, of a longer one the lower half.
func (t integer) load(p ptx.Ptr) ptx.U32 {
	switch {
	case t.bytes == 1 && t.signed:
		return p.LdS8()
	case t.bytes == 1:
		return p.LdU8()
	case t.bytes == 2 && t.signed:
		return p.LdU16().Shl(ptx.I(16)).ShrS(ptx.I(16))
	case t.bytes == 2:
		return p.LdU16()
	}
	return p.LdU32()
}
