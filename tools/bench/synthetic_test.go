package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

// noise gives the factor by which a run at time t (of 0..1 over a
// measurement) is slower.
type noise func(rng *rand.Rand) func(t float64) float64

// Noises as shared machines have them, all at once harder than what is wanted
// of a quiet one.
var noises = map[string]noise{
	"jitter of 2 %": func(rng *rand.Rand) func(float64) float64 {
		return func(float64) float64 { return math.Exp(0.02 * rng.NormFloat64()) }
	},
	// The clock rate sinks by a third and comes back twice.
	"drift": func(rng *rand.Rand) func(float64) float64 {
		phase := rng.Float64()
		return func(t float64) float64 {
			return (1.2 + 0.2*math.Sin(2*math.Pi*(2*t+phase))) * math.Exp(0.01*rng.NormFloat64())
		}
	},
	// A linear slope by half of the time.
	"slope": func(rng *rand.Rand) func(float64) float64 {
		return func(t float64) float64 { return (1 + t/2) * math.Exp(0.01*rng.NormFloat64()) }
	},
	// Somebody else takes the machine in bursts of some blocks, for a third of
	// the time; everything takes 1.5 to 3 times as long.
	"bursts": func(rng *rand.Rand) func(float64) float64 {
		type burst struct{ from, to, by float64 }
		var bs []burst
		for t := rng.Float64() * 0.2; t < 1; {
			d := 0.02 + 0.1*rng.Float64()
			bs = append(bs, burst{t, t + d, 1.5 + 1.5*rng.Float64()})
			t += d + 0.05 + 0.2*rng.Float64()
		}
		return func(t float64) float64 {
			f := math.Exp(0.01 * rng.NormFloat64())
			for _, b := range bs {
				if t >= b.from && t < b.to {
					f *= b.by
				}
			}
			return f
		}
	},
	// A Pareto tail without a mean: one run in ten is twice as slow or more.
	"heavy tail": func(rng *rand.Rand) func(float64) float64 {
		return func(float64) float64 {
			return math.Exp(0.01*rng.NormFloat64()) + 0.1*(math.Pow(1-rng.Float64(), -1)-1)
		}
	},
}

// simulate measures two subjects of cost 1 and cost, in the order of turns
// that Measure has.
func simulate(rng *rand.Rand, n noise, cost float64, blocks, rounds, runs int) []Series {
	f := n(rng)
	out := []Series{make(Series, blocks), make(Series, blocks)}
	total := float64(blocks * rounds * runs * 2)
	done := 0.0
	for b := range blocks {
		var order []int
		for round := range rounds {
			if round%2 == 0 {
				order = rng.Perm(2)
			} else {
				order[0], order[1] = order[1], order[0]
			}
			for _, i := range order {
				c := 1.0
				if i == 1 {
					c = cost
				}
				var t Turn
				for range runs {
					v := c * f(done/total)
					done++
					t.Times = append(t.Times, v)
					t.Wall += v
				}
				out[i][b] = append(out[i][b], t)
			}
		}
	}
	return out
}

// Under every noise at most 7 of 100 comparisons of equals alarm, and of
// slowdowns by 5 % at least 90 of 100 are found.
func TestSynthetic(t *testing.T) {
	const n = 100
	for name, noise := range noises {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, 11))
			alarms, found, wrong := 0, 0, 0
			for range n {
				s := simulate(rng, noise, 1, 20, 6, 4)
				if Compare(s[1], s[0], 1).Differs() {
					alarms++
				}
				s = simulate(rng, noise, 1.05, 20, 6, 4)
				switch Compare(s[1], s[0], 1).Verdict {
				case Slower:
					found++
				case Faster:
					wrong++
				}
			}
			t.Logf("%d alarms, %d found of %d", alarms, found, n)
			if alarms > 7*n/100 || found < 90*n/100 || wrong > 0 {
				t.Errorf("of %d: %d alarms, %d found, %d taken for faster", n, alarms, found, wrong)
			}
		})
	}
}

// The interval of the median of independent normal values holds the true
// median about as often as it says, with neighbours alike (an autoregressive
// series) somewhat less often.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		rho   float64
		least int
	}{{0, 92}, {0.3, 85}} {
		const n = 400
		held := 0
		for range n {
			logs := make([]float64, 20)
			x := rng.NormFloat64()
			for i := range logs {
				logs[i] = 0.02 * x
				x = c.rho*x + math.Sqrt(1-c.rho*c.rho)*rng.NormFloat64()
			}
			if lo, hi := bootstrap(logs); lo <= 0 && hi >= 0 {
				held++
			}
		}
		t.Logf("correlation %.1f: %.1f %%", c.rho, 100*float64(held)/n)
		if held < c.least*n/100 {
			t.Errorf("correlation %.1f: the interval holds the truth in %d of %d, want %d %%", c.rho, held, n, c.least)
		}
	}
}
