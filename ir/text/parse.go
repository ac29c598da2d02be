package text

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
)

// Options bound and feed the parser; the zero Options are usable.
type Options struct {
	// FS holds the files that sha256:...@file refers to; nil: there are none.
	FS fs.FS
	// MaxBytes is the largest constant that splat, random or a file may make
	// when its elements are asked for; 0 is DefaultMaxBytes.
	MaxBytes int64
	// Lines, where not nil, is given the line on which each node stands.
	Lines map[*ir.Node]int
}

// DefaultMaxBytes is Options.MaxBytes unless given.
const DefaultMaxBytes = int64(4) << 30

// Limits of nesting.
const (
	maxRegionDepth = 64
	maxTypeDepth   = 32
)

// Parse reads a module. file names the text in errors. Each node is inferred
// as it is read and its result types are compared, so a module that parses
// satisfies every constraint. A fault of syntax ends the reading; other
// independent faults are collected (a *diag.Error, or a diag.List in order).
func Parse(src []byte, file string, ops *ir.OpSet, o Options) (*ir.Module, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	p := &parser{lexer: lexer{src: src}, file: file, ops: ops, o: o}
	p.advance()
	m := p.module()
	if p.err != nil {
		// What was found before the syntax went wrong comes first.
		e := p.locate(p.at, &diag.Error{Kind: diag.BadModel, Err: p.err})
		p.faults = append(p.faults, e)
	}
	if err := p.faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// maxFaults is how many faults are collected.
const maxFaults = 100

type parser struct {
	lexer
	file   string
	ops    *ir.OpSet
	o      Options
	tok    token
	m      *ir.Module
	faults diag.List
	line   int // position caches: lines are asked for in rising order
	lineAt int
	lineOf int
}

// scope holds what a function defines.
type scope struct {
	outer *scope
	vals  map[string]*ir.Value
}

func (s *scope) find(key string) *ir.Value {
	for ; s != nil; s = s.outer {
		if v := s.vals[key]; v != nil {
			return v
		}
	}
	return nil
}

func (p *parser) advance() { p.tok = p.next() }

// at gives the position of an offset, counting on from the last one asked for.
func (p *parser) lineCol(pos int) (line, col int) {
	if p.line == 0 || pos < p.lineAt {
		p.line, p.lineAt, p.lineOf = 1, 0, 0
	}
	for ; p.lineAt < min(pos, len(p.src)); p.lineAt++ {
		if p.src[p.lineAt] == '\n' {
			p.line++
			p.lineOf = p.lineAt + 1
		}
	}
	return p.line, pos - p.lineOf + 1
}

func (p *parser) locate(pos int, e *diag.Error) *diag.Error {
	line, col := p.lineCol(pos)
	e.File = fmt.Sprintf("%s:%d:%d", p.file, line, col)
	return e
}

// fault records a fault that does not stop the reading.
func (p *parser) fault(pos int, e *diag.Error) {
	if len(p.faults) < maxFaults && p.err == nil {
		p.faults = append(p.faults, p.locate(pos, e))
	}
}

func (p *parser) faultf(pos int, format string, a ...any) {
	p.fault(pos, &diag.Error{Kind: diag.BadModel, Err: fmt.Errorf(format, a...)})
}

// unexpected ends the reading.
func (p *parser) unexpected(want string) {
	if p.err == nil { // the lexer's own error says more
		p.fail(p.tok.pos, "unexpected %v, want %s", p.tok, want)
	}
	p.tok = token{pos: len(p.src)}
}

func (p *parser) is(text string) bool {
	return (p.tok.kind == tPunct || p.tok.kind == tIdent) && p.tok.text == text
}

func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(text string) {
	if !p.accept(text) {
		p.unexpected(strconv.Quote(text))
	}
}

func (p *parser) take(k kind, want string) token {
	t := p.tok
	if t.kind != k {
		p.unexpected(want)
		return t
	}
	p.advance()
	return t
}

// wordOrString reads a name that may be quoted.
func (p *parser) wordOrString(want string) string {
	if p.tok.kind == tString {
		return p.take(tString, want).text
	}
	return p.take(tIdent, want).text
}

func (p *parser) int64(want string) int64 {
	t := p.take(tNumber, want)
	n, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil && p.err == nil {
		p.fail(t.pos, "%s: want %s", t.text, want)
	}
	return n
}

func (p *parser) module() *ir.Module {
	p.expect("module")
	p.m = &ir.Module{Name: p.take(tString, "the module's name").text, Opset: map[string]int{}}
	p.expect("opset")
	p.expect("{")
	for p.err == nil && !p.is("}") {
		pos := p.tok.pos
		d := p.wordOrString("a domain")
		v := p.int64("a version")
		if _, dup := p.m.Opset[d]; dup || v < 0 || v > math.MaxInt32 {
			p.faultf(pos, "opset %s %d: given twice or out of range", d, v)
		}
		p.m.Opset[d] = int(v)
	}
	p.expect("}")
	for p.accept("meta") {
		k := p.take(tString, "a key").text
		p.expect("=")
		p.m.Meta = append(p.m.Meta, ir.Meta{Key: k, Value: p.take(tString, "a value").text})
	}
	for p.is("dim") {
		p.dim()
	}
	for p.accept("state") {
		p.state()
	}
	for p.err == nil && p.tok.kind != tEOF {
		p.expect("func")
		p.function()
	}
	if p.m.Main() == nil && p.err == nil {
		p.unexpected("a func")
	}
	return p.m
}

// dim reads a declaration; the name is read as it stands, because dots may
// stand anywhere in it. The current token is the word dim.
func (p *parser) dim() {
	p.skip()
	start := p.i
	for c := p.peekByte(0); isLetter(c) || isDigit(c) || c == '.'; c = p.peekByte(0) {
		p.i++
	}
	name := string(p.src[start:p.i])
	p.advance()
	if !shape.IsName(name) {
		p.fail(start, "dim: want a name")
		p.advance()
		return
	}
	lo := p.int64("the lower bound")
	p.expect("..")
	hi := int64(shape.Unbounded)
	if !p.accept("*") {
		hi = p.int64("the upper bound or *")
	}
	if _, dup := p.m.Dim(name); dup {
		p.faultf(start, "dim %s is declared twice", name)
	} else if lo < 0 || lo > hi {
		p.faultf(start, "dim %s: bounds %d..%d", name, lo, hi)
	}
	p.m.Dims = append(p.m.Dims, ir.DimDecl{Name: name, Lo: lo, Hi: hi})
}

func (p *parser) state() {
	t := p.take(tName, "the state's name")
	p.expect(":")
	s := &ir.State{Name: t.text, GrowAxis: -1}
	if p.m.State(s.Name) != nil {
		p.faultf(t.pos, "state %%%s is declared twice", s.Name)
	}
	s.Type, s.Lo = p.typ(0, true)
	p.expect("=")
	pos := p.tok.pos
	if !p.accept("zeros") {
		dims := make([]shape.Dim, len(s.Type.Dims))
		for i, d := range s.Type.Dims {
			dims[i] = d
			if s.Lo != nil && s.Lo[i] >= 0 {
				dims[i] = shape.Int(s.Lo[i])
			}
		}
		at := s.Type
		at.Dims = dims
		s.Init = p.init(at, pos)
	}
	if p.accept("grow") {
		p.expect("axis")
		p.expect("=")
		pos = p.tok.pos
		n := p.int64("an axis")
		if n < 0 || n >= int64(len(s.Type.Dims)) || s.Lo == nil {
			p.faultf(pos, "state %%%s: axis %d cannot grow", s.Name, n)
			n = -1
		}
		s.GrowAxis = int(n)
	}
	p.m.States = append(p.m.States, s)
}

func (p *parser) function() {
	pos := p.tok.pos
	f := &ir.Func{Name: p.wordOrString("the function's name"), Module: p.m}
	for _, g := range p.m.Funcs {
		if g.Name == f.Name {
			p.faultf(pos, "func %s is defined twice", f.Name)
		}
	}
	p.m.Funcs = append(p.m.Funcs, f)
	sc := &scope{vals: map[string]*ir.Value{}}
	p.params(f, sc)
	p.expect("->")
	p.expect("(")
	type result struct {
		name  string
		typ   ir.Type
		state *ir.State
	}
	var rs []result
	seen := map[string]bool{}
	for p.err == nil && !p.is(")") {
		if len(rs) > 0 {
			p.expect(",")
		}
		t := p.take(tName, "a result")
		p.expect(":")
		r := result{name: t.text}
		if r.typ, _ = p.typ(0, false); seen[t.text] {
			p.faultf(t.pos, "result %v is named twice", t)
		}
		seen[t.text] = true
		r.state = p.toState()
		rs = append(rs, r)
	}
	p.expect(")")
	p.expect("{")
	pos = p.body(f, sc, "return", 0)
	p.expect("}")
	if p.err != nil {
		return
	}
	if len(rs) != len(f.Results) {
		p.fault(pos, &diag.Error{Kind: diag.Shape, Port: "results of func " + f.Name, Have: fmt.Sprint(len(f.Results)), Want: fmt.Sprint(len(rs))})
		return
	}
	for i, r := range rs {
		f.Results[i].Name, f.Results[i].State = r.name, r.state
		if have := f.Results[i].Value.Type; !have.Equal(r.typ) {
			p.fault(pos, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("result %%%s", ident(r.name)), Have: have.String(), Want: r.typ.String()})
		}
	}
}

func (p *parser) toState() *ir.State {
	if !p.accept("->") {
		return nil
	}
	t := p.take(tName, "a state")
	s := p.m.State(t.text)
	if s == nil {
		p.faultf(t.pos, "state %v is not declared", t)
	}
	return s
}

// params reads the parameters of a function or region, parentheses included.
func (p *parser) params(f *ir.Func, sc *scope) {
	p.expect("(")
	for p.err == nil && !p.is(")") {
		if len(f.Params) > 0 {
			p.expect(",")
		}
		t := p.take(tName, "a parameter")
		p.expect(":")
		typ, _ := p.typ(0, false)
		v := f.AddParam(p.valueName(t), typ)
		p.define(t, v, sc)
		v.State = p.toState()
	}
	p.expect(")")
}

// key tells a numbered name from a quoted one of the same letters.
func (t token) key() string {
	if t.num {
		return "\x00" + t.text
	}
	return t.text
}

func (p *parser) valueName(t token) string {
	if t.num {
		return p.m.FreshName()
	}
	if ir.IsUnnamed(t.text) {
		p.faultf(t.pos, "the name %v is reserved for values without a name", t)
	}
	return t.text
}

func (p *parser) define(t token, v *ir.Value, sc *scope) {
	if sc.find(t.key()) != nil {
		p.faultf(t.pos, "%v is defined twice", t)
	}
	sc.vals[t.key()] = v
}

// body reads nodes up to end and the values behind it, whose position it
// gives.
func (p *parser) body(f *ir.Func, sc *scope, end string, depth int) int {
	for p.err == nil && !p.is(end) {
		p.node(f, sc, depth)
	}
	pos := p.tok.pos
	p.expect(end)
	for p.err == nil && p.tok.kind == tName {
		t := p.take(tName, "a value")
		if v := p.use(t, sc); v != nil {
			name := t.text
			if t.num {
				name = v.Name
			}
			f.AddResult(name, v)
		}
		if !p.is(",") {
			break
		}
		p.advance()
		if p.tok.kind != tName {
			p.unexpected("a value")
		}
	}
	return pos
}

func (p *parser) use(t token, sc *scope) *ir.Value {
	v := sc.find(t.key())
	if v == nil {
		p.faultf(t.pos, "%v is not defined before it is used", t)
	}
	return v
}
