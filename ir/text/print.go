package text

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Printer writes modules. The zero Printer writes every element of every
// constant; a constant that has a shorter origin (splat, random, a place in a
// file) keeps it.
type Printer struct {
	// MaxElems is the largest list that is written in full; 0 is no limit.
	MaxElems int
	// Side takes the elements of longer constants, 64-byte aligned, little
	// endian, in the order of the text, which refers to them as
	// sha256:hex@SideName+offset. Constants that lie in files already are
	// written to it too, so that text and side file are complete together.
	Side     io.Writer
	SideName string
	// Without a Side, longer constants are written as sha256:hex@""+0: the text
	// reads back, and such a constant fails when its elements are asked for.
}

// Print writes m to w. Errors: of w, or of reading a constant.
func Print(w io.Writer, m *ir.Module) error { return Printer{}.Print(w, m) }

// String is m's text. Constants that cannot be read are written as
// sha256:@""+0.
func String(m *ir.Module) string {
	var b bytes.Buffer
	p := newPrinter(Printer{}, &b)
	p.lenient = true
	p.module(m)
	return b.String()
}

// Node is the text of one node, for messages and traces; unnamed values keep
// their internal numbers.
func Node(n *ir.Node) string {
	var b bytes.Buffer
	p := newPrinter(Printer{MaxElems: 8}, &b)
	p.raw, p.lenient = true, true
	p.node(n, 0)
	return strings.TrimSuffix(b.String(), "\n")
}

// Print writes m to w.
func (o Printer) Print(w io.Writer, m *ir.Module) error {
	var b bytes.Buffer
	p := newPrinter(o, &b)
	p.module(m)
	if p.err != nil {
		return p.err
	}
	_, err := w.Write(b.Bytes())
	return err
}

type printer struct {
	Printer
	b       *bytes.Buffer
	nums    map[*ir.Value]int
	offset  int64 // in the side file
	raw     bool  // unnamed values by their own numbers
	lenient bool  // constants that cannot be read do not fail
	err     error
}

func newPrinter(o Printer, b *bytes.Buffer) *printer {
	return &printer{Printer: o, b: b, nums: map[*ir.Value]int{}}
}

func (p *printer) f(format string, a ...any) { fmt.Fprintf(p.b, format, a...) }

func (p *printer) s(s string) { p.b.WriteString(s) }

func (p *printer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *printer) module(m *ir.Module) {
	p.f("module %s opset {", strconv.Quote(m.Name))
	for i, d := range sortedDomains(m.Opset) {
		if i > 0 {
			p.s(" ")
		}
		p.f("%s %d", word(d), m.Opset[d])
	}
	p.s("}\n")
	for _, e := range m.Meta {
		p.f("meta %s = %s\n", strconv.Quote(e.Key), strconv.Quote(e.Value))
	}
	for _, d := range m.Dims {
		if d.Hi == shape.Unbounded {
			p.f("dim %s %d..*\n", d.Name, d.Lo)
		} else {
			p.f("dim %s %d..%d\n", d.Name, d.Lo, d.Hi)
		}
	}
	for _, s := range m.States {
		p.state(s)
	}
	for _, f := range m.Funcs {
		p.function(f)
	}
}

func (p *printer) state(s *ir.State) {
	p.f("state %%%s: %s = ", ident(s.Name), stateType(s))
	if s.Init == nil {
		p.s("zeros")
	} else {
		p.init(s.Init, "state "+strconv.Quote(s.Name))
	}
	if s.GrowAxis >= 0 {
		p.f(" grow axis=%d", s.GrowAxis)
	}
	p.s("\n")
}

// stateType is the type with ranges lo..hi.
func stateType(s *ir.State) string {
	if !s.Type.Ranked() || s.Lo == nil {
		return s.Type.String()
	}
	dims := make([]string, len(s.Type.Dims))
	for i, d := range s.Type.Dims {
		dims[i] = d.String()
		if n, ok := d.Const(); ok && i < len(s.Lo) && s.Lo[i] >= 0 && s.Lo[i] != n {
			dims[i] = fmt.Sprintf("%d..%d", s.Lo[i], n)
		}
	}
	return s.Type.DType.String() + "[" + strings.Join(dims, ",") + "]"
}

func (p *printer) function(f *ir.Func) {
	clear(p.nums)
	p.f("func %s", word(f.Name))
	p.params(f)
	p.s(" -> (")
	for i, r := range f.Results {
		if i > 0 {
			p.s(", ")
		}
		t := ir.Type{}
		if r.Value != nil {
			t = r.Value.Type
		}
		p.f("%%%s: %s", ident(r.Name), t)
		p.toState(r.State)
	}
	p.s(") {\n")
	p.body(f, "return", 1)
	p.s("}\n")
}

func (p *printer) params(f *ir.Func) {
	p.s("(")
	for i, v := range f.Params {
		if i > 0 {
			p.s(", ")
		}
		p.value(v)
		if v != nil {
			p.f(": %s", v.Type)
			p.toState(v.State)
		}
	}
	p.s(")")
}

func (p *printer) toState(s *ir.State) {
	if s != nil {
		p.f(" -> %%%s", ident(s.Name))
	}
}

func (p *printer) body(f *ir.Func, end string, depth int) {
	for _, n := range f.Nodes {
		p.node(n, depth)
	}
	p.indent(depth)
	p.s(end)
	for i, r := range f.Results {
		p.sep(i, " ", ", ")
		p.value(r.Value)
	}
	p.s("\n")
}

func (p *printer) sep(i int, first, rest string) {
	if i == 0 {
		p.s(first)
	} else {
		p.s(rest)
	}
}

func (p *printer) indent(depth int) {
	for range depth {
		p.s("\t")
	}
}

// value writes a reference; unnamed values get their number when they are met
// first.
func (p *printer) value(v *ir.Value) {
	switch {
	case v == nil:
		p.s("_")
	case !ir.IsUnnamed(v.Name):
		p.s("%" + ident(v.Name))
	case p.raw:
		p.s("%" + v.Name[len(ir.Unnamed):])
	default:
		n, ok := p.nums[v]
		if !ok {
			n = len(p.nums)
			p.nums[v] = n
		}
		p.s("%" + strconv.Itoa(n))
	}
}

func (p *printer) node(n *ir.Node, depth int) {
	p.indent(depth)
	for i, v := range n.Out {
		p.sep(i, "", ", ")
		p.value(v)
	}
	if n.Const != nil {
		p.f(" = const %s ", n.Const.Type())
		p.init(n.Const, "constant "+strconv.Quote(n.Label()))
	} else {
		p.f(" = %s", word(n.Def.FullName()))
		in := n.In
		for len(in) > 0 && in[len(in)-1] == nil {
			in = in[:len(in)-1]
		}
		for i, v := range in {
			p.sep(i, " ", ", ")
			p.value(v)
		}
		p.attrs(n)
		for _, r := range n.Regions {
			p.s(" {")
			p.params(r)
			p.s("\n")
			p.body(r, "yield", depth+1)
			p.indent(depth)
			p.s("}")
		}
		var types []tensor.Type
		for _, v := range n.Out {
			if v != nil {
				types = append(types, v.Type)
			}
		}
		if len(types) > 0 {
			p.s(" : " + tensor.FormatTypes(types))
		}
	}
	for i, s := range n.Source {
		p.sep(i, " !", ",")
		p.s(strconv.Quote(s))
	}
	p.s("\n")
}

// attrs writes the attributes that differ from their defaults, by name.
func (p *printer) attrs(n *ir.Node) {
	first := true
	for _, name := range n.Attrs.Names() {
		v := n.Attrs[name]
		if a := n.Def.Attr(name); a != nil && a.Default.Kind == v.Kind && a.Default.Equal(v) {
			continue
		}
		if first {
			p.s(" {")
		} else {
			p.s(", ")
		}
		first = false
		p.s(word(name) + "=")
		p.attr(v, n.Label())
	}
	if !first {
		p.s("}")
	}
}

func (p *printer) constFault(what string, err error) {
	if !p.lenient {
		p.fail(&diag.Error{Kind: diag.BadData, Node: what, Err: err})
	}
}
