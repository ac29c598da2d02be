package onnx

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
)

// node imports one node. Faults are recorded, and its outputs then marked bad;
// the error is the end of the context.
func (im *importer) node(n *onnxpb.NodeProto, index int, s *scope) error {
	before := len(im.faults)
	if im.nodes++; im.nodes > im.limit {
		im.fail(diag.New(diag.Limit, "more than %d nodes once functions are inlined and loop bodies typed", im.limit))
	} else if ok, err := im.tryNode(n, s.label(n, index), s); err != nil {
		return err
	} else if ok && len(im.faults) == before {
		return nil
	}
	for _, o := range n.GetOutput() {
		if o != "" {
			s.vals[o] = binding{bad: true}
		}
	}
	return nil
}

// at fills in where a fault of a node is. It overrides what inference says,
// which knows the newest schema only, not the node of the file.
func (s *scope) at(label, op string, err error) *diag.Error {
	e := *asDiag(err)
	e.Node, e.Op = s.where(label), op
	return &e
}

// tryNode says false without a fault where an input is bad.
func (im *importer) tryNode(n *onnxpb.NodeProto, label string, s *scope) (ok bool, err error) {
	in, ok := im.inputs(n, label, s)
	if !ok {
		return false, nil
	}
	if key := funcKey(n.GetDomain(), n.GetOpType(), n.GetOverload()); im.funcs[key] != nil {
		return im.call(im.funcs[key], key, n, label, in, s)
	}
	full := fullName(n.GetDomain(), n.GetOpType())
	def := im.opt.Ops.Lookup(full)
	version := def.SchemaAt(s.opsets[domainOf(n.GetDomain())])
	if d := def.Domain; d != "" {
		im.m.Opset[d] = max(im.m.Opset[d], def.Version())
	}
	op := full + "-" + strconv.Itoa(version)
	fail := func(err error) (bool, error) {
		im.fail(s.at(label, op, err))
		return false, nil
	}
	b := ir.NewBuilder(s.f, -1, im.opt.Ops, s.source(label)...)
	if full == "Constant" {
		if c, done, e := im.constant(n, s); e != nil {
			return fail(e)
		} else if done {
			if outs := n.GetOutput(); len(outs) == 1 && outs[0] != "" {
				im.bind(s, outs[0], b.ConstOf(c))
			}
			return true, nil
		}
	}
	attrs, graphs, e := im.attributes(n, s)
	if e != nil {
		return fail(e)
	}
	regions, err := im.regions(def, graphs, n, label, in, b, s)
	if err != nil || regions == nil && len(graphs) > 0 {
		return false, err
	}
	outs := n.GetOutput()
	if !anyNamed(outs) {
		return true, nil // nobody can see what it does
	}
	if up := def.Upgrade[version]; up != nil {
		if e := im.published(full, version, attrs, in); e != nil {
			return fail(e)
		}
		vals, err := up(b, ir.Raw{Op: full, Version: version, Attrs: attrs, Regions: regions, In: in, NOut: len(outs)})
		if err == nil {
			err = b.Err()
		}
		if err != nil {
			return fail(err)
		}
		return im.take(outs, vals, label, op, s), nil
	}
	vals := make([]*ir.Value, len(outs))
	for i, o := range outs {
		if o != "" {
			im.reserve(s, o)
			vals[i] = &ir.Value{Name: s.names[o]}
		}
	}
	b.Node(def, attrs, regions, in, vals)
	if err := b.Err(); err != nil {
		return fail(err)
	}
	for i, o := range outs {
		if o != "" {
			s.vals[o] = binding{v: vals[i]}
			if s.prefix != "" {
				im.anon[vals[i]] = true
			}
		}
	}
	return true, nil
}

func anyNamed(names []string) bool {
	for _, n := range names {
		if n != "" {
			return true
		}
	}
	return false
}

// take binds what an upgrade gave to the output names.
func (im *importer) take(outs []string, vals []*ir.Value, label, op string, s *scope) bool {
	for i, o := range outs {
		if o == "" {
			continue
		}
		if i >= len(vals) || vals[i] == nil {
			im.fail(s.at(label, op, &diag.Error{Kind: diag.Unsupported, Port: "output " + strconv.Itoa(i), Have: quote(o), Want: "no name, since nothing gives it"}))
			return false
		}
		im.bind(s, o, vals[i])
	}
	return true
}

// inputs looks a node's inputs up; ok is false where one is bad or missing.
func (im *importer) inputs(n *onnxpb.NodeProto, label string, s *scope) (in []*ir.Value, ok bool) {
	in, ok = make([]*ir.Value, len(n.GetInput())), true
	for i, name := range n.GetInput() {
		if name == "" {
			continue
		}
		b, found := s.find(name)
		switch {
		case !found:
			im.fail(&diag.Error{Kind: diag.BadModel, Node: s.where(label), Op: n.GetOpType(), Port: "input " + strconv.Itoa(i),
				Err: fmt.Errorf("no node, input or initializer gives %q", name)})
			ok = false
		case b.bad:
			ok = false
		}
		in[i] = b.v
	}
	return in, ok
}

// attributes converts a node's attributes; graphs come apart. Inside a
// function, references are replaced by what the call gives.
func (im *importer) attributes(n *onnxpb.NodeProto, s *scope) (attr.Map, map[string]*onnxpb.GraphProto, *diag.Error) {
	out := attr.Map{}
	graphs := map[string]*onnxpb.GraphProto{}
	seen := map[string]bool{}
	for _, a := range n.GetAttribute() {
		name := a.GetName()
		if seen[name] || name == "" {
			return nil, nil, &diag.Error{Kind: diag.BadModel, Port: "attribute " + name, Err: errors.New("the name is empty or given twice")}
		}
		seen[name] = true
		a, e := s.resolve(a)
		if e != nil {
			return nil, nil, e
		}
		switch {
		case a == nil:
		case attrType(a) == onnxpb.AttributeProto_GRAPH:
			if graphs[name] = a.GetG(); a.GetG() == nil {
				return nil, nil, &diag.Error{Kind: diag.BadModel, Port: "attribute " + name, Have: "no graph", Want: "one"}
			}
		default:
			v, e := im.attribute(a)
			if e != nil {
				return nil, nil, e
			}
			out[name] = v
		}
	}
	return out, graphs, nil
}

// resolve follows a reference to an attribute of the call; nil where the call
// does not give it and the function has no default.
func (s *scope) resolve(a *onnxpb.AttributeProto) (*onnxpb.AttributeProto, *diag.Error) {
	ref := a.GetRefAttrName()
	if ref == "" {
		return a, nil
	}
	if s.attrs == nil {
		return nil, &diag.Error{Kind: diag.BadModel, Port: "attribute " + a.GetName(), Err: fmt.Errorf("refers to attribute %q of a function, and is in none", ref)}
	}
	return s.attrs[ref], nil
}

// constant handles the forms of Constant whose payload stays in the file; done
// is false for the others.
func (im *importer) constant(n *onnxpb.NodeProto, s *scope) (c *ir.Const, done bool, e *diag.Error) {
	if len(n.GetAttribute()) != 1 {
		return nil, false, nil
	}
	a, e := s.resolve(n.GetAttribute()[0])
	if e != nil || a == nil {
		return nil, false, e
	}
	switch n.GetAttribute()[0].GetName() {
	case "value":
		if t := im.raw.Tensor(a.GetT()); t != nil && attrType(a) == onnxpb.AttributeProto_TENSOR {
			c, e = constOf(t)
			return c, true, e
		}
	case "sparse_value":
		if p := a.GetSparseTensor(); p != nil {
			c, e = im.sparseConst(p, "")
			return c, true, e
		}
	}
	return nil, false, nil
}
