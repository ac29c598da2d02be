// Package cse merges nodes that compute the same: one operator with equal
// attributes and operands, and constants of equal content. It knows operators
// only by their traits. Nodes with regions are left alone.
//
//	err := cse.Run(ctx, m)
package cse

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Pass is common subexpression elimination.
func Pass() pass.Pass {
	return pass.Pass{
		Name: "cse", Level: 1, Run: Run,
		Rules: []rewrite.Rule{
			{Name: "same-node", Doc: "Of nodes that compute the same, one stays."},
			{Name: "same-const", Doc: "Of equal constants, one stays."},
		},
		Doc: "compute once what is computed twice from the same operands",
	}
}

// maxConst is the largest constant in bytes whose content is compared; larger
// ones are merged where they are one and the same, or name the same file.
const maxConst = 1 << 16

// Run merges equal nodes. Of equal nodes the first in canonical order stays;
// a region also uses what the functions around it compute.
func Run(c *rewrite.Ctx, m *ir.Module) error {
	for _, f := range m.Funcs {
		s := &merger{c: c, ids: map[*ir.Value]int{}}
		s.visit(f, nil)
	}
	return nil
}

type scope struct {
	parent *scope
	nodes  map[string]*ir.Node
}

func (s *scope) find(key string) *ir.Node {
	for ; s != nil; s = s.parent {
		if n := s.nodes[key]; n != nil {
			return n
		}
	}
	return nil
}

type merger struct {
	c    *rewrite.Ctx
	ids  map[*ir.Value]int
	keys strings.Builder
}

func (g *merger) visit(f *ir.Func, up *scope) {
	s := &scope{parent: up, nodes: map[string]*ir.Node{}}
	order := rewrite.Order(f)
	for _, n := range order {
		g.node(n, s)
	}
	// Regions come last: what they compute may stand anywhere in f, since it
	// can move before the node that holds the region.
	for _, n := range order {
		for _, r := range n.Regions {
			up := s
			if n.Is("mlc.Fused") {
				up = nil // a group sees nothing from outside
			}
			g.visit(r, up)
		}
	}
}

// node merges n into an equal node, or remembers it.
func (g *merger) node(n *ir.Node, s *scope) {
	if len(n.Regions) > 0 || !n.Def.Has(ir.Pure) || len(n.Out) == 0 {
		return
	}
	key, ok := g.key(n)
	if !ok {
		return
	}
	e := s.find(key)
	if e == nil {
		s.nodes[key] = n
		return
	}
	if sameTypes(e, n) && g.c.Fire(ruleOf(n), n) {
		merge(e, n)
	}
}

func ruleOf(n *ir.Node) string {
	if n.Const != nil {
		return "same-const"
	}
	return "same-node"
}

// merge lets the readers of n read e. e moves before n where it stands after
// it: their operands are the same, so they stand before both.
func merge(e, n *ir.Node) {
	at := n
	for at.Func != e.Func {
		at = at.Func.Owner
	}
	if i, j := at.Index(), e.Index(); j > i {
		nodes := e.Func.Nodes
		copy(nodes[i+1:j+1], nodes[i:j])
		nodes[i] = e
	}
	if e.Const == nil {
		e.Source = rewrite.Sources(e, n)
	}
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		if w := e.Out[i]; w.Ints == nil {
			w.Ints = v.Ints
		}
		ir.ReplaceUses(v, e.Out[i])
	}
	n.Remove()
}

func sameTypes(a, b *ir.Node) bool {
	for i, v := range a.Out {
		if v != nil && !v.Type.Equal(b.Out[i].Type) {
			return false
		}
	}
	return true
}

func (g *merger) id(v *ir.Value) string {
	if v == nil {
		return "_"
	}
	n, ok := g.ids[v]
	if !ok {
		n = len(g.ids)
		g.ids[v] = n
	}
	return strconv.Itoa(n)
}

// key is equal for nodes that compute the same. false: n cannot be compared.
func (g *merger) key(n *ir.Node) (string, bool) {
	if n.Const != nil {
		return constKey(n.Const)
	}
	b := &g.keys
	b.Reset()
	b.WriteString(n.Def.FullName())
	for _, name := range n.Attrs.Names() {
		b.WriteByte(' ')
		b.WriteString(name)
		b.WriteByte('=')
		writeAttr(b, n.Attrs[name])
	}
	in := make([]string, len(n.In))
	for i, v := range n.In {
		in[i] = g.id(v)
	}
	if n.Def.Has(ir.Commutative) && len(in) >= 2 && in[0] > in[1] {
		in[0], in[1] = in[1], in[0]
	}
	b.WriteByte('(')
	b.WriteString(strings.Join(in, ","))
	b.WriteByte(')')
	for _, v := range n.Out {
		if v == nil {
			b.WriteByte('_')
		} else {
			b.WriteByte('v')
		}
	}
	return b.String(), true
}

func writeAttr(b *strings.Builder, v attr.Value) {
	switch v.Kind {
	case attr.KindFloat:
		fmt.Fprintf(b, "%b", v.Float)
	case attr.KindFloats:
		fmt.Fprintf(b, "%b", v.Floats)
	case attr.KindString:
		fmt.Fprintf(b, "%q", v.Str)
	case attr.KindStrings:
		fmt.Fprintf(b, "%q", v.Strs)
	case attr.KindInts:
		fmt.Fprintf(b, "i%d", v.Ints)
	case attr.KindTensor:
		fmt.Fprintf(b, "t%x", digest(v.Tensor))
	case attr.KindType:
		b.WriteString(v.TypeVal.String())
	default:
		fmt.Fprintf(b, "%d", v.Int)
	}
}

func constKey(c *ir.Const) (string, bool) {
	head := fmt.Sprintf("const %v%v ", c.DType, c.Dims)
	if c.Init.Kind == ir.InitFile {
		return head + c.Init.SHA256, c.Init.SHA256 != ""
	}
	if c.Bytes() > maxConst {
		return fmt.Sprintf("%s%p", head, c), true
	}
	t, err := c.Tensor()
	if err != nil {
		return "", false // packing or running will report it, with its place
	}
	return head + string(digest(&t)), true
}

func digest(t *tensor.Tensor) []byte {
	h := sha256.New()
	fmt.Fprint(h, t.DType(), t.Dims())
	if t.DType() == dtype.String {
		for _, s := range t.Strings() {
			fmt.Fprintf(h, "%q", s)
		}
	} else {
		h.Write(t.Bytes())
	}
	return h.Sum(nil)
}
