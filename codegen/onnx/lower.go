package onnx

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
)

// maxDepth bounds how often writing one node may lead to writing another.
const maxDepth = 16

// lower decides for every node of f, and of the regions in it, how the opset
// says it. Nodes that a downgrade emits stand before the node and are lowered
// in their turn. Faults of nodes are collected; the error is one of ours.
func (x *exporter) lower(f *ir.Func) error {
	for i := 0; i < len(f.Nodes); i++ {
		n := f.Nodes[i]
		switch {
		case n.Const != nil || x.written[n] != nil:
			continue
		case n.Is("mlc.Fused"):
			ir.Inline(n)
			i--
			continue
		case n.Def.Domain == "mlc":
			x.fail(&diag.Error{Kind: diag.Unsupported, Err: fmt.Errorf("an operator of mlc's own, which ONNX does not have")}, n)
			continue
		}
		if x.depth[n] > maxDepth {
			return diag.At(n.Label(), n.OpName(), diag.Internal, diag.New(diag.Internal, "writing it for opset %d does not end", x.opt.Opset))
		}
		for _, r := range n.Regions {
			if err := x.lower(r); err != nil {
				return err
			}
		}
		emitted, err := x.node(f, i, n)
		if err != nil {
			x.fail(err, n)
			x.written[n] = &written{}
			continue
		}
		if emitted > 0 {
			i-- // to the first of them
		}
	}
	return nil
}

// node finds n's form in the opset, and says how many nodes now stand before
// it for that.
func (x *exporter) node(f *ir.Func, at int, n *ir.Node) (emitted int, err error) {
	opset := x.opt.Opset
	if d := n.Def.Domain; d != "" {
		opset = n.Def.Version()
		x.domains[d] = max(x.domains[d], opset)
	}
	v := n.Def.SchemaAt(opset)
	if v == 0 {
		return 0, &diag.Error{Kind: diag.Unsupported, Err: fmt.Errorf("the operator came with opset %d, and opset %d is asked for", n.Def.Since[0], opset)}
	}
	in, attrs := n.In, n.Attrs
	if v != n.Def.Version() {
		switch down := n.Def.Downgrade[v]; {
		case down != nil:
			b := ir.NewBuilder(f, at, x.opt.Ops, n.Source...)
			in, attrs, err = down(b, n)
			if err == nil {
				err = b.Err()
			}
			if err != nil {
				return 0, err
			}
			for _, e := range b.Nodes {
				x.depth[e] = x.depth[n] + 1
			}
			emitted = len(b.Nodes)
		case n.Def.Upgrade[v] != nil:
			// It meant something else then.
			return 0, &diag.Error{Kind: diag.Unsupported, Err: fmt.Errorf("cannot be written as %s-%d, which opset %d has (supported: opset %d and later)",
				n.OpName(), v, opset, firstWritten(n.Def, v))}
		}
	}
	for len(in) > 0 && in[len(in)-1] == nil {
		in = in[:len(in)-1]
	}
	w := &written{in: slices.Clone(in), domain: n.Def.Domain}
	s, err := x.schema(n.OpName(), v)
	if err != nil {
		return 0, err
	}
	if s != nil {
		if onnx.Withdrawn(n.OpName(), v, opset) {
			return 0, &diag.Error{Kind: diag.Unsupported, Err: fmt.Errorf("ONNX has withdrawn the operator since version %d, and opset %d is asked for", v, opset)}
		}
		if err := check(s, in, n); err != nil {
			return 0, err
		}
	}
	w.attrs, err = attributes(n.Def, s, attrs)
	x.written[n] = w
	return emitted, err
}

// firstWritten is the first version after v in which d can be written.
func firstWritten(d *ir.OpDef, v int) int {
	for _, s := range d.Since {
		if s > v && (d.Downgrade[s] != nil || d.Upgrade[s] == nil) {
			return s
		}
	}
	return d.Version()
}

// attributes are those that differ from what the schema takes where none is
// given.
func attributes(def *ir.OpDef, s *onnx.OpSchema, a attr.Map) (out []*onnxpb.AttributeProto, err error) {
	for _, name := range a.Names() {
		v := a[name]
		own := def.Attr(name)
		atDefault := own != nil && own.Default.Kind != attr.KindNone && own.Default.Equal(v)
		switch {
		case s == nil:
			if atDefault {
				continue
			}
		default:
			theirs, known := s.Attrs[name]
			switch {
			case !known && atDefault:
				continue // the older schema means the same without it
			case !known:
				return nil, &diag.Error{Kind: diag.Unsupported, Port: "attribute " + name, Err: fmt.Errorf("%s-%d has none of that name", def.FullName(), s.V)}
			case isDefault(theirs, v):
				continue
			}
		}
		p, err := attrProto(name, v)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
