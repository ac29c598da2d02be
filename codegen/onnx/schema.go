package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
)

// schema finds a version of an operator, nil for one that ONNX does not
// publish.
func (x *exporter) schema(op string, version int) (*onnx.OpSchema, error) {
	key := fmt.Sprintf("%s-%d", op, version)
	if s, ok := x.schemas[key]; ok {
		return s, nil
	}
	s, err := onnx.SchemaOf(op, version)
	if err == nil {
		x.schemas[key] = s
	}
	return s, err
}

// check says what the schema version does not take of n with inputs in.
func check(s *onnx.OpSchema, in []*ir.Value, n *ir.Node) error {
	bad := func(what, have, want string) error {
		return &diag.Error{Kind: diag.Unsupported, Port: what, Have: have, Want: want + " (" + s.Op + fmt.Sprintf("-%d", s.V) + ")"}
	}
	last := len(s.In) - 1
	if len(in) > len(s.In) && (last < 0 || !s.In[last].Variadic) {
		return bad("inputs", fmt.Sprint(len(in)), fmt.Sprintf("at most %d", len(s.In)))
	}
	if len(in) < s.MinIn {
		return bad("inputs", fmt.Sprint(len(in)), fmt.Sprintf("at least %d", s.MinIn))
	}
	for i, v := range in {
		if v == nil {
			continue
		}
		if p := s.In[min(i, last)]; !p.Takes(v.Type) {
			return bad("type of input "+p.Name, v.Type.String(), strings.Join(p.Types, ", "))
		}
	}
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		if i >= len(s.Out) && (len(s.Out) == 0 || !s.Out[len(s.Out)-1].Variadic) {
			return bad("outputs", fmt.Sprint(len(n.Out)), fmt.Sprintf("at most %d", len(s.Out)))
		}
		if p := s.Out[min(i, len(s.Out)-1)]; !p.Takes(v.Type) {
			return bad("type of output "+p.Name, v.Type.String(), strings.Join(p.Types, ", "))
		}
	}
	return nil
}

// isDefault says whether v is what the schema takes where none is given.
func isDefault(a onnx.OpAttr, v attr.Value) bool {
	switch d := a.Default.(type) {
	case float64:
		return v.Kind == attr.KindInt && float64(v.Int) == d || v.Kind == attr.KindFloat && math.Float32bits(v.Float) == math.Float32bits(float32(d))
	case string:
		return v.Kind == attr.KindString && v.Str == d
	case []any:
		switch v.Kind {
		case attr.KindInts:
			return slices.EqualFunc(v.Ints, d, func(a int64, b any) bool { f, ok := b.(float64); return ok && float64(a) == f })
		case attr.KindFloats:
			return slices.EqualFunc(v.Floats, d, func(a float32, b any) bool { f, ok := b.(float64); return ok && a == float32(f) })
		case attr.KindStrings:
			return slices.EqualFunc(v.Strs, d, func(a string, b any) bool { return b == any(a) })
		}
	}
	return false
}
