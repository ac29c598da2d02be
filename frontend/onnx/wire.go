package onnx

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mlc-go/mlc/ir/diag"
)

// reader steps through the fields of one message, skips what the schema does
// not know (newer producers add fields), and never reads beyond the message.
type reader struct {
	s   *schema
	msg []byte
	off int // of msg in the file, for faults
	pos int

	// Set by next.
	f     *field
	num   protowire.Number
	typ   protowire.Type
	whole []byte // tag and value, as they stand
	val   []byte // the value: contents of a length-delimited one, else its encoding
	at    int    // of val in the file
}

// next steps to the next known field; false at the end or at a fault.
func (r *reader) next() (bool, error) {
	for r.pos < len(r.msg) {
		start := r.pos
		num, typ, n := protowire.ConsumeTag(r.msg[start:])
		if n < 0 {
			return false, damaged(r.off+start, "no field of %s can start here", r.s.name)
		}
		f := r.s.at(num)
		if f == nil {
			m := protowire.ConsumeFieldValue(num, typ, r.msg[start+n:])
			if m < 0 {
				return false, damaged(r.off+start, "field %d of %s is unknown and does not end", num, r.s.name)
			}
			r.pos = start + n + m
			continue
		}
		if !f.accepts(typ) {
			return false, damaged(r.off+start, "%s.%s is encoded as %s, which it cannot be", r.s.name, f.name, wireName(typ))
		}
		return true, r.value(f, num, typ, start, n)
	}
	return false, nil
}

// value takes the value behind the tag of n bytes at start.
func (r *reader) value(f *field, num protowire.Number, typ protowire.Type, start, n int) error {
	r.f, r.num, r.typ = f, num, typ
	body := r.msg[start+n:]
	if typ == protowire.BytesType {
		size, k := protowire.ConsumeVarint(body)
		if k < 0 || size > uint64(len(body)-k) {
			left := max(len(body)-max(k, 0), 0)
			e := damaged(r.off+start, "%s.%s says %d bytes, %d are left", r.s.name, f.name, size, left)
			e.Err.(*damage).cut = true
			return e
		}
		end := k + int(size)
		r.val, r.at, r.pos = body[k:end:end], r.off+start+n+k, start+n+end
	} else {
		k := protowire.ConsumeFieldValue(num, typ, body)
		if k < 0 {
			return damaged(r.off+start, "%s.%s does not end", r.s.name, f.name)
		}
		r.val, r.at, r.pos = body[:k:k], r.off+start+n, start+n+k
	}
	r.whole = r.msg[start:r.pos:r.pos]
	if f.isName && len(r.val) > maxName {
		return diag.New(diag.Limit, "%s.%s at byte %d is %d bytes long (limit %d)", r.s.name, f.name, r.at, len(r.val), maxName)
	}
	return nil
}

// varint is the value of a varint field; next has seen that it ends.
func (r *reader) varint() uint64 {
	v, _ := protowire.ConsumeVarint(r.val)
	return v
}

// varints calls fn for each number of a list field, packed or not.
func (r *reader) varints(fn func(uint64) error) error {
	for b := r.val; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return damaged(r.at+len(r.val)-len(b), "%s.%s holds a broken number", r.s.name, r.f.name)
		}
		b = b[n:]
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

// count is how many numbers this occurrence of a list field holds, without
// reading them: fixed-width ones by length, varints by their last bytes.
func (r *reader) count() (int, error) {
	switch {
	case r.typ != protowire.BytesType:
		return 1, nil
	case r.f.kind == protoreflect.BytesKind || r.f.kind == protoreflect.StringKind:
		return 1, nil
	case r.f.wire == protowire.Fixed32Type:
		return r.fixedCount(4)
	case r.f.wire == protowire.Fixed64Type:
		return r.fixedCount(8)
	}
	if k := len(r.val); k > 0 && r.val[k-1] >= 0x80 {
		return 0, damaged(r.at, "%s.%s ends within a number", r.s.name, r.f.name)
	}
	n := 0
	for _, c := range r.val {
		if c < 0x80 {
			n++
		}
	}
	return n, nil
}

func (r *reader) fixedCount(size int) (int, error) {
	if len(r.val)%size != 0 {
		return 0, damaged(r.at, "%s.%s is %d bytes long, no multiple of %d", r.s.name, r.f.name, len(r.val), size)
	}
	return len(r.val) / size, nil
}

// damaged is a fault of the encoding itself: nothing behind it can be trusted.
func damaged(off int, format string, a ...any) *diag.Error {
	e := diag.New(diag.BadModel, format, a...)
	e.Err = &damage{off: off, err: e.Err}
	return e
}

// damage tells a broken encoding from a fault of the contents.
type damage struct {
	off int
	cut bool // the bytes end before a value does
	err error
}

func (d *damage) Error() string {
	return "file is damaged or cut short at byte " + itoa(d.off) + ": " + d.err.Error()
}

func (d *damage) Unwrap() error { return d.err }

func wireName(t protowire.Type) string {
	switch t {
	case protowire.VarintType:
		return "a number"
	case protowire.Fixed32Type:
		return "4 bytes"
	case protowire.Fixed64Type:
		return "8 bytes"
	case protowire.BytesType:
		return "bytes"
	}
	return "a group"
}

// stringField finds the last value of a string field in a message that has
// been walked already; it serves faults, which need names that may stand
// behind the place of the fault.
func stringField(msg []byte, want protowire.Number) string {
	s := ""
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return s
		}
		m := protowire.ConsumeFieldValue(num, typ, msg[n:])
		if m < 0 {
			return s
		}
		if num == want && typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(msg[n:])
			s = string(v)
		}
		msg = msg[n+m:]
	}
	return s
}
