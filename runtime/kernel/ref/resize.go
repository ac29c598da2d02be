package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Resize samples its input on another grid: nearest, linear or cubic, axis by
// axis. Inputs: X, roi, scales, sizes; one of scales and sizes is given (an
// empty tensor counts as absent). Coordinates are computed in float32, as
// peers do: the rounding of a quotient like 1.5/0.6 decides which element is
// nearest.
func Resize(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	if err := rankFits(x.Rank()); err != nil {
		return err
	}
	r := newResizer(a)
	if err := r.axes(x.Dims(), in, a); err != nil {
		return err
	}
	return r.sample(c, out, x)
}

// ResizeDesc describes Resize.
var ResizeDesc = kernel.Desc{ID: "ref.Resize", Op: "ref.Resize", Ref: Resize}

// Upsample is the older form of Resize: x_original = x / scale, rounded down.
func Upsample(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	if err := rankFits(x.Rank()); err != nil {
		return err
	}
	if in[1].Tensor.Len() != x.Rank() {
		return diag.New(diag.Shape, "%d scales for rank %d", in[1].Tensor.Len(), x.Rank())
	}
	r := resizer{mode: a.Str("mode"), coord: "asymmetric", nearest: "floor"}
	r.identity(x.Dims())
	for k := range x.Rank() {
		if err := r.scale(k, float32(in[1].Tensor.Float(k))); err != nil {
			return err
		}
	}
	return r.sample(c, out, x)
}

// UpsampleDesc describes Upsample.
var UpsampleDesc = kernel.Desc{ID: "ref.Upsample", Op: "ref.Upsample", Ref: Upsample}

func newResizer(a attr.Map) resizer {
	return resizer{mode: a.Str("mode"), coord: a.Str("coordinate_transformation_mode"), nearest: a.Str("nearest_mode"),
		cubicA: float64(a.Float("cubic_coeff_a")), exclude: a.Bool("exclude_outside"), smooth: a.Bool("antialias"), fill: float64(a.Float("extrapolation_value"))}
}

// Tap is an element along an axis, and its weight.
type Tap struct {
	Pos    int
	Weight float64
}

// ResizeTaps are the taps that Resize makes the elements of each axis of, for
// an input of extents dims; nil for an axis that is copied as it is. ok is false
// where it does not work that way: with antialias, or where the extrapolation
// value shows. Of in, the first is not read.
func ResizeTaps(dims []int, in []tensor.Value, a attr.Map) (axes [][][]Tap, ok bool, err error) {
	r := newResizer(a)
	if err := rankFits(len(dims)); err != nil {
		return nil, false, err
	}
	if err := r.axes(dims, in, a); err != nil || r.smooth {
		return nil, false, err
	}
	axes = make([][][]Tap, len(dims))
	for k := range axes {
		g := &r.grid[k]
		for o := 0; o < g.out && !g.same; o++ {
			var t taps
			if r.at(g, o, &t); t.fill {
				return nil, false, nil
			}
			list := make([]Tap, t.n)
			for i := range list {
				list[i] = Tap{t.pos[i], t.w[i]}
			}
			axes[k] = append(axes[k], list)
		}
	}
	return axes, true, nil
}

// ResizeExtent is floor(n * scale) in float32, as exporters expect: scales are
// float32 quotients of extents, and their product must give the extent back.
func ResizeExtent(n int64, scale float32) int64 {
	p := math.Floor(float64(float32(n) * scale))
	if !(p >= 0 && p < 1<<62) {
		return -1
	}
	return int64(p)
}

// gridAxis is how one axis of the result maps to the input.
type gridAxis struct {
	in, out int
	scale   float32
	width   float32 // of the result before rounding down
	lo, hi  float32 // region of interest, normalized
	same    bool    // copied as it is
}

// taps are the positions and weights that make one coordinate.
type taps struct {
	n    int
	pos  [4]int
	w    [4]float64
	fill bool // outside: the extrapolation value
}

type resizer struct {
	mode, coord, nearest string
	cubicA, fill         float64
	exclude, smooth      bool
	rank                 int
	grid                 [maxRank]gridAxis
}

// identity sets every axis to be copied.
func (r *resizer) identity(dims []int) {
	r.rank = len(dims)
	for k, n := range dims {
		r.grid[k] = gridAxis{in: n, out: n, scale: 1, width: float32(n), hi: 1, same: true}
	}
}

// scale sets axis k by its factor.
func (r *resizer) scale(k int, s float32) error {
	g := &r.grid[k]
	n := ResizeExtent(int64(g.in), s)
	if !(s > 0) || n < 0 || n > maxElems {
		return diag.New(diag.Shape, "scale %v of axis %d", s, k)
	}
	g.out, g.scale = satInt(n), s
	g.width = s * float32(g.in)
	g.same = s == 1
	return nil
}

// axes reads roi, scales, sizes and attribute axes.
func (r *resizer) axes(dims []int, in []tensor.Value, a attr.Map) error {
	names := a.Ints("axes")
	r.identity(dims)
	n := len(dims)
	if a.Has("axes") {
		n = len(names)
	}
	axis := func(i int) (int, error) {
		if !a.Has("axes") {
			return i, nil
		}
		return normAxisIn(int(names[i]), len(dims))
	}
	byScale := present(in, 2) && in[2].Tensor.Len() > 0
	bySize := present(in, 3) && in[3].Tensor.Len() > 0
	roi := r.coord == "tf_crop_and_resize"
	switch {
	case n == 0:
		return nil
	case byScale == bySize:
		return diag.New(diag.Shape, "want one of scales and sizes")
	case byScale && in[2].Tensor.Len() != n, bySize && in[3].Tensor.Len() != n, roi && (!present(in, 1) || in[1].Tensor.Len() != 2*n):
		return diag.New(diag.Shape, "scales, sizes or roi do not fit %d axes", n)
	}
	fit := float32(math.NaN())
	policy := a.Str("keep_aspect_ratio_policy")
	for i := range n {
		k, err := axis(i)
		if err != nil {
			return err
		}
		if byScale {
			err = r.scale(k, float32(in[2].Tensor.Float(i)))
		} else {
			err = r.size(k, in[3].Tensor.Int(i))
		}
		if err != nil {
			return err
		}
		s := r.grid[k].scale
		if fit != fit || policy == "not_larger" && s < fit || policy == "not_smaller" && s > fit {
			fit = s
		}
		if roi {
			g := &r.grid[k]
			g.lo, g.hi = float32(in[1].Tensor.Float(i)), float32(in[1].Tensor.Float(n+i))
			g.same = g.same && g.lo == 0 && g.hi == 1
		}
	}
	if byScale || policy == "" || policy == "stretch" {
		return nil
	}
	for i := range n {
		k, _ := axis(i)
		g := &r.grid[k]
		g.scale, g.width = fit, fit*float32(g.in)
		g.out = int(min(float64(g.width)+0.5, float64(math.MaxInt32)))
		g.same = fit == 1 && g.lo == 0 && g.hi == 1
	}
	return nil
}

// size sets axis k by its extent in the result.
func (r *resizer) size(k int, n int64) error {
	g := &r.grid[k]
	if n < 0 || n > math.MaxInt32 || g.in == 0 && n > 0 {
		return diag.New(diag.Shape, "size %d of axis %d, whose extent is %d", n, k, g.in)
	}
	g.out, g.same = int(n), int(n) == g.in
	if g.in > 0 {
		g.scale = float32(n) / float32(g.in)
	}
	g.width = float32(n)
	return nil
}

// origin is the coordinate in the input of position o of the result.
func (r *resizer) origin(g *gridAxis, o int) float64 {
	return float64(r.origin32(g, float32(o), float32(g.in-1)))
}

// origin32 takes the position in the result and the last one of the input.
func (r *resizer) origin32(g *gridAxis, x, last float32) float32 {
	switch r.coord {
	case "asymmetric":
		return x / g.scale
	case "align_corners":
		if g.width == 1 {
			return 0
		}
		return x * last / (g.width - 1)
	case "tf_crop_and_resize":
		if g.width == 1 {
			return (g.lo + g.hi) / 2 * last
		}
		return float32(g.lo*last) + x*(g.hi-g.lo)*last/(g.width-1)
	case "pytorch_half_pixel":
		if g.out <= 1 {
			return 0
		}
	case "half_pixel_symmetric":
		return float32(float32(g.in)/2*(1-float32(g.out)/g.width)) + (x+0.5)/g.scale - 0.5
	}
	return (x+0.5)/g.scale - 0.5
}

// at gives the taps of position o along an axis. Those of weight 0 are left
// out, so that an infinity beside the grid point does not spoil it.
func (r *resizer) at(g *gridAxis, o int, t *taps) {
	if g.same {
		*t = taps{n: 1, pos: [4]int{o}, w: [4]float64{1}}
		return
	}
	x := r.origin(g, o)
	*t = taps{fill: r.coord == "tf_crop_and_resize" && !(x >= 0 && x <= float64(g.in-1))}
	x = min(max(x, -4), float64(g.in)+4) // beyond the edges everything is the edge
	if r.mode == "nearest" {
		t.add(g, int(r.round(x)), 1, false)
		return
	}
	f := math.Floor(x)
	d, i := x-f, int(f)
	if r.mode == "linear" {
		t.add(g, i, 1-d, r.exclude)
		t.add(g, i+1, d, r.exclude)
	} else {
		t.add(g, i-1, r.cubicFar(1+d), r.exclude)
		t.add(g, i, r.cubicNear(d), r.exclude)
		t.add(g, i+1, r.cubicNear(1-d), r.exclude)
		t.add(g, i+2, r.cubicFar(2-d), r.exclude)
	}
	if r.exclude {
		sum := 0.0
		for j := range t.n {
			sum += t.w[j]
		}
		for j := range t.n {
			t.w[j] /= sum
		}
	}
}

// round picks the nearest grid point.
func (r *resizer) round(x float64) float64 {
	switch r.nearest {
	case "floor":
		return math.Floor(x)
	case "ceil":
		return math.Ceil(x)
	case "round_prefer_ceil":
		return math.Floor(x + 0.5)
	}
	return math.Ceil(x - 0.5)
}

// add appends a tap; outside the axis it takes the edge, or is left out.
func (t *taps) add(g *gridAxis, i int, w float64, exclude bool) {
	if w == 0 || exclude && (i < 0 || i >= g.in) {
		return
	}
	t.pos[t.n], t.w[t.n] = min(max(i, 0), g.in-1), w
	t.n++
}

// cubicNear and cubicFar are Keys' kernel for distances 0..1 and 1..2.
func (r *resizer) cubicNear(d float64) float64 {
	a := r.cubicA
	return float64((float64((a+2)*d)-(a+3))*d*d) + 1
}

func (r *resizer) cubicFar(d float64) float64 {
	a := r.cubicA
	return float64((float64((float64(a*d)-float64(5*a))*d)+float64(8*a))*d) - float64(4*a)
}
