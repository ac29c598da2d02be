package verify

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// maxFaults ends the walk of a module that is wrong everywhere.
const maxFaults = 100

// maxDepth bounds how deep regions may nest.
const maxDepth = 200

// Module checks m and gives every independent fault, in the order of the
// text, as a *diag.Error (one fault) or a diag.List. Faults of shapes and
// types have kind Shape, all others BadModel.
func Module(m *ir.Module) error {
	c := &checker{m: m, uses: map[*ir.Value][]ir.Use{}, written: map[*ir.State]bool{}}
	c.header()
	if m.Main() == nil {
		c.fail(fmt.Sprintf("module %q", m.Name), "", "no function")
	}
	names := map[string]bool{}
	for _, f := range m.Funcs {
		if names[f.Name] || f.Name == "" {
			c.fail(fmt.Sprintf("func %q", f.Name), "name", "empty or given twice")
		}
		names[f.Name] = true
		if f.Owner != nil {
			c.fail(fmt.Sprintf("func %q", f.Name), "", "a region stands as a function of the module")
			continue
		}
		c.fn(f, &scope{f: f, names: map[string]bool{}, values: map[*ir.Value]bool{}}, 0)
	}
	c.useLists()
	return c.faults.Err()
}

type checker struct {
	m       *ir.Module
	faults  diag.List
	uses    map[*ir.Value][]ir.Use // as the walk finds them
	order   []*ir.Value            // keys of uses, in order
	written map[*ir.State]bool
}

// scope is what one function defines, and what stands around it.
type scope struct {
	outer  *scope
	f      *ir.Func
	names  map[string]bool
	values map[*ir.Value]bool
	closed bool // values of outer scopes may not be read (mlc.Fused)
}

func (c *checker) fail(where, port, format string, a ...any) {
	c.add(&diag.Error{Kind: diag.BadModel, Node: where, Port: port, Err: fmt.Errorf(format, a...)})
}

func (c *checker) add(e *diag.Error) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, e)
	}
}

// header checks what stands before the functions.
func (c *checker) header() {
	if _, ok := c.m.Opset["ai.onnx"]; !ok {
		c.fail(fmt.Sprintf("module %q", c.m.Name), "opset", "no version for ai.onnx")
	}
	seen := map[string]bool{}
	for _, d := range c.m.Dims {
		switch {
		case !shape.IsName(d.Name):
			c.fail("dim "+d.Name, "name", "not an identifier: %q", d.Name)
		case seen[d.Name]:
			c.fail("dim "+d.Name, "", "declared twice")
		case d.Lo < 0 || d.Lo > d.Hi:
			c.fail("dim "+d.Name, "bounds", "%d..%d", d.Lo, d.Hi)
		}
		seen[d.Name] = true
	}
	clear(seen)
	for _, s := range c.m.States {
		if s.Name == "" || seen[s.Name] {
			c.fail(fmt.Sprintf("state %q", s.Name), "name", "empty or given twice")
		}
		seen[s.Name] = true
		c.state(s)
	}
}

func (c *checker) state(s *ir.State) {
	where := fmt.Sprintf("state %q", s.Name)
	c.declared(where, "type", s.Type)
	if s.Type.Kind == tensor.KindNone {
		c.fail(where, "type", "none")
		return
	}
	if s.Lo != nil && len(s.Lo) != len(s.Type.Dims) {
		c.fail(where, "smallest extents", "%d for %d axes", len(s.Lo), len(s.Type.Dims))
		return
	}
	for i, lo := range s.Lo {
		if hi, ok := s.Type.Dims[i].Const(); lo >= 0 && (!ok || lo > hi) {
			c.fail(where, fmt.Sprintf("axis %d", i), "extents %d..%v", lo, s.Type.Dims[i])
		}
	}
	if s.GrowAxis < -1 || s.GrowAxis >= max(0, s.Type.Rank()) {
		c.fail(where, "grow axis", "%d of %v", s.GrowAxis, s.Type)
	} else if s.GrowAxis >= 0 && s.Lo == nil {
		c.fail(where, "grow axis", "axis %d has no room to grow", s.GrowAxis)
	}
	if s.Init == nil {
		return
	}
	if s.Init.DType != s.Type.DType || len(s.Init.Dims) != s.Type.Rank() {
		c.fail(where, "initial value", "%v for %v", s.Init.Type(), s.Type)
		return
	}
	for i, n := range s.Init.Dims {
		hi, ok := s.Type.Dims[i].Const()
		lo := hi
		if s.Lo != nil && s.Lo[i] >= 0 {
			lo = s.Lo[i]
		}
		if ok && (int64(n) < lo || int64(n) > hi) {
			c.fail(where, "initial value", "%v for %v", s.Init.Type(), s.Type)
			return
		}
	}
}

// declared checks that t is well formed and names declared dims only.
func (c *checker) declared(where, port string, t ir.Type) {
	for _, d := range t.Dims {
		if n, ok := d.Const(); ok && n < 0 {
			c.fail(where, port, "negative extent in %v", t)
		}
		for _, s := range d.Symbols(nil) {
			if _, ok := c.m.Dim(s); !ok {
				c.fail(where, port, "dim %s of %v is not declared", s, t)
			}
		}
	}
	switch {
	case t.Kind >= tensor.KindSeq && t.Elem == nil:
		c.fail(where, port, "%d without an element type", t.Kind)
	case t.Elem != nil:
		c.declared(where, port, *t.Elem)
	case t.Kind == tensor.KindTensor && !t.DType.Valid():
		c.fail(where, port, "element type %v", t.DType)
	}
}

// fn checks one function or region; s holds nothing of it yet.
func (c *checker) fn(f *ir.Func, s *scope, depth int) {
	where := fmt.Sprintf("func %q", f.Name)
	if f.Owner != nil {
		where = "region of " + f.Owner.Label()
	}
	if depth > maxDepth {
		c.fail(where, "", "regions nest more than %d deep", maxDepth)
		return
	}
	if f.Module != c.m {
		c.fail(where, "", "belongs to another module")
	}
	for _, v := range f.Params {
		if v == nil || v.Func != f || v.Node != nil {
			c.fail(where, "parameters", "one is not owned by the function")
			continue
		}
		c.define(where, v, s)
		if v.Type.Kind == tensor.KindNone {
			c.fail(where, "parameter "+v.Name, "no type")
		}
		if v.State != nil {
			c.stateOf(where, "parameter "+v.Name, v.State, v.Type, f)
		}
	}
	for _, n := range f.Nodes {
		if len(c.faults) >= maxFaults {
			return
		}
		c.node(f, n, s, depth)
	}
	c.results(where, f, s)
}

func (c *checker) define(where string, v *ir.Value, s *scope) {
	if s.values[v] {
		c.fail(where, "", "%%%s is defined twice", v.Name)
		return
	}
	for o := s; o != nil; o = o.outer {
		if o.names[v.Name] {
			c.fail(where, "", "the name %%%s is given twice", v.Name)
			break
		}
	}
	if v.Name == "" {
		c.fail(where, "", "a value has no name")
	}
	s.names[v.Name], s.values[v] = true, true
	if _, ok := c.uses[v]; !ok {
		c.uses[v] = nil
		c.order = append(c.order, v)
	}
	c.declared(where, "%"+v.Name, v.Type)
}

func (c *checker) read(where, port string, v *ir.Value, u ir.Use, s *scope) bool {
	if _, ok := c.uses[v]; !ok {
		c.order = append(c.order, v)
	}
	c.uses[v] = append(c.uses[v], u)
	closed := false
	for o := s; o != nil; o = o.outer {
		if o.values[v] {
			if closed {
				c.fail(where, port, "%%%s is captured from outside, and the group must capture nothing", v.Name)
				return false
			}
			return true
		}
		closed = closed || o.closed
	}
	c.fail(where, port, "%%%s is not defined before it is read", v.Name)
	return false
}

func (c *checker) node(f *ir.Func, n *ir.Node, s *scope, depth int) {
	if n == nil || n.Def == nil {
		c.fail(fmt.Sprintf("func %q", f.Name), "nodes", "one has no operator")
		return
	}
	where := fmt.Sprintf("%s %q", n.Def.FullName(), n.Label())
	if n.Func != f {
		c.fail(where, "", "stands in a function that it does not belong to")
	}
	sound := true
	for i, v := range n.In {
		if v != nil {
			sound = c.read(where, fmt.Sprintf("input %d", i), v, ir.Use{Node: n, Index: i}, s) && sound
		}
	}
	for _, r := range n.Regions {
		if r.Owner != n {
			c.fail(where, "regions", "one is owned by another node")
		}
		c.fn(r, &scope{outer: s, f: r, names: map[string]bool{}, values: map[*ir.Value]bool{}, closed: n.Is("mlc.Fused")}, depth+1)
	}
	if len(n.Out) == 0 {
		c.fail(where, "", "no output")
	}
	for i, v := range n.Out {
		if v == nil {
			if i < len(n.Def.Out) && !n.Def.Out[i].Optional && !n.Def.Out[i].Variadic {
				c.fail(where, "output "+n.Def.Out[i].Name, "left out, which only optional outputs may be: give it a name")
			}
			continue
		}
		if v.Node != n || v.Func != f {
			c.fail(where, fmt.Sprintf("output %d", i), "%%%s is owned by another node", v.Name)
		}
		c.define(where, v, s)
	}
	if (n.Const != nil) != (n.Def.Name == ir.ConstDef.Name && n.Def.Domain == "") || n.Const != nil && (len(n.Out) != 1 || n.Out[0] == nil || len(n.In) > 0) {
		c.fail(where, "", "malformed constant")
		return
	}
	for _, a := range n.Def.Attrs {
		if a.Default.Kind != attr.KindNone && !n.Attrs.Has(a.Name) {
			c.fail(where, "attribute "+a.Name, "missing, and its default was not filled in")
		}
	}
	if sound {
		c.types(n)
	}
}

// types infers n again.
func (c *checker) types(n *ir.Node) {
	_, err := ir.Recheck(c.m, n)
	switch e := err.(type) {
	case nil:
	case *diag.Error:
		c.add(e)
	case diag.List:
		for _, x := range e {
			c.add(x)
		}
	default:
		c.add(&diag.Error{Kind: diag.Shape, Node: n.Label(), Op: n.Def.VersionedName(), Err: err})
	}
}

func (c *checker) results(where string, f *ir.Func, s *scope) {
	names := map[string]bool{}
	for i, r := range f.Results {
		port := fmt.Sprintf("result %d", i)
		if r.Value == nil {
			c.fail(where, port, "no value")
			continue
		}
		c.read(where, port, r.Value, ir.Use{Func: f, Index: i}, s)
		if f.Owner == nil {
			if r.Name == "" || names[r.Name] {
				c.fail(where, port, "name %q is empty or given twice", r.Name)
			}
			names[r.Name] = true
		}
		if r.State != nil {
			c.stateOf(where, port, r.State, r.Value.Type, f)
			if c.written[r.State] {
				c.fail(where, port, "state %q is written twice", r.State.Name)
			}
			c.written[r.State] = true
		}
	}
}

// stateOf checks a parameter or result that stands for a state.
func (c *checker) stateOf(where, port string, s *ir.State, t ir.Type, f *ir.Func) {
	switch {
	case f != c.m.Main():
		c.fail(where, port, "only the entry function reads and writes states")
	case c.m.State(s.Name) != s:
		c.fail(where, port, "state %q is not declared", s.Name)
	case t.Kind != s.Type.Kind || t.DType != s.Type.DType || t.Rank() >= 0 && s.Type.Rank() >= 0 && t.Rank() != s.Type.Rank():
		c.add(&diag.Error{Kind: diag.Shape, Node: where, Port: port + " against state " + s.Name, Have: t.String(), Want: s.Type.String()})
	}
}

// useLists compares the uses that values carry with those that the walk found.
func (c *checker) useLists() {
	for _, v := range c.order {
		want := c.uses[v]
		have := v.Uses()
		count := make(map[ir.Use]int, len(want))
		for _, u := range want {
			count[u]++
		}
		same := len(have) == len(want)
		for _, u := range have {
			count[u]--
			same = same && count[u] >= 0
		}
		if !same {
			c.fail(fmt.Sprintf("value %q", v.Name), "use list", "has %d uses, %d are in the module", len(have), len(want))
		}
	}
}
