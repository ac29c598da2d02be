package sketch

import "math"

// Bins is the number of bins of a Hist, half of them for each sign.
const Bins = 4096

const (
	minExp = -120 // bins are no narrower than 2^minExp
	half   = Bins / 2
)

// Hist counts values in bins of one width, a power of two, around 0. Where a
// value falls outside, the width doubles and pairs of bins are joined, so that
// the counts depend on the values alone, not on their order. The zero Hist is
// empty.
type Hist struct {
	n, nan, inf uint64
	min, max    float32
	exp         int // bins are 2^exp wide
	bins        []uint64
}

// N is the number of values, those that are not finite left out; NaNs and Infs
// count these.
func (h *Hist) N() uint64    { return h.n }
func (h *Hist) NaNs() uint64 { return h.nan }
func (h *Hist) Infs() uint64 { return h.inf }

// Min and Max are the extremes, 0 of an empty Hist.
func (h *Hist) Min() float32 { return h.min }
func (h *Hist) Max() float32 { return h.max }

// Add counts values.
func (h *Hist) Add(vs []float32) {
	if len(vs) == 0 {
		return
	}
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	var nan, inf uint64
	for _, v := range vs {
		switch {
		case v-v != 0: // NaN or infinite
			if v != v {
				nan++
			} else {
				inf++
			}
		default:
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	h.nan += nan
	h.inf += inf
	if lo > hi {
		return
	}
	h.reach(lo, hi)
	scale := math.Ldexp(1, -h.exp)
	for _, v := range vs {
		if v-v == 0 {
			h.bins[int(math.Floor(float64(v)*scale))+half]++
			h.n++
		}
	}
}

// reach widens the bins until lo and hi lie inside, and takes them in as
// extremes.
func (h *Hist) reach(lo, hi float32) {
	if h.bins == nil {
		h.bins = make([]uint64, Bins)
		h.exp, h.min, h.max = minExp, lo, hi
	}
	h.min, h.max = min(h.min, lo), max(h.max, hi)
	e := h.exp
	for _, v := range [...]float32{lo, hi} {
		// floor(v/2^e) must be in [-half, half).
		if v == 0 {
			continue
		}
		_, k := math.Frexp(float64(v)) // |v| < 2^k
		e = max(e, k-11)
	}
	h.coarsen(e)
}

// coarsen widens the bins to 2^e.
func (h *Hist) coarsen(e int) {
	if e <= h.exp {
		return
	}
	shift := e - h.exp
	h.exp = e
	var moved [Bins]uint64
	for i, c := range h.bins {
		if c > 0 {
			moved[max((i-half)>>min(shift, 62), -half)+half] += c
		}
	}
	copy(h.bins, moved[:])
}

// Merge adds what o has counted.
func (h *Hist) Merge(o *Hist) {
	h.nan += o.nan
	h.inf += o.inf
	if o.n == 0 {
		return
	}
	h.reach(o.min, o.max)
	h.coarsen(o.exp)
	shift := min(h.exp-o.exp, 62)
	for i, c := range o.bins {
		if c > 0 {
			h.bins[(i-half)>>shift+half] += c
		}
	}
	h.n += o.n
}

// Quantile is a value that the share q of all values does not exceed, as exact
// as the bins are, and never beyond the extremes. 0 of an empty Hist.
func (h *Hist) Quantile(q float64) float32 {
	if h.n == 0 {
		return 0
	}
	left := uint64(math.Ceil(float64(q * float64(h.n))))
	left = max(left, 1)
	for i, c := range h.bins {
		if c >= left {
			// Within a bin, values are taken to be spread evenly.
			at := float64(i-half) + float64(left)/float64(c)
			return min(max(float32(math.Ldexp(at, h.exp)), h.min), h.max)
		}
		left -= c
	}
	return h.max
}

// Range is the interval that holds the given percentage of the values, as much
// being cut off on each side; 100 gives the extremes.
func (h *Hist) Range(percent float64) (lo, hi float32) {
	if percent >= 100 || h.n == 0 {
		return h.min, h.max
	}
	cut := float64(100-percent) / 200
	return h.Quantile(cut), h.Quantile(1 - cut)
}
