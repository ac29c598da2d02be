package eval

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// env binds symbols. Each run of a region has its own on top of the outer
// one, because its run-time dims may differ from one iteration to the next.
type env struct {
	outer *env
	vals  map[string]binding
}

type binding struct {
	n   int64
	via string // how it was derived, for messages
}

func (e *env) lookup(name string) (binding, bool) {
	for ; e != nil; e = e.outer {
		if b, ok := e.vals[name]; ok {
			return b, true
		}
	}
	return binding{}, false
}

func (e *env) value(name string) (int64, bool) {
	b, ok := e.lookup(name)
	return b.n, ok
}

func (e *env) bind(name string, n int64, via string) {
	if e.vals == nil {
		e.vals = map[string]binding{}
	}
	e.vals[name] = binding{n, via}
}

// bound says whether every symbol in d has a value.
func (e *env) bound(d shape.Dim) bool {
	for _, s := range d.Symbols(nil) {
		if _, ok := e.lookup(s); !ok {
			return false
		}
	}
	return true
}

// mismatch is a value that is not of its type.
type mismatch struct {
	have, want string
	err        error
}

// match compares a value with a type: kinds, element types, extents. Symbols
// alone in an axis that have no value yet get one, described by via. Axes
// whose expression holds unbound symbols pass.
func (e *env) match(v *tensor.Value, t ir.Type, via string) *mismatch {
	if t.Kind == tensor.KindNone || v.Kind == tensor.KindNone && t.Kind == tensor.KindOptional {
		return nil
	}
	if v.Kind != t.Kind {
		return &mismatch{have: v.Type().String(), want: t.String()}
	}
	switch t.Kind {
	case tensor.KindTensor:
		return e.matchTensor(&v.Tensor, t, via)
	case tensor.KindMap:
		if v.Tensor.DType() != t.DType {
			return &mismatch{have: v.Type().String(), want: t.String()}
		}
	}
	for i := range v.Elems {
		// Elements of one sequence may differ in extents that only the run
		// knows: each is matched on its own.
		if m := (&env{outer: e}).match(&v.Elems[i], *t.Elem, via); m != nil {
			m.err = fmt.Errorf("element %d", i)
			return m
		}
	}
	return nil
}

func (e *env) matchTensor(x *tensor.Tensor, t ir.Type, via string) *mismatch {
	if x.DType() != t.DType || !t.Unranked && x.Rank() != len(t.Dims) {
		return &mismatch{have: typeText(x), want: t.String()}
	}
	if t.Unranked {
		return nil
	}
	for i, d := range t.Dims {
		n := int64(x.Dim(i))
		if c, ok := d.Const(); ok {
			if c != n {
				return &mismatch{have: typeText(x), want: t.String(), err: fmt.Errorf("axis %d", i)}
			}
			continue
		}
		if s, ok := d.Symbol(); ok {
			b, known := e.lookup(s)
			if !known {
				e.bind(s, n, fmt.Sprintf("axis %d of %s", i, via))
			} else if b.n != n {
				return &mismatch{have: typeText(x), want: fmt.Sprintf("%s where %s = %d (%s)", t, s, b.n, b.via), err: fmt.Errorf("axis %d", i)}
			}
		}
	}
	for i, d := range t.Dims {
		if _, ok := d.Symbol(); ok || d.IsConst() || !e.bound(d) {
			continue
		}
		want, err := d.Eval(e.value)
		if err != nil {
			return &mismatch{have: typeText(x), want: t.String(), err: fmt.Errorf("axis %d: %w", i, err)}
		}
		if n := int64(x.Dim(i)); n != want {
			return &mismatch{have: typeText(x), want: fmt.Sprintf("%s where %v = %d%s", t, d, want, e.derivation(d)), err: fmt.Errorf("axis %d", i)}
		}
	}
	return nil
}

// derivation says where the symbols in d come from.
func (e *env) derivation(d shape.Dim) string {
	s := ""
	for _, name := range d.Symbols(nil) {
		b, _ := e.lookup(name)
		s += fmt.Sprintf(", %s = %d (%s)", name, b.n, b.via)
	}
	return s
}

func typeText(x *tensor.Tensor) string { t := x.Type(); return t.String() }

// bindParams matches inputs with the types of f's parameters: first all, so
// that symbols are bound whatever the order, then those whose expressions
// came before their symbols. Bounds of symbols are checked last.
func bindParams(m *ir.Module, e *env, params []*ir.Value, in []tensor.Value) error {
	var faults diag.List
	for range 2 {
		faults = nil
		for i, p := range params {
			if in[i].Kind == tensor.KindNone {
				faults = append(faults, &diag.Error{Kind: diag.Shape, Node: "input " + quote(p.Name), Have: "none", Want: p.Type.String()})
				continue
			}
			if x := e.match(&in[i], p.Type, "input "+quote(p.Name)); x != nil {
				faults = append(faults, &diag.Error{Kind: diag.Shape, Node: "input " + quote(p.Name), Have: x.have, Want: x.want, Err: x.err})
			}
		}
	}
	if faults != nil {
		return faults.Err()
	}
	for _, d := range m.Dims {
		b, ok := e.lookup(d.Name)
		if !ok || b.n >= d.Lo && b.n <= d.Hi {
			continue
		}
		hi := "*"
		if d.Hi != shape.Unbounded {
			hi = fmt.Sprint(d.Hi)
		}
		faults = append(faults, &diag.Error{Kind: diag.Shape, Node: "dim " + d.Name,
			Have: fmt.Sprintf("%d (%s)", b.n, b.via), Want: fmt.Sprintf("%d..%s", d.Lo, hi)})
	}
	return faults.Err()
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
