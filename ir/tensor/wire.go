package tensor

import (
	"encoding/binary"
	"errors"
)

// Protocol buffer wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

var errWire = errors.New("malformed protocol buffer")

// field is one field of a message: n of varints and fixed fields, b of
// length-delimited ones, a part of the message itself.
type field struct {
	num, wire int
	n         uint64
	b         []byte
}

// fields calls f for each field of the message b.
func fields(b []byte, f func(field) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29-1 {
			return errWire
		}
		b = b[n:]
		x := field{num: int(key >> 3), wire: int(key & 7)}
		switch x.wire {
		case wireVarint:
			if x.n, n = binary.Uvarint(b); n <= 0 {
				return errWire
			}
		case wire64:
			if n = 8; len(b) < 8 {
				return errWire
			}
			x.n = binary.LittleEndian.Uint64(b)
		case wire32:
			if n = 4; len(b) < 4 {
				return errWire
			}
			x.n = uint64(binary.LittleEndian.Uint32(b))
		case wireBytes:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return errWire
			}
			n = k + int(size)
			x.b = b[k:n]
		default: // groups are not used by ONNX
			return errWire
		}
		b = b[n:]
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// varints appends the integers of a repeated field, packed or not, to list.
func (x *field) varints(list []uint64) ([]uint64, error) {
	switch x.wire {
	case wireVarint:
		return append(list, x.n), nil
	case wireBytes:
		for b := x.b; len(b) > 0; {
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return nil, errWire
			}
			list, b = append(list, v), b[n:]
		}
		return list, nil
	}
	return nil, errWire
}

// fixed appends the bytes of a repeated field of width bytes an element.
func (x *field) fixed(list []byte, width int) ([]byte, error) {
	switch {
	case x.wire == wireBytes && len(x.b)%width == 0:
		return append(list, x.b...), nil
	case x.wire == wire32 && width == 4:
		return binary.LittleEndian.AppendUint32(list, uint32(x.n)), nil
	case x.wire == wire64 && width == 8:
		return binary.LittleEndian.AppendUint64(list, x.n), nil
	}
	return nil, errWire
}

func (x *field) varint() (uint64, error) {
	if x.wire != wireVarint {
		return 0, errWire
	}
	return x.n, nil
}

func (x *field) bytes() ([]byte, error) {
	if x.wire != wireBytes {
		return nil, errWire
	}
	return x.b, nil
}

func appendVarint(b []byte, num int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(num)<<3|wireVarint), v)
}

func appendBytes(b []byte, num int, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(num)<<3|wireBytes)
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}
