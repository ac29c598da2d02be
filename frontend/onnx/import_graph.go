package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
)

// main imports the graph of the model. The error is the end of the context.
func (im *importer) main(g *onnxpb.GraphProto, opsets map[string]int) error {
	s := &scope{f: im.m.AddFunc("main"), vals: map[string]binding{}, names: map[string]string{}, opsets: opsets}
	inits := map[string]bool{}
	for _, t := range g.GetInitializer() {
		inits[t.GetName()] = true
	}
	for _, t := range g.GetSparseInitializer() {
		inits[t.GetValues().GetName()] = true
	}
	keep := map[string]bool{}
	for _, k := range im.opt.KeepInputs {
		keep[k] = true
	}
	var open []*onnxpb.ValueInfoProto
	for _, in := range g.GetInput() {
		if !inits[in.GetName()] || keep[in.GetName()] {
			open = append(open, in)
		}
		delete(keep, in.GetName())
	}
	for _, k := range im.opt.KeepInputs {
		if keep[k] {
			im.fail(&diag.Error{Kind: diag.Usage, Node: "input " + quote(k), Err: errors.New("kept open, but the model has no input of that name")})
		}
	}
	syms := newSymbols(im.m, open)
	for _, in := range open {
		if !im.fresh(s, "input", in.GetName()) {
			continue
		}
		t, e := typeOf(in.GetType(), syms.of(in.GetName()))
		if e != nil {
			e.Node = "input " + quote(in.GetName())
			im.fail(e)
			s.vals[in.GetName()] = binding{bad: true}
			continue
		}
		im.reserve(s, in.GetName())
		s.vals[in.GetName()] = binding{v: s.f.AddParam(s.names[in.GetName()], t)}
	}
	if err := im.body(g, s); err != nil {
		return err
	}
	im.outputs(g, s)
	return nil
}

// fresh says whether a name may be defined in s, and fails if not.
func (im *importer) fresh(s *scope, what, name string) bool {
	if name == "" {
		im.fail(&diag.Error{Kind: diag.BadModel, Node: "graph " + what, Err: errors.New("without a name")})
		return false
	}
	if _, ok := s.vals[name]; ok {
		im.fail(&diag.Error{Kind: diag.BadModel, Node: what + " " + quote(name), Err: errors.New("the name is given twice")})
		return false
	}
	return true
}

// outputs returns the values of main under their public names.
func (im *importer) outputs(g *onnxpb.GraphProto, s *scope) {
	seen := map[string]bool{}
	for _, o := range g.GetOutput() {
		name := o.GetName()
		where := "output " + quote(name)
		b, ok := s.vals[name]
		switch {
		case seen[name]:
			im.fail(&diag.Error{Kind: diag.BadModel, Node: where, Err: errors.New("declared twice")})
		case b.bad:
		case !ok || b.v == nil:
			im.fail(&diag.Error{Kind: diag.BadModel, Node: where, Err: errors.New("no node, input or initializer gives it")})
		default:
			if o.GetType().GetValue() != nil {
				// Only kind, element type and rank are read of it.
				t, e := typeOf(o.GetType(), func(int, *onnxpb.TensorShapeProto_Dimension) shape.Dim { return shape.Dim{} })
				if e == nil && contradicts(t, b.v.Type) {
					e = &diag.Error{Kind: diag.Shape, Port: "declared type", Have: t.String(), Want: b.v.Type.String() + ", which its node gives"}
				}
				if e != nil {
					e.Node = where
					im.fail(e)
				}
			}
			s.f.AddResult(name, b.v)
		}
		seen[name] = true
	}
	if len(g.GetOutput()) == 0 {
		im.fail(diag.New(diag.BadModel, "graph has no outputs"))
	}
}

// body imports initializers and nodes of a graph into s, whose inputs are
// bound already. The error is the end of the context.
func (im *importer) body(g *onnxpb.GraphProto, s *scope) error {
	im.reserveAll(g, s)
	order, needs := im.sort(g.GetNode(), s)
	for _, o := range g.GetOutput() {
		needs[o.GetName()] = true
	}
	im.initializers(g, s, needs)
	for _, i := range order {
		if im.full() {
			return nil
		}
		if err := im.ctx.Err(); err != nil {
			return err
		}
		if err := im.node(g.GetNode()[i], i, s); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) reserveAll(g *onnxpb.GraphProto, s *scope) {
	for _, t := range g.GetInitializer() {
		im.reserve(s, t.GetName())
	}
	for _, n := range g.GetNode() {
		im.reserve(s, n.GetOutput()...)
	}
}

// initializers makes constants of those that somebody reads.
func (im *importer) initializers(g *onnxpb.GraphProto, s *scope, needs map[string]bool) {
	b := ir.NewBuilder(s.f, -1, im.opt.Ops)
	seen := map[string]bool{}
	add := func(name string, make func() (*ir.Const, *diag.Error)) {
		if seen[name] {
			im.fail(&diag.Error{Kind: diag.BadModel, Node: "initializer " + quote(name), Err: errors.New("the name is given twice")})
			return
		}
		seen[name] = true
		if _, ok := s.vals[name]; ok || !needs[name] {
			return // an input that stays open, or a constant that nobody reads
		}
		c, e := make()
		if e != nil {
			im.fail(e)
			s.vals[name] = binding{bad: true}
			return
		}
		im.reserve(s, name)
		s.vals[name] = binding{v: b.NamedConst(s.names[name], c)}
	}
	for _, p := range g.GetInitializer() {
		add(p.GetName(), func() (*ir.Const, *diag.Error) { return constOf(im.raw.Tensor(p)) })
	}
	for _, p := range g.GetSparseInitializer() {
		name := p.GetValues().GetName()
		add(name, func() (*ir.Const, *diag.Error) { return im.sparseConst(p, "initializer "+quote(name)) })
	}
}

// sort gives an order of nodes in which every value is defined before it is
// read, the file's order wherever that is one, and the names that nodes and
// the graphs in them read. It fails for names defined twice and for cycles.
func (im *importer) sort(nodes []*onnxpb.NodeProto, s *scope) (order []int, needs map[string]bool) {
	needs = map[string]bool{}
	maker := map[string]int{}
	for i, n := range nodes {
		for _, o := range n.GetOutput() {
			if o == "" {
				continue
			}
			_, isInput := s.vals[o]
			if j, ok := maker[o]; ok || isInput {
				by := "an input"
				if ok {
					by = "node " + quote(s.label(nodes[j], j))
				}
				im.fail(&diag.Error{Kind: diag.BadModel, Node: s.where(s.label(n, i)), Op: n.GetOpType(), Port: "output " + quote(o),
					Err: errors.New("defined already by " + by)})
				continue
			}
			maker[o] = i
		}
	}
	reads := make([][]string, len(nodes))
	for i, n := range nodes {
		reads[i] = freeNames(n)
		for _, r := range reads[i] {
			needs[r] = true
		}
	}
	t := &sorter{nodes: nodes, reads: reads, maker: maker, state: make([]byte, len(nodes))}
	for i := range nodes {
		if cycle := t.visit(i); cycle != nil {
			im.fail(cycleFault(nodes, cycle, s))
			for o := range maker {
				s.vals[o] = binding{bad: true}
			}
			return nil, needs
		}
	}
	return t.order, needs
}

// sorter orders nodes depth first; its stack is a slice because graphs may be
// chains of a million nodes.
type sorter struct {
	nodes []*onnxpb.NodeProto
	reads [][]string
	maker map[string]int
	state []byte // 0 new, 1 on the stack, 2 done
	order []int
}

// visit puts what node i reads, then i, into the order; it gives the nodes of
// a cycle if there is one.
func (t *sorter) visit(i int) (cycle []int) {
	type entry struct{ node, next int }
	stack := []entry{{node: i}}
	if t.state[i] != 0 {
		return nil
	}
	t.state[i] = 1
	for len(stack) > 0 {
		e := &stack[len(stack)-1]
		if e.next == len(t.reads[e.node]) {
			t.state[e.node] = 2
			t.order = append(t.order, e.node)
			stack = stack[:len(stack)-1]
			continue
		}
		j, ok := t.maker[t.reads[e.node][e.next]]
		e.next++
		switch {
		case !ok || t.state[j] == 2:
		case t.state[j] == 1:
			for k := len(stack) - 1; ; k-- {
				cycle = append(cycle, stack[k].node)
				if stack[k].node == j {
					slices.Reverse(cycle)
					return cycle
				}
			}
		default:
			t.state[j] = 1
			stack = append(stack, entry{node: j})
		}
	}
	return nil
}

func cycleFault(nodes []*onnxpb.NodeProto, cycle []int, s *scope) *diag.Error {
	const shown = 8
	text := ""
	for k, i := range cycle {
		if k == shown {
			text += fmt.Sprintf("%d more, ", len(cycle)-shown)
			break
		}
		text += quote(s.label(nodes[i], i)) + " reads "
	}
	first := s.label(nodes[cycle[0]], cycle[0])
	return &diag.Error{Kind: diag.BadModel, Node: s.where(first), Op: nodes[cycle[0]].GetOpType(), Err: errors.New("the graph has a cycle: " + text + quote(first))}
}

// freeNames are the names that a node reads from the graph it stands in:
// inputs, and what the graphs in its attributes read and do not define.
func freeNames(n *onnxpb.NodeProto) []string {
	var out []string
	seen := map[string]bool{"": true}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	for _, i := range n.GetInput() {
		add(i)
	}
	for _, a := range n.GetAttribute() {
		if g := a.GetG(); g != nil {
			for _, name := range freeOfGraph(g) {
				add(name)
			}
		}
	}
	return out
}

func freeOfGraph(g *onnxpb.GraphProto) []string {
	own := map[string]bool{}
	for _, i := range g.GetInput() {
		own[i.GetName()] = true
	}
	for _, t := range g.GetInitializer() {
		own[t.GetName()] = true
	}
	for _, t := range g.GetSparseInitializer() {
		own[t.GetValues().GetName()] = true
	}
	for _, n := range g.GetNode() {
		for _, o := range n.GetOutput() {
			own[o] = true
		}
	}
	var out []string
	for _, n := range g.GetNode() {
		for _, name := range freeNames(n) {
			if !own[name] {
				out = append(out, name)
			}
		}
	}
	for _, o := range g.GetOutput() {
		if !own[o.GetName()] {
			out = append(out, o.GetName())
		}
	}
	return out
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}
