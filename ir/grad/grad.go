package grad

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// Gradients appends, through b, the nodes that compute d loss / d v for each v
// of wrt and gives their values, in that order and of v's type; nil where loss
// does not depend on v in a differentiable way (no path at all, or only paths
// through integers and bools). loss is a float scalar of b's function, b stands
// behind the node that makes it, and wrt are values of the same function.
//
// Errors: loss is no float of one element (Usage); a node on a float path from
// v to loss has no gradient (Unsupported, with the node, the operator and the
// table's reason), regions among them; a Grad that fails.
func Gradients(b *ir.Builder, loss *ir.Value, wrt []*ir.Value) ([]*ir.Value, error) {
	if loss == nil || !loss.Type.IsTensor() || !loss.Type.DType.IsFloat() || !single(loss.Type) {
		return nil, &diag.Error{Kind: diag.Usage, Port: "loss", Have: typeText(loss), Want: "a float of one element"}
	}
	r := reverse{b: b, f: b.Func(), acc: map[*ir.Value]*ir.Value{}, wrt: wrt}
	if loss.Func != r.f {
		return nil, diag.New(diag.Usage, "loss %%%s is not of function %q", loss.Name, r.f.Name)
	}
	source := b.Source
	defer func() { b.Source = source }()
	r.mark()
	if r.varies[loss] {
		seed := b.Scalar(loss.Type.DType, 1)
		if loss.Type.Rank() > 0 {
			seed = b.Op("Reshape", nil, seed, b.Op("Shape", nil, loss))
		}
		r.acc[loss] = seed
	}
	for _, n := range slices.Backward(slices.Clone(r.f.Nodes[:r.end])) {
		if err := r.node(n); err != nil {
			return nil, err
		}
	}
	out := make([]*ir.Value, len(wrt))
	for i, v := range wrt {
		out[i] = r.acc[v]
	}
	return out, b.Err()
}

// single says whether a tensor of type t has one element for certain.
func single(t ir.Type) bool {
	if !t.Ranked() {
		return false
	}
	for _, d := range t.Dims {
		if n, ok := d.Const(); !ok || n != 1 {
			return false
		}
	}
	return true
}

func typeText(v *ir.Value) string {
	if v == nil {
		return "none"
	}
	return v.Type.String()
}

// reverse is one sweep from the loss to the values wanted.
type reverse struct {
	b      *ir.Builder
	f      *ir.Func
	end    int // nodes from here on are the gradient's own
	wrt    []*ir.Value
	varies map[*ir.Value]bool      // float values that depend on one of wrt through floats
	acc    map[*ir.Value]*ir.Value // sum of the gradients so far
}

// mark finds the values that depend on wrt, forwards.
func (r *reverse) mark() {
	r.end = len(r.f.Nodes)
	r.varies = make(map[*ir.Value]bool, len(r.f.Nodes))
	for _, v := range r.wrt {
		if v.Type.IsTensor() && v.Type.DType.IsFloat() {
			r.varies[v] = true
		}
	}
	for _, n := range r.f.Nodes {
		if !r.reads(n) {
			continue
		}
		for _, v := range n.Out {
			if v != nil && differentiable(v.Type) {
				r.varies[v] = true
			}
		}
	}
}

// differentiable says whether values of type t carry gradients; sequences and
// optionals of floats do, so that what makes them is asked for its gradient
// and not passed over in silence.
func differentiable(t ir.Type) bool {
	if t.Elem != nil {
		return differentiable(*t.Elem)
	}
	return t.DType.IsFloat()
}

// reads says whether n, or a region of it, reads a value that varies.
func (r *reverse) reads(n *ir.Node) bool {
	if slices.ContainsFunc(n.In, func(v *ir.Value) bool { return r.varies[v] }) {
		return true
	}
	for _, g := range n.Regions {
		if slices.ContainsFunc(g.Nodes, r.reads) ||
			slices.ContainsFunc(g.Results, func(x ir.Result) bool { return r.varies[x.Value] }) {
			return true
		}
	}
	return false
}

// node passes the gradients of n's outputs on to its inputs.
func (r *reverse) node(n *ir.Node) error {
	dy := make([]*ir.Value, len(n.Out))
	some := false
	for i, v := range n.Out {
		if v != nil {
			dy[i] = r.acc[v]
			some = some || dy[i] != nil
		}
	}
	if !some || !r.reads(n) {
		return nil
	}
	switch {
	case n.Def.Grad == nil:
		return &diag.Error{Kind: diag.Unsupported, Node: n.Label(), Op: n.Def.VersionedName(), Err: fmt.Errorf("no gradient: %s", reason(n))}
	case len(n.Regions) > 0 && captures(r, n):
		return &diag.Error{Kind: diag.Unsupported, Node: n.Label(), Op: n.Def.VersionedName(),
			Err: fmt.Errorf("no gradient: its region reads values from around it that are differentiated")}
	}
	r.b.Source = n.Source
	dx := n.Def.Grad(r.b, n, dy)
	if err := r.b.Err(); err != nil {
		return diag.At(n.Label(), n.Def.VersionedName(), diag.Internal, fmt.Errorf("gradient: %w", err))
	}
	for i, v := range n.In {
		if v == nil || !r.varies[v] || i >= len(dx) || dx[i] == nil {
			continue
		}
		if err := r.add(n, i, v, dx[i]); err != nil {
			return err
		}
	}
	return nil
}

// captures says whether a region of n reads a varying value other than as an
// input of n.
func captures(r *reverse, n *ir.Node) bool {
	for _, g := range n.Regions {
		if slices.ContainsFunc(g.Nodes, r.reads) ||
			slices.ContainsFunc(g.Results, func(x ir.Result) bool { return r.varies[x.Value] }) {
			return true
		}
	}
	return false
}

func reason(n *ir.Node) string {
	if n.Def.NoGrad != "" {
		return n.Def.NoGrad
	}
	return "the table has none"
}

// add accumulates the gradient d of v, input i of n.
func (r *reverse) add(n *ir.Node, i int, v, d *ir.Value) error {
	if d.Type.DType != v.Type.DType || d.Type.Ranked() && v.Type.Ranked() && d.Type.Rank() != v.Type.Rank() {
		return &diag.Error{Kind: diag.Internal, Node: n.Label(), Op: n.Def.VersionedName(),
			Port: fmt.Sprintf("gradient of input %d", i), Have: d.Type.String(), Want: v.Type.String()}
	}
	if old := r.acc[v]; old != nil {
		d = r.b.Op("Add", nil, old, d)
		if err := r.b.Err(); err != nil {
			return diag.At(n.Label(), n.Def.VersionedName(), diag.Internal, err)
		}
	}
	r.acc[v] = d
	return nil
}
