package kernel

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
)

// maxWindow bounds strides, dilations, kernels and pads, so that positions
// computed from them cannot leave an int: a plan may come from a hostile file.
const maxWindow = 1 << 20

// Window is one spatial axis of a convolution or pool.
type Window struct {
	In, K, Stride, Dil int
	Pad, PadEnd        int
}

// WindowOf reads strides, dilations, pads and auto_pad for spatial axis i of
// rank of them, whose input extent is in and whose kernel is k. Error: what
// ONNX does not allow, or numbers beyond any use.
func WindowOf(a attr.Map, i, rank, in int, k int64) (w Window, err error) {
	at := func(name string, i int, missing int64) int64 {
		if v := a.Ints(name); i < len(v) {
			return v[i]
		}
		return missing
	}
	s, d := at("strides", i, 1), at("dilations", i, 1)
	p, q := at("pads", i, 0), at("pads", rank+i, 0)
	mode := a.Str("auto_pad")
	if mode == "VALID" {
		p, q = 0, 0
	}
	if in < 0 || in > math.MaxInt>>2 || min(k, s, d) < 1 || min(p, q) < 0 || max(k, s, d, p, q) > maxWindow || (k-1)*d > 1<<30 {
		return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("window on spatial axis %d", i),
			Have: fmt.Sprintf("kernel %d, stride %d, dilation %d, pads %d and %d", k, s, d, p, q), Want: fmt.Sprintf("1 to %d, pads from 0", maxWindow)}
	}
	w = Window{In: in, K: int(k), Stride: int(s), Dil: int(d), Pad: int(p), PadEnd: int(q)}
	if SamePads(mode) {
		total := max(0, ((in+w.Stride-1)/w.Stride-1)*w.Stride+w.Span()-in)
		w.Pad = total / 2
		if mode == "SAME_LOWER" {
			w.Pad = total - total/2
		}
		w.PadEnd = total - w.Pad
		if total > 2*maxWindow {
			return w, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("window on spatial axis %d", i), Have: fmt.Sprintf("%d elements of padding", total), Want: fmt.Sprintf("at most %d", 2*maxWindow)}
		}
	}
	return w, nil
}

// SamePads says whether an auto_pad pads for an output extent that depends on
// the stride alone.
func SamePads(mode string) bool { return mode == "SAME_UPPER" || mode == "SAME_LOWER" }

// Span is the extent that the dilated kernel covers.
func (w *Window) Span() int { return (w.K-1)*w.Dil + 1 }

// Out is the output extent, 0 where the padded input is too short.
func (w *Window) Out() int {
	room := w.In + w.Pad + w.PadEnd - w.Span()
	if room < 0 {
		return 0
	}
	return room/w.Stride + 1
}

// PoolOut is the output extent of a pool with attributes a. With ceil_mode the
// last window may overhang, but starts before the end padding.
func (w *Window) PoolOut(a attr.Map) int {
	room := w.In + w.Pad + w.PadEnd - w.Span()
	if room < 0 || !a.Bool("ceil_mode") || SamePads(a.Str("auto_pad")) {
		return w.Out()
	}
	return min(room+w.Stride-1, w.In+w.Pad-1)/w.Stride + 1
}

// Taps is the range of taps of output position o that lie inside the input.
func (w *Window) Taps(o int) (lo, hi int) {
	at := o*w.Stride - w.Pad
	lo = min(w.K, max(0, (-at+w.Dil-1)/w.Dil))
	if left := w.In - at; left > 0 {
		hi = min(w.K, (left+w.Dil-1)/w.Dil)
	}
	return lo, max(lo, hi)
}

// Share is how many taps of output position o count in a mean: those inside
// or, padded, up to the end padding; an overhang beyond it does not.
func (w *Window) Share(o int, padded bool) int {
	if !padded {
		lo, hi := w.Taps(o)
		return hi - lo
	}
	left := w.In + w.PadEnd - (o*w.Stride - w.Pad)
	return min(w.K, (left+w.Dil-1)/w.Dil)
}
