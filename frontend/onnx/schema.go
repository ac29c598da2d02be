package onnx

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
)

// schema is what the walk over a file must know of one message type. It is
// derived from the generated descriptors, so the walk and proto.Unmarshal can
// never disagree about what a field is.
type schema struct {
	name   string
	role   role
	fields []field // by number; numbers beyond are unknown
}

// role marks the messages that the walk treats specially.
type role uint8

const (
	plain role = iota
	roleGraph
	roleNode
	roleAttr
	roleTensor
	roleSparse
	roleValue // nests in itself without bound: types, sequences, maps, optionals
)

var roles = map[protoreflect.Name]role{
	"GraphProto": roleGraph, "NodeProto": roleNode, "AttributeProto": roleAttr, "TensorProto": roleTensor,
	"SparseTensorProto": roleSparse,
	"TypeProto":         roleValue, "SequenceProto": roleValue, "MapProto": roleValue, "OptionalProto": roleValue,
}

// field is one field of a message.
type field struct {
	name   string // empty: not in the schema
	kind   protoreflect.Kind
	wire   protowire.Type // of one element
	list   bool
	packs  bool    // a list of scalars, which may also come packed
	isName bool    // a string that names something, bounded by maxName
	child  *schema // of message fields
}

// at gives the field with a number, or nil where the schema has none.
func (s *schema) at(num protowire.Number) *field {
	if num < 0 || int(num) >= len(s.fields) || s.fields[num].name == "" {
		return nil
	}
	return &s.fields[num]
}

// accepts says whether the field may come with wire type t.
func (f *field) accepts(t protowire.Type) bool {
	return t == f.wire || f.packs && t == protowire.BytesType
}

// schemas are the roots of files that this package reads.
type schemas struct{ model, tensor, sequence, optional *schema }

var rootSchemas = sync.OnceValue(func() schemas {
	seen := map[protoreflect.FullName]*schema{}
	of := func(m protoreflect.ProtoMessage) *schema {
		return schemaOf(m.ProtoReflect().Descriptor(), seen)
	}
	return schemas{
		model: of(&onnxpb.ModelProto{}), tensor: of(&onnxpb.TensorProto{}),
		sequence: of(&onnxpb.SequenceProto{}), optional: of(&onnxpb.OptionalProto{}),
	}
})

// ourFields is where numbers of our own begin: a file that holds one gets it
// skipped like any other unknown field.
const ourFields = 1000

func schemaOf(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]*schema) *schema {
	if s := seen[d.FullName()]; s != nil {
		return s
	}
	s := &schema{name: string(d.Name()), role: roles[d.Name()]}
	seen[d.FullName()] = s
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		num := int(fd.Number())
		if num >= ourFields {
			continue
		}
		for len(s.fields) <= num {
			s.fields = append(s.fields, field{})
		}
		f := field{name: string(fd.Name()), kind: fd.Kind(), wire: wireOf(fd.Kind()), list: fd.IsList()}
		f.packs = f.list && f.wire != protowire.BytesType
		f.isName = f.kind == protoreflect.StringKind && f.name != "doc_string" && f.name != "value"
		if fd.Message() != nil {
			f.child = schemaOf(fd.Message(), seen)
		}
		s.fields[num] = f
	}
	return s
}

func wireOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.MessageKind, protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.BytesType
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}
