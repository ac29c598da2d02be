package retrain

import "math"

// Schedule says how sparsity rises over the steps of a run: along a cubic, fast
// while there is much to choose from and slowly towards the end (Zhu and Gupta,
// "To prune, or not to prune", 2017):
//
//	At(t) = To + (From-To) * (1 - (t-Begin)/(End-Begin))^3
type Schedule struct {
	From, To   float64 // sparsity before and after
	Begin, End int     // steps
	Every      int     // steps between two choices of what goes; 0: 1
}

// At is the sparsity after so many steps.
func (s Schedule) At(step int) float64 {
	switch {
	case step >= s.End:
		return s.To
	case step <= s.Begin:
		return s.From
	}
	left := 1 - float64(step-s.Begin)/float64(s.End-s.Begin)
	return s.To + float64((s.From-s.To)*left*left*left)
}

// Due says whether masks are chosen anew after so many steps: every Every from
// Begin, and at End.
func (s Schedule) Due(step int) bool {
	return step == s.End || step > s.Begin && step < s.End && (step-s.Begin)%max(1, s.Every) == 0
}

// schedule is that of a run of so many steps.
func (p *Pruning) schedule(from float64, steps int) Schedule {
	at := func(share float64) int { return int(math.Round(share * float64(steps))) }
	s := Schedule{From: from, To: p.Sparsity, Begin: at(p.Begin), End: max(1, at(p.End)), Every: p.Every}
	s.Begin = min(s.Begin, s.End)
	if s.Every == 0 {
		s.Every = max(1, (s.End-s.Begin)/choices)
	}
	return s
}

// choices is how often masks are chosen, about, where nobody says.
const choices = 100
