package onnx

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
)

// The functions here write small models by hand.

const (
	pbFloat = int32(onnxpb.TensorProto_FLOAT)
	pbInt64 = int32(onnxpb.TensorProto_INT64)
	pbBool  = int32(onnxpb.TensorProto_BOOL)
)

// pbModel is a model of ai.onnx opset 13.
func pbModel(g *onnxpb.GraphProto, funcs ...*onnxpb.FunctionProto) *onnxpb.ModelProto {
	return &onnxpb.ModelProto{IrVersion: proto.Int64(8), Graph: g, Functions: funcs, OpsetImport: pbOpsets("", 13, "local", 1)}
}

// pbOpsets takes pairs of domain and version.
func pbOpsets(pairs ...any) []*onnxpb.OperatorSetIdProto {
	var out []*onnxpb.OperatorSetIdProto
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, &onnxpb.OperatorSetIdProto{Domain: proto.String(pairs[i].(string)), Version: proto.Int64(int64(pairs[i+1].(int)))})
	}
	return out
}

// pbValue declares a value; dims are ints, strings, or nil for unknown. A
// value without dims given has no shape; "scalar" makes it one of rank 0.
func pbValue(name string, code int32, dims ...any) *onnxpb.ValueInfoProto {
	t := &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(code)}
	for _, d := range dims {
		if t.Shape == nil {
			t.Shape = &onnxpb.TensorShapeProto{}
		}
		e := &onnxpb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			e.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case string:
			if d == "scalar" {
				continue
			}
			e.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
		}
		t.Shape.Dim = append(t.Shape.Dim, e)
	}
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: t}}}
}

// pbNode reads "name: out, out = Op in, in"; a dot in Op parts its domain off.
func pbNode(text string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{Attribute: attrs}
	if name, rest, ok := strings.Cut(text, ": "); ok {
		n.Name, text = proto.String(name), rest
	}
	left, right, _ := strings.Cut(text, " = ")
	opName, ins, _ := strings.Cut(right, " ")
	if i := strings.LastIndexByte(opName, '.'); i >= 0 {
		n.Domain, opName = proto.String(opName[:i]), opName[i+1:]
	}
	n.OpType = proto.String(opName)
	list := func(s string) []string {
		if s == "" {
			return nil
		}
		out := strings.Split(s, ",")
		for i := range out {
			if out[i] = strings.TrimSpace(out[i]); out[i] == "_" {
				out[i] = ""
			}
		}
		return out
	}
	n.Output, n.Input = list(left), list(ins)
	return n
}

func pbInt(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(v)}
}

func pbFloatAttr(name string, v float32) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_FLOAT.Enum(), F: proto.Float32(v)}
}

func pbGraphAttr(name string, g *onnxpb.GraphProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_GRAPH.Enum(), G: g}
}

func pbRef(name, ref string, kind onnxpb.AttributeProto_AttributeType) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: kind.Enum(), RefAttrName: proto.String(ref)}
}

func pbFloats(name string, dims []int64, v ...float32) *onnxpb.TensorProto {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(pbFloat), Dims: dims, RawData: b}
}

func pbInts(name string, dims []int64, v ...int64) *onnxpb.TensorProto {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(pbInt64), Dims: dims, RawData: b}
}

// pbGraph has one input x f32[N,2] and one output y unless more is set.
func pbGraph(nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	return &onnxpb.GraphProto{
		Name: proto.String("g"), Node: nodes,
		Input: []*onnxpb.ValueInfoProto{pbValue("x", pbFloat, "N", 2)}, Output: []*onnxpb.ValueInfoProto{pbValue("y", pbFloat)},
	}
}

func importModel(t *testing.T, p *onnxpb.ModelProto, opt ImportOptions) (*ir.Module, error) {
	t.Helper()
	b, err := proto.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := DecodeBytes(b, nil, DecodeOptions{})
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if opt.Ops == nil {
		opt.Ops = op.Builtin()
	}
	m, err := Import(context.Background(), raw, opt)
	if err == nil {
		if err := verify.Module(m); err != nil {
			t.Errorf("the module does not verify: %v", err)
		}
	}
	return m, err
}

// mustImport imports a graph in a model of opset 13.
func mustImport(t *testing.T, p *onnxpb.ModelProto) *ir.Module {
	t.Helper()
	m, err := importModel(t, p, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t *testing.T, m *ir.Module, in ...tensor.Tensor) []tensor.Value {
	t.Helper()
	out, err := eval.Run(context.Background(), m, tensor.Vs(in...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantFloats compares the first output.
func wantFloats(t *testing.T, out []tensor.Value, want ...float32) {
	t.Helper()
	have := &out[0].Tensor
	if have.Len() != len(want) {
		t.Fatalf("have %d elements, want %v", have.Len(), want)
	}
	for i, w := range want {
		if have.Float(i) != float64(w) {
			t.Errorf("element %d: have %v, want %v", i, have.Float(i), w)
		}
	}
}

// refused checks kind and text of an error.
func refused(t *testing.T, err error, kind diag.Kind, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	ours(t, err)
	if k := diag.KindOf(err); k != kind || !strings.Contains(err.Error(), want) {
		t.Errorf("have %v error %q, want %v with %q", k, err, kind, want)
	}
}

var row = tensor.MustOf([]float32{-1, 2}, 1, 2)
