package onnx

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mlc-go/mlc/ir/diag"
)

// Bytes gives the elements little-endian in the storage of the data type:
// bool one byte of 0 or 1, types below a byte packed low bits first. The
// result has exactly the size that dims and data type ask for. It may be a
// view of the file: it must not be written to, may be unaligned, and is gone
// after Raw.Close. String tensors have Strings instead.
func (t *RawTensor) Bytes() ([]byte, error) {
	b, e := t.bytes()
	if e != nil {
		return nil, e
	}
	return b, nil
}

func (t *RawTensor) bytes() ([]byte, *diag.Error) {
	if t.src != nil && t.src.closed {
		return nil, t.locate(diag.New(diag.Internal, "model is closed"))
	}
	if e := t.check(); e != nil {
		return nil, e
	}
	n, size, s, e := t.size()
	if e != nil {
		return nil, e
	}
	b := t.Raw
	switch {
	case t.DataType == codeString:
		return nil, t.locate(diag.New(diag.Internal, "strings have no bytes, use Strings"))
	case t.outside:
		b, e = t.src.read(t, size)
	case t.typed == tensorFloats || t.typed == tensorDoubles:
		if b = t.flat; b == nil {
			b, e = t.gather(size)
		}
	case t.typed != 0:
		b, e = t.narrow(n, size, s)
	}
	if e != nil {
		return nil, e
	}
	if int64(len(b)) != size {
		return nil, t.locate(diag.New(diag.Internal, "%d bytes decoded, want %d", len(b), size))
	}
	if t.DataType == codeBool {
		b = normalBools(b)
	}
	return b, nil
}

// Strings gives the elements of a string tensor.
func (t *RawTensor) Strings() ([]string, error) {
	if t.DataType != codeString {
		return nil, t.locate(diag.New(diag.Internal, "data type %d is no string", t.DataType))
	}
	if t.src != nil && t.src.closed {
		return nil, t.locate(diag.New(diag.Internal, "model is closed"))
	}
	if e := t.check(); e != nil {
		return nil, e
	}
	out := make([]string, 0, t.entries)
	err := t.each(func(r *reader) error {
		out = append(out, string(r.val))
		return nil
	})
	if err != nil {
		return nil, t.locate(asDiag(err))
	}
	return out, nil
}

// each calls fn for every occurrence of the typed field.
func (t *RawTensor) each(fn func(*reader) error) error {
	r := reader{s: rootSchemas().tensor, msg: t.msg}
	for {
		ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		if r.num == t.typed {
			if err := fn(&r); err != nil {
				return err
			}
		}
	}
}

// gather joins fixed-width entries that came in several pieces.
func (t *RawTensor) gather(size int64) ([]byte, *diag.Error) {
	out := make([]byte, 0, size)
	err := t.each(func(r *reader) error {
		out = append(out, r.val...)
		return nil
	})
	if err != nil {
		return nil, t.locate(asDiag(err))
	}
	return out, nil
}

// narrow writes varint entries in the width of the data type.
func (t *RawTensor) narrow(n, size int64, s storage) ([]byte, *diag.Error) {
	out := make([]byte, 0, size)
	width := s.bits
	if width < 8 && width != 6 {
		width = 8 // one entry is a byte of packed elements
	}
	six := sixBits{}
	err := t.each(func(r *reader) error {
		return r.varints(func(v uint64) error {
			if !fits(v, width, t.typed) {
				return diag.New(diag.BadModel, "%s holds %d, which is out of range for %s", fieldName(t.typed), int64(v), s.name)
			}
			switch width {
			case 6:
				out = six.put(out, byte(v))
			case 8:
				if t.DataType == codeBool && v != 0 {
					v = 1
				}
				out = append(out, byte(v))
			case 16:
				out = binary.LittleEndian.AppendUint16(out, uint16(v))
			case 32:
				out = binary.LittleEndian.AppendUint32(out, uint32(v))
			default:
				out = binary.LittleEndian.AppendUint64(out, v)
			}
			return nil
		})
	})
	if err != nil {
		return nil, t.locate(asDiag(err))
	}
	return six.flush(out), nil
}

// fits says whether a varint is a value, or the bit pattern, of width bits.
// Both are found in files: -1 in int8 is written as -1 and as 255.
func fits(v uint64, width int, f protowire.Number) bool {
	switch {
	case width == 64:
		return true
	case width == 6: // ONNX: the bits above must be zero
		return v < 1<<6
	case f == tensorUint64s:
		return v < 1<<width
	}
	x := int64(v)
	return x >= -1<<(width-1) && x < 1<<width
}

// sixBits packs 6-bit elements, four into three bytes, low bits first.
type sixBits struct {
	acc  uint
	have uint
}

func (p *sixBits) put(out []byte, v byte) []byte {
	p.acc |= uint(v) << p.have
	p.have += 6
	for p.have >= 8 {
		out = append(out, byte(p.acc))
		p.acc >>= 8
		p.have -= 8
	}
	return out
}

func (p *sixBits) flush(out []byte) []byte {
	if p.have > 0 {
		out = append(out, byte(p.acc))
	}
	return out
}

// normalBools gives b itself if every byte is 0 or 1, as kernels expect, else
// a copy in which any other value is 1.
func normalBools(b []byte) []byte {
	for i, v := range b {
		if v <= 1 {
			continue
		}
		out := append([]byte(nil), b...)
		for j := i; j < len(out); j++ {
			if out[j] != 0 {
				out[j] = 1
			}
		}
		return out
	}
	return b
}

// asDiag gives err as the one error type.
func asDiag(err error) *diag.Error {
	if e, ok := err.(*diag.Error); ok {
		return e
	}
	return &diag.Error{Kind: diag.BadModel, Err: fmt.Errorf("%w", err)}
}
