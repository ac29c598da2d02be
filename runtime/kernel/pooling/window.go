package pooling

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
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
		list := func(name string, i, missing int) int {
			if v := a.Ints(name); i < len(v) {
				return int(v[i])
			}
			return missing
		}
		w.in[j], w.out[j] = x[2+i], y[2+i]
		w.k[j], w.stride[j], w.dil[j] = list("kernel_shape", i, 0), list("strides", i, 1), list("dilations", i, 1)
		w.pad[j], w.padEnd[j] = list("pads", i, 0), list("pads", n+i, 0)
		if w.k[j] < 1 || w.stride[j] < 1 || w.dil[j] < 1 || w.pad[j] < 0 || w.padEnd[j] < 0 {
			return w, diag.New(diag.Shape, "pool: kernel %v, strides %v, dilations %v, pads %v", w.k, w.stride, w.dil, w.pad)
		}
		want := w.place(a, j)
		if have, span := w.in[j]+w.pad[j]+w.padEnd[j], (w.k[j]-1)*w.dil[j]+1; have < span && !samePads(a) {
			return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("padded input on spatial axis %d", i), Have: fmt.Sprint(have), Want: fmt.Sprintf("at least the window's %d", span)}
		}
		if y[2+i] != want {
			return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("pool output, spatial axis %d", i), Have: fmt.Sprint(y[2+i]), Want: fmt.Sprint(want)}
		}
	}
	if y[0] != x[0] || y[1] != x[1] {
		return w, &diag.Error{Kind: diag.Shape, Port: "pool output", Have: fmt.Sprint(y), Want: fmt.Sprint(x[:2])}
	}
	return w, nil
}

// samePads says whether auto_pad pads for an extent that depends on the strides alone.
func samePads(a attr.Map) bool {
	mode := a.Str("auto_pad")
	return mode == "SAME_UPPER" || mode == "SAME_LOWER"
}

// place decides the pads of axis j where auto_pad does, and gives the extent
// of the result.
func (w *window) place(a attr.Map, j int) int {
	span := (w.k[j]-1)*w.dil[j] + 1
	switch mode := a.Str("auto_pad"); {
	case samePads(a):
		out := (w.in[j] + w.stride[j] - 1) / w.stride[j]
		total := max(0, (out-1)*w.stride[j]+span-w.in[j])
		w.pad[j] = total / 2
		if mode == "SAME_LOWER" {
			w.pad[j] = total - total/2
		}
		w.padEnd[j] = total - w.pad[j]
		return out
	case mode == "VALID":
		w.pad[j], w.padEnd[j] = 0, 0
	}
	room := w.in[j] + w.pad[j] + w.padEnd[j] - span
	if room < 0 {
		return 0
	}
	if a.Bool("ceil_mode") { // the last window may overhang, but starts before the end padding
		room = min(room+w.stride[j]-1, w.in[j]+w.pad[j]-1)
	}
	return room/w.stride[j] + 1
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
