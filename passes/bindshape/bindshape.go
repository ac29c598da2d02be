// Package bindshape fixes extents that a model leaves open: it binds symbols
// ("N=1", "N=1..8") and whole parameter shapes ("x=1,3,224,224"), and infers
// every type anew. It knows no operator.
//
//	b := bindshape.Binding{Dims: []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}}
//	p := bindshape.Pass(b)
//	err := p.Apply(ctx, m)
package bindshape

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Dim bounds a symbol; Lo == Hi binds it.
type Dim struct {
	Name   string
	Lo, Hi int64
}

// Shape gives a parameter of main its extents; Open leaves one as it is.
type Shape struct {
	Param string
	Dims  []int64
}

// Open is an extent that a Shape does not fix.
const Open = -1

// Binding is what to fix.
type Binding struct {
	Dims   []Dim
	Shapes []Shape
}

// ParseDim reads "N=1" or "N=1..8" ("N=1..*" has no upper bound).
func ParseDim(s string) (Dim, error) {
	name, val, ok := strings.Cut(s, "=")
	lo, hi, ranged := strings.Cut(val, "..")
	if !ranged {
		hi = lo
	}
	d := Dim{Name: name, Hi: shape.Unbounded}
	var err error
	if d.Lo, err = strconv.ParseInt(lo, 10, 64); err == nil && hi != "*" {
		d.Hi, err = strconv.ParseInt(hi, 10, 64)
	}
	if !ok || name == "" || err != nil || d.Lo < 0 || d.Lo > d.Hi {
		return Dim{}, &diag.Error{Kind: diag.Usage, Port: "dim", Have: strconv.Quote(s), Want: "NAME=1 or NAME=1..8"}
	}
	return d, nil
}

// ParseShape reads "x=1,3,224,224"; "?" leaves an extent open, "x=" is a
// scalar.
func ParseShape(s string) (Shape, error) {
	i := strings.LastIndexByte(s, '=') // names of inputs may hold one
	bad := &diag.Error{Kind: diag.Usage, Port: "shape", Have: strconv.Quote(s), Want: "NAME=1,3,224,224"}
	if i <= 0 {
		return Shape{}, bad
	}
	out := Shape{Param: s[:i], Dims: []int64{}}
	if s[i+1:] == "" {
		return out, nil
	}
	for _, f := range strings.Split(s[i+1:], ",") {
		n := int64(Open)
		if f != "?" {
			var err error
			if n, err = strconv.ParseInt(f, 10, 64); err != nil || n < 0 {
				return Shape{}, bad
			}
		}
		out.Dims = append(out.Dims, n)
	}
	return out, nil
}

// Pass makes the pass bind-shape of a binding.
func Pass(b Binding) pass.Pass {
	return pass.Pass{
		Name: "bind-shape", Level: 0, Required: true,
		Doc: "fix the extents that the user gave and infer every type anew",
		Run: func(_ *rewrite.Ctx, m *ir.Module) error { return Bind(m, b) },
	}
}

// Bind applies b to m. Errors: kind Usage for names that the model does not
// have and extents that contradict it, kind Shape where the model does not
// allow them.
func Bind(m *ir.Module, b Binding) error {
	s := &binder{m: m, bound: map[string]int64{}}
	for _, d := range b.Dims {
		if err := s.dim(d); err != nil {
			return err
		}
	}
	for _, sh := range b.Shapes {
		if err := s.shape(sh); err != nil {
			return err
		}
	}
	if len(b.Dims) == 0 && len(b.Shapes) == 0 {
		return nil
	}
	if err := s.substitute(); err != nil {
		return err
	}
	for _, sh := range b.Shapes {
		if err := s.check(sh); err != nil {
			return err
		}
	}
	return rewrite.Reinfer(m)
}

type binder struct {
	m     *ir.Module
	bound map[string]int64
}

func (s *binder) dim(d Dim) error {
	for i := range s.m.Dims {
		decl := &s.m.Dims[i]
		if decl.Name != d.Name {
			continue
		}
		if lo, hi := max(decl.Lo, d.Lo), min(decl.Hi, d.Hi); lo <= hi {
			decl.Lo, decl.Hi = lo, hi
			if lo == hi {
				s.bound[d.Name] = lo
			}
			return nil
		}
		return &diag.Error{Kind: diag.Usage, Port: "dim " + d.Name, Have: span(d.Lo, d.Hi), Want: span(decl.Lo, decl.Hi)}
	}
	var names []string
	for _, decl := range s.m.Dims {
		names = append(names, decl.Name)
	}
	return diag.New(diag.Usage, "dim %s: the model has no such dim (has %s)", d.Name, list(names))
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func span(lo, hi int64) string {
	switch {
	case lo == hi:
		return strconv.FormatInt(lo, 10)
	case hi == shape.Unbounded:
		return fmt.Sprintf("%d..*", lo)
	}
	return fmt.Sprintf("%d..%d", lo, hi)
}

func (s *binder) param(name string) (*ir.Value, error) {
	var names []string
	for _, p := range s.m.Main().Params {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return nil, diag.New(diag.Usage, "shape of %s: the model has no such input (has %s)", name, list(names))
}

// shape binds the symbols that stand alone in a parameter's type, and gives a
// parameter of unknown rank its type.
func (s *binder) shape(sh Shape) error {
	p, err := s.param(sh.Param)
	if err != nil {
		return err
	}
	if p.Type.IsTensor() && p.Type.Unranked {
		p.Type.Unranked = false
		for i, n := range sh.Dims {
			d := shape.Int(n)
			if n == Open {
				d = s.fresh(sh.Param, i)
			}
			p.Type.Dims = append(p.Type.Dims, d)
		}
		return nil
	}
	if p.Type.Rank() != len(sh.Dims) {
		return mismatch(p, sh)
	}
	for i, d := range p.Type.Dims {
		if sh.Dims[i] == Open {
			continue
		}
		if name, n, ok := solve(d, sh.Dims[i]); ok {
			if err := s.dim(Dim{name, n, n}); err != nil {
				return err
			}
		}
	}
	return nil
}

// solve finds the value of d's one symbol for which d, if linear in it, is n.
func solve(d shape.Dim, n int64) (name string, v int64, ok bool) {
	syms := d.Symbols(nil)
	if len(syms) != 1 {
		return "", 0, false
	}
	at := func(x int64) (int64, error) { return d.Eval(func(string) (int64, bool) { return x, true }) }
	zero, err0 := at(0)
	one, err1 := at(1)
	if err0 != nil || err1 != nil || one == zero {
		return "", 0, false
	}
	v = (n - zero) / (one - zero)
	got, err := at(v)
	return syms[0], v, err == nil && got == n && v >= 0
}

func (s *binder) fresh(param string, axis int) shape.Dim {
	name := fmt.Sprintf("%s_%d", param, axis)
	if _, taken := s.m.Dim(name); taken || !shape.IsName(name) {
		return s.m.FreshDim()
	}
	return s.m.DeclareDim(name, 0, shape.Unbounded)
}

// check compares a parameter's type, now bound, with what was asked for.
func (s *binder) check(sh Shape) error {
	p, err := s.param(sh.Param)
	if err != nil {
		return err
	}
	for i, d := range p.Type.Dims {
		if sh.Dims[i] != Open && !d.Is(sh.Dims[i]) {
			return mismatch(p, sh)
		}
	}
	return nil
}

func mismatch(p *ir.Value, sh Shape) error {
	return &diag.Error{Kind: diag.Usage, Port: "shape of " + sh.Param, Have: strings.Trim(strings.ReplaceAll(fmt.Sprint(sh.Dims), " ", ","), "[]"), Want: p.Type.String()}
}

// substitute replaces bound symbols wherever the module names them, and takes
// back their declarations.
func (s *binder) substitute() error {
	if len(s.bound) == 0 {
		return nil
	}
	env := func(name string) (shape.Dim, bool) {
		n, ok := s.bound[name]
		return shape.Int(n), ok
	}
	var first error
	dims := func(where string, ds []shape.Dim) []shape.Dim {
		if ds == nil {
			return nil
		}
		out := make([]shape.Dim, len(ds))
		for i, d := range ds {
			e, err := d.Subst(env)
			if err != nil && first == nil {
				first = &diag.Error{Kind: diag.Shape, Node: "value " + where, Err: err}
			}
			out[i] = e
		}
		return out
	}
	var typ func(where string, t ir.Type) ir.Type
	typ = func(where string, t ir.Type) ir.Type {
		t.Dims = dims(where, t.Dims)
		if t.Elem != nil {
			e := typ(where, *t.Elem)
			t.Elem = &e
		}
		return t
	}
	value := func(v *ir.Value) {
		if v != nil {
			v.Type, v.Ints = typ(v.Name, v.Type), dims(v.Name, v.Ints)
		}
	}
	var fn func(f *ir.Func)
	fn = func(f *ir.Func) {
		for _, p := range f.Params {
			value(p)
		}
		for _, n := range f.Nodes {
			for name, a := range n.Attrs {
				if a.Kind == attr.KindType {
					n.Attrs[name] = attr.Type(typ(n.Label(), *a.TypeVal))
				}
			}
			for _, r := range n.Regions {
				fn(r)
			}
			for _, v := range n.Out {
				value(v)
			}
		}
	}
	for _, f := range s.m.Funcs {
		fn(f)
	}
	for _, st := range s.m.States {
		st.Type = typ(st.Name, st.Type)
	}
	kept := s.m.Dims[:0]
	for _, d := range s.m.Dims {
		if _, ok := s.bound[d.Name]; !ok {
			kept = append(kept, d)
		}
	}
	s.m.Dims = kept
	return first
}
