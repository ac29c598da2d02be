package conv

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// geometry is a two-dimensional convolution with known extents; one spatial
// axis is a height of 1. For a transposed one, output position
// x*stride + tap*dilation - padding takes in input position x.
type geometry struct {
	n, c, h, w int // input
	m, oh, ow  int // output
	kh, kw     int
	sh, sw     int
	dh, dw     int
	pt, pl     int // padding at the top and the left
	group      int
}

func (g *geometry) taps() int { return g.kh * g.kw }

// axis is one spatial axis: input, output, kernel, stride, dilation, padding at
// the beginning.
type axis struct{ in, out, k, s, d, p int }

// geometryOf reads the attributes of an ONNX Conv or ConvTranspose, of which
// kernel_shape must be given, and checks them against the extents of In[0] and
// Out[0].
func geometryOf(c *kernel.Call, transposed bool) (g geometry, err error) {
	return geometryIn(c, transposed, dtype.F32)
}

// geometryIn is geometryOf for elements of the given types.
func geometryIn(c *kernel.Call, transposed bool, types ...dtype.DType) (g geometry, err error) {
	x, y, kd := &c.In[0].Tensor, &c.Out[0].Tensor, c.Attrs.Ints("kernel_shape")
	rank := len(kd)
	if x.Rank() != rank+2 || y.Rank() != rank+2 || rank < 1 || rank > 2 || !slices.Contains(types, x.DType()) || !slices.Contains(types, y.DType()) {
		return g, diag.New(diag.Internal, "convolution of %v to %v with a kernel of %v", x.Type(), y.Type(), kd)
	}
	ax := [2]axis{{1, 1, 1, 1, 1, 0}, {}}
	for i := range rank {
		a := axis{in: x.Dim(2 + i), out: y.Dim(2 + i), k: int(kd[i]), s: listed(c.Attrs, "strides", i, 1), d: listed(c.Attrs, "dilations", i, 1)}
		if transposed {
			err = a.placeTransposed(c.Attrs, i, rank)
		} else {
			err = a.place(c.Attrs, i, rank)
		}
		if err != nil {
			return g, err
		}
		ax[2-rank+i] = a
	}
	v, u := ax[0], ax[1]
	g = geometry{n: x.Dim(0), c: x.Dim(1), h: v.in, w: u.in, m: y.Dim(1), oh: v.out, ow: u.out, kh: v.k, kw: u.k,
		sh: v.s, sw: u.s, dh: v.d, dw: u.d, pt: v.p, pl: u.p, group: max(1, c.Attrs.Int("group"))}
	if g.n != y.Dim(0) || g.c%g.group != 0 || g.m%g.group != 0 {
		return g, &diag.Error{Kind: diag.Shape, Port: "batch and channels", Have: fmt.Sprintf("%v to %v", x.Dims(), y.Dims()), Want: fmt.Sprintf("one batch, multiples of group %d", g.group)}
	}
	return g, nil
}

// listed is element i of an attribute, def where it is missing.
func listed(a attr.Map, name string, i, def int) int {
	if v := a.Ints(name); i < len(v) {
		return int(v[i])
	}
	return def
}

// place finds the padding of axis i and checks the output extent.
func (a *axis) place(at attr.Map, i, rank int) error {
	span := (a.k-1)*a.d + 1
	begin, end := listed(at, "pads", i, 0), listed(at, "pads", rank+i, 0)
	switch mode := at.Str("auto_pad"); mode {
	case "VALID":
		begin, end = 0, 0
	case "SAME_UPPER", "SAME_LOWER":
		begin, end = split((a.in+a.s-1)/a.s*a.s-a.s+span-a.in, mode == "SAME_UPPER")
	}
	a.p = begin
	want := 0
	if room := a.in + begin + end - span; room >= 0 {
		want = room/a.s + 1
	}
	if a.out != want {
		return &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("output on spatial axis %d", i), Have: fmt.Sprint(a.out), Want: fmt.Sprint(want)}
	}
	return nil
}

// placeTransposed is place for ConvTranspose.
func (a *axis) placeTransposed(at attr.Map, i, rank int) error {
	full := a.s*(a.in-1) + listed(at, "output_padding", i, 0) + (a.k-1)*a.d + 1
	begin, end := listed(at, "pads", i, 0), listed(at, "pads", rank+i, 0)
	want := a.out
	switch mode := at.Str("auto_pad"); {
	case len(at.Ints("output_shape")) > 0:
		want = listed(at, "output_shape", i, 0)
		begin, end = split(full-want, mode == "SAME_UPPER")
	case mode == "SAME_UPPER" || mode == "SAME_LOWER":
		want = a.in * a.s
		begin, end = split(full-want, mode == "SAME_UPPER")
	case mode == "VALID":
		begin, end = 0, 0
		want = full
	default:
		want = full - begin - end
	}
	a.p = begin
	if a.out != want {
		return &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("output on spatial axis %d", i), Have: fmt.Sprint(a.out), Want: fmt.Sprint(want)}
	}
	return nil
}

// split halves a padding; the odd element goes to the end (upper) or to the
// beginning.
func split(total int, upper bool) (begin, end int) {
	total = max(0, total)
	if upper {
		return total / 2, total - total/2
	}
	return total - total/2, total / 2
}

func data(v *tensor.Value) []float32 { return tensor.Slice[float32](&v.Tensor) }
