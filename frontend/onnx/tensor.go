package onnx

import (
	"fmt"
	"strconv"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/diag"
)

// RawTensor is one TensorProto with its payload left where it is. Decode has
// checked that the payload is there and has the size that dims and data type
// ask for.
type RawTensor struct {
	Name     string
	DataType int32 // TensorProto.DataType
	Dims     []int64
	Raw      []byte    // raw_data, a view of the file; nil if the payload is typed or external
	External *External // not nil if the payload is in another file

	hasRaw  bool
	outside bool             // data_location says EXTERNAL
	segment bool             // has the segment field, which nobody uses
	typed   protowire.Number // the typed field that is used, 0 for none
	second  protowire.Number // another one used beside it: a fault
	entries int              // in field typed
	flat    []byte           // of fixed-width entries in one piece: their bytes
	msg     []byte           // the message, read again when typed entries are asked for
	place   place
	src     *sources // opens External
}

// External says where in the model's folder a payload is.
type External struct {
	Location string
	Offset   int64
	Length   int64 // -1 if the model does not say

	bad string // a value that is no number, key=value
}

// place is where a tensor hangs, for faults; names are read only then.
type place struct {
	what string // "initializer", "tensor", …
	node []byte // the NodeProto, if any
	attr []byte // the AttributeProto, if any
}

// fault makes an Error at the tensor's place.
func (t *RawTensor) fault(k diag.Kind, port, have, want string) *diag.Error {
	return t.locate(&diag.Error{Kind: k, Port: port, Have: have, Want: want})
}

// locate fills in the tensor's place where e has none.
func (t *RawTensor) locate(e *diag.Error) *diag.Error {
	if e.Node != "" {
		return e
	}
	p := &t.place
	if p.attr == nil {
		e.Node = p.what + " " + strconv.Quote(t.Name)
		return e
	}
	port := "attribute " + strconv.Quote(stringField(p.attr, attrName))
	if e.Port != "" {
		port += ": " + e.Port
	}
	e.Port = port
	if p.node == nil {
		e.Node = "function default"
	} else {
		e.Node, e.Op = stringField(p.node, nodeName), stringField(p.node, nodeOpType)
	}
	return e
}

// parse reads the message of a tensor; keep, if not nil, is called with the
// fields that are not payload.
func (t *RawTensor) parse(r *reader, keep func(whole []byte)) error {
	t.msg = r.msg
	pieces := 0
	for {
		ok, err := r.next()
		if err != nil || !ok {
			if pieces > 1 {
				t.flat = nil
			}
			return err
		}
		switch r.num {
		case tensorDims:
			err = r.varints(func(v uint64) error {
				if len(t.Dims) == maxRank {
					return diag.New(diag.Limit, "tensor at byte %d has more than %d dimensions", r.off, maxRank)
				}
				t.Dims = append(t.Dims, int64(v))
				return nil
			})
		case tensorType:
			t.DataType = int32(r.varint())
		case tensorName:
			t.Name = string(r.val)
		case tensorSegment:
			t.segment = true
			continue
		case tensorRaw:
			t.Raw, t.hasRaw = r.val, true
			continue
		case tensorExternal:
			if err := t.externalEntry(r); err != nil {
				return err
			}
			continue
		case tensorLocation:
			t.outside = r.varint() == locationOutside
			continue
		case tensorFloats, tensorInt32s, tensorStrings, tensorInt64s, tensorDoubles, tensorUint64s:
			n, err := r.count()
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if t.typed != 0 && t.typed != r.num {
				t.second = r.num
				continue
			}
			t.typed = r.num
			t.entries += n
			t.flat = r.val
			pieces++
			continue
		default: // doc_string, metadata_props: nobody asks for a tensor's
			continue
		}
		if err != nil {
			return err
		}
		if keep != nil {
			keep(r.whole)
		}
	}
}

// Len is the number of elements.
func (t *RawTensor) Len() (int64, error) {
	n, e := elems(t.Dims)
	if e != nil {
		return 0, t.locate(e)
	}
	return n, nil
}

// size is the number of elements and of bytes that they take in raw form (0
// for strings), with the storage of the data type.
func (t *RawTensor) size() (n, size int64, s storage, fault *diag.Error) {
	s, ok := storageOf(t.DataType)
	if !ok {
		if t.DataType == 0 {
			return 0, 0, s, t.locate(diag.New(diag.BadModel, "no data type"))
		}
		return 0, 0, s, t.locate(diag.New(diag.BadModel, "unknown data type %d (known: 1 to %d)", t.DataType, codeF6E3M2))
	}
	n, e := elems(t.Dims)
	if e != nil {
		return 0, 0, s, t.locate(e)
	}
	return n, (n*int64(s.bits) + 7) / 8, s, nil
}

// check compares the payload with what dims and data type ask for, without
// reading it. External files are opened.
func (t *RawTensor) check() *diag.Error {
	n, size, s, fault := t.size()
	switch {
	case fault != nil:
		return fault
	case t.segment:
		return t.fault(diag.Unsupported, "segment", "a tensor in chunks", "all of it in one message")
	case t.second != 0:
		return t.fault(diag.BadModel, "data", "both "+fieldName(t.typed)+" and "+fieldName(t.second), "one of them")
	case t.typed != 0 && len(t.Raw) > 0:
		return t.fault(diag.BadModel, "data", "both raw_data and "+fieldName(t.typed), "one of them")
	case t.outside:
		return t.checkExternal(size, s)
	case t.typed != 0:
		if t.typed != s.field {
			return t.fault(diag.BadModel, "data", fieldName(t.typed), fieldName(s.field)+" or raw_data for "+s.name)
		}
		if want := s.entries(n); int64(t.entries) != want {
			return t.fault(diag.BadModel, fieldName(t.typed), itoa(t.entries)+" values", itoa64(want)+" for "+s.name+dimsString(t.Dims))
		}
	case s.field == tensorStrings:
		if len(t.Raw) > 0 {
			return t.fault(diag.BadModel, "data", "raw_data", "string_data for str")
		}
		if n > 0 {
			return t.fault(diag.BadModel, "data", "none", itoa64(n)+" strings")
		}
	case !t.hasRaw && size > 0:
		return t.fault(diag.BadModel, "data", "none", fmt.Sprintf("%d bytes for %s%s", size, s.name, dimsString(t.Dims)))
	case int64(len(t.Raw)) != size:
		return t.fault(diag.BadModel, "raw_data", itoa(len(t.Raw))+" bytes", fmt.Sprintf("%d for %s%s", size, s.name, dimsString(t.Dims)))
	}
	return nil
}

func fieldName(num protowire.Number) string {
	return string((&onnxpb.TensorProto{}).ProtoReflect().Descriptor().Fields().ByNumber(num).Name())
}

// tensorCost is what a RawTensor adds to the estimate of memory.
const tensorCost = int64(unsafe.Sizeof(RawTensor{}))
