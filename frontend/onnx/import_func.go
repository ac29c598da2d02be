package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// call inlines a function of the model. Its values are named after the call,
// its nodes have the call as their outer source, and its operators have the
// versions that the function imports.
func (im *importer) call(f *onnxpb.FunctionProto, key string, n *onnxpb.NodeProto, label string, in []*ir.Value, s *scope) (bool, error) {
	fail := func(e *diag.Error) (bool, error) {
		im.fail(s.at(label, fullName(n.GetDomain(), n.GetOpType()), e))
		return false, nil
	}
	switch {
	case slices.Contains(im.calls, key):
		return fail(&diag.Error{Kind: diag.BadModel, Err: errors.New("the function calls itself")})
	case len(im.calls) == maxCallDepth:
		return fail(diag.New(diag.Limit, "function calls nested deeper than %d", maxCallDepth))
	case len(in) > len(f.GetInput()):
		return fail(&diag.Error{Kind: diag.BadModel, Port: "inputs", Have: fmt.Sprint(len(in)), Want: fmt.Sprintf("at most %d", len(f.GetInput()))})
	case len(n.GetOutput()) > len(f.GetOutput()):
		return fail(&diag.Error{Kind: diag.BadModel, Port: "outputs", Have: fmt.Sprint(len(n.GetOutput())), Want: fmt.Sprintf("at most %d", len(f.GetOutput()))})
	}
	attrs, e := s.arguments(f, n)
	if e != nil {
		return fail(e)
	}
	b := &scope{
		f: s.f, vals: map[string]binding{}, names: map[string]string{}, attrs: attrs, calls: s.source(label),
		prefix: s.prefix + label + "/", opsets: im.opsets(f.GetOpsetImport(), s.opsets, "function "+quote(f.GetName())),
	}
	for i, name := range f.GetInput() {
		if _, ok := b.vals[name]; ok || name == "" {
			return fail(&diag.Error{Kind: diag.BadModel, Port: "function input " + quote(name), Err: errors.New("the name is empty or given twice")})
		}
		b.vals[name] = binding{}
		if i < len(in) {
			b.vals[name] = binding{v: in[i]}
		}
	}
	im.calls = append(im.calls, key)
	faults := len(im.faults)
	err := im.body(&onnxpb.GraphProto{Node: f.GetNode()}, b)
	im.calls = im.calls[:len(im.calls)-1]
	if err != nil || len(im.faults) > faults {
		return false, err
	}
	for i, o := range n.GetOutput() {
		r, ok := b.vals[f.GetOutput()[i]]
		switch {
		case o == "":
		case r.bad:
			return false, nil
		case !ok || r.v == nil:
			return fail(&diag.Error{Kind: diag.BadModel, Port: "function output " + quote(f.GetOutput()[i]), Err: errors.New("no node of the function gives it")})
		default:
			im.bind(s, o, r.v)
		}
	}
	return true, nil
}

// arguments are the attributes that a function's body may refer to.
func (s *scope) arguments(f *onnxpb.FunctionProto, n *onnxpb.NodeProto) (map[string]*onnxpb.AttributeProto, *diag.Error) {
	out := map[string]*onnxpb.AttributeProto{}
	known := map[string]bool{}
	for _, name := range f.GetAttribute() {
		known[name] = true
	}
	for _, a := range f.GetAttributeProto() {
		known[a.GetName()] = true
		out[a.GetName()] = a
	}
	for _, a := range n.GetAttribute() {
		if !known[a.GetName()] {
			have := slices.Clone(f.GetAttribute())
			for _, a := range f.GetAttributeProto() {
				have = append(have, a.GetName())
			}
			want := "none"
			if len(have) > 0 {
				want = "one of " + strings.Join(have, ", ")
			}
			return nil, &diag.Error{Kind: diag.BadModel, Port: "attribute", Have: quote(a.GetName()), Want: want}
		}
		r, e := s.resolve(a)
		if e != nil {
			return nil, e
		}
		if r != nil {
			out[a.GetName()] = r
		}
	}
	return out, nil
}
