package onnx

import (
	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/diag"
)

// RawSequence is a SequenceProto: the list that ElemType names is the one in
// use, the others are empty.
type RawSequence struct {
	Name      string
	ElemType  onnxpb.SequenceProto_DataType
	Tensors   []*RawTensor
	Sparse    []*RawSparse
	Sequences []*RawSequence
	Maps      []*RawMap
	Optionals []*RawOptional
}

// RawOptional is an OptionalProto: at most one of its pointers is set, none
// when there is no value.
type RawOptional struct {
	Name     string
	ElemType onnxpb.SequenceProto_DataType
	Tensor   *RawTensor
	Sparse   *RawSparse
	Sequence *RawSequence
	Map      *RawMap
	Optional *RawOptional
}

// RawMap is a MapProto: the keys are in Keys or in StringKeys, as many as
// Values has elements.
type RawMap struct {
	Name       string
	KeyType    int32 // TensorProto.DataType
	Keys       []int64
	StringKeys []string
	Values     *RawSequence
}

// RawSparse is a SparseTensorProto.
type RawSparse struct {
	Values, Indices *RawTensor
	Dims            []int64
}

// DecodeTensor decodes a file that holds one TensorProto, such as the
// input_0.pb of test data. The result views b.
func DecodeTensor(b []byte) (*RawTensor, error) {
	l := newLifter(len(b), nil, DecodeOptions{}.withDefaults())
	t, err := l.lift("tensor", b, 0, nil)
	if err != nil {
		return nil, asData(diag.List{asDiag(err)})
	}
	if len(l.faults) > 0 {
		return nil, asData(l.faults)
	}
	return t, nil
}

// DecodeSequence decodes a file that holds one SequenceProto. The result
// views b.
func DecodeSequence(b []byte) (*RawSequence, error) {
	m := &onnxpb.SequenceProto{}
	v, err := decodeValue(b, rootSchemas().sequence, m)
	if err != nil {
		return nil, err
	}
	s := v.sequence(m)
	if len(v.faults) > 0 {
		return nil, asData(v.faults)
	}
	return s, nil
}

// DecodeOptional decodes a file that holds one OptionalProto. The result
// views b.
func DecodeOptional(b []byte) (*RawOptional, error) {
	m := &onnxpb.OptionalProto{}
	v, err := decodeValue(b, rootSchemas().optional, m)
	if err != nil {
		return nil, err
	}
	o := v.optional(m)
	if len(v.faults) > 0 {
		return nil, asData(v.faults)
	}
	return o, nil
}

// values turns messages into the types above.
type values struct {
	*Raw
	faults diag.List
}

func decodeValue(b []byte, s *schema, m proto.Message) (*values, error) {
	l := newLifter(len(b), nil, DecodeOptions{}.withDefaults())
	if err := l.decode(s, b, m); err != nil {
		return nil, asData(diag.List{asDiag(err)})
	}
	if len(l.faults) > 0 {
		return nil, asData(l.faults)
	}
	return &values{Raw: &Raw{Tensors: l.tensors}}, nil
}

// asData marks faults as those of data, not of a model.
func asData(l diag.List) error {
	for _, e := range l {
		if e.Kind == diag.BadModel {
			e.Kind = diag.BadData
		}
	}
	return l.Err()
}

func (v *values) fault(name, format string, a ...any) {
	if len(v.faults) < maxFaults {
		e := diag.New(diag.BadData, format, a...)
		e.Node = "value " + quote(name)
		v.faults = append(v.faults, e)
	}
}

func (v *values) sequence(m *onnxpb.SequenceProto) *RawSequence {
	s := &RawSequence{Name: m.GetName(), ElemType: onnxpb.SequenceProto_DataType(m.GetElemType())}
	for _, x := range m.GetTensorValues() {
		s.Tensors = append(s.Tensors, v.Tensor(x))
	}
	for _, x := range m.GetSparseTensorValues() {
		s.Sparse = append(s.Sparse, v.sparse(x))
	}
	for _, x := range m.GetSequenceValues() {
		s.Sequences = append(s.Sequences, v.sequence(x))
	}
	for _, x := range m.GetMapValues() {
		s.Maps = append(s.Maps, v.mapping(x))
	}
	for _, x := range m.GetOptionalValues() {
		s.Optionals = append(s.Optionals, v.optional(x))
	}
	have := [...]int{0, len(s.Tensors), len(s.Sparse), len(s.Sequences), len(s.Maps), len(s.Optionals)}
	for i, n := range have {
		if n > 0 && i != int(s.ElemType) {
			v.fault(s.Name, "sequence of type %v holds elements of type %v", s.ElemType, onnxpb.SequenceProto_DataType(i))
		}
	}
	return s
}

func (v *values) optional(m *onnxpb.OptionalProto) *RawOptional {
	o := &RawOptional{Name: m.GetName(), ElemType: onnxpb.SequenceProto_DataType(m.GetElemType())}
	set := [6]bool{}
	if x := m.GetTensorValue(); x != nil {
		o.Tensor, set[onnxpb.SequenceProto_TENSOR] = v.Tensor(x), true
	}
	if x := m.GetSparseTensorValue(); x != nil {
		o.Sparse, set[onnxpb.SequenceProto_SPARSE_TENSOR] = v.sparse(x), true
	}
	if x := m.GetSequenceValue(); x != nil {
		o.Sequence, set[onnxpb.SequenceProto_SEQUENCE] = v.sequence(x), true
	}
	if x := m.GetMapValue(); x != nil {
		o.Map, set[onnxpb.SequenceProto_MAP] = v.mapping(x), true
	}
	if x := m.GetOptionalValue(); x != nil {
		o.Optional, set[onnxpb.SequenceProto_OPTIONAL] = v.optional(x), true
	}
	for i, on := range set {
		if on && i != int(o.ElemType) {
			v.fault(o.Name, "optional of type %v holds a value of type %v", o.ElemType, onnxpb.SequenceProto_DataType(i))
		}
	}
	return o
}

func (v *values) mapping(m *onnxpb.MapProto) *RawMap {
	out := &RawMap{Name: m.GetName(), KeyType: m.GetKeyType(), Keys: m.GetKeys()}
	for _, k := range m.GetStringKeys() {
		out.StringKeys = append(out.StringKeys, string(k))
	}
	out.Values = v.sequence(m.GetValues())
	n := len(out.Values.Tensors) + len(out.Values.Sparse) + len(out.Values.Sequences) + len(out.Values.Maps) + len(out.Values.Optionals)
	if k := len(out.Keys) + len(out.StringKeys); k != n {
		v.fault(out.Name, "map has %d keys and %d values", k, n)
	}
	return out
}

func (v *values) sparse(m *onnxpb.SparseTensorProto) *RawSparse {
	return &RawSparse{Values: v.Tensor(m.GetValues()), Indices: v.Tensor(m.GetIndices()), Dims: m.GetDims()}
}
