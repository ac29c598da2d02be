package rewrite

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Rule is one directional rewrite. What it makes is never dearer than what it
// replaces, where nodes whose inputs are all constant cost nothing.
type Rule struct {
	Name  string // noun-noun: "conv-bn"
	Doc   string // one sentence
	Match Pat
	If    func(*Match) bool // nil: always
	// Make writes the replacement through m.Emit and gives one value for each
	// output of the root. nil means that it cannot be done after all (If
	// should have said so): nothing changes. It computes no numbers. A Rule
	// without Make only names and describes what a pass does by itself.
	Make func(*Ctx, *Match) []*ir.Value
	Tol  tensor.Tol // largest change of the value; Exact unless stated
}

// maxSweeps bounds how often Apply visits the module. A set of rules that is
// directional ends long before: each sweep after the second only follows what
// the sweep before made above its own place.
const maxSweeps = 100

// Apply rewrites m by rules, in the order given, until none matches. Nodes
// are visited in canonical order, in every function and region. What a
// replaced node read and nobody reads any more is removed when the pattern
// held it. What a rule makes is refused, with a remark, where inference does
// not accept it or a type would change. Error (Internal): rules that do not
// end.
func Apply(c *Ctx, m *ir.Module, rules []Rule) error {
	byRoot := map[string][]*Rule{}
	for i := range rules {
		r := &rules[i]
		if r.Make == nil {
			continue
		}
		roots := r.Match.Roots()
		slices.Sort(roots)
		for _, op := range slices.Compact(roots) {
			byRoot[op] = append(byRoot[op], r)
		}
	}
	for range maxSweeps {
		fired := false
		for _, n := range OrderAll(m) {
			if !Live(n) || Unread(n) {
				continue
			}
			if err := c.Context.Err(); err != nil {
				return err
			}
			for _, r := range byRoot[n.Def.FullName()] {
				done, err := c.try(m, r, n)
				if err != nil {
					return err
				}
				if done {
					fired = true
					break
				}
			}
		}
		if !fired {
			return nil
		}
	}
	return diag.New(diag.Internal, "rules do not end: %s", c.last)
}

// try applies r at n if it matches.
func (c *Ctx) try(m *ir.Module, r *Rule, n *ir.Node) (bool, error) {
	mt, ok := matchAt(&r.Match, n)
	if !ok || r.If != nil && !r.If(mt) || !c.Fire(r.Name, n) {
		return false, nil
	}
	at := n.Index()
	mt.b = ir.NewBuilder(n.Func, at, c.Ops)
	out := r.Make(c, mt)
	why := ""
	if err := mt.b.Err(); err != nil {
		// The model contradicts itself here and would fail if this ever ran.
		why, out = err.Error(), nil
	} else if out == nil {
		why = "cannot be made"
	} else if len(out) > len(n.Out) {
		return false, diag.New(diag.Internal, "rule %s gave %d values for %d outputs", r.Name, len(out), len(n.Out))
	}
	for i, v := range out {
		if old := n.Out[i]; old == nil || v == nil {
			continue
		} else if !v.Type.Equal(old.Type) {
			why = fmt.Sprintf("type would change from %v to %v", old.Type, v.Type)
		}
	}
	for i, old := range n.Out {
		if old != nil && len(old.Uses()) > 0 && out != nil && (i >= len(out) || out[i] == nil) {
			why = fmt.Sprintf("output %d is read", i)
		}
	}
	if why != "" {
		undo(mt.b.Nodes)
		c.refund(r.Name)
		c.Remark(Missed, n, "rule "+r.Name+": "+why)
		return false, nil
	}
	for i, v := range out {
		if old := n.Out[i]; old != nil && v != nil {
			if v.Ints == nil {
				v.Ints = old.Ints
			}
			ir.ReplaceUses(old, v)
		}
	}
	for _, d := range slices.Backward(mt.nodes) {
		// The root goes whatever it is: the rule says what stands for it.
		if Unread(d) && d.Func != nil && (d == n || d.Def.Has(ir.Pure)) {
			d.Remove()
		}
	}
	return true, nil
}

// Unread says whether nothing reads any output of n.
func Unread(n *ir.Node) bool {
	for _, v := range n.Out {
		if v != nil && len(v.Uses()) > 0 {
			return false
		}
	}
	return true
}

func undo(nodes []*ir.Node) {
	for _, n := range slices.Backward(nodes) {
		n.Remove()
	}
}
