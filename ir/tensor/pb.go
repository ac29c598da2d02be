package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/dtype"
)

// Field numbers of onnx.TensorProto.
const (
	tpDims = 1 + iota
	tpDataType
	tpSegment
	tpFloat
	tpInt32
	tpString
	tpInt64
	tpName
	tpRaw
	tpDouble
	tpUint64
	tpDoc
	tpExternal
	tpLocation
)

// maxPBDepth bounds how deep sequences and optionals nest.
const maxPBDepth = 16

// DecodePB reads a serialized onnx.TensorProto, or a SequenceProto,
// OptionalProto or MapProto where want is of that kind: the messages do not
// say themselves which they are. want also gives the element type of an empty
// sequence; a want of kind None is a tensor. Nothing is allocated that b does
// not hold.
func DecodePB(b []byte, want Type) (name string, v Value, err error) {
	name, v, err = decodeValue(b, want, 0)
	if err != nil {
		return "", Value{}, fmt.Errorf("pb: %w", err)
	}
	return name, v, nil
}

func decodeValue(b []byte, want Type, depth int) (string, Value, error) {
	if depth > maxPBDepth {
		return "", Value{}, fmt.Errorf("values nest more than %d deep", maxPBDepth)
	}
	switch want.Kind {
	case KindSeq:
		return decodeSeq(b, want, depth)
	case KindOptional:
		return decodeOptional(b, want, depth)
	case KindMap:
		return decodeMap(b, want, depth)
	}
	name, t, err := decodeTensor(b)
	return name, V(t), err
}

// rawTensor collects the fields of a TensorProto.
type rawTensor struct {
	name                 string
	dims                 []uint64
	code                 uint64
	floats, doubles, raw []byte
	hasRaw               bool
	ints32, ints64, u64  []uint64
	strs                 [][]byte
}

func (r *rawTensor) field(x field) (err error) {
	var b []byte
	switch x.num {
	case tpDims:
		r.dims, err = x.varints(r.dims)
	case tpDataType:
		r.code, err = x.varint()
	case tpFloat:
		r.floats, err = x.fixed(r.floats, 4)
	case tpDouble:
		r.doubles, err = x.fixed(r.doubles, 8)
	case tpInt32:
		r.ints32, err = x.varints(r.ints32)
	case tpInt64:
		r.ints64, err = x.varints(r.ints64)
	case tpUint64:
		r.u64, err = x.varints(r.u64)
	case tpString:
		if b, err = x.bytes(); err == nil {
			r.strs = append(r.strs, b)
		}
	case tpName:
		b, err = x.bytes()
		r.name = string(b)
	case tpRaw:
		r.raw, err = x.bytes()
		r.hasRaw = true
	case tpSegment, tpExternal:
		err = errors.New("segments and external data are not supported here")
	case tpLocation:
		if x.n != 0 {
			err = errors.New("external data is not supported here")
		}
	}
	return err
}

func decodeTensor(b []byte) (string, Tensor, error) {
	var r rawTensor
	if err := fields(b, r.field); err != nil {
		return "", Tensor{}, err
	}
	d, ok := dtype.FromONNX(int32(r.code & math.MaxInt32))
	if !ok || r.code > math.MaxInt32 {
		return "", Tensor{}, fmt.Errorf("element type code %d", r.code)
	}
	dims := make([]int, len(r.dims))
	for i, n := range r.dims {
		if n > math.MaxInt {
			return "", Tensor{}, fmt.Errorf("extent %d", int64(n))
		}
		dims[i] = int(n)
	}
	n, ok := Count(dims)
	if !ok || n > math.MaxInt/16 {
		return "", Tensor{}, fmt.Errorf("shape %v is too large", dims)
	}
	t, err := r.tensor(d, dims, n)
	return r.name, t, err
}

// tensor builds the tensor from whichever field holds the elements.
func (r *rawTensor) tensor(d dtype.DType, dims []int, n int) (Tensor, error) {
	fail := func(have, want int) (Tensor, error) {
		return Tensor{}, fmt.Errorf("tensor %v%v: have %d bytes or elements, want %d", d, dims, have, want)
	}
	if d == dtype.String {
		if len(r.strs) != n {
			return fail(len(r.strs), n)
		}
		t := New(d, dims...)
		for i, s := range r.strs {
			t.strs[i] = string(s)
		}
		return t, nil
	}
	size := d.Bytes(n)
	if src := r.plain(d); src != nil || r.hasRaw {
		if len(src) != size {
			return fail(len(src), size)
		}
		t := New(d, dims...)
		copy(t.b, src)
		return t, nil
	}
	list, width := r.ints32, d.Size()
	switch d {
	case dtype.I64:
		list = r.ints64
	case dtype.U32, dtype.U64:
		list = r.u64
	}
	if width == 0 { // packed: one integer holds one byte
		width = 1
	}
	if len(list)*width != size {
		return fail(len(list)*width, size)
	}
	t := New(d, dims...)
	var w [8]byte
	for i, v := range list {
		binary.LittleEndian.PutUint64(w[:], v)
		copy(t.b[i*width:(i+1)*width], w[:])
	}
	return t, nil
}

// plain is the field that holds the elements as they lie in memory, nil if
// that is none.
func (r *rawTensor) plain(d dtype.DType) []byte {
	switch {
	case r.hasRaw:
		return r.raw
	case d == dtype.F32 || d == dtype.C64:
		return append([]byte{}, r.floats...)
	case d == dtype.F64 || d == dtype.C128:
		return append([]byte{}, r.doubles...)
	}
	return nil
}

// pbField is the field that holds an element of the kind, in SequenceProto;
// OptionalProto numbers them alike.
func pbField(k Kind) (num, code int) {
	switch k {
	case KindSeq:
		return 5, 3
	case KindMap:
		return 6, 4
	case KindOptional:
		return 7, 5
	}
	return 3, 1
}

func decodeSeq(b []byte, want Type, depth int) (string, Value, error) {
	v := Value{Kind: KindSeq, Elem: want.Elem}
	name, err := decodeElems(b, &v, want, depth)
	return name, v, err
}

func decodeOptional(b []byte, want Type, depth int) (string, Value, error) {
	v := Value{Kind: KindOptional, Elem: want.Elem}
	name, err := decodeElems(b, &v, want, depth)
	if err == nil && len(v.Elems) > 1 {
		err = errors.New("optional with several values")
	}
	return name, v, err
}

func decodeElems(b []byte, v *Value, want Type, depth int) (string, error) {
	name := ""
	err := fields(b, func(x field) error {
		switch x.num {
		case 1:
			s, err := x.bytes()
			name = string(s)
			return err
		case 4:
			return errors.New("sparse tensors are not supported")
		case 3, 5, 6, 7:
			kind := [...]Kind{3: KindTensor, 5: KindSeq, 6: KindMap, 7: KindOptional}[x.num]
			elem := Type{Kind: kind}
			if want.Elem != nil && want.Elem.Kind == kind {
				elem = *want.Elem
			} else if want.Elem != nil && want.Elem.Kind != KindNone {
				return fmt.Errorf("an element of another kind than %v", *want.Elem)
			}
			s, err := x.bytes()
			if err != nil {
				return err
			}
			_, e, err := decodeValue(s, elem, depth+1)
			if err != nil {
				return fmt.Errorf("element %d: %w", len(v.Elems), err)
			}
			v.Elems = append(v.Elems, e)
		}
		return nil
	})
	return name, err
}

func decodeMap(b []byte, want Type, depth int) (string, Value, error) {
	v := Value{Kind: KindMap, Elem: want.Elem}
	name := ""
	var code uint64
	var keys []uint64
	var strs []string
	err := fields(b, func(x field) (err error) {
		var s []byte
		switch x.num {
		case 1:
			s, err = x.bytes()
			name = string(s)
		case 2:
			code, err = x.varint()
		case 3:
			keys, err = x.varints(keys)
		case 4:
			s, err = x.bytes()
			strs = append(strs, string(s))
		case 5:
			if s, err = x.bytes(); err == nil {
				var seq Value
				_, seq, err = decodeValue(s, Type{Kind: KindSeq, Elem: want.Elem}, depth+1)
				v.Elems = seq.Elems
			}
		}
		return err
	})
	if err != nil {
		return "", v, err
	}
	d, ok := dtype.FromONNX(int32(code & math.MaxInt32))
	n := max(len(keys), len(strs))
	if !ok || d != dtype.String && !d.IsInt() || d.Size() == 0 && d != dtype.String || len(v.Elems) != n || len(keys) > 0 && len(strs) > 0 || (len(strs) > 0) != (d == dtype.String) && n > 0 {
		return "", v, fmt.Errorf("map of %d keys of type code %d to %d values", n, code, len(v.Elems))
	}
	v.Tensor = New(d, n)
	copy(v.Tensor.strs, strs)
	for i, k := range keys {
		v.Tensor.SetInt(i, int64(k))
	}
	return name, v, nil
}

// EncodePB writes v as onnx.TensorProto, SequenceProto, OptionalProto or
// MapProto, by its kind, under the given name. Error: an absent value, or
// elements of different kinds.
func EncodePB(name string, v Value) ([]byte, error) {
	b, err := encodeValue(name, &v, 0)
	if err != nil {
		return nil, fmt.Errorf("pb: %w", err)
	}
	return b, nil
}

func encodeValue(name string, v *Value, depth int) ([]byte, error) {
	if depth > maxPBDepth {
		return nil, fmt.Errorf("values nest more than %d deep", maxPBDepth)
	}
	switch v.Kind {
	case KindTensor:
		return encodeTensor(name, &v.Tensor), nil
	case KindSeq, KindOptional:
		return encodeElems(name, v, depth)
	case KindMap:
		return encodeMap(name, v, depth)
	}
	return nil, errors.New("an absent value cannot be written")
}

func encodeTensor(name string, t *Tensor) []byte {
	var b []byte
	if len(t.dims) > 0 {
		var p []byte
		for _, d := range t.dims {
			p = binary.AppendUvarint(p, uint64(d))
		}
		b = appendBytes(b, tpDims, p)
	}
	b = appendVarint(b, tpDataType, uint64(t.dt.ONNX()))
	for _, s := range t.strs {
		b = appendBytes(b, tpString, []byte(s))
	}
	if name != "" {
		b = appendBytes(b, tpName, []byte(name))
	}
	if t.dt != dtype.String {
		b = appendBytes(b, tpRaw, t.b)
	}
	return b
}

func encodeElems(name string, v *Value, depth int) ([]byte, error) {
	var b []byte
	if name != "" {
		b = appendBytes(b, 1, []byte(name))
	}
	kind := KindTensor
	if len(v.Elems) > 0 {
		kind = v.Elems[0].Kind
	} else if v.Elem != nil && v.Elem.Kind != KindNone {
		kind = v.Elem.Kind
	}
	num, code := pbField(kind)
	b = appendVarint(b, 2, uint64(code))
	for i := range v.Elems {
		if v.Elems[i].Kind != kind {
			return nil, errors.New("elements of different kinds")
		}
		e, err := encodeValue("", &v.Elems[i], depth+1)
		if err != nil {
			return nil, err
		}
		b = appendBytes(b, num, e)
	}
	return b, nil
}

func encodeMap(name string, v *Value, depth int) ([]byte, error) {
	var b []byte
	if name != "" {
		b = appendBytes(b, 1, []byte(name))
	}
	b = appendVarint(b, 2, uint64(v.Tensor.dt.ONNX()))
	for _, s := range v.Tensor.strs {
		b = appendBytes(b, 4, []byte(s))
	}
	if v.Tensor.dt != dtype.String {
		var p []byte
		for i := range v.Tensor.Len() {
			p = binary.AppendUvarint(p, uint64(v.Tensor.Int(i)))
		}
		b = appendBytes(b, 3, p)
	}
	seq, err := encodeElems("", &Value{Kind: KindSeq, Elems: v.Elems, Elem: v.Elem}, depth+1)
	if err != nil {
		return nil, err
	}
	return appendBytes(b, 5, seq), nil
}

// ReadTensorPB is DecodePB for a tensor.
func ReadTensorPB(b []byte) (string, Tensor, error) {
	name, v, err := DecodePB(b, Type{Kind: KindTensor})
	return name, v.Tensor, err
}
