package conv

import (
	"fmt"
	"math"
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

// geometryOf reads the attributes of an ONNX Conv or ConvTranspose, of which
// kernel_shape must be given, and checks them against the extents of In[0] and
// Out[0].
func geometryOf(c *kernel.Call, transposed bool) (g geometry, err error) {
	return geometryIn(c, transposed, []dtype.DType{dtype.F32}, dtype.F32)
}

// geometryIn is geometryOf for inputs and outputs of the given types.
func geometryIn(c *kernel.Call, transposed bool, in []dtype.DType, out ...dtype.DType) (g geometry, err error) {
	if len(c.In) < 1 || len(c.Out) != 1 {
		return g, diag.New(diag.Internal, "convolution with %d inputs and %d outputs", len(c.In), len(c.Out))
	}
	x, y, kd := &c.In[0].Tensor, &c.Out[0].Tensor, c.Attrs.Ints("kernel_shape")
	rank := len(kd)
	if x.Rank() != rank+2 || y.Rank() != rank+2 || rank < 1 || rank > 2 || !slices.Contains(in, x.DType()) || !slices.Contains(out, y.DType()) {
		return g, diag.New(diag.Internal, "convolution of %v to %v with a kernel of %v", x.Type(), y.Type(), kd)
	}
	ax := [2]kernel.Window{{In: 1, K: 1, Stride: 1, Dil: 1}}
	for i := range rank {
		w, err := kernel.WindowOf(c.Attrs, i, rank, x.Dim(2+i), kd[i])
		if err != nil {
			return g, err
		}
		out := w.Out()
		if transposed {
			if out, err = placeTransposed(&w, c.Attrs, i); err != nil {
				return g, err
			}
		}
		if have := y.Dim(2 + i); have != out {
			return g, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("output on spatial axis %d", i), Have: fmt.Sprint(have), Want: fmt.Sprint(out)}
		}
		ax[2-rank+i] = w
	}
	v, u := ax[0], ax[1]
	g = geometry{n: x.Dim(0), c: x.Dim(1), h: v.In, w: u.In, m: y.Dim(1), oh: 1, ow: y.Dim(rank + 1), kh: v.K, kw: u.K,
		sh: v.Stride, sw: u.Stride, dh: v.Dil, dw: u.Dil, pt: v.Pad, pl: u.Pad, group: max(1, c.Attrs.Int("group"))}
	if rank == 2 {
		g.oh = y.Dim(2)
	}
	if g.n != y.Dim(0) || g.c%g.group != 0 || g.m%g.group != 0 {
		return g, &diag.Error{Kind: diag.Shape, Port: "batch and channels", Have: fmt.Sprintf("%v to %v", x.Dims(), y.Dims()), Want: fmt.Sprintf("one batch, multiples of group %d", g.group)}
	}
	return g, nil
}

// placeTransposed sets the padding of spatial axis i of a ConvTranspose and
// gives the extent of its output.
func placeTransposed(w *kernel.Window, at attr.Map, i int) (out int, err error) {
	var extra, want int64
	if v := at.Ints("output_padding"); i < len(v) {
		extra = v[i]
	}
	shape := at.Ints("output_shape")
	if len(shape) > 0 {
		want = shape[min(i, len(shape)-1)]
	}
	full := int64(w.Stride)*int64(w.In-1) + extra + int64(w.Span())
	if min(extra, want) < 0 || max(extra, want, full) > math.MaxInt32 {
		return 0, &diag.Error{Kind: diag.Limit, Port: fmt.Sprintf("output on spatial axis %d", i), Have: fmt.Sprint(max(extra, want, full)), Want: "0 to 2^31-1"}
	}
	mode := at.Str("auto_pad")
	switch {
	case len(shape) > 0:
	case kernel.SamePads(mode):
		want = int64(w.In) * int64(w.Stride)
	default:
		return int(full) - w.Pad - w.PadEnd, nil
	}
	w.Pad, w.PadEnd = split(int(full-want), mode == "SAME_UPPER")
	return int(want), nil
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
