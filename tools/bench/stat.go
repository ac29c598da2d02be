package bench

import (
	"math"
	"slices"
)

// Quantile is the p-quantile of values by linear interpolation between the
// two nearest order statistics (Hyndman and Fan's type 7); NaN of nothing.
func Quantile(values []float64, p float64) float64 {
	return quantile(slices.Sorted(slices.Values(values)), p)
}

// quantile is Quantile of sorted values.
func quantile(s []float64, p float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	at := p * float64(len(s)-1)
	i := min(int(at), len(s)-1)
	lo, hi := s[i], s[min(i+1, len(s)-1)]
	return lo + (hi-lo)*(at-float64(i))
}

// Median is the 0.5-quantile.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// medianOf is Median, with s put in order.
func medianOf(s []float64) float64 {
	slices.Sort(s)
	return quantile(s, 0.5)
}

// Summary are the figures of one series' wall times, in ms.
type Summary struct {
	N                        int
	Min, Mean, P50, P90, P99 float64
	PerSecond                float64 // runs a second of measured time, all workers together
}

// Summarize looks at every run of s.
func Summarize(s Series) Summary {
	t := s.Times()
	slices.Sort(t)
	x := Summary{N: len(t)}
	if x.N == 0 {
		return x
	}
	sum, wall := 0.0, 0.0
	for _, v := range t {
		sum += v
	}
	for _, b := range s {
		for _, u := range b {
			wall += u.Wall
		}
	}
	x.Min, x.Mean = t[0], sum/float64(x.N)
	x.P50, x.P90, x.P99 = quantile(t, .5), quantile(t, .9), quantile(t, .99)
	if wall > 0 {
		x.PerSecond = 1000 * float64(x.N) / wall
	}
	return x
}

// Times is the wall time of every run, in the order of their turns.
func (s Series) Times() []float64 {
	n := 0
	for _, b := range s {
		for i := range b {
			n += len(b[i].Times)
		}
	}
	out := make([]float64, 0, n)
	for _, b := range s {
		for i := range b {
			out = append(out, b[i].Times...)
		}
	}
	return out
}
