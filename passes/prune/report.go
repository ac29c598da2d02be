package prune

import "github.com/mlc-go/mlc/ir"

// Report says what was left out. Parameters are the elements of all float
// constants, BatchNormalization's statistics included. Symbols count as their
// lower bounds, at least 1, in MACs.
type Report struct {
	Structure Structure     `json:"structure"`
	Criterion Criterion     `json:"criterion"`
	Scope     Scope         `json:"scope"`
	Masked    bool          `json:"masked,omitempty"` // channels were set to zero, not removed
	Asked     float64       `json:"sparsity_asked"`
	Sparsity  float64       `json:"sparsity"` // share left out of what can go
	Params    Change        `json:"parameters"`
	MACs      Change        `json:"macs"`
	Layers    []LayerReport `json:"layers"`
}

// Change is a number before and after.
type Change struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// LayerReport says it of one product with constant weights.
type LayerReport struct {
	Node   string `json:"node"`
	Op     string `json:"op"`
	Weight string `json:"weight"`
	Total  int    `json:"total"` // channels, or weights
	Kept   int    `json:"kept"`
	Params Change `json:"parameters"`
	MACs   Change `json:"macs"`
	// Fixed is why no channel of the layer can go, "" where some can.
	Fixed string `json:"fixed,omitempty"`

	node *ir.Node
}

func newReport(m *ir.Module, c Config) *Report {
	r := &Report{Structure: c.Structure, Criterion: c.Criterion, Scope: c.Scope, Asked: c.Sparsity}
	r.Params.Before, r.MACs.Before = params(m), moduleMACs(m)
	return r
}

func layerReport(n *ir.Node, w *ir.Value) LayerReport {
	l := LayerReport{Node: n.Label(), Op: n.OpName(), Weight: w.Name, node: n}
	l.Params.Before, l.MACs.Before = nodeParams(n), macs(n)
	return l
}

// report is the part that is known before anything is removed.
func (s *selection) report(m *ir.Module, c Config) *Report {
	r := newReport(m, c)
	for _, l := range s.rel.Layers {
		x := layerReport(l.Node, l.Weight)
		x.Total, x.Fixed = len(l.Out), s.rel.Why(l.Out)
		stay, _ := s.kept(l.Out)
		x.Kept = len(stay)
		r.Layers = append(r.Layers, x)
	}
	return r
}

// after adds what is known at the end.
func (r *Report) after(m *ir.Module, s *selection) {
	total, gone := 0, 0
	for _, g := range s.groups {
		total += g.filters
		if s.gone[g.root] {
			gone += g.filters
		}
	}
	r.finish(m)
	r.Sparsity = float64(gone) / float64(max(total, 1))
}

// finish counts what there is now; of single weights the zeros do not count as
// removed.
func (r *Report) finish(m *ir.Module) {
	r.Params.After, r.MACs.After = params(m), moduleMACs(m)
	total, kept := 0, 0
	for i := range r.Layers {
		l := &r.Layers[i]
		l.Params.After, l.MACs.After = nodeParams(l.node), macs(l.node)
		total, kept = total+l.Total, kept+l.Kept
	}
	r.Sparsity = float64(total-kept) / float64(max(total, 1))
}

// params counts the elements of float constants.
func params(m *ir.Module) (n int64) {
	m.Walk(func(k *ir.Node) {
		if k.Const != nil && k.Const.DType.IsFloat() {
			n += int64(k.Const.Len())
		}
	})
	return n
}

func nodeParams(n *ir.Node) (k int64) {
	for _, v := range n.In {
		if c := v.Const(); c != nil && c.DType.IsFloat() {
			k += int64(c.Len())
		}
	}
	return k
}

// macs are half the FLOP of a product, by the table.
func macs(n *ir.Node) int64 {
	if !products[n.OpName()] || n.Def.Cost == nil {
		return 0
	}
	flop, _ := n.Def.Cost(n)
	return flop / 2
}

func moduleMACs(m *ir.Module) (n int64) {
	m.Walk(func(k *ir.Node) { n += macs(k) })
	return n
}
