package prune

import (
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
)

// step is by how many groups the number that a cell keeps may change, so that
// every layer keeps a multiple of align.
func (l *cell) step(align int) int {
	step := 1
	for _, t := range l.groups[0].times {
		need := align / gcd(align, t)
		step *= need / gcd(step, need)
	}
	return step
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// least is how many groups a cell keeps at least.
func (l *cell) least(c Config) int {
	few := slices.Min(l.groups[0].times)
	n := (c.MinChannels + few - 1) / few
	step := l.step(c.Align)
	if step > 1 {
		n = max(n, 1)
	}
	return min((n+step-1)/step*step, len(l.groups))
}

// layerBudget lets every cell give its share, rounded to the nearest number
// that alignment allows.
func (s *selection) layerBudget(cells []*cell, c Config) error {
	for _, l := range cells {
		n := len(l.groups)
		want := float64(n) * (1 - c.Sparsity)
		if math.Round(want) < 1 && c.MinChannels == 0 {
			return s.empty(l)
		}
		step := l.step(c.Align)
		k := int(math.Round(want/float64(step))) * step
		l.keep = min(max(k, l.least(c)), n)
	}
	return nil
}

// empty is the error of a budget that leaves a layer without channels.
func (s *selection) empty(l *cell) error {
	at := s.rel.Layers[l.groups[0].layer]
	return &diag.Error{Kind: diag.Budget, Node: at.Node.Label(), Op: at.Node.Def.VersionedName(), Port: "channels kept",
		Have: fmt.Sprintf("0 of %d", len(l.groups)*l.groups[0].times[0]), Want: "at least 1 (a lower sparsity, or a least number of channels)"}
}

// globalBudget takes from all cells what matters least. Scores of different
// layers are compared by what they are to the mean of their cell, because
// layers differ in the size and the scale of their filters. What goes at once
// is a step of alignment; the total is met as closely as steps allow.
func (s *selection) globalBudget(cells []*cell, c Config) error {
	total := 0
	for _, g := range s.groups {
		total += g.filters
	}
	target := int(math.Round(c.Sparsity * float64(total)))
	open := make([]bool, len(cells))
	mean := make([]float64, len(cells))
	for i, l := range cells {
		open[i] = true
		for _, g := range l.groups {
			mean[i] += g.score / float64(len(l.groups))
		}
	}
	for gone := 0; gone < target; {
		best, bestScore, bestCost := -1, math.Inf(1), 0
		for i, l := range cells {
			if !open[i] {
				continue
			}
			score, cost, ok := l.next(c)
			if !ok || 2*(target-gone) < cost {
				open[i] = false // a later try finds no less to remove: what is left only shrinks
				continue
			}
			if mean[i] > 0 {
				score /= mean[i]
			}
			if score < bestScore {
				best, bestScore, bestCost = i, score, cost
			}
		}
		if best < 0 {
			return nil
		}
		l := cells[best]
		if l.keep = l.after(c); l.keep == 0 {
			return s.empty(l)
		}
		gone += bestCost
	}
	return nil
}

// after is how many groups the cell keeps when it gives the next step.
func (l *cell) after(c Config) int {
	step := l.step(c.Align)
	return (l.keep - 1) / step * step
}

// next is the mean score and the channels of the groups that the cell gives
// next; false: it gives none.
func (l *cell) next(c Config) (score float64, cost int, ok bool) {
	if l.keep == 0 {
		return 0, 0, false
	}
	k := l.after(c)
	if k < l.least(c) {
		return 0, 0, false
	}
	n := len(l.groups)
	going := l.groups[n-l.keep : n-k]
	for _, g := range going {
		score += g.score / float64(len(going))
		cost += g.filters
	}
	return score, cost, true
}
