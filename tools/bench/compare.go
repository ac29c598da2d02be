package bench

import (
	"math"
	"math/rand/v2"
	"slices"
)

// MinEffect is the difference that Compare takes no notice of: where memory
// happens to lie alone moves times by about as much.
const MinEffect = 0.01

// level is the confidence of intervals, resamples how many they are from.
const (
	level     = 0.95
	resamples = 1000
)

// Verdict is what a comparison says.
type Verdict string

// The verdicts.
const (
	Slower  Verdict = "slower"  // by more than MinEffect, surely
	Faster  Verdict = "faster"  // by more than MinEffect, surely
	Equal   Verdict = "equal"   // surely within EqualWithin of each other
	Unclear Verdict = "unclear" // more runs might tell
)

// EqualWithin is how close two subjects must be for sure to be called equal.
const EqualWithin = 0.03

// Ratio compares one subject's cost with another's: above 1 is slower.
type Ratio struct {
	Median  float64   `json:"median"`
	Lo      float64   `json:"lo"` // bootstrap interval of 95 %
	Hi      float64   `json:"hi"`
	Verdict Verdict   `json:"verdict"`
	Clock   string    `json:"clock"` // CPU or Wall
	Blocks  []float64 `json:"-"`     // ratio of each block
}

// Differs says whether the ratio is surely not 1.
func (r *Ratio) Differs() bool { return r.Verdict == Slower || r.Verdict == Faster }

// The clocks of a Ratio.
const (
	CPU  = "cpu"  // the time that the running thread had a CPU
	Wall = "wall" // the time that passed
)

// Costs is the cost of a run in each block: what the fastest took, for others
// only add to it; of several workers the fastest turn, over its runs. It is
// wall time; cpu is the same in CPU time, nil where s lacks it.
func (s Series) Costs(workers int) (wall, cpu []float64) {
	complete := true
	for _, b := range s {
		if len(b) == 0 {
			continue
		}
		w, c := math.Inf(1), math.Inf(1)
		for i := range b {
			switch {
			case len(b[i].CPU) > 0:
				c = min(c, slices.Min(b[i].CPU))
			default:
				complete = false
			}
			switch {
			case workers > 1:
				w = min(w, b[i].Wall/float64(len(b[i].Times)))
			case len(b[i].Times) > 0:
				w = min(w, slices.Min(b[i].Times))
			}
		}
		wall, cpu = append(wall, w), append(cpu, c)
	}
	if !complete {
		cpu = nil
	}
	return wall, cpu
}

// Compare gives the cost of x over that of base, measured together: the median
// over blocks of the ratio within a block, and a bootstrap interval of it. nil
// where there are no blocks.
func Compare(x, base Series, workers int) *Ratio {
	xs, xc := x.Costs(workers)
	bs, bc := base.Costs(workers)
	clock := Wall
	if len(xc) > 0 && len(bc) > 0 {
		xs, bs, clock = xc, bc, CPU
	}
	n := min(len(xs), len(bs))
	if n == 0 {
		return nil
	}
	logs := make([]float64, n)
	for i := range logs {
		logs[i] = math.Log(xs[i] / bs[i])
	}
	r := &Ratio{Clock: clock}
	for _, l := range logs {
		r.Blocks = append(r.Blocks, math.Exp(l))
	}
	lo, hi := bootstrap(logs)
	r.set(Median(logs), lo, hi)
	return r
}

// CompareApart is Compare of block costs by one clock that were measured at
// different times: nothing that the machine did in between cancels.
func CompareApart(xs, bs []float64, clock string) *Ratio {
	if len(xs) == 0 || len(bs) == 0 {
		return nil
	}
	lx, lb := logsOf(xs), logsOf(bs)
	dx, db := draws(lx, pieceLen(len(lx))), draws(lb, pieceLen(len(lb)))
	slices.Reverse(db) // both come from one stream of random numbers
	for i := range dx {
		dx[i] -= db[i]
	}
	lo, hi := interval(dx)
	r := &Ratio{Clock: clock}
	r.set(Median(lx)-Median(lb), lo, hi)
	return r
}

func logsOf(v []float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = math.Log(v[i])
	}
	return out
}

func (r *Ratio) set(mid, lo, hi float64) {
	r.Median, r.Lo, r.Hi = math.Exp(mid), math.Exp(lo), math.Exp(hi)
	switch {
	case r.Lo > 1+MinEffect:
		r.Verdict = Slower
	case r.Hi < 1/(1+MinEffect):
		r.Verdict = Faster
	case r.Lo > 1/(1+EqualWithin) && r.Hi < 1+EqualWithin:
		r.Verdict = Equal
	default:
		r.Verdict = Unclear
	}
}

// bootstrap is the percentile interval of the median of logs: the hull of those
// from single blocks and from pieces of neighbouring ones.
func bootstrap(logs []float64) (lo, hi float64) {
	lo, hi = interval(draws(logs, 1))
	if p := pieceLen(len(logs)); p > 1 {
		l, h := interval(draws(logs, p))
		lo, hi = min(lo, l), max(hi, h)
	}
	return lo, hi
}

func interval(d []float64) (lo, hi float64) {
	slices.Sort(d)
	return quantile(d, (1-level)/2), quantile(d, (1+level)/2)
}

// draws are medians of resamples of logs, in pieces of neighbours taken around
// the end (circular), so that what lasts longer than a block widens the
// interval as it should.
func draws(logs []float64, piece int) []float64 {
	n := len(logs)
	rng := rand.New(rand.NewPCG(uint64(n), 0x1979))
	out := make([]float64, resamples)
	s := make([]float64, n)
	for i := range out {
		for j := 0; j < n; j += piece {
			at := rng.IntN(n)
			for k := 0; k < piece && j+k < n; k++ {
				s[j+k] = logs[(at+k)%n]
			}
		}
		out[i] = medianOf(s)
	}
	return out
}

// pieceLen grows as the cube root of the number of blocks.
func pieceLen(n int) int {
	if n < 8 {
		return 1
	}
	return int(math.Cbrt(float64(n)))
}
