package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// maxCorners bounds the input elements that one output element combines: 4
// taps along 4 axes, or 2 along 8.
const maxCorners = 256

// sample computes the result. The leading axes that are copied (batch and
// channels as a rule) run innermost, so that the taps of a position are found
// once for all of them.
func (r *resizer) sample(c kernel.Ctx, out []tensor.Value, x *tensor.Tensor) error {
	var buf [maxRank]int
	lead, count := r.rank, 1
	for k := range r.rank {
		g := &r.grid[k]
		buf[k] = g.out
		if g.in == 0 && g.out > 0 {
			return diag.New(diag.Shape, "axis %d has no element to sample", k)
		}
		if g.same {
			continue
		}
		lead = min(lead, k)
		switch r.mode {
		case "linear":
			count *= 2
		case "cubic":
			count *= 4
		}
		if count > maxCorners && !r.smooth {
			return diag.New(diag.Unsupported, "%s interpolation along so many axes (supported: 8 linear, 4 cubic)", r.mode)
		}
	}
	y, err := outputOf(c, out, 0, x.DType(), buf[:r.rank]...)
	if err != nil || y.Len() == 0 {
		return err
	}
	if lead == r.rank {
		moveAll(y, x)
		return nil
	}
	if r.smooth && r.mode != "nearest" {
		r.antialias(y, x)
		return nil
	}
	s := sampler{r: r, x: x, y: y, lead: lead}
	s.planes = product(x.Dims()[:lead])
	s.xPlane, s.yPlane = product(x.Dims()[lead:]), product(y.Dims()[lead:])
	rowStrides(&s.stride, x.Dims())
	s.run()
	return nil
}

// sampler walks the positions of one plane of the result.
type sampler struct {
	r              *resizer
	x, y           *tensor.Tensor
	lead, planes   int
	xPlane, yPlane int
	stride         [maxRank]int
	taps           [maxRank]taps
	n              int
	off            [maxCorners]int
	w              [maxCorners]float64
}

func (s *sampler) run() {
	var idx [maxRank]int
	r := s.r
	for k := s.lead; k < r.rank; k++ {
		r.at(&r.grid[k], 0, &s.taps[k])
	}
	for i := range s.yPlane {
		s.corners()
		s.combine(i)
		for k := r.rank - 1; k >= s.lead; k-- {
			if idx[k]++; idx[k] == r.grid[k].out {
				idx[k] = 0
			}
			r.at(&r.grid[k], idx[k], &s.taps[k])
			if idx[k] != 0 {
				break
			}
		}
	}
}

// corners multiplies the taps of all axes out; n is 0 where one of them lies
// outside and the extrapolation value is wanted.
func (s *sampler) corners() {
	s.n, s.off[0], s.w[0] = 1, 0, 1
	for k := s.lead; k < s.r.rank; k++ {
		t := &s.taps[k]
		if t.fill {
			s.n = 0
			return
		}
		n := s.n
		for j := t.n - 1; j >= 0; j-- { // the first tap last: it overwrites
			for i := range n {
				s.off[j*n+i] = s.off[i] + t.pos[j]*s.stride[k]
				s.w[j*n+i] = s.w[i] * t.w[j]
			}
		}
		s.n = n * t.n
	}
}

// combine writes position i of every plane.
func (s *sampler) combine(i int) {
	if s.n == 1 && s.w[0] == 1 { // a copy, of any element type
		p := movePlan{dstOff: i, srcOff: s.off[0]}
		p.axis(s.planes, s.yPlane, s.xPlane)
		p.run(s.y, s.x)
		return
	}
	if s.x.DType() == dtype.F32 {
		xv, yv := tensor.Slice[float32](s.x), tensor.Slice[float32](s.y)
		for p := range s.planes {
			v := s.none()
			for j := range s.n {
				v += float64(s.w[j] * float64(xv[p*s.xPlane+s.off[j]]))
			}
			yv[p*s.yPlane+i] = float32(v)
		}
		return
	}
	for p := range s.planes {
		v := s.none()
		for j := range s.n {
			v += float64(s.w[j] * s.x.Float(p*s.xPlane+s.off[j]))
		}
		storeWithin(s.y, p*s.yPlane+i, v)
	}
}

// none is the value of an empty sum: outside, what the model extrapolates.
func (s *sampler) none() float64 {
	if s.n == 0 {
		return s.r.fill
	}
	return 0
}

// storeWithin stores v; integers drop its fraction and saturate.
func storeWithin(t *tensor.Tensor, i int, v float64) {
	d := t.DType()
	if !d.IsInt() {
		t.SetFloat(i, v)
		return
	}
	v = math.Trunc(v)
	lo, hi := d.IntRange()
	switch {
	case v != v:
		t.SetInt(i, 0)
	case v <= float64(lo):
		t.SetInt(i, lo)
	case v >= float64(hi):
		t.SetInt(i, hi)
	default:
		t.SetInt(i, int64(v))
	}
}
