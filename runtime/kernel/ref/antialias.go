package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/tensor"
)

// antialias is sample with filters that widen where an axis shrinks. Their
// taps are many, so the axes go one after the other over float64 buffers
// (made anew: nothing that must not allocate uses it), those that shrink
// first, so that no buffer is larger than the input and the result.
func (r *resizer) antialias(y, x *tensor.Tensor) {
	var buf [maxRank]int
	dims := buf[:copy(buf[:], x.Dims())]
	cur := make([]float64, x.Len())
	for i := range cur {
		cur[i] = x.Float(i)
	}
	for pass := range 2 {
		for k := range dims {
			g := &r.grid[k]
			if shrinks := g.out <= g.in; g.same || shrinks != (pass == 0) {
				continue
			}
			cur = r.filterAxis(cur, product(dims[:k]), product(dims[k+1:]), g)
			dims[k] = g.out
		}
	}
	for i, v := range cur {
		if y.DType().IsInt() {
			v = math.RoundToEven(v)
		}
		storeWithin(y, i, v)
	}
}

// filterAxis resamples the middle axis of [outer, g.in, inner].
func (r *resizer) filterAxis(x []float64, outer, inner int, g *gridAxis) []float64 {
	y := make([]float64, outer*g.out*inner)
	var w []float64
	for o := range g.out {
		at := r.origin(g, o)
		fill := r.coord == "tf_crop_and_resize" && !(at >= 0 && at <= float64(g.in-1))
		at = min(max(at, -4), float64(g.in)+4)
		left := int(math.Ceil(at)) - 1
		first := r.filter(&w, at-float64(left), float64(g.scale))
		if r.exclude {
			for i := range w {
				if p := left + first + i; p < 0 || p >= g.in {
					w[i] = 0
				}
			}
		}
		sum := 0.0
		for _, v := range w {
			sum += v
		}
		for a := range outer {
			for b := range inner {
				v := 0.0
				for i := range w {
					p := min(max(left+first+i, 0), g.in-1)
					v += float64(w[i] / sum * x[(a*g.in+p)*inner+b])
				}
				if fill {
					v = r.fill
				}
				y[(a*g.out+o)*inner+b] = v
			}
		}
	}
	return y
}

// filter fills w with the weights around a point that lies ratio (0 < ratio
// <= 1) right of a grid point; the first belongs to the grid point first
// places from there. Growing axes have the plain filter.
func (r *resizer) filter(w *[]float64, ratio, scale float64) (first int) {
	scale = min(scale, 1)
	reach := 1.0
	if r.mode == "cubic" {
		reach = 2
	}
	first = int(math.Floor(-reach/scale)) + 1
	*w = (*w)[:0]
	for i := first; i < 2-first; i++ {
		d := math.Abs((float64(i) - ratio) * scale)
		v := max(1-d, 0)
		if r.mode == "cubic" {
			switch {
			case d <= 1:
				v = r.cubicNear(d)
			case d < 2:
				v = r.cubicFar(d)
			default:
				v = 0
			}
		}
		*w = append(*w, v)
	}
	return first
}
