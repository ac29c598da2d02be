package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// main builds the graph of the model; its constants go to x.consts.
func (x *exporter) main() (*onnxpb.GraphProto, error) {
	x.names, x.labels = newNames(), newNames()
	f := x.m.Main()
	name := x.m.Name
	if name == "" {
		name = "main"
	}
	g := &onnxpb.GraphProto{Name: proto.String(name)}
	for _, p := range f.Params {
		x.names.give(p, p.Name)
		g.Input = append(g.Input, valueInfo(x.names.value(p), p.Type))
	}
	// Public names come before all others. A value that is returned twice, or
	// that has a public name already, is copied.
	copies := map[int]string{}
	for i, r := range f.Results {
		if v, ok := x.names.of[r.Value]; ok {
			if v == r.Name {
				continue
			}
			copies[i] = r.Name
		} else {
			x.names.of[r.Value] = r.Name
		}
		if x.names.used[r.Name] {
			return nil, &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("output %q", r.Name), Err: errors.New("an input or another output has that name, and is another value")}
		}
		x.names.used[r.Name] = true
	}
	if err := x.body(f, g, true); err != nil {
		return nil, err
	}
	for i, r := range f.Results {
		name := x.names.value(r.Value)
		if c, ok := copies[i]; ok {
			g.Node = append(g.Node, identity(name, c))
			name = c
		}
		g.Output = append(g.Output, valueInfo(name, r.Value.Type))
	}
	return g, nil
}

func identity(from, to string) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: proto.String("Identity"), Input: []string{from}, Output: []string{to}}
}

// body writes constants and nodes of f into g.
func (x *exporter) body(f *ir.Func, g *onnxpb.GraphProto, top bool) error {
	read := map[*ir.Value]bool{}
	x.reads(f, read)
	for _, n := range f.Nodes {
		if n.Const == nil {
			if err := x.emit(n, g); err != nil {
				return err
			}
			continue
		}
		v := n.Out[0]
		if !read[v] {
			continue
		}
		if top {
			x.consts = append(x.consts, initializer{name: x.names.value(v), c: n.Const})
			continue
		}
		t, err := tensorProto(x.names.value(v), n.Const)
		if err != nil {
			return err
		}
		g.Initializer = append(g.Initializer, t)
	}
	return nil
}

// reads collects what f and the regions in it read as they are written.
func (x *exporter) reads(f *ir.Func, read map[*ir.Value]bool) {
	for _, n := range f.Nodes {
		if w := x.written[n]; w != nil {
			for _, v := range w.in {
				read[v] = true
			}
		}
		for _, r := range n.Regions {
			x.reads(r, read)
		}
	}
	for _, r := range f.Results {
		read[r.Value] = true
	}
}

// emit writes one node.
func (x *exporter) emit(n *ir.Node, g *onnxpb.GraphProto) error {
	w := x.written[n]
	p := &onnxpb.NodeProto{OpType: proto.String(n.Def.Name), Attribute: w.attrs}
	if w.domain != "" {
		p.Domain = proto.String(w.domain)
	}
	if l := x.labels.label(n); l != "" {
		p.Name = proto.String(l)
	}
	for _, v := range w.in {
		p.Input = append(p.Input, x.names.value(v))
	}
	for i, name := range onnx.RegionAttrs(n.Def) {
		r, err := x.region(n.Regions[i], name)
		if err != nil {
			return err
		}
		p.Attribute = append(p.Attribute, &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_GRAPH.Enum(), G: r})
	}
	outs := n.Out
	variadic := len(n.Def.Out) > 0 && n.Def.Out[len(n.Def.Out)-1].Variadic
	for !variadic && len(outs) > 1 && outs[len(outs)-1] == nil {
		outs = outs[:len(outs)-1]
	}
	for i, v := range outs {
		name := x.names.value(v)
		if v == nil && (variadic || i == 0) { // the count of outputs, or having one, matters
			name = x.names.unique("unused")
		}
		p.Output = append(p.Output, name)
	}
	g.Node = append(g.Node, p)
	return nil
}

// region writes a graph inside a node. Engines want every result to come from
// a node of its own in the graph.
func (x *exporter) region(f *ir.Func, name string) (*onnxpb.GraphProto, error) {
	g := &onnxpb.GraphProto{Name: proto.String(name)}
	for _, p := range f.Params {
		g.Input = append(g.Input, valueInfo(x.names.value(p), p.Type))
	}
	if err := x.body(f, g, false); err != nil {
		return nil, err
	}
	returned := map[*ir.Value]bool{}
	for _, r := range f.Results {
		v := r.Value
		name := x.names.value(v)
		if v.Node == nil || v.Node.Const != nil || v.Func != f || returned[v] {
			from := name
			name = x.names.unique(from + "_out")
			g.Node = append(g.Node, identity(from, name))
		}
		returned[v] = true
		g.Output = append(g.Output, valueInfo(name, v.Type))
	}
	return g, nil
}
