package prune

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/analysis"
)

// selection is which channels go.
type selection struct {
	rel    *analysis.Channels
	gone   []bool // by root label
	groups []*group
}

// group is a set of channels that go together.
type group struct {
	root    int32
	score   float64
	filters int   // channels that layers make for it, over all layers
	times   []int // how many of them in each layer that makes any
	layer   int   // first layer that makes one
}

// cell is a set of groups that every axis of the model has all or none of: a
// number of them can be chosen freely, and what is chosen from cells says how
// many channels each layer keeps.
type cell struct {
	groups []*group // ascending by score, then by index
	keep   int
}

// choose decides which groups of channels go.
func choose(m *ir.Module, c Config) (*selection, error) {
	s := newSelection(m)
	if err := s.score(c); err != nil {
		return nil, err
	}
	if len(s.groups) == 0 {
		return nil, s.nothing()
	}
	cells := s.cells()
	var err error
	if c.Scope == Global {
		err = s.globalBudget(cells, c)
	} else {
		err = s.layerBudget(cells, c)
	}
	if err != nil {
		return nil, err
	}
	for _, l := range cells {
		for _, g := range l.groups[:len(l.groups)-l.keep] {
			s.gone[g.root] = true
		}
	}
	return s, nil
}

func newSelection(m *ir.Module) *selection {
	s := &selection{rel: analysis.Relate(m)}
	s.gone = make([]bool, s.rel.Labels())
	return s
}

// nothing says why no channel can go.
func (s *selection) nothing() error {
	e := &diag.Error{Kind: diag.Budget, Have: "no channel that can be removed", Want: "layers whose channels stay inside the model"}
	if len(s.rel.Layers) > 0 {
		l := s.rel.Layers[0]
		e.Node, e.Op, e.Port = l.Node.Label(), l.Node.Def.VersionedName(), s.rel.Why(l.Out)
	}
	return e
}

// gone says whether a label goes.
func (s *selection) drops(label int32) bool { return s.gone[s.rel.Root(label)] }

// kept gives the indices of an axis that stay, and whether any goes.
func (s *selection) kept(labels []int32) (stay []int, cut bool) {
	for i, l := range labels {
		if !s.drops(l) {
			stay = append(stay, i)
		}
	}
	return stay, len(stay) < len(labels)
}

// score makes the groups that can go, with their scores, in order of layers
// and channels.
func (s *selection) score(c Config) error {
	byRoot := map[int32]*group{}
	for i, l := range s.rel.Layers {
		times := map[int32]int{}
		for _, label := range l.Out {
			r := s.rel.Root(label)
			if s.rel.Fixed(r) {
				continue
			}
			g := byRoot[r]
			if g == nil {
				g = &group{root: r, layer: i}
				byRoot[r] = g
				s.groups = append(s.groups, g)
			}
			g.filters++
			if times[r]++; times[r] == 1 {
				g.times = append(g.times, 0)
			}
			g.times[len(g.times)-1]++
		}
		if len(times) == 0 {
			continue
		}
		if err := s.addScores(l, c, byRoot); err != nil {
			return err
		}
	}
	if c.Criterion == Magnitude {
		for _, g := range s.groups {
			g.score = math.Sqrt(g.score)
		}
	}
	return nil
}

// addScores adds what the filters of one layer weigh.
func (s *selection) addScores(l analysis.Layer, c Config, groups map[int32]*group) error {
	t, err := read(l.Weight, c)
	if err != nil {
		return diag.At(l.Node.Label(), l.Node.Def.VersionedName(), diag.BadModel, err)
	}
	labels := s.rel.Value(l.Weight)[l.OutAxis]
	inner := 1
	for _, d := range t.Dims()[l.OutAxis+1:] {
		inner *= d
	}
	for e := range t.Len() {
		v := t.Float(e)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return notANumber(l.Node, l.Weight, e, v)
		}
		g := groups[s.rel.Root(labels[e/inner%len(labels)])]
		switch {
		case g == nil:
		case c.Criterion == L1:
			g.score += math.Abs(v)
		default:
			g.score += float64(v * v)
		}
	}
	return nil
}

func notANumber(n *ir.Node, w *ir.Value, e int, v float64) error {
	return &diag.Error{Kind: diag.BadData, Node: n.Label(), Op: n.Def.VersionedName(), Port: "weight " + w.Name,
		Have: fmt.Sprintf("%v at element %d", v, e), Want: "finite numbers"}
}

// read gives a weight's elements as the Config has them.
func read(v *ir.Value, c Config) (tensor.Tensor, error) {
	t, err := c.Value(v)
	if err != nil {
		return t, err
	}
	if !t.DType().IsFloat() || t.DType() == dtype.Invalid || !slices.Equal(t.Dims(), v.Const().Dims) {
		return t, diag.New(diag.BadData, "weight %s: have %v, want %v", v.Name, t.Type(), v.Type)
	}
	return t, nil
}

// cells partitions the groups: two are in one cell if no axis has one without
// the other and they are as many channels in every layer. Cells are in order of
// their first group.
func (s *selection) cells() []*cell {
	at := make(map[int32]int, len(s.groups)) // cell of a root
	for _, g := range s.groups {
		at[g.root] = 0
	}
	next := 1
	s.rel.Axes(func(labels []int32) {
		moved := map[int]int{}
		seen := map[int32]bool{}
		for _, l := range labels {
			r := s.rel.Root(l)
			old, ok := at[r]
			if !ok || seen[r] {
				continue
			}
			seen[r] = true
			if moved[old] == 0 {
				moved[old] = next
				next++
			}
			at[r] = moved[old]
		}
	})
	var out []*cell
	byID := map[string]*cell{}
	for _, g := range s.groups {
		id := fmt.Sprint(at[g.root], g.times)
		l := byID[id]
		if l == nil {
			l = &cell{}
			byID[id] = l
			out = append(out, l)
		}
		l.groups = append(l.groups, g)
	}
	for _, l := range out {
		l.keep = len(l.groups)
		slices.SortStableFunc(l.groups, func(a, b *group) int { return cmp.Compare(a.score, b.score) })
	}
	return out
}
