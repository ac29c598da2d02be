package shape

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Dim is the extent of an axis. The zero value is the integer 0. Dims are
// immutable and compared with Equal.
type Dim struct {
	n int64
	e *poly // nil for an integer
}

// poly is a sum of terms sorted by key; it holds at least one term with atoms.
type poly struct {
	terms []term
	text  string
}

type term struct {
	coef  int64
	atoms []atom // sorted by text; empty for the constant term, which comes last
}

// atom is a symbol, floor(a/b) or bcast(a, b).
type atom struct {
	op   byte // 's', '/', 'b'
	name string
	a, b Dim
	text string
}

// Int is a known extent.
func Int(n int64) Dim { return Dim{n: n} }

// Ints converts known extents.
func Ints[T ~int | ~int64](ns ...T) []Dim {
	out := make([]Dim, len(ns))
	for i, n := range ns {
		out[i] = Dim{n: int64(n)}
	}
	return out
}

// Sym is the symbol of that name; the name must be an identifier (IsName).
func Sym(name string) Dim {
	return fromAtom(atom{op: 's', name: name, text: name})
}

// IsName says whether s can name a symbol: a letter or _, then letters,
// digits, _ or dots, and not the word bcast.
func IsName(s string) bool {
	for i, r := range s {
		switch {
		case r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		case i > 0 && (r >= '0' && r <= '9' || r == '.'):
		default:
			return false
		}
	}
	return s != "" && s != "bcast"
}

func fromAtom(a atom) Dim {
	return makeDim([]term{{coef: 1, atoms: []atom{a}}})
}

// makeDim sorts, merges and prunes terms.
func makeDim(ts []term) Dim {
	slices.SortStableFunc(ts, func(x, y term) int { return cmpAtoms(x.atoms, y.atoms) })
	out := ts[:0:0]
	for _, t := range ts {
		if n := len(out); n > 0 && cmpAtoms(out[n-1].atoms, t.atoms) == 0 {
			out[n-1].coef += t.coef
			continue
		}
		out = append(out, t)
	}
	out = slices.DeleteFunc(out, func(t term) bool { return t.coef == 0 })
	if len(out) == 0 {
		return Dim{}
	}
	if len(out) == 1 && len(out[0].atoms) == 0 {
		return Dim{n: out[0].coef}
	}
	return Dim{e: &poly{terms: out, text: polyText(out)}}
}

// cmpAtoms orders monomials; the constant one (no atoms) is greatest.
func cmpAtoms(x, y []atom) int {
	if len(x) == 0 || len(y) == 0 {
		return len(y) - len(x)
	}
	return slices.CompareFunc(x, y, func(a, b atom) int { return strings.Compare(a.text, b.text) })
}

func polyText(ts []term) string {
	s := ""
	for i, t := range ts {
		c := t.coef
		op := "+"
		if i > 0 && c < 0 && c != math.MinInt64 {
			op, c = "-", -c
		}
		m := ""
		if c != 1 || len(t.atoms) == 0 {
			m = strconv.FormatInt(c, 10)
		}
		for _, a := range t.atoms {
			if m == "" {
				m = a.text
			} else {
				m = "(" + m + "*" + a.text + ")"
			}
		}
		if i == 0 {
			s = m
		} else {
			s = "(" + s + op + m + ")"
		}
	}
	return s
}

func (d Dim) terms() []term {
	if d.e != nil {
		return d.e.terms
	}
	if d.n == 0 {
		return nil
	}
	return []term{{coef: d.n}}
}

// String is the canonical text, re-parsed by Parse.
func (d Dim) String() string {
	if d.e == nil {
		return strconv.FormatInt(d.n, 10)
	}
	return d.e.text
}

// Const is the integer and true where the extent is known.
func (d Dim) Const() (int64, bool) { return d.n, d.e == nil }

// IsConst says whether the extent is known.
func (d Dim) IsConst() bool { return d.e == nil }

// Is says whether d is the integer n.
func (d Dim) Is(n int64) bool { return d.e == nil && d.n == n }

// Symbol is the name and true where d is exactly one symbol.
func (d Dim) Symbol() (string, bool) {
	if d.e != nil && len(d.e.terms) == 1 {
		t := d.e.terms[0]
		if t.coef == 1 && len(t.atoms) == 1 && t.atoms[0].op == 's' {
			return t.atoms[0].name, true
		}
	}
	return "", false
}

// Equal says whether the two extents are provably equal.
func (d Dim) Equal(o Dim) bool {
	if d.e == nil || o.e == nil {
		return d.e == nil && o.e == nil && d.n == o.n
	}
	return d.e == o.e || d.e.text == o.e.text
}

// Add is d + o.
func (d Dim) Add(o Dim) Dim {
	if d.e == nil && o.e == nil {
		return Dim{n: d.n + o.n}
	}
	return makeDim(append(slices.Clone(d.terms()), o.terms()...))
}

// Neg is -d.
func (d Dim) Neg() Dim { return d.Mul(Int(-1)) }

// Sub is d - o.
func (d Dim) Sub(o Dim) Dim { return d.Add(o.Neg()) }

// Mul is d * o.
func (d Dim) Mul(o Dim) Dim {
	if d.e == nil && o.e == nil {
		return Dim{n: satMul(d.n, o.n)}
	}
	var ts []term
	for _, x := range d.terms() {
		for _, y := range o.terms() {
			a := append(slices.Clone(x.atoms), y.atoms...)
			slices.SortFunc(a, func(p, q atom) int { return strings.Compare(p.text, q.text) })
			ts = append(ts, term{coef: satMul(x.coef, y.coef), atoms: a})
		}
	}
	return makeDim(ts)
}

// satMul saturates, so that a product of hostile dims cannot wrap into a
// plausible size.
func satMul(a, b int64) int64 {
	neg := (a < 0) != (b < 0)
	ua, ub := uint64(a), uint64(b)
	if a < 0 {
		ua = -ua
	}
	if b < 0 {
		ub = -ub
	}
	hi, lo := bits.Mul64(ua, ub)
	if hi != 0 || lo > math.MaxInt64 {
		if neg {
			return math.MinInt64
		}
		return math.MaxInt64
	}
	if neg {
		return -int64(lo)
	}
	return int64(lo)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// Div is floor(d / o). Division by a known 0 gives 0; by a symbol that is 0 an
// error in Eval.
func (d Dim) Div(o Dim) Dim {
	if o.Is(1) {
		return d
	}
	if o.Is(0) {
		return Dim{}
	}
	if d.Equal(o) {
		return Int(1)
	}
	if d.e == nil && o.e == nil {
		return Dim{n: floorDiv(d.n, o.n)}
	}
	if d.Is(0) {
		return Dim{}
	}
	if c, ok := o.Const(); ok && c > 0 {
		// floor((c*q + r) / c) = q + floor(r/c): take out what divides.
		var whole, rest []term
		for _, t := range d.terms() {
			if len(t.atoms) == 0 {
				q := floorDiv(t.coef, c)
				whole = append(whole, term{coef: q})
				rest = append(rest, term{coef: t.coef - q*c})
			} else if t.coef%c == 0 {
				whole = append(whole, term{t.coef / c, t.atoms})
			} else {
				rest = append(rest, t)
			}
		}
		r := makeDim(rest)
		if rc, ok := r.Const(); ok {
			return makeDim(whole).Add(Int(floorDiv(rc, c)))
		}
		// floor(floor(a/b)/c) = floor(a/(b*c)) for positive b, c.
		if t := r.terms(); len(t) == 1 && t[0].coef == 1 && len(t[0].atoms) == 1 && t[0].atoms[0].op == '/' {
			if b, ok := t[0].atoms[0].b.Const(); ok && b > 0 && b <= math.MaxInt64/c {
				return makeDim(whole).Add(t[0].atoms[0].a.Div(Int(b * c)))
			}
		}
		return makeDim(whole).Add(quotient(r, o))
	}
	if q, ok := exact(d, o); ok {
		return q
	}
	return quotient(d, o)
}

func quotient(a, b Dim) Dim {
	return fromAtom(atom{op: '/', a: a, b: b, text: "(" + a.String() + "/" + b.String() + ")"})
}

// exact divides a polynomial by a single monomial where every term allows it
// (2*N*H / (2*N) = H); it holds for every non-zero value of the symbols.
func exact(d, o Dim) (Dim, bool) {
	ot := o.terms()
	if len(ot) != 1 {
		return Dim{}, false
	}
	var out []term
	for _, t := range d.terms() {
		if ot[0].coef == 0 || t.coef%ot[0].coef != 0 {
			return Dim{}, false
		}
		left := slices.Clone(t.atoms)
		for _, a := range ot[0].atoms {
			i := slices.IndexFunc(left, func(b atom) bool { return b.text == a.text })
			if i < 0 {
				return Dim{}, false
			}
			left = slices.Delete(left, i, i+1)
		}
		out = append(out, term{t.coef / ot[0].coef, left})
	}
	return makeDim(out), true
}

// Bcast is the broadcast of two extents: equal ones give themselves, 1 gives
// the other, a known extent above 1 wins over a symbol (which Eval checks to
// be equal or 1 only where both stay symbolic). Two known unequal extents are
// an error.
func Bcast(a, b Dim) (Dim, error) {
	switch {
	case a.Equal(b) || b.Is(1):
		return a, nil
	case a.Is(1):
		return b, nil
	case a.e == nil && b.e == nil:
		return Dim{}, fmt.Errorf("cannot broadcast %v with %v", a, b)
	case a.e == nil && a.n != 1:
		return a, nil
	case b.e == nil && b.n != 1:
		return b, nil
	}
	if a.String() > b.String() {
		a, b = b, a
	}
	return fromAtom(atom{op: 'b', a: a, b: b, text: "bcast(" + a.String() + "," + b.String() + ")"}), nil
}

// Covers says whether d is known to be a broadcast of o with others: wherever d
// has a value, o is 1 or d.
func (d Dim) Covers(o Dim) bool {
	if o.Is(1) || d.Equal(o) {
		return true
	}
	if d.e == nil || len(d.e.terms) != 1 || d.e.terms[0].coef != 1 || len(d.e.terms[0].atoms) != 1 {
		return false
	}
	a := &d.e.terms[0].atoms[0]
	return a.op == 'b' && (a.a.Covers(o) || a.b.Covers(o))
}

// BcastAll broadcasts whole shapes, aligned at their last axes.
func BcastAll(shapes ...[]Dim) ([]Dim, error) {
	r := 0
	for _, s := range shapes {
		r = max(r, len(s))
	}
	out := make([]Dim, r)
	for i := range out {
		out[i] = Int(1)
		for _, s := range shapes {
			if j := i - (r - len(s)); j >= 0 {
				d, err := Bcast(out[i], s[j])
				if err != nil {
					return nil, fmt.Errorf("axis %d: %w", i-r, err)
				}
				out[i] = d
			}
		}
	}
	return out, nil
}

// Prod is the product of the extents; of none it is 1.
func Prod(ds []Dim) Dim {
	p := Int(1)
	for _, d := range ds {
		p = p.Mul(d)
	}
	return p
}

// EqualAll says whether two shapes are provably equal.
func EqualAll(a, b []Dim) bool { return slices.EqualFunc(a, b, Dim.Equal) }

// Consts gives the integers where every extent is known.
func Consts(ds []Dim) ([]int, bool) {
	out := make([]int, len(ds))
	for i, d := range ds {
		if d.e != nil {
			return nil, false
		}
		out[i] = int(d.n)
	}
	return out, true
}

// Format prints a shape as [a,b,c].
func Format(ds []Dim) string {
	s := make([]string, len(ds))
	for i, d := range ds {
		s[i] = d.String()
	}
	return "[" + strings.Join(s, ",") + "]"
}
