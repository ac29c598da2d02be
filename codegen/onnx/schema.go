package onnx

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// schemas holds one JSON object a line, each one version of an operator. It is
// written by tools/peers/opschema.py.
//
//go:embed gen_schema.jsonl
var schemas []byte

// schema is one version of an operator as ONNX publishes it.
type schema struct {
	Op     string
	V      int
	Gone   bool // the version withdraws the operator
	MinIn  int  `json:"min_in"`
	MinOut int  `json:"min_out"`
	In     []port
	Out    []port
	Attrs  map[string]attrSchema
}

type port struct {
	Name     string
	Types    []string // element types; "seq", "optional" for what is no tensor
	Variadic bool
}

type attrSchema struct {
	Kind     string
	Required bool
	Default  any
}

// schemaOf finds a version, nil for operators that ONNX does not publish.
func schemaOf(op string, version int) (*schema, error) {
	key := []byte(fmt.Sprintf("{\"op\":%q,\"v\":%d,", op, version))
	i := 0
	if !bytes.HasPrefix(schemas, key) {
		if i = bytes.Index(schemas, append([]byte{'\n'}, key...)); i < 0 {
			return nil, nil
		}
		i++
	}
	line, _, _ := bytes.Cut(schemas[i:], []byte{'\n'})
	s := &schema{}
	if err := json.Unmarshal(line, s); err != nil {
		return nil, diag.New(diag.Internal, "schema of %s-%d: %w", op, version, err)
	}
	return s, nil
}

// check says what the schema version does not take of n with inputs in.
func (s *schema) check(in []*ir.Value, n *ir.Node) error {
	bad := func(what, have, want string) error {
		return &diag.Error{Kind: diag.Unsupported, Port: what, Have: have, Want: want + " (" + s.Op + fmt.Sprintf("-%d", s.V) + ")"}
	}
	if s.Gone {
		return &diag.Error{Kind: diag.Unsupported, Err: fmt.Errorf("withdrawn from ONNX in opset %d", s.V)}
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
		if p := s.In[min(i, last)]; !p.takes(v.Type) {
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
		if p := s.Out[min(i, len(s.Out)-1)]; !p.takes(v.Type) {
			return bad("type of output "+p.Name, v.Type.String(), strings.Join(p.Types, ", "))
		}
	}
	return nil
}

func (p *port) takes(t ir.Type) bool {
	switch t.Kind {
	case tensor.KindTensor:
		return slices.Contains(p.Types, t.DType.String())
	case tensor.KindSeq:
		return slices.Contains(p.Types, "seq")
	case tensor.KindOptional:
		return slices.Contains(p.Types, "optional")
	case tensor.KindMap:
		return slices.Contains(p.Types, "map")
	}
	return false
}

// is says whether v is the default.
func (a attrSchema) is(v attr.Value) bool {
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

// attribute is the message of an attribute.
type attribute = onnxpb.AttributeProto
