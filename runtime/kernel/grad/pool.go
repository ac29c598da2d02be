package grad

import (
	"fmt"
	"math"

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
	if r < 1 || r > 2 || y.Rank() != r+2 || x.DType() != dtype.F32 || y.DType() != dtype.F32 || len(c.In) > 1 && c.In[1].Tensor.DType() != dtype.F32 {
		return nil, diag.New(diag.Internal, "gradient of a pool of %v to %v", x.Type(), y.Type())
	}
	if x.Dim(0) != y.Dim(0) || x.Dim(1) != y.Dim(1) || len(c.In) > 1 && c.In[1].Tensor.Len() != x.Len() {
		return nil, &diag.Error{Kind: diag.Shape, Port: "dY of a pool", Have: y.Type().String(), Want: "the batch and channels of " + x.Type().String()}
	}
	s := &pools{planes: x.Dim(0) * x.Dim(1), padded: c.Attrs.Bool("count_include_pad")}
	s.ax[0] = axis{kernel.Window{In: 1, K: 1, Stride: 1, Dil: 1}, 1}
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
		s.ax[j] = axis{w, y.Dim(2 + i)}
		if have, want := s.ax[j].out, w.PoolOut(c.Attrs); have != want {
			return nil, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("pool output, spatial axis %d", i), Have: fmt.Sprint(have), Want: fmt.Sprint(want)}
		}
	}
	if x.Len() == 0 { // whatever the number of planes
		s.planes = 0
	}
	v, u := &s.ax[0], &s.ax[1]
	s.pairs = v.K == 2 && u.K == 2 && v.Stride == 2 && u.Stride == 2 && v.Dil == 1 && u.Dil == 1 && v.Pad == 0 && u.Pad == 0 && 2*v.out <= v.In && 2*u.out <= u.In
	return s, nil
}

func runPool(c *kernel.Call) {
	s := c.State.(*pools)
	s.call = c
	c.Pool.Run(s.planes, s)
	s.call = nil
}

// Do implements pool.Task: one plane.
func (s *pools) Do(i, _ int) {
	in, out := s.ax[0].In*s.ax[1].In, s.ax[0].out*s.ax[1].out
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

func (s *pools) max(dx, dy, x []float32) {
	v, u := &s.ax[0], &s.ax[1]
	for oy := range v.out {
		y0, y1 := v.Taps(oy)
		for ox := range u.out {
			x0, x1 := u.Taps(ox)
			best, arg := float32(math.Inf(-1)), -1
			for ky := y0; ky < y1; ky++ {
				row := (oy*v.Stride - v.Pad + ky*v.Dil) * u.In
				for kx := x0; kx < x1; kx++ {
					at := row + ox*u.Stride - u.Pad + kx*u.Dil
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
	w, ow := s.ax[1].In, s.ax[1].out
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
		y0, y1 := v.Taps(oy)
		ny := s.share(v, oy, y0, y1)
		for ox := range u.out {
			x0, x1 := u.Taps(ox)
			g := dy[oy*u.out+ox] / float32(ny*s.share(u, ox, x0, x1))
			for ky := y0; ky < y1; ky++ {
				row := (oy*v.Stride - v.Pad + ky*v.Dil) * u.In
				for kx := x0; kx < x1; kx++ {
					dx[row+ox*u.Stride-u.Pad+kx*u.Dil] += g
				}
			}
		}
	}
}

// share is how many taps of output position o count in a mean, lo to hi being
// those that lie inside.
func (s *pools) share(a *axis, o, lo, hi int) int {
	if !s.padded {
		return hi - lo
	}
	return a.Share(o, true)
}
