package grad

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// OpMaxPool is the gradient of MaxPool: In is dY and X, f32[N, C, spatial...]
// with one or two spatial axes, Out is dX; attributes are those of the
// MaxPool. Every window adds its dY to its first maximum, in ascending order.
const OpMaxPool = "maxpoolgrad.f32"

// OpAvgPool is the gradient of AveragePool: In is dY, Out is dX; attributes
// are those of the AveragePool.
const OpAvgPool = "avgpoolgrad.f32"

// MaxPool is the gradient of MaxPool in plain Go.
var MaxPool = kernel.Desc{ID: "maxpoolgrad.f32.go", Op: OpMaxPool, Fast: true, Prepare: prepareMaxPool, Run: runPool}

// AvgPool is the gradient of AveragePool in plain Go.
var AvgPool = kernel.Desc{ID: "avgpoolgrad.f32.go", Op: OpAvgPool, Fast: true, Prepare: prepareAvgPool, Run: runPool}

// pools is the state of a call; a unit of its work is one plane.
type pools struct {
	ax     [2]axis
	padEnd [2]int
	planes int
	pairs  bool // windows of 2 by 2, side by side, nothing else
	padded bool // an average counts padding
	call   *kernel.Call
}

func prepareMaxPool(c *kernel.Call) (any, error) { return preparePool(c, 2) }

func prepareAvgPool(c *kernel.Call) (any, error) { return preparePool(c, 1) }

func preparePool(c *kernel.Call, ins int) (any, error) {
	if err := checkCount(c, "gradient of a pool", ins, false); err != nil {
		return nil, err
	}
	x, y := &c.Out[0].Tensor, &c.In[0].Tensor
	r := x.Rank() - 2
	if r < 1 || r > 2 || y.Rank() != r+2 || x.DType() != dtype.F32 || y.DType() != dtype.F32 ||
		len(c.In) > 1 && (c.In[1].Tensor.DType() != dtype.F32 || c.In[1].Tensor.Len() != x.Len()) || x.Dim(0) != y.Dim(0) || x.Dim(1) != y.Dim(1) {
		return nil, diag.New(diag.Internal, "gradient of a pool of %v to %v", x.Type(), y.Type())
	}
	s := &pools{planes: x.Dim(0) * x.Dim(1), padded: c.Attrs.Bool("count_include_pad")}
	s.ax[0] = axis{1, 1, 1, 1, 1, 0}
	for i := range r {
		j := 2 - r + i
		k := int64(0)
		if ks := c.Attrs.Ints("kernel_shape"); i < len(ks) {
			k = ks[i]
		}
		w, err := kernel.WindowOf(c.Attrs, i, r, x.Dim(2+i), k)
		if err != nil {
			return nil, err
		}
		s.ax[j] = axis{in: w.In, out: y.Dim(2 + i), k: w.K, s: w.Stride, d: w.Dil, p: w.Pad}
		s.padEnd[j] = w.PadEnd
		if have, want := s.ax[j].out, poolExtent(c.Attrs, &w); have != want {
			return nil, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("pool output, spatial axis %d", i), Have: fmt.Sprint(have), Want: fmt.Sprint(want)}
		}
	}
	if x.Len() == 0 { // whatever the number of planes
		s.planes = 0
	}
	v, u := &s.ax[0], &s.ax[1]
	s.pairs = v.k == 2 && u.k == 2 && v.s == 2 && u.s == 2 && v.d == 1 && u.d == 1 && v.p == 0 && u.p == 0 && 2*v.out <= v.in && 2*u.out <= u.in
	return s, nil
}

// poolExtent is the extent of the pool's output along an axis.
func poolExtent(a attr.Map, w *kernel.Window) int {
	room := w.In + w.Pad + w.PadEnd - w.Span()
	if room < 0 || !a.Bool("ceil_mode") || kernel.SamePads(a.Str("auto_pad")) {
		return w.Out()
	}
	// The last window may overhang, but starts before the end padding.
	return min(room+w.Stride-1, w.In+w.Pad-1)/w.Stride + 1
}

func runPool(c *kernel.Call) {
	s := c.State.(*pools)
	s.call = c
	c.Pool.Run(s.planes, s)
	s.call = nil
}

// Do implements pool.Task: one plane.
func (s *pools) Do(i, _ int) {
	in, out := s.ax[0].in*s.ax[1].in, s.ax[0].out*s.ax[1].out
	dx, dy := floats(&s.call.Out[0])[i*in:(i+1)*in], floats(&s.call.In[0])[i*out:(i+1)*out]
	clear(dx)
	switch {
	case len(s.call.In) == 1:
		s.average(dx, dy)
	case s.pairs:
		s.maxPairs(dx, dy, floats(&s.call.In[1])[i*in:(i+1)*in])
	default:
		s.max(dx, dy, floats(&s.call.In[1])[i*in:(i+1)*in])
	}
}

// taps is the range of taps of output position o that lie inside.
func (a *axis) taps(o int) (lo, hi int) {
	org := o*a.s - a.p
	lo = min(a.k, max(0, (-org+a.d-1)/a.d))
	if left := a.in - org; left > 0 {
		hi = min(a.k, (left+a.d-1)/a.d)
	}
	return lo, max(lo, hi)
}

func (s *pools) max(dx, dy, x []float32) {
	v, u := &s.ax[0], &s.ax[1]
	for oy := range v.out {
		y0, y1 := v.taps(oy)
		for ox := range u.out {
			x0, x1 := u.taps(ox)
			best, arg := float32(math.Inf(-1)), -1
			for ky := y0; ky < y1; ky++ {
				row := (oy*v.s - v.p + ky*v.d) * u.in
				for kx := x0; kx < x1; kx++ {
					at := row + ox*u.s - u.p + kx*u.d
					if f := x[at]; f > best || arg < 0 && f == best {
						best, arg = f, at
					}
				}
			}
			if arg >= 0 {
				dx[arg] += dy[oy*u.out+ox]
			}
		}
	}
}

// maxPairs is max for windows of 2 by 2 side by side. No branch depends on the
// data: which of four is the largest cannot be foretold. A number's place is in
// the low bits of its key, earlier ones higher, so that the first of equals is
// the largest.
func (s *pools) maxPairs(dx, dy, x []float32) {
	w, ow := s.ax[1].in, s.ax[1].out
	places := [4]int{w + 1, w, 1, 0}
	for oy := range s.ax[0].out {
		top, bottom := x[2*oy*w:][:w], x[(2*oy+1)*w:][:w]
		d := dx[2*oy*w:][:2*w]
		for ox, g := range dy[oy*ow : (oy+1)*ow] {
			a, b, e, f := top[2*ox], top[2*ox+1], bottom[2*ox], bottom[2*ox+1]
			best := max(order(a)|3, order(b)|2, order(e)|1, order(f))
			if best>>2 > infinite || best>>2 < -infinite-1 {
				s.window(d, g, [4]float32{a, b, e, f}, 2*ox, w)
				continue
			}
			d[2*ox+places[best&3]] += g
		}
	}
}

// infinite is the key of +Inf; that of -Inf is -infinite-1.
const infinite = 0x7f800000

// order is four times a key that is ordered as the numbers are, with -0 and +0
// equal and NaN beyond the infinities.
func order(v float32) int64 {
	b := int32(math.Float32bits(v + 0)) // -0 + 0 is +0
	return int64(b^b>>31&0x7fffffff) << 2
}

// window gives g to the first of the largest numbers of one window of 2 by 2
// that holds NaN.
func (s *pools) window(d []float32, g float32, f [4]float32, at, w int) {
	best, arg := float32(math.Inf(-1)), -1
	for i, v := range f {
		if v > best || arg < 0 && v == best {
			best, arg = v, i
		}
	}
	if arg >= 0 {
		d[at+arg/2*w+arg%2] += g
	}
}

func (s *pools) average(dx, dy []float32) {
	v, u := &s.ax[0], &s.ax[1]
	for oy := range v.out {
		y0, y1 := v.taps(oy)
		ny := s.share(0, oy, y0, y1)
		for ox := range u.out {
			x0, x1 := u.taps(ox)
			g := dy[oy*u.out+ox] / float32(ny*s.share(1, ox, x0, x1))
			for ky := y0; ky < y1; ky++ {
				row := (oy*v.s - v.p + ky*v.d) * u.in
				for kx := x0; kx < x1; kx++ {
					dx[row+ox*u.s-u.p+kx*u.d] += g
				}
			}
		}
	}
}

// share is how many taps of output position o on axis j count in a mean.
func (s *pools) share(j, o, lo, hi int) int {
	if !s.padded {
		return hi - lo
	}
	// Taps up to the end padding; an overhang beyond it does not count.
	a := &s.ax[j]
	left := a.in + s.padEnd[j] - (o*a.s - a.p)
	return min(a.k, (left+a.d-1)/a.d)
}
