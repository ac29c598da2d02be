package pooling

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// window is the geometry of a pool, axis 0 for y and 1 for x. An image of rank
// 3 has one row.
type window struct {
	planes                  int
	in, out, k, stride, dil [2]int
	pad, padEnd             [2]int
}

// newWindow reads the attributes of MaxPool or AveragePool and checks the
// extents of the result.
func newWindow(a attr.Map, x, y []int) (w window, err error) {
	if len(x) != 3 && len(x) != 4 || len(y) != len(x) {
		return w, diag.New(diag.Unsupported, "pool of rank %d (supported: 3 and 4)", len(x))
	}
	n := len(x) - 2 // spatial axes, the last n of the two
	w.planes = x[0] * x[1]
	w.in[0], w.out[0], w.k[0], w.stride[0], w.dil[0] = 1, 1, 1, 1, 1
	for i := range n {
		j := 2 - n + i
		k := int64(0)
		if ks := a.Ints("kernel_shape"); i < len(ks) {
			k = ks[i]
		}
		v, err := kernel.WindowOf(a, i, n, x[2+i], k)
		if err != nil {
			return w, err
		}
		w.in[j], w.out[j], w.k[j], w.stride[j], w.dil[j], w.pad[j], w.padEnd[j] = v.In, y[2+i], v.K, v.Stride, v.Dil, v.Pad, v.PadEnd
		if have := v.In + v.Pad + v.PadEnd; have < v.Span() && !kernel.SamePads(a.Str("auto_pad")) {
			return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("padded input on spatial axis %d", i), Have: fmt.Sprint(have), Want: fmt.Sprintf("at least the window's %d", v.Span())}
		}
		want := extent(a, &v)
		if y[2+i] != want {
			return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("pool output, spatial axis %d", i), Have: fmt.Sprint(y[2+i]), Want: fmt.Sprint(want)}
		}
	}
	if y[0] != x[0] || y[1] != x[1] {
		return w, &diag.Error{Kind: diag.Shape, Port: "pool output", Have: fmt.Sprint(y), Want: fmt.Sprint(x[:2])}
	}
	return w, nil
}

// extent is the extent of the result along an axis. With ceil_mode the last
// window may overhang, but starts before the end padding.
func extent(a attr.Map, v *kernel.Window) int {
	if !a.Bool("ceil_mode") || kernel.SamePads(a.Str("auto_pad")) {
		return v.Out()
	}
	room := v.In + v.Pad + v.PadEnd - v.Span()
	return min(room+v.Stride-1, v.In+v.Pad-1)/v.Stride + 1
}

// taps is the range of taps of output position o on axis j that lie inside.
func (w *window) taps(j, o int) (lo, hi int) {
	org := o*w.stride[j] - w.pad[j]
	lo = min(w.k[j], max(0, (-org+w.dil[j]-1)/w.dil[j]))
	hi = 0
	if left := w.in[j] - org; left > 0 {
		hi = min(w.k[j], (left+w.dil[j]-1)/w.dil[j])
	}
	return lo, max(lo, hi)
}

// share is how many taps of output position o on axis j count in a mean.
func (w *window) share(j, o int, padded bool) int {
	if !padded {
		lo, hi := w.taps(j, o)
		return hi - lo
	}
	// Taps up to the end padding; an overhang beyond it does not count.
	left := w.in[j] + w.padEnd[j] - (o*w.stride[j] - w.pad[j])
	return min(w.k[j], (left+w.dil[j]-1)/w.dil[j])
}

// width is the length of a padded row that all windows of a row of results
// meet.
func (w *window) width() int { return (w.out[1]-1)*w.stride[1] + (w.k[1]-1)*w.dil[1] + 1 }
