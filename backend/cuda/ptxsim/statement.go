package ptxsim

import (
	"math"
	"strconv"
	"strings"
)

type operandKind uint8

const (
	opReg    operandKind = iota
	opInt                // integer literal
	opFloat              // float literal
	opName               // variable, label or parameter without brackets
	opAddr               // [base+off]
	opVector             // {a,b}
	opPair               // p|q
)

// operand is an operand as written.
type operand struct {
	kind  operandKind
	tok   token
	text  string // register or name; of opAddr the base, "" for an absolute address
	neg   bool   // !p
	bits  uint64 // integer; bits of the float
	fbits int    // of opFloat: 32 for 0f, 64 for 0d and decimals
	off   int64
	elems []operand
}

// stmt is an instruction as written.
type stmt struct {
	tok      token // the opcode
	guard    string
	guardTok token
	guardNot bool
	name     string   // "ld"
	mods     []string // "global", "f32"
	ops      []operand
}

// statement reads a declaration, a label or an instruction of a kernel body.
func (p *parser) statement(b *builder) error {
	s := stmt{}
	if p.tok.is("@") {
		if err := p.guard(&s); err != nil {
			return err
		}
	}
	t, err := p.word("an instruction")
	if err != nil {
		return err
	}
	if s.guard == "" {
		switch {
		case p.tok.is(":"):
			if err := b.label(t); err != nil {
				return err
			}
			return p.advance()
		case t.text == ".reg":
			return p.regs(b)
		case t.text == ".shared":
			return p.shared(b, false)
		case t.text == ".extern":
			return p.shared(b, true)
		case t.text == ".pragma":
			if p.tok.kind != tokString {
				return p.bad(p.tok, "have %s, want a string", p.tok.show())
			}
			if err := p.advance(); err != nil {
				return err
			}
			return p.expect(";")
		}
	}
	parts := strings.Split(t.text, ".")
	if parts[0] == "" || strings.ContainsAny(t.text, "%$") {
		return p.unsupported(t, "statement %s", t.show())
	}
	s.tok, s.name, s.mods = t, parts[0], parts[1:]
	for !p.tok.is(";") {
		if len(s.ops) > 0 {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		o, err := p.operand(true)
		if err != nil {
			return err
		}
		if s.ops = append(s.ops, o); len(s.ops) > 8 {
			return p.bad(o.tok, "more than eight operands")
		}
	}
	if err := b.instruction(&s); err != nil {
		return err
	}
	return p.advance()
}

func (p *parser) guard(s *stmt) (err error) {
	if err = p.advance(); err != nil {
		return err
	}
	if p.tok.is("!") {
		s.guardNot = true
		if err = p.advance(); err != nil {
			return err
		}
	}
	s.guardTok, err = p.word("a predicate")
	s.guard = s.guardTok.text
	return err
}

// operand reads one operand; vectors and pairs only where outer.
func (p *parser) operand(outer bool) (operand, error) {
	t := p.tok
	o := operand{tok: t}
	var err error
	switch {
	case t.is("[") && outer:
		return p.address()
	case t.is("{") && outer:
		o.kind = opVector
		for {
			if err = p.advance(); err != nil {
				return o, err
			}
			e, err := p.operand(false)
			if err != nil {
				return o, err
			}
			if o.elems = append(o.elems, e); len(o.elems) > 8 {
				return o, p.bad(e.tok, "more than eight elements in a vector")
			}
			if !p.tok.is(",") {
				return o, p.expect("}")
			}
		}
	case t.is("!"):
		if err = p.advance(); err != nil {
			return o, err
		}
		w, err := p.word("a predicate")
		o.kind, o.text, o.neg = opReg, w.text, true
		return o, err
	case t.is("-") || t.kind == tokNumber:
		return p.literal()
	}
	w, err := p.word("an operand")
	if err != nil {
		return o, err
	}
	o.text = w.text
	o.kind = opName
	if w.text[0] == '%' {
		o.kind = opReg
	}
	if p.tok.is("+") && outer && o.kind == opName {
		if err = p.advance(); err != nil {
			return o, err
		}
		n, err := p.integer("the offset", math.MaxInt32)
		o.off = int64(n)
		return o, err
	}
	if p.tok.is("|") && outer {
		if err = p.advance(); err != nil {
			return o, err
		}
		q, err := p.operand(false)
		return operand{kind: opPair, tok: t, elems: []operand{o, q}}, err
	}
	return o, nil
}

func (p *parser) literal() (operand, error) {
	o := operand{kind: opInt, tok: p.tok}
	minus := p.tok.is("-")
	if minus {
		if err := p.advance(); err != nil {
			return o, err
		}
	}
	t := p.tok
	if t.kind != tokNumber {
		return o, p.bad(t, "have %s, want a number", t.show())
	}
	low := strings.ToLower(t.text)
	switch {
	case strings.HasPrefix(low, "0f") || strings.HasPrefix(low, "0d"):
		o.kind, o.fbits = opFloat, 32
		if low[1] == 'd' {
			o.fbits = 64
		}
		v, err := strconv.ParseUint(low[2:], 16, o.fbits)
		if err != nil || len(low) != 2+o.fbits/4 {
			return o, p.bad(t, "float literal %s, want %d hexadecimal digits", t.show(), o.fbits/4)
		}
		if minus {
			return o, p.bad(t, "a sign before a float in hexadecimal")
		}
		o.bits = v
	case strings.ContainsAny(low, ".e") && !strings.HasPrefix(low, "0x"):
		o.kind, o.fbits = opFloat, 64
		v, err := strconv.ParseFloat(low, 64)
		if err != nil || strings.Contains(low, "_") {
			return o, p.bad(t, "float literal %s", t.show())
		}
		if minus {
			v = -v
		}
		o.bits = math.Float64bits(v)
	default:
		v, ok := parseInt(t.text)
		if !ok {
			return o, p.bad(t, "integer literal %s", t.show())
		}
		if o.bits = v; minus {
			if v > 1<<63 {
				return o, p.bad(t, "integer literal -%s is out of range", t.text)
			}
			o.bits = -v
			o.neg = true
		}
	}
	return o, p.advance()
}

// parseInt reads a PTX integer literal: decimal, 0x, octal, 0b; U at the end.
func parseInt(s string) (uint64, bool) {
	s = strings.TrimSuffix(s, "U")
	if s == "" || strings.ContainsAny(s, "_oO+-") {
		return 0, false
	}
	v, err := strconv.ParseUint(s, 0, 64)
	return v, err == nil
}

// address reads [reg], [reg+off], [name+off] or [off].
func (p *parser) address() (operand, error) {
	o := operand{kind: opAddr, tok: p.tok}
	if err := p.advance(); err != nil {
		return o, err
	}
	if p.tok.kind == tokWord {
		o.text = p.tok.text
		if err := p.advance(); err != nil {
			return o, err
		}
		if p.tok.is("]") {
			return o, p.advance()
		}
		if err := p.expect("+"); err != nil {
			return o, err
		}
	}
	sign := int64(1)
	if p.tok.is("-") {
		sign = -1
		if err := p.advance(); err != nil {
			return o, err
		}
	}
	n, err := p.integer("the offset", math.MaxInt32)
	if err != nil {
		return o, err
	}
	o.off = sign * int64(n)
	return o, p.expect("]")
}
