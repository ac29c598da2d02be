package onnx

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// RegionAttrs are the names of the graph attributes that an operator's regions
// come from, in their order.
func RegionAttrs(def *ir.OpDef) []string {
	switch def.NumRegions {
	case 0:
		return nil
	case 2:
		return []string{"then_branch", "else_branch"}
	}
	return []string{"body"}
}

// regions imports a node's graphs. It gives nil after a fault; the error is
// the end of the context.
func (im *importer) regions(def *ir.OpDef, graphs map[string]*onnxpb.GraphProto, n *onnxpb.NodeProto, label string, in []*ir.Value, b *ir.Builder, s *scope) ([]*ir.Func, error) {
	names := RegionAttrs(def)
	if len(names) == 0 && len(graphs) == 0 {
		return nil, nil
	}
	for _, a := range n.GetAttribute() {
		if graphs[a.GetName()] != nil && !slices.Contains(names, a.GetName()) {
			im.fail(s.at(label, n.GetOpType(), &diag.Error{Kind: diag.BadModel, Port: "attribute " + a.GetName(), Have: "a graph", Want: "none of that name"}))
			return nil, nil
		}
	}
	var out []*ir.Func
	for _, name := range names {
		g := graphs[name]
		if g == nil {
			im.fail(s.at(label, n.GetOpType(), &diag.Error{Kind: diag.BadModel, Port: "attribute " + name, Have: "none", Want: "a graph"}))
			return nil, nil
		}
		var r *ir.Func
		var err error
		if def.FullName() == "Loop" {
			r, err = im.loop(g, name, label, in, b, s)
		} else {
			r, err = im.region(g, name, label, nil, b, s)
		}
		if err != nil || r == nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// region imports one graph. Its parameters have the types given, or those
// declared. It gives nil after a fault.
func (im *importer) region(g *onnxpb.GraphProto, name, label string, types []ir.Type, b *ir.Builder, s *scope) (*ir.Func, error) {
	var err error
	faults := len(im.faults)
	blamed := true
	r := b.Region(name, func(_ ir.Emitter, f *ir.Func) {
		in := s.inner(f, label+"/")
		for i, p := range g.GetInput() {
			if !im.fresh(in, "input", p.GetName()) {
				return
			}
			var t ir.Type
			if i < len(types) {
				t = types[i]
			} else {
				var e *diag.Error
				if t, e = typeOf(p.GetType(), func(int, *onnxpb.TensorShapeProto_Dimension) shape.Dim { return im.m.FreshDim() }); e != nil {
					e.Node = s.where(label) + " input " + quote(p.GetName())
					im.fail(e)
					return
				}
			}
			im.reserve(in, p.GetName())
			in.vals[p.GetName()] = binding{v: f.AddParam(in.names[p.GetName()], t)}
		}
		if err = im.body(g, in); err != nil {
			return
		}
		blamed = im.results(g, in, label)
	})
	if err != nil || len(im.faults) > faults || !blamed {
		return nil, err
	}
	return r, nil
}

// results returns a region's values; it says false where one is bad.
func (im *importer) results(g *onnxpb.GraphProto, in *scope, label string) bool {
	for _, o := range g.GetOutput() {
		v, ok := in.find(o.GetName())
		if v.bad {
			return false
		}
		if !ok || v.v == nil {
			im.fail(&diag.Error{Kind: diag.BadModel, Node: in.where(label), Port: "output " + quote(o.GetName()) + " of graph " + quote(g.GetName()),
				Err: fmt.Errorf("no node, input or initializer gives it")})
			return false
		}
		in.f.AddResult(v.v.Name, v.v)
	}
	return true
}

// loop imports the body of a Loop. What is carried may change its extents or
// rank from one iteration to the next, and what the file declares of it is
// often wrong, so the body is first read as if it did not change, and again
// with a wider type until that holds.
func (im *importer) loop(g *onnxpb.GraphProto, name, label string, in []*ir.Value, b *ir.Builder, s *scope) (*ir.Func, error) {
	types := []ir.Type{tensor.T(dtype.I64), tensor.T(dtype.Bool)}
	for i := 2; i < len(in); i++ {
		if in[i] == nil {
			im.fail(s.at(label, "Loop", &diag.Error{Kind: diag.BadModel, Port: "input " + strconv.Itoa(i), Have: "none", Want: "a first value"}))
			return nil, nil
		}
		types = append(types, in[i].Type)
	}
	if len(g.GetInput()) != len(types) || len(g.GetOutput()) < len(types)-1 {
		im.fail(s.at(label, "Loop", &diag.Error{Kind: diag.BadModel, Port: "body", Have: plural(len(g.GetInput()), "input") + ", " + plural(len(g.GetOutput()), "output"),
			Want: fmt.Sprintf("%s, at least %s", plural(len(types), "input"), plural(len(types)-1, "output"))}))
		return nil, nil
	}
	own := map[string]bool{}
	fresh := func() shape.Dim {
		d := im.m.FreshDim()
		name, _ := d.Symbol()
		own[name] = true
		return d
	}
	place := loopPlace{g, s.where(label)}
	for i, w := range im.loops[place] {
		types[i] = w.widen(types[i], fresh)
	}
	for {
		dims, names := len(im.m.Dims), len(im.journal)
		r, err := im.region(g, name, label, types, b, s)
		if err != nil || r == nil {
			return nil, err
		}
		ofBody := len(im.m.Dims)
		stable := true
		for i := 2; i < len(types); i++ {
			t, same, err := op.LoopCarried(in[i].Type, types[i], r.Results[i-1].Value.Type, func(sym string) bool { return own[sym] }, fresh)
			if err != nil {
				im.fail(s.at(label, "Loop", err))
				return nil, nil
			}
			types[i] = t
			stable = stable && same
		}
		if stable {
			return r, nil
		}
		im.loops[place] = make([]width, len(types))
		for i, t := range types {
			im.loops[place][i] = widthOf(t, own)
		}
		// Throw this reading away, with all it declared.
		(&ir.Node{Regions: []*ir.Func{r}, Func: s.f}).Remove()
		im.m.Dims = append(im.m.Dims[:dims], im.m.Dims[ofBody:]...)
		im.forget(names)
	}
}

// loopPlace is one loop of the file as one call brings it in.
type loopPlace struct {
	g     *onnxpb.GraphProto
	where string
}

// width is how far the type of a carried value was widened. A loop that is
// read again, because the loop around it is, starts there: types only widen,
// and the readings of nested loops would multiply otherwise.
type width struct {
	unranked bool
	open     []bool // by axis
}

func widthOf(t ir.Type, own map[string]bool) width {
	w := width{unranked: t.IsTensor() && t.Unranked, open: make([]bool, len(t.Dims))}
	for i, d := range t.Dims {
		name, ok := d.Symbol()
		w.open[i] = ok && own[name]
	}
	return w
}

func (w width) widen(t ir.Type, fresh func() shape.Dim) ir.Type {
	switch {
	case !t.Ranked():
		return t
	case w.unranked:
		return tensor.TUnranked(t.DType)
	case len(w.open) != len(t.Dims):
		return t
	}
	t.Dims = slices.Clone(t.Dims)
	for i, open := range w.open {
		if open {
			t.Dims[i] = fresh()
		}
	}
	return t
}
