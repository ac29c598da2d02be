package onnx

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

func valueInfo(name string, t ir.Type) *onnxpb.ValueInfoProto {
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: typeProto(t)}
}

// typeProto writes a type. Symbols become dim_params, and so do expressions,
// whose text readers take as a name.
func typeProto(t ir.Type) *onnxpb.TypeProto {
	switch t.Kind {
	case tensor.KindTensor:
		p := &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(t.DType.ONNX())}
		if !t.Unranked {
			p.Shape = &onnxpb.TensorShapeProto{}
			for _, d := range t.Dims {
				e := &onnxpb.TensorShapeProto_Dimension{}
				if n, ok := d.Const(); ok {
					e.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}
				} else {
					e.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d.String()}
				}
				p.Shape.Dim = append(p.Shape.Dim, e)
			}
		}
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: p}}
	case tensor.KindSeq:
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{ElemType: typeProto(*t.Elem)}}}
	case tensor.KindOptional:
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_OptionalType{OptionalType: &onnxpb.TypeProto_Optional{ElemType: typeProto(*t.Elem)}}}
	case tensor.KindMap:
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_MapType{MapType: &onnxpb.TypeProto_Map{KeyType: proto.Int32(t.DType.ONNX()), ValueType: typeProto(*t.Elem)}}}
	}
	return nil
}

// attrProto writes an attribute.
func attrProto(name string, v attr.Value) (*onnxpb.AttributeProto, error) {
	p := &onnxpb.AttributeProto{Name: proto.String(name)}
	kind := onnxpb.AttributeProto_UNDEFINED
	switch v.Kind {
	case attr.KindInt:
		kind, p.I = onnxpb.AttributeProto_INT, proto.Int64(v.Int)
	case attr.KindFloat:
		kind, p.F = onnxpb.AttributeProto_FLOAT, proto.Float32(v.Float)
	case attr.KindString:
		kind, p.S = onnxpb.AttributeProto_STRING, []byte(v.Str)
	case attr.KindInts:
		kind, p.Ints = onnxpb.AttributeProto_INTS, v.Ints
	case attr.KindFloats:
		kind, p.Floats = onnxpb.AttributeProto_FLOATS, v.Floats
	case attr.KindStrings:
		kind = onnxpb.AttributeProto_STRINGS
		for _, s := range v.Strs {
			p.Strings = append(p.Strings, []byte(s))
		}
	case attr.KindTensor:
		t, err := tensorProto("", ir.NewConst(*v.Tensor))
		if err != nil {
			return nil, err
		}
		kind, p.T = onnxpb.AttributeProto_TENSOR, t
	case attr.KindType:
		kind, p.Tp = onnxpb.AttributeProto_TYPE_PROTO, typeProto(*v.TypeVal)
	default:
		return nil, diag.New(diag.Internal, "attribute %s of kind %v", name, v.Kind)
	}
	p.Type = kind.Enum()
	return p, nil
}

// tensorProto writes a tensor with its payload in raw_data.
func tensorProto(name string, c *ir.Const) (*onnxpb.TensorProto, error) {
	p := tensorHead(name, c)
	t, err := c.Tensor()
	if err != nil {
		return nil, fmt.Errorf("constant %q: %w", name, err)
	}
	if s := t.Strings(); t.Bytes() == nil && len(s) > 0 {
		for _, e := range s {
			p.StringData = append(p.StringData, []byte(e))
		}
		return p, nil
	}
	p.RawData = t.Bytes()
	if p.RawData == nil && !isString(c) {
		p.RawData = []byte{}
	}
	return p, nil
}

func tensorHead(name string, c *ir.Const) *onnxpb.TensorProto {
	p := &onnxpb.TensorProto{DataType: proto.Int32(c.DType.ONNX())}
	if name != "" {
		p.Name = proto.String(name)
	}
	for _, d := range c.Dims {
		p.Dims = append(p.Dims, int64(d))
	}
	return p
}
