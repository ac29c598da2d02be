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
	planes int
	ax     [2]kernel.Window
	out    [2]int
}

// newWindow reads the attributes of MaxPool or AveragePool and checks the
// extents of the result.
func newWindow(a attr.Map, x, y []int) (w window, err error) {
	if len(x) != 3 && len(x) != 4 || len(y) != len(x) {
		return w, diag.New(diag.Unsupported, "pool of rank %d (supported: 3 and 4)", len(x))
	}
	n := len(x) - 2 // spatial axes, the last n of the two
	w.planes = x[0] * x[1]
	w.ax[0], w.out[0] = kernel.Window{In: 1, K: 1, Stride: 1, Dil: 1}, 1
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
		w.ax[j], w.out[j] = v, y[2+i]
		if have := v.In + v.Pad + v.PadEnd; have < v.Span() && !kernel.SamePads(a.Str("auto_pad")) {
			return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("padded input on spatial axis %d", i), Have: fmt.Sprint(have), Want: fmt.Sprintf("at least the window's %d", v.Span())}
		}
		want := v.PoolOut(a)
		if y[2+i] != want {
			return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("pool output, spatial axis %d", i), Have: fmt.Sprint(y[2+i]), Want: fmt.Sprint(want)}
		}
	}
	if y[0] != x[0] || y[1] != x[1] {
		return w, &diag.Error{Kind: diag.Shape, Port: "pool output", Have: fmt.Sprint(y), Want: fmt.Sprint(x[:2])}
	}
	return w, nil
}

// width is the length of a padded row that all windows of a row of results
// meet.
func (w *window) width() int { return (w.out[1]-1)*w.ax[1].Stride + w.ax[1].Span() }
