package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// typ reads a type. With ranges, extents may be lo..hi, and the lower ends are
// returned (nil where there is no range, -1 for symbols).
func (p *parser) typ(depth int, ranges bool) (ir.Type, []int64) {
	t := p.take(tIdent, "a type")
	if p.err != nil {
		return ir.Type{}, nil
	}
	if depth > maxTypeDepth {
		p.fail(t.pos, "types nest more than %d deep", maxTypeDepth)
		p.advance()
		return ir.Type{}, nil
	}
	switch t.text {
	case "seq", "opt":
		p.expect("(")
		e, _ := p.typ(depth+1, false)
		p.expect(")")
		if t.text == "seq" {
			return tensor.Seq(e), nil
		}
		return tensor.Optional(e), nil
	case "map":
		p.expect("(")
		k := p.take(tIdent, "the type of the keys")
		d, ok := dtype.Parse(k.text)
		if !ok && p.err == nil {
			p.fail(k.pos, "no element type %q", k.text)
		}
		p.expect(",")
		e, _ := p.typ(depth+1, false)
		p.expect(")")
		return tensor.MapOf(d, e), nil
	}
	d, ok := dtype.Parse(t.text)
	if !ok {
		p.fail(t.pos, "unexpected %q, want a type", t.text)
		p.advance()
		return ir.Type{}, nil
	}
	if !p.is("[") {
		p.unexpected(`"["`)
		return ir.Type{}, nil
	}
	return p.dims(d, ranges)
}

// dims reads the extents up to ]; the current token is [.
func (p *parser) dims(d dtype.DType, ranges bool) (ir.Type, []int64) {
	start := p.i
	end, depth := start, 0
	for end < len(p.src) && (p.src[end] != ']' || depth > 0) && p.src[end] != '\n' {
		switch p.src[end] {
		case '(':
			depth++
		case ')':
			depth--
		}
		end++
	}
	if end >= len(p.src) || p.src[end] != ']' {
		p.fail(start, "extents without their closing ]")
		p.advance()
		return ir.Type{}, nil
	}
	text := string(p.src[start:end])
	p.i = end + 1
	p.advance()
	switch strings.TrimSpace(text) {
	case "?":
		return tensor.TUnranked(d), nil
	case "":
		return tensor.T(d), nil
	}
	var dims []shape.Dim
	var lo []int64
	ranged := false
	for _, part := range splitDims(text) {
		l, h, ok := strings.Cut(part, "..")
		if ok && ranges && strings.Trim(l+h, " 0123456789") == "" {
			a, e1 := strconv.ParseInt(strings.TrimSpace(l), 10, 64)
			b, e2 := strconv.ParseInt(strings.TrimSpace(h), 10, 64)
			if e1 != nil || e2 != nil || a > b {
				p.faultf(start, "extents %s", part)
			}
			dims, lo, ranged = append(dims, shape.Int(b)), append(lo, a), ranged || a != b
			continue
		}
		x := p.dimExpr(part, start)
		dims = append(dims, x)
		if n, ok := x.Const(); ok {
			lo = append(lo, n)
		} else {
			lo = append(lo, -1)
		}
	}
	if !ranged {
		lo = nil
	}
	return tensor.T(d, dims...), lo
}

func (p *parser) dimExpr(s string, pos int) shape.Dim {
	x, err := shape.Parse(s)
	if err != nil {
		p.faultf(pos, "%w", err)
		return shape.Int(1)
	}
	if n, ok := x.Const(); ok && n < 0 {
		p.faultf(pos, "extent %d", n)
		return shape.Int(1)
	}
	for _, name := range x.Symbols(nil) {
		if _, ok := p.m.Dim(name); !ok {
			p.faultf(pos, "dim %s is not declared", name)
		}
	}
	return x
}

// splitDims cuts at commas outside parentheses.
func splitDims(s string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}

// attr reads a value of the declared kind; KindNone is an attribute that the
// operator does not have, read by its looks so that inference can say so.
func (p *parser) attr(k attr.Kind) attr.Value {
	switch k {
	case attr.KindInt:
		return attr.Int(p.int64("an integer"))
	case attr.KindFloat:
		return attr.Float(p.float32())
	case attr.KindString:
		return attr.Str(p.take(tString, "a string").text)
	case attr.KindInts:
		return attr.Ints(items(p, func() int64 { return p.int64("an integer") })...)
	case attr.KindFloats:
		return attr.Floats(items(p, p.float32)...)
	case attr.KindStrings:
		return attr.Strs(items(p, func() string { return p.take(tString, "a string").text })...)
	case attr.KindType:
		t, _ := p.typ(0, false)
		return attr.Type(t)
	case attr.KindTensor:
		pos := p.tok.pos
		t, _ := p.typ(0, false)
		c := p.init(t, pos)
		if c == nil {
			return attr.Tensor(tensor.New(dtype.F32))
		}
		x, err := c.Tensor()
		if err != nil {
			p.fault(pos, &diag.Error{Kind: diag.BadModel, Port: "attribute", Err: err})
			x = tensor.New(dtype.F32)
		}
		return attr.Tensor(x)
	}
	return p.anyAttr()
}

func (p *parser) anyAttr() attr.Value {
	switch {
	case p.tok.kind == tString:
		return p.attr(attr.KindString)
	case p.tok.kind == tNumber && strings.Trim(p.tok.text, "-0123456789") == "":
		return p.attr(attr.KindInt)
	case p.is("["):
		p.advance()
		var v attr.Value
		for p.err == nil && !p.is("]") {
			v = p.anyAttr()
			if !p.accept(",") {
				break
			}
		}
		p.expect("]")
		return attr.Value{Kind: max(v.Kind, attr.KindInt)}
	case p.tok.kind == tIdent && startsType(p.tok.text):
		pos := p.tok.pos
		t, _ := p.typ(0, false)
		if p.is("[") || p.is("splat") || p.is("random") || p.is("sha256") {
			p.init(t, pos)
		}
		return attr.Type(t)
	}
	return p.attr(attr.KindFloat)
}

// items reads [a, b, ...].
func items[T any](p *parser, one func() T) []T {
	p.expect("[")
	out := []T{}
	for p.err == nil && !p.is("]") {
		out = append(out, one())
		if !p.accept(",") {
			break
		}
	}
	p.expect("]")
	return out
}

// numberText reads a number as it is written: 1, -0.5, nan, -inf.
func (p *parser) numberText() token {
	t := p.tok
	if p.accept("-") {
		t.text = "-"
		if p.is("inf") || p.is("nan") {
			t.text += p.tok.text
		}
		t.kind = tNumber
		if !p.accept("inf") && !p.accept("nan") {
			p.unexpected("a number")
		}
		return t
	}
	if p.accept("inf") || p.accept("nan") {
		return t
	}
	return p.take(tNumber, "a number")
}

func (p *parser) float32() float32 {
	t := p.numberText()
	f, err := parseFloat(t.text, 32)
	if err != nil && p.err == nil {
		p.fail(t.pos, "%s: %w", t.text, err)
	}
	return float32(f)
}

// parseFloat reads a decimal number; a finite text never becomes infinite.
func parseFloat(s string, bits int) (float64, error) {
	switch s {
	case "nan", "-nan":
		return float64(math.Float32frombits(0x7fc00000)), nil
	case "inf":
		return math.Inf(1), nil
	case "-inf":
		return math.Inf(-1), nil
	}
	if strings.ContainsAny(s, "xX_pP") {
		return 0, fmt.Errorf("want a decimal number")
	}
	f, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return 0, fmt.Errorf("not a number that f%d holds", bits)
	}
	return f, nil
}
