package onnx

import (
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// extent turns a declared dim into ours; axis counts from 0.
type extent func(axis int, d *onnxpb.TensorShapeProto_Dimension) shape.Dim

// dtypeOf maps a TensorProto.DataType.
func dtypeOf(code int32) (dtype.DType, *diag.Error) {
	if d, ok := dtype.FromONNX(code); ok {
		return d, nil
	}
	s, ok := storageOf(code)
	switch {
	case code == 0:
		return 0, &diag.Error{Kind: diag.BadModel, Port: "element type", Have: "none", Want: "one"}
	case ok:
		return 0, &diag.Error{Kind: diag.Unsupported, Port: "element type", Have: s.name, Want: "one of " + dtypeNames()}
	}
	return 0, &diag.Error{Kind: diag.BadModel, Port: "element type", Have: strconv.Itoa(int(code)), Want: "1 to " + strconv.Itoa(codeF6E3M2)}
}

func dtypeNames() string {
	var s []string
	for _, d := range dtype.All() {
		s = append(s, d.String())
	}
	return strings.Join(s, ", ")
}

// typeOf reads a declared type. dim is asked for the extents of a tensor;
// within sequences, optionals and maps a tensor has fixed extents or no known
// rank, because each element has extents of its own.
func typeOf(p *onnxpb.TypeProto, dim extent) (ir.Type, *diag.Error) {
	switch x := p.GetValue().(type) {
	case *onnxpb.TypeProto_TensorType:
		d, err := dtypeOf(x.TensorType.GetElemType())
		if err != nil {
			return ir.Type{}, err
		}
		if x.TensorType.Shape == nil {
			return tensor.TUnranked(d), nil
		}
		list := x.TensorType.GetShape().GetDim()
		if len(list) > maxRank {
			return ir.Type{}, &diag.Error{Kind: diag.Limit, Port: "rank", Have: strconv.Itoa(len(list)), Want: "at most " + strconv.Itoa(maxRank)}
		}
		dims := make([]shape.Dim, len(list))
		for i, e := range list {
			if n := e.GetDimValue(); n > 0 {
				dims[i] = shape.Int(n)
			} else if dim == nil {
				return tensor.TUnranked(d), nil
			} else {
				dims[i] = dim(i, e)
			}
		}
		return tensor.T(d, dims...), nil
	case *onnxpb.TypeProto_SequenceType:
		e, err := typeOf(x.SequenceType.GetElemType(), nil)
		return tensor.Seq(e), err
	case *onnxpb.TypeProto_OptionalType:
		e, err := typeOf(x.OptionalType.GetElemType(), nil)
		return tensor.Optional(e), err
	case *onnxpb.TypeProto_MapType:
		k, err := dtypeOf(x.MapType.GetKeyType())
		if err == nil && !k.IsInt() && k != dtype.String {
			err = &diag.Error{Kind: diag.BadModel, Port: "map key", Have: k.String(), Want: "an integer or str"}
		}
		if err != nil {
			return ir.Type{}, err
		}
		e, err := typeOf(x.MapType.GetValueType(), nil)
		return tensor.MapOf(k, e), err
	case nil:
		return ir.Type{}, &diag.Error{Kind: diag.BadModel, Port: "type", Have: "none", Want: "one"}
	}
	return ir.Type{}, &diag.Error{Kind: diag.Unsupported, Port: "type", Have: "a sparse tensor or an opaque value", Want: "a tensor, a sequence, an optional or a map"}
}

// symbols names the open dims of the graph's inputs.
type symbols struct {
	m     *ir.Module
	names map[string]string // dim_param to symbol
	taken map[string]bool
}

// newSymbols gives each dim_param of the inputs a symbol of its own. Those
// that can be symbols keep their names, whatever the order.
func newSymbols(m *ir.Module, inputs []*onnxpb.ValueInfoProto) *symbols {
	s := &symbols{m: m, names: map[string]string{}, taken: map[string]bool{}}
	var odd []string
	for _, in := range inputs {
		for _, d := range in.GetType().GetTensorType().GetShape().GetDim() {
			switch p := d.GetDimParam(); {
			case p == "":
			case shape.IsName(p):
				s.names[p], s.taken[p] = p, true
			default:
				odd = append(odd, p)
			}
		}
	}
	for _, p := range odd {
		if s.names[p] == "" {
			s.names[p] = s.unique(p)
		}
	}
	return s
}

// unique makes a symbol out of any text.
func (s *symbols) unique(text string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, text)
	if !shape.IsName(name) { // starts with a digit or dot, or is a word of the grammar
		name = "_" + name
	}
	out := name
	for i := 1; s.taken[out]; i++ {
		out = name + "_" + strconv.Itoa(i)
	}
	s.taken[out] = true
	return out
}

// of is the extent for the axes of one input.
func (s *symbols) of(input string) extent {
	return func(axis int, d *onnxpb.TensorShapeProto_Dimension) shape.Dim {
		name, ok := s.names[d.GetDimParam()]
		if !ok {
			name = s.unique(input + "_" + strconv.Itoa(axis))
		}
		return s.m.DeclareDim(name, 0, shape.Unbounded)
	}
}

// contradicts says whether a declared type and an inferred one cannot be of
// the same value. Extents are never compared: those of outputs are hints.
func contradicts(declared, inferred ir.Type) bool {
	if declared.Kind != inferred.Kind || declared.DType != inferred.DType {
		return true
	}
	if declared.Elem != nil && inferred.Elem != nil {
		a, b := *declared.Elem, *inferred.Elem
		return a.Kind != tensor.KindNone && b.Kind != tensor.KindNone && contradicts(a, b)
	}
	return declared.Ranked() && inferred.Ranked() && len(declared.Dims) != len(inferred.Dims)
}
