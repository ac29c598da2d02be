package ir

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// FactOf is what is known of a value; the zero Fact for nil.
func FactOf(v *Value) Fact {
	if v == nil {
		return Fact{}
	}
	f := Fact{Type: v.Type, Ints: v.Ints}
	if c := v.Const(); c != nil && c.Len() <= SmallConst {
		if t, err := c.Tensor(); err == nil {
			f.Const = &t
			if f.Ints == nil {
				f.Ints = IntsOf(t)
			}
		}
	}
	return f
}

// maxInts bounds the length of the integer vectors that facts track.
const maxInts = 1024

// IntsOf gives the elements of an integer scalar or vector as dims, nil for
// other tensors and long vectors.
func IntsOf(t tensor.Tensor) []shape.Dim {
	if t.Rank() > 1 || !t.DType().IsInt() || t.DType() == dtype.U64 || t.Len() > maxInts {
		return nil
	}
	out := make([]shape.Dim, t.Len())
	for i := range out {
		out[i] = shape.Int(t.Int(i))
	}
	return out
}

// NewQuery describes n for inference and constraints.
func NewQuery(m *Module, n *Node) *Query {
	q := &Query{Def: n.Def, Attrs: n.Attrs, Regions: n.Regions, NOut: len(n.Out), Fresh: m.FreshDim, Bounds: m.DimBounds}
	for _, v := range n.In {
		q.In = append(q.In, FactOf(v))
	}
	for _, v := range n.Out {
		if v == nil {
			q.Prior = append(q.Prior, Type{})
		} else {
			q.Prior = append(q.Prior, v.Type)
		}
	}
	return q
}

// InferNode checks ports, attributes and constraints of n and gives the facts
// of its outputs, without changing n. Errors carry the operator and node.
func InferNode(m *Module, n *Node) ([]Fact, error) {
	if n.Const != nil {
		t := n.Const.Type()
		f := Fact{Type: t}
		if n.Const.Len() <= maxInts && n.Const.DType.IsInt() {
			if v, err := n.Const.Tensor(); err == nil {
				f.Ints = IntsOf(v)
			}
		}
		return []Fact{f}, nil
	}
	fs, err := Infer(NewQuery(m, n))
	if err != nil {
		return nil, diag.At(n.Label(), n.Def.VersionedName(), diag.Shape, err)
	}
	return fs, nil
}

// Infer is InferNode for a query.
func Infer(q *Query) ([]Fact, error) {
	d := q.Def
	if err := checkPorts(q); err != nil {
		return nil, err
	}
	if err := checkAttrs(d, q.Attrs); err != nil {
		return nil, err
	}
	if len(q.Regions) != d.NumRegions {
		return nil, fault("", "regions", fmt.Sprint(len(q.Regions)), fmt.Sprint(d.NumRegions))
	}
	for _, c := range d.Constraints {
		if err := c.Check(q); err != nil {
			var e *diag.Error
			if !errors.As(err, &e) {
				return nil, &diag.Error{Kind: diag.Shape, Constraint: c.ID, Err: err}
			}
			x := *e
			x.Constraint = c.ID
			if x.Port == "" && x.Err == nil {
				x.Port = c.Text
			}
			return nil, &x
		}
	}
	fs, err := d.Infer(q)
	if err != nil {
		return nil, err
	}
	if len(fs) < q.NOut {
		return nil, diag.New(diag.Internal, "inference gave %d facts for %d outputs", len(fs), q.NOut)
	}
	for i := range fs {
		for _, dim := range fs[i].Type.Dims {
			if n, ok := dim.Const(); ok && n < 0 {
				return nil, &diag.Error{Kind: diag.Shape, Port: "output " + d.outName(i), Have: fs[i].Type.String(), Want: "extents of 0 or more"}
			}
		}
	}
	return fs[:q.NOut], nil
}

func (d *OpDef) outName(i int) string {
	if i < len(d.Out) {
		return d.Out[i].Name
	}
	return fmt.Sprint(i)
}

func fault(c, port, have, want string) error {
	return &diag.Error{Kind: diag.Shape, Constraint: c, Port: port, Have: have, Want: want}
}

// Fault is a shape fault for constraints and inference: what is wrong, what
// the model has, what the operator wants.
func Fault(port, have, want string) error { return fault("", port, have, want) }

func checkPorts(q *Query) error {
	d := q.Def
	ports := d.In
	variadic := len(ports) > 0 && ports[len(ports)-1].Variadic
	if len(q.In) > len(ports) && !variadic {
		return fault("", "inputs", fmt.Sprint(len(q.In)), fmt.Sprintf("at most %d", len(ports)))
	}
	vars := map[string]dtype.DType{}
	for i := range max(len(q.In), len(ports)) {
		p := &ports[min(i, len(ports)-1)]
		f := q.Input(i)
		if i >= len(q.In) || !f.Present() {
			// A variadic port may have no value, but none that is absent.
			if !p.Optional && (!p.Variadic || i < len(q.In)) {
				return fault("", "input "+p.Name, "none", "one")
			}
			continue
		}
		if err := p.check("input ", f.Type, vars); err != nil {
			return err
		}
	}
	if variadic {
		p := &ports[len(ports)-1]
		// Absent trailing inputs are left off, so there may be fewer than ports.
		if n := max(len(q.In)-len(ports)+1, 0); n < p.MinCount {
			return fault("", "inputs "+p.Name, fmt.Sprint(n), fmt.Sprintf("at least %d", p.MinCount))
		}
	}
	if outVar := len(d.Out) > 0 && d.Out[len(d.Out)-1].Variadic; q.NOut > len(d.Out) && !outVar {
		return fault("", "outputs", fmt.Sprint(q.NOut), fmt.Sprintf("at most %d", len(d.Out)))
	}
	return nil
}

func (p *Port) check(what string, t Type, vars map[string]dtype.DType) error {
	if p.AnyKind {
		return nil
	}
	want := p.Kind
	if want == tensor.KindNone {
		want = tensor.KindTensor
	}
	if t.Kind != want {
		return fault("", what+p.Name, t.String(), kindWord(want))
	}
	if want != tensor.KindTensor {
		return nil
	}
	if !p.Allows(t.DType) {
		s := make([]string, len(p.DTypes))
		for i, d := range p.DTypes {
			s[i] = d.String()
		}
		return fault("", "element type of "+what+p.Name, t.DType.String(), strings.Join(s, " or "))
	}
	if p.Var != "" {
		if d, ok := vars[p.Var]; ok && d != t.DType {
			return fault("", "element type of "+what+p.Name, t.DType.String(), d.String()+" (as the other "+p.Var+")")
		}
		vars[p.Var] = t.DType
	}
	return nil
}

func kindWord(k tensor.Kind) string {
	switch k {
	case tensor.KindSeq:
		return "a sequence"
	case tensor.KindOptional:
		return "an optional"
	case tensor.KindMap:
		return "a map"
	}
	return "a tensor"
}

func checkAttrs(d *OpDef, a attr.Map) error {
	for _, name := range a.Names() {
		x := d.Attr(name)
		if x == nil {
			return fault("", "attribute "+name, "one", "none of that name")
		}
		if v := a[name]; v.Kind != x.Kind {
			return fault("", "attribute "+name, v.Kind.String(), x.Kind.String())
		} else if x.Check != nil {
			if err := x.Check(v); err != nil {
				return &diag.Error{Kind: diag.Shape, Port: "attribute " + name, Err: err}
			}
		}
	}
	for _, x := range d.Attrs {
		if x.Required && !a.Has(x.Name) {
			return fault("", "attribute "+x.Name, "none", "one")
		}
	}
	return nil
}
