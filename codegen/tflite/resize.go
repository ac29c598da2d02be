package tflite

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/layout"
)

// emitResize writes a resize of height and width. The builtin operators derive
// the scale from the extents, and know three ways to place positions; another
// way is taken only if it reads the same elements.
func emitResize(x *exporter, n *ir.Node) error {
	if err := takes(n, opResizeBilinear); err != nil {
		return err
	}
	xd, _ := layout.Extents(n.In[0])
	yd, _ := layout.Extents(n.Out[0])
	if len(xd) != 4 || xd[0] != yd[0] || xd[1] != yd[1] {
		return errors.New("other axes than height and width of a 4-D operand are resized")
	}
	coord, mode := n.Attrs.Str("coordinate_transformation_mode"), n.Attrs.Str("mode")
	scales, err := resizeScales(n, xd, yd)
	if err != nil {
		return err
	}
	var c code
	var o options
	switch mode {
	case "linear":
		if n.Attrs.Bool("antialias") {
			return errors.New("antialias")
		}
		corners, half := false, false
		switch coord {
		case "align_corners":
			corners = true
		case "asymmetric":
		case "half_pixel":
			half = true
		case "pytorch_half_pixel":
			half = yd[2] > 1 && yd[3] > 1
			if !half {
				return errors.New("pytorch_half_pixel to extent 1")
			}
		default:
			return fmt.Errorf("coordinate_transformation_mode %s (supported: align_corners, asymmetric, half_pixel, pytorch_half_pixel)", coord)
		}
		for i, s := range scales {
			if coord != "align_corners" && math.Abs(s*float64(xd[2+i])-float64(yd[2+i])) > 1e-4 {
				return fmt.Errorf("scale %v is not that of its extents, %d to %d", s, xd[2+i], yd[2+i])
			}
		}
		c, o = opResizeBilinear, opts(15)
		o.t.flag(2, corners).flag(3, half)
	case "nearest":
		corners, half, err := nearestWay(n, xd, yd, scales)
		if err != nil {
			return err
		}
		c, o = opResizeNearest, opts(74)
		o.t.flag(0, corners).flag(1, half)
	default:
		return fmt.Errorf("mode %s (supported: linear, nearest)", mode)
	}
	return x.chain(n, func(in, out int) error {
		x.op(c, o, []int{in, x.ints("size", yd[2], yd[3])}, out)
		return nil
	})
}

// resizeScales are the factors of height and width.
func resizeScales(n *ir.Node, xd, yd []int) ([]float64, error) {
	out := []float64{float64(yd[2]) / float64(xd[2]), float64(yd[3]) / float64(xd[3])}
	v, ok, err := constFloats(n, 2)
	if err != nil {
		return nil, err
	}
	axis := func(i int) int {
		if axes := n.Attrs.Ints("axes"); len(axes) > 0 {
			return axisOf(int(axes[i]), 4)
		}
		return i
	}
	if !ok || len(v) == 0 {
		policy := n.Attrs.Str("keep_aspect_ratio_policy")
		if policy == "stretch" {
			return out, nil
		}
		// One factor for all axes, whatever the extents are rounded to.
		sizes, _, err := constInts(n, 3)
		if err != nil {
			return nil, err
		}
		fit := math.NaN()
		for i, s := range sizes {
			f := float64(s) / float64(xd[axis(i)])
			if math.IsNaN(fit) || policy == "not_larger" && f < fit || policy == "not_smaller" && f > fit {
				fit = f
			}
		}
		v = make([]float64, len(sizes))
		for i := range v {
			v[i] = fit
		}
	}
	for i, s := range v {
		if a := axis(i); a >= 2 {
			out[a-2] = s
		}
	}
	return out, nil
}

// nearestWay finds the placement that reads the elements that n reads.
func nearestWay(n *ir.Node, xd, yd []int, scales []float64) (corners, half bool, err error) {
	coord, round := n.Attrs.Str("coordinate_transformation_mode"), n.Attrs.Str("nearest_mode")
	if coord == "tf_crop_and_resize" || coord == "half_pixel_symmetric" {
		return false, false, fmt.Errorf("coordinate_transformation_mode %s", coord)
	}
	for _, way := range [][2]bool{{false, false}, {false, true}, {true, false}} {
		same := true
		for i := range 2 {
			in, out := xd[2+i], yd[2+i]
			same = same && slices.Equal(onnxNearest(coord, round, in, out, scales[i]), builtinNearest(way[0], way[1], in, out))
		}
		if same {
			return way[0], way[1], nil
		}
	}
	return false, false, fmt.Errorf("%s with nearest_mode %s reads other elements than any placement of the builtin", coord, round)
}

func onnxNearest(coord, round string, in, out int, scale float64) []int {
	idx := make([]int, out)
	for o := range out {
		p := (float64(o)+0.5)/scale - 0.5
		switch coord {
		case "asymmetric":
			p = float64(o) / scale
		case "align_corners":
			p = 0
			if out > 1 {
				p = float64(o) * float64(in-1) / float64(out-1)
			}
		case "pytorch_half_pixel":
			if out <= 1 {
				p = 0
			}
		}
		switch round {
		case "floor":
			p = math.Floor(p)
		case "ceil":
			p = math.Ceil(p)
		case "round_prefer_ceil":
			p = math.Floor(p + 0.5)
		default:
			p = math.Ceil(p - 0.5)
		}
		idx[o] = min(max(int(p), 0), in-1)
	}
	return idx
}

func builtinNearest(corners, half bool, in, out int) []int {
	scale := float32(in) / float32(out)
	if corners && out > 1 {
		scale = float32(in-1) / float32(out-1)
	}
	idx := make([]int, out)
	for o := range out {
		p := float32(o)
		if half {
			p += 0.5
		}
		p *= scale
		if corners {
			p = float32(math.Round(float64(p)))
		}
		idx[o] = max(0, min(int(math.Floor(float64(p))), in-1))
	}
	return idx
}
