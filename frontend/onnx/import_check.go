package onnx

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
)

// published holds a node of an older form against the schema that ONNX
// published: an upgrade reads what it knows of a node, relies on the inputs
// that the schema requires, and would pass over all that is not in it. (Nodes
// of the newest form are checked by inference.)
func (im *importer) published(op string, version int, attrs attr.Map, in []*ir.Value) error {
	key := op + "-" + strconv.Itoa(version)
	s, ok := im.schemas[key]
	if !ok {
		var err error
		if s, err = SchemaOf(op, version); err != nil {
			return err
		}
		im.schemas[key] = s
	}
	if s == nil {
		return nil
	}
	if err := s.attributes(attrs); err != nil {
		return err
	}
	return s.inputs(in)
}

// attrKinds are AttributeProto's words for ours.
var attrKinds = map[string]attr.Kind{
	"INT": attr.KindInt, "FLOAT": attr.KindFloat, "STRING": attr.KindString, "TENSOR": attr.KindTensor, "TYPE_PROTO": attr.KindType,
	"INTS": attr.KindInts, "FLOATS": attr.KindFloats, "STRINGS": attr.KindStrings,
}

func (s *OpSchema) attributes(attrs attr.Map) error {
	fault := func(name, have, want string) error {
		return &diag.Error{Kind: diag.BadModel, Port: "attribute " + name, Have: have, Want: want}
	}
	for _, name := range attrs.Names() {
		a, ok := s.Attrs[name]
		if !ok {
			return fault(name, "one", "none of that name")
		}
		if k, known := attrKinds[a.Kind]; known && k != attrs[name].Kind {
			return fault(name, attrs[name].Kind.String(), k.String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Attrs)) {
		if a := s.Attrs[name]; a.Required && !attrs.Has(name) && a.Kind != "GRAPH" {
			return fault(name, "none", "one")
		}
	}
	return nil
}

func (s *OpSchema) inputs(in []*ir.Value) error {
	fault := func(port, have, want string) error {
		return &diag.Error{Kind: diag.BadModel, Port: port, Have: have, Want: want}
	}
	last := len(s.In) - 1
	if len(in) > len(s.In) && (last < 0 || !s.In[last].Variadic) {
		return fault("inputs", strconv.Itoa(len(in)), "at most "+strconv.Itoa(len(s.In)))
	}
	for i := range max(len(in), s.MinIn) {
		p := s.In[min(i, last)]
		switch {
		case i >= len(in) || in[i] == nil:
			if i < s.MinIn {
				return fault("input "+p.Name, "none", "one")
			}
		case !p.Takes(in[i].Type):
			return fault("type of input "+p.Name, in[i].Type.String(), strings.Join(p.Types, " or "))
		}
	}
	return nil
}
