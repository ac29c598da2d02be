package onnx

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// opSchemas holds one JSON object a line, each one version of an operator. It
// is written by tools/peers/opschema.py.
//
//go:embed gen_schema.jsonl
var opSchemas []byte

// OpSchema is one version of an operator as ONNX publishes it: what a file of
// that opset may say.
type OpSchema struct {
	Op     string // full name, as ir.OpDef.FullName
	V      int
	Gone   bool // the version withdraws the operator
	MinIn  int  `json:"min_in"`
	MinOut int  `json:"min_out"`
	In     []OpPort
	Out    []OpPort
	Attrs  map[string]OpAttr
}

// OpPort is one input or output of an OpSchema.
type OpPort struct {
	Name     string
	Types    []string // element types; "seq", "optional" and "map" for what is no tensor
	Variadic bool     // the last one, which then stands for any number
}

// Takes says whether a value of type t may stand there.
func (p OpPort) Takes(t ir.Type) bool {
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

// OpAttr is one attribute of an OpSchema.
type OpAttr struct {
	Kind     string // AttributeProto.AttributeType
	Required bool
	Default  any // as encoding/json decodes it; nil: none
}

// Withdrawn says whether ONNX took an operator back between a schema version
// and an opset.
func Withdrawn(op string, version, opset int) bool {
	key := fmt.Appendf(nil, "{\"op\":%q,\"v\":", op)
	for rest := opSchemas; ; {
		i := bytes.Index(rest, key)
		if i < 0 {
			return false
		}
		line, _, _ := bytes.Cut(rest[i:], []byte{'\n'})
		var s OpSchema
		if json.Unmarshal(line, &s) == nil && s.Gone && s.V > version && s.V <= opset {
			return true
		}
		rest = rest[i+len(line):]
	}
}

// SchemaOf finds a version of an operator, nil for one that ONNX does not
// publish.
func SchemaOf(op string, version int) (*OpSchema, error) {
	key := []byte(fmt.Sprintf("{\"op\":%q,\"v\":%d,", op, version))
	i := 0
	if !bytes.HasPrefix(opSchemas, key) {
		if i = bytes.Index(opSchemas, append([]byte{'\n'}, key...)); i < 0 {
			return nil, nil
		}
		i++
	}
	line, _, _ := bytes.Cut(opSchemas[i:], []byte{'\n'})
	s := &OpSchema{}
	if err := json.Unmarshal(line, s); err != nil {
		return nil, diag.New(diag.Internal, "schema of %s-%d: %w", op, version, err)
	}
	return s, nil
}
