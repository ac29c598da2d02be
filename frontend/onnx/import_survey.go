package onnx

import (
	"fmt"
	"strconv"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// survey looks at every node that would be imported, and finds the operators
// that cannot be: a person wants to see all of them at once, before any other
// fault.
type survey struct {
	*importer
	found map[string]*missing
	order []*missing
	seen  map[string]bool // functions
	count int             // nodes of the file
}

type missing struct {
	err   *diag.Error
	count int
}

func newSurvey(im *importer) *survey {
	return &survey{importer: im, found: map[string]*missing{}, seen: map[string]bool{}}
}

func (v *survey) run(g *onnxpb.GraphProto, opsets map[string]int) {
	v.nodes(g.GetNode(), &scope{opsets: opsets})
	for _, m := range v.order {
		if m.count > 1 {
			m.err.Node += " and " + plural(m.count-1, "other node")
		}
		v.fail(m.err)
	}
}

func (v *survey) nodes(nodes []*onnxpb.NodeProto, s *scope) {
	v.count += len(nodes)
	for i, n := range nodes {
		label := s.label(n, i)
		for _, a := range n.GetAttribute() {
			if g := a.GetG(); g != nil {
				v.nodes(g.GetNode(), s.inner(nil, label+"/"))
			}
		}
		key := funcKey(n.GetDomain(), n.GetOpType(), n.GetOverload())
		if f := v.funcs[key]; f != nil {
			if !v.seen[key] {
				v.seen[key] = true
				where := "function " + quote(f.GetName())
				v.nodes(f.GetNode(), &scope{opsets: v.opsets(f.GetOpsetImport(), s.opsets, where), calls: s.source(label)})
			}
			continue
		}
		if e := v.lookup(n, s); e != nil {
			v.miss(e, s.where(label))
		}
	}
}

// lookup says what keeps a node from being imported, nil if nothing does.
func (v *survey) lookup(n *onnxpb.NodeProto, s *scope) *diag.Error {
	domain := domainOf(n.GetDomain())
	opset, imported := s.opsets[domain]
	full := fullName(domain, n.GetOpType())
	op := full
	if imported {
		op += ", opset " + strconv.Itoa(opset)
	}
	unsupported := func(format string, a ...any) *diag.Error {
		return &diag.Error{Kind: diag.Unsupported, Op: op, Err: fmt.Errorf(format, a...)}
	}
	def := v.opt.Ops.Lookup(full)
	switch {
	case def == nil || def == ir.ConstDef || domain == "mlc":
		hint := ""
		if near := v.near(n.GetOpType()); near != "" {
			hint = "; did you mean " + near
		}
		return unsupported("no such operator in domain %s, and the model has no function of that name%s", domainName(domain), hint)
	case !imported:
		return &diag.Error{Kind: diag.BadModel, Op: op, Err: fmt.Errorf("the model's opset_import does not list domain %s", domainName(domain))}
	case domain == "" && opset < OldestOpset && def.SchemaAt(opset) != def.SchemaAt(OldestOpset):
		return unsupported("before opset %d the operator had another form (supported: opset %d to %d)", OldestOpset, OldestOpset, ir.NewestOpset)
	case def.SchemaAt(opset) == 0:
		return unsupported("the operator is younger: it came with opset %d of %s", def.Since[0], domainName(domain))
	}
	return nil
}

func (v *survey) miss(e *diag.Error, where string) {
	key := e.Op
	if m := v.found[key]; m != nil {
		m.count++
		return
	}
	e.Node = "node " + quote(where)
	m := &missing{err: e, count: 1}
	v.found[key] = m
	v.order = append(v.order, m)
}

// near is the operator whose name is most like an unknown one: the same name
// in another domain, or one that differs by a typing error.
func (v *survey) near(name string) string {
	var names []string
	full := map[string]string{}
	for _, d := range v.opt.Ops.All() {
		if d.Domain != "mlc" && full[d.Name] == "" {
			names = append(names, d.Name)
			full[d.Name] = d.FullName()
		}
	}
	if n := diag.Nearest(name, names); len(n) > 0 {
		return full[n[0]]
	}
	return ""
}
