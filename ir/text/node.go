package text

import (
	"errors"
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
)

// node reads one node and puts it at the end of f.
func (p *parser) node(f *ir.Func, sc *scope, depth int) {
	start := p.tok.pos
	outs := p.outputs()
	p.expect("=")
	if p.accept("const") {
		p.constant(f, sc, outs, start)
		return
	}
	opPos := p.tok.pos
	name := p.wordOrString("an operator")
	if p.err != nil {
		return
	}
	def := p.ops.Lookup(name)
	n := &ir.Node{Def: def, Func: f}
	ok := def != nil && def != ir.ConstDef
	if !ok {
		p.fault(opPos, &diag.Error{Kind: diag.Unsupported, Err: fmt.Errorf("no operator %q in the table", name)})
		n.Def = ir.ConstDef // for the owner of its regions while reading on
	}
	ok = p.operands(n, sc) && ok
	a := p.attrs(def)
	for p.is("{") && p.err == nil {
		p.advance()
		n.Regions = append(n.Regions, p.region(n, sc, depth+1))
	}
	var types []ir.Type
	typePos := p.tok.pos
	if p.accept(":") {
		for p.err == nil {
			t, _ := p.typ(0, false)
			types = append(types, t)
			if !p.accept(",") {
				break
			}
		}
	}
	n.Source = p.sources()
	if p.err != nil {
		return
	}
	ok = p.define1(n, outs, types, typePos, sc) && ok
	if !ok {
		return // the values are known by name, with the types that were stated
	}
	n.Attrs = def.Complete(a)
	p.check(f, n, start, outs)
	f.InsertNode(len(f.Nodes), n)
	p.noteLine(n, start)
}

func (p *parser) noteLine(n *ir.Node, pos int) {
	if p.o.Lines != nil {
		p.o.Lines[n], _ = p.lineCol(pos)
	}
}

// outputs reads the names left of =; an absent output has kind tPunct.
func (p *parser) outputs() []token {
	var outs []token
	for p.err == nil {
		if p.is("_") {
			outs = append(outs, token{kind: tPunct, pos: p.tok.pos})
			p.advance()
		} else {
			outs = append(outs, p.take(tName, "a value"))
		}
		if !p.accept(",") {
			break
		}
	}
	return outs
}

func (p *parser) operands(n *ir.Node, sc *scope) bool {
	ok := true
	for p.err == nil && (p.tok.kind == tName || p.is("_")) {
		if p.tok.kind == tName {
			t := p.take(tName, "a value")
			v := p.use(t, sc)
			ok = ok && v != nil
			n.In = append(n.In, v)
		} else {
			p.advance()
			n.In = append(n.In, nil)
		}
		if !p.is(",") {
			break
		}
		p.advance()
		if p.tok.kind != tName && !p.is("_") {
			p.unexpected("a value or _")
		}
	}
	for len(n.In) > 0 && n.In[len(n.In)-1] == nil {
		n.In = n.In[:len(n.In)-1]
	}
	return ok
}

// attrs reads {name=value, ...}; a { before ( opens a region instead.
func (p *parser) attrs(def *ir.OpDef) attr.Map {
	if !p.is("{") {
		return nil
	}
	p.skip()
	if p.peekByte(0) == '(' {
		return nil
	}
	p.advance()
	m := attr.Map{}
	for p.err == nil {
		pos := p.tok.pos
		name := p.wordOrString("an attribute")
		p.expect("=")
		var want *ir.Attr
		if def != nil {
			want = def.Attr(name)
		}
		if m.Has(name) {
			p.faultf(pos, "attribute %s is given twice", name)
		}
		k := attr.KindNone
		if want != nil {
			k = want.Kind
		}
		m[name] = p.attr(k)
		if !p.accept(",") {
			break
		}
	}
	p.expect("}")
	return m
}

// region reads ( params ) nodes yield values }.
func (p *parser) region(owner *ir.Node, outer *scope, depth int) *ir.Func {
	r := &ir.Func{Module: p.m, Owner: owner}
	if depth > maxRegionDepth {
		p.fail(p.tok.pos, "regions nest more than %d deep", maxRegionDepth)
		p.advance()
		return r
	}
	sc := &scope{outer: outer, vals: map[string]*ir.Value{}}
	p.params(r, sc)
	p.body(r, sc, "yield", depth)
	p.expect("}")
	return r
}

// sources reads !"a","b".
func (p *parser) sources() []string {
	if !p.accept("!") {
		return nil
	}
	var out []string
	for p.err == nil {
		out = append(out, p.take(tString, "a source name").text)
		if !p.accept(",") {
			break
		}
	}
	return out
}

// define1 makes the outputs of n with the stated types.
func (p *parser) define1(n *ir.Node, outs []token, types []ir.Type, pos int, sc *scope) bool {
	present := 0
	for _, t := range outs {
		if t.kind == tName {
			present++
		}
	}
	if present != len(types) {
		p.fault(pos, &diag.Error{Kind: diag.BadModel, Port: "result types", Have: fmt.Sprint(len(types)), Want: fmt.Sprint(present)})
	}
	n.Out = make([]*ir.Value, len(outs))
	i := 0
	for k, t := range outs {
		if t.kind != tName {
			continue
		}
		v := &ir.Value{Name: p.valueName(t), Func: n.Func}
		if i < len(types) {
			v.Type = types[i]
		}
		i++
		n.Out[k] = v
		p.define(t, v, sc)
	}
	return present == len(types)
}

// check infers n and compares the types stated with those inferred. On a
// fault the stated ones stand, so that reading goes on.
func (p *parser) check(f *ir.Func, n *ir.Node, pos int, outs []token) {
	fs, err := ir.Recheck(p.m, n)
	for i, v := range n.Out {
		if v != nil && i < len(fs) {
			v.Ints = fs[i].Ints
		}
	}
	if err == nil {
		return
	}
	list, ok := err.(diag.List)
	if !ok {
		var e *diag.Error
		if !errors.As(err, &e) {
			e = &diag.Error{Kind: diag.Shape, Err: err}
		}
		list = diag.List{e}
	}
	for _, e := range list {
		c := *e
		if c.Port == "result type" {
			// The value is named rather than the node: the line tells which.
			c.Port = fmt.Sprintf("%v (%s): result type", firstName(n, outs, e.Have), n.Def.FullName())
			c.Node, c.Op = "", ""
		}
		p.fault(pos, &c)
	}
}

// firstName finds the output whose stated type is have.
func firstName(n *ir.Node, outs []token, have string) token {
	for i, v := range n.Out {
		if v != nil && v.Type.String() == have {
			return outs[i]
		}
	}
	return outs[0]
}

// constant reads the type and elements behind const.
func (p *parser) constant(f *ir.Func, sc *scope, outs []token, start int) {
	t, _ := p.typ(0, false)
	c := p.init(t, start)
	n := &ir.Node{Def: ir.ConstDef, Const: c, Func: f, Source: p.sources()}
	if p.err != nil {
		return
	}
	if len(outs) != 1 || outs[0].kind != tName {
		p.faultf(start, "a constant has one value")
		return
	}
	if !p.define1(n, outs, []ir.Type{t}, start, sc) || c == nil {
		return
	}
	p.check(f, n, start, outs)
	f.InsertNode(len(f.Nodes), n)
	p.noteLine(n, start)
}
