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
var MaxPool = kernel.Desc{ID: "maxpoolgrad.f32.go", Op: OpMaxPool, Fast: true, Prepare: preparePool, Run: runPool}

// AvgPool is the gradient of AveragePool in plain Go.
var AvgPool = kernel.Desc{ID: "avgpoolgrad.f32.go", Op: OpAvgPool, Fast: true, Prepare: preparePool, Run: runPool}

// pools is the state of a call; a unit of its work is one plane.
type pools struct {
	ax     [2]axis
	padEnd [2]int
	planes int
	pairs  bool // windows of 2 by 2, side by side, nothing else
	padded bool // an average counts padding
	call   *kernel.Call
}

func preparePool(c *kernel.Call) (any, error) {
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
		s.ax[j] = axis{in: x.Dim(2 + i), out: y.Dim(2 + i), k: listed(c.Attrs, "kernel_shape", i, 0),
			s: listed(c.Attrs, "strides", i, 1), d: listed(c.Attrs, "dilations", i, 1)}
		if err := s.place(c.Attrs, i, j, r); err != nil {
			return nil, err
		}
	}
	v, u := &s.ax[0], &s.ax[1]
	s.pairs = v.k == 2 && u.k == 2 && v.s == 2 && u.s == 2 && v.d == 1 && u.d == 1 && v.p == 0 && u.p == 0 && 2*v.out <= v.in && 2*u.out <= u.in
	return s, nil
}

// place finds the padding of spatial axis i, axis j here, and checks the
// output extent.
func (s *pools) place(a attr.Map, i, j, rank int) error {
	v := &s.ax[j]
	begin, end := listed(a, "pads", i, 0), listed(a, "pads", rank+i, 0)
	want := -1
	switch mode := a.Str("auto_pad"); mode {
	case "VALID":
		begin, end = 0, 0
	case "SAME_UPPER", "SAME_LOWER":
		want = (v.in + v.s - 1) / v.s
		total := max(0, (want-1)*v.s+v.span()-v.in)
		if begin = total / 2; mode == "SAME_LOWER" {
			begin = total - total/2
		}
		end = total - begin
	}
	v.p, s.padEnd[j] = begin, end
	if want < 0 {
		want = 0
		if room := v.in + begin + end - v.span(); room >= 0 {
			if a.Bool("ceil_mode") { // the last window may overhang, but starts before the end padding
				room = min(room+v.s-1, v.in+begin-1)
			}
			want = room/v.s + 1
		}
	}
	if v.out != want {
		return &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("pool output, spatial axis %d", i), Have: fmt.Sprint(v.out), Want: fmt.Sprint(want)}
	}
	return nil
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
