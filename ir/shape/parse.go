package shape

import (
	"fmt"
	"strconv"
	"strings"
)

// maxParseDepth bounds the nesting of a parsed expression.
const maxParseDepth = 100

// maxParseTerms bounds the terms of a product.
const maxParseTerms = 1000

// Parse reads a dim expression of the .mir grammar:
//
//	dimexpr = int | name | "(" dimexpr ("+"|"-"|"*"|"/") dimexpr ")" | "bcast(" dimexpr "," dimexpr ")"
func Parse(s string) (Dim, error) {
	p := parser{s: s}
	d, err := p.expr(0)
	if err != nil {
		return Dim{}, err
	}
	if p.skip(); p.i != len(p.s) {
		return Dim{}, fmt.Errorf("dim %q: unexpected %q", s, p.s[p.i:])
	}
	return d, nil
}

type parser struct {
	s string
	i int
}

func (p *parser) skip() {
	for p.i < len(p.s) && p.s[p.i] == ' ' {
		p.i++
	}
}

func (p *parser) eat(c byte) bool {
	p.skip()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) fail(want string) error {
	return fmt.Errorf("dim %q: want %s at %d", p.s, want, p.i)
}

func (p *parser) expr(depth int) (Dim, error) {
	if depth > maxParseDepth {
		return Dim{}, fmt.Errorf("dim expression is nested more than %d deep", maxParseDepth)
	}
	p.skip()
	if p.eat('(') {
		a, err := p.expr(depth + 1)
		if err != nil {
			return Dim{}, err
		}
		p.skip()
		if p.i == len(p.s) || !strings.ContainsRune("+-*/", rune(p.s[p.i])) {
			return Dim{}, p.fail("an operator")
		}
		op := p.s[p.i]
		p.i++
		b, err := p.expr(depth + 1)
		if err != nil {
			return Dim{}, err
		}
		if !p.eat(')') {
			return Dim{}, p.fail(")")
		}
		switch op {
		case '+':
			return a.Add(b), nil
		case '-':
			return a.Sub(b), nil
		case '*':
			// Products of sums multiply out: a short text could name billions
			// of terms. What String writes multiplies single terms only.
			if len(a.terms())*len(b.terms()) > maxParseTerms {
				return Dim{}, fmt.Errorf("dim expression has more than %d terms", maxParseTerms)
			}
			return a.Mul(b), nil
		}
		if b.Is(0) {
			return Dim{}, fmt.Errorf("dim %q divides by zero", p.s)
		}
		return a.Div(b), nil
	}
	start := p.i
	for p.i < len(p.s) && !strings.ContainsRune(" ()+*/,", rune(p.s[p.i])) && !(p.s[p.i] == '-' && p.i > start) {
		p.i++
	}
	w := p.s[start:p.i]
	if w == "bcast" && p.eat('(') {
		a, err := p.expr(depth + 1)
		if err != nil {
			return Dim{}, err
		}
		if !p.eat(',') {
			return Dim{}, p.fail(",")
		}
		b, err := p.expr(depth + 1)
		if err != nil {
			return Dim{}, err
		}
		if !p.eat(')') {
			return Dim{}, p.fail(")")
		}
		return Bcast(a, b)
	}
	if n, err := strconv.ParseInt(w, 10, 64); err == nil {
		return Int(n), nil
	}
	if !IsName(w) {
		return Dim{}, p.fail("an integer, a name, ( or bcast(")
	}
	return Sym(w), nil
}
