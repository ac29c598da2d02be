package rewrite

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
)

// Pat is a pattern over a value and what it is computed from. Patterns are
// plain data, made by the functions below and refined by their methods, each
// of which gives a changed copy. Nothing is tried in another order: where an
// operator commutes, both forms are written out with Or.
type Pat struct {
	kind  patKind
	ops   []string // of an operator pattern: any of these
	in    []Pat    // operands, or alternatives of Or
	rest  bool     // more operands may follow
	name  string   // capture
	once  bool     // read in one place only
	out   int      // which output of the operator
	node  []func(*ir.Node) bool
	value []func(*ir.Value) bool
}

type patKind uint8

const (
	patAny patKind = iota // any present value
	patConst
	patOpt  // any value, or an absent operand
	patNone // an absent operand
	patOp
	patOr
)

// Op matches the first output of the operator, its operands in order. Trailing
// operands that the pattern does not list must be absent (see Rest).
func Op(name string, in ...Pat) Pat { return Pat{kind: patOp, ops: []string{name}, in: in} }

// OneOf is Op for any of several operators.
func OneOf(names []string, in ...Pat) Pat {
	return Pat{kind: patOp, ops: slices.Clone(names), in: in}
}

// Any matches every present value and captures it. A name that stands twice in a
// pattern must capture the same value both times.
func Any(name string) Pat { return Pat{kind: patAny, name: name} }

// Const matches a constant.
func Const(name string) Pat { return Pat{kind: patConst, name: name} }

// Opt matches an operand that may be absent.
func Opt(name string) Pat { return Pat{kind: patOpt, name: name} }

// None matches an absent operand.
func None() Pat { return Pat{kind: patNone} }

// Or matches what the first fitting alternative matches.
func Or(alts ...Pat) Pat { return Pat{kind: patOr, in: alts} }

// As captures the value, and for an operator pattern the node.
func (p Pat) As(name string) Pat { p.name = name; return p }

// Once demands that nothing else reads any output of the operator, so that a
// rewrite leaves it dead.
func (p Pat) Once() Pat { p.once = true; return p }

// Rest lets further operands follow those listed.
func (p Pat) Rest() Pat { p.rest = true; return p }

// Out matches output i of the operator instead of the first.
func (p Pat) Out(i int) Pat { p.out = i; return p }

// Where adds a condition on the node of an operator pattern.
func (p Pat) Where(f func(*ir.Node) bool) Pat {
	p.node = append(slices.Clone(p.node), f)
	return p
}

// That adds a condition on the value.
func (p Pat) That(f func(*ir.Value) bool) Pat {
	p.value = append(slices.Clone(p.value), f)
	return p
}

// Int demands an integer attribute of value v.
func (p Pat) Int(attr string, v int) Pat {
	return p.Where(func(n *ir.Node) bool { return n.Attrs.Int(attr) == v })
}

// Roots are the operators that the pattern may be anchored at.
func (p *Pat) Roots() []string {
	if p.kind == patOr {
		var out []string
		for i := range p.in {
			out = append(out, p.in[i].Roots()...)
		}
		return out
	}
	return p.ops
}
