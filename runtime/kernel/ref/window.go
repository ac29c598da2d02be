package ref

import (
	"strconv"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// maxSpatial bounds the axes over which a window slides.
const maxSpatial = maxRank - 2

// maxExtent bounds dilated kernels and padded extents, so that positions fit
// an int everywhere.
const maxExtent = 1 << 30

// spatial holds one number per spatial axis.
type spatial [maxSpatial]int

// window is the geometry of a sliding window: output position o meets input
// position o*stride + k*dil - pad under tap k, on every axis.
type window struct {
	n                              int // spatial axes
	in, out, k, stride, dil        spatial
	pad, padEnd                    spatial
	transposed                     bool // in and out change places: o*stride + k*dil - pad is a position of out
	inSize, outSize, taps, lastOut int
}

// badShape is a fault that only the run can see.
func badShape(port, have, want string) error {
	return &diag.Error{Kind: diag.Shape, Port: port, Have: have, Want: want}
}

// badExtent is badShape for numbers.
func badExtent(port string, have, want int) error {
	return badShape(port, strconv.Itoa(have), strconv.Itoa(want))
}

// set fills what the attributes and the extents say, all but pads and out.
func (w *window) set(a attr.Map, in, k []int) error {
	w.n = len(in)
	if w.n < 1 || w.n > maxSpatial {
		return badShape("spatial axes", strconv.Itoa(w.n), "1.."+strconv.Itoa(maxSpatial))
	}
	if len(k) != w.n {
		return badExtent("kernel axes", len(k), w.n)
	}
	for i := range w.n {
		w.in[i], w.k[i] = in[i], k[i]
		if k[i] < 1 {
			return badExtent("kernel on spatial axis "+strconv.Itoa(i), k[i], 1)
		}
		w.stride[i], w.dil[i] = listed(a.Ints("strides"), i, 1), listed(a.Ints("dilations"), i, 1)
		if int64(w.dil[i])*int64(w.k[i]) > maxExtent || int64(w.in[i]) > maxExtent {
			return &diag.Error{Kind: diag.Limit, Port: "window", Have: strconv.Itoa(w.k[i]), Want: "dilated extents up to 2^30"}
		}
		w.pad[i], w.padEnd[i] = listed(a.Ints("pads"), i, 0), listed(a.Ints("pads"), w.n+i, 0)
	}
	return nil
}

// listed is element i of an optional list.
func listed(v []int64, i, missing int) int {
	if i < len(v) {
		return int(v[i])
	}
	return missing
}

// span is the extent of the dilated kernel.
func (w *window) span(i int) int { return w.dil[i]*(w.k[i]-1) + 1 }

// place computes out, and pads where auto_pad asks for them: for Conv and the
// pools.
func (w *window) place(a attr.Map) error {
	ceil := a.Bool("ceil_mode")
	mode := a.Str("auto_pad")
	for i := range w.n {
		if mode == "SAME_UPPER" || mode == "SAME_LOWER" {
			w.out[i] = (w.in[i] + w.stride[i] - 1) / w.stride[i]
			total := max(0, (w.out[i]-1)*w.stride[i]+w.span(i)-w.in[i])
			w.pad[i], w.padEnd[i] = splitPad(total, mode == "SAME_UPPER")
			continue
		}
		if mode == "VALID" {
			w.pad[i], w.padEnd[i] = 0, 0
		}
		room := w.in[i] + w.pad[i] + w.padEnd[i] - w.span(i)
		if room < 0 {
			return badShape("padded input on spatial axis "+strconv.Itoa(i), strconv.Itoa(room+w.span(i)), "at least the window's "+strconv.Itoa(w.span(i)))
		}
		if ceil {
			// The last window may overhang, but must start before the end padding.
			room = min(room+w.stride[i]-1, w.in[i]+w.pad[i]-1)
		}
		w.out[i] = room/w.stride[i] + 1
	}
	w.sizes()
	return nil
}

// splitPad halves a padding; the odd element goes to the end (upper) or to the
// beginning.
func splitPad(total int, upper bool) (begin, end int) {
	if upper {
		return total / 2, total - total/2
	}
	return total - total/2, total / 2
}

// placeTransposed is place for ConvTranspose.
func (w *window) placeTransposed(a attr.Map) error {
	w.transposed = true
	mode, given := a.Str("auto_pad"), a.Ints("output_shape")
	for i := range w.n {
		op := listed(a.Ints("output_padding"), i, 0)
		if int64(w.stride[i])*int64(w.in[i]) > maxExtent {
			return &diag.Error{Kind: diag.Limit, Port: "output", Have: strconv.Itoa(w.in[i]), Want: "extents up to 2^30"}
		}
		full := w.stride[i]*(w.in[i]-1) + op + w.span(i)
		same := mode == "SAME_UPPER" || mode == "SAME_LOWER"
		switch {
		case len(given) > 0:
			w.out[i] = listed(given, i, 0)
			if w.out[i] >= full+w.stride[i] {
				return badShape("output_shape", strconv.Itoa(w.out[i]), "at most "+strconv.Itoa(full+w.stride[i]-1))
			}
		case same:
			w.out[i] = w.in[i] * w.stride[i]
		case mode == "VALID":
			w.pad[i], w.padEnd[i] = 0, 0
		}
		if len(given) > 0 || same {
			w.pad[i], w.padEnd[i] = splitPad(max(0, full-w.out[i]), mode == "SAME_UPPER")
		} else {
			w.out[i] = full - w.pad[i] - w.padEnd[i]
		}
		if w.out[i] < 0 {
			return badShape("output on spatial axis "+strconv.Itoa(i), strconv.Itoa(w.out[i]), "0 or more")
		}
	}
	w.sizes()
	return nil
}

func (w *window) sizes() {
	w.inSize, w.outSize, w.taps = 1, 1, 1
	for i := range w.n {
		w.inSize *= w.in[i]
		w.outSize *= w.out[i]
		w.taps *= w.k[i]
	}
	w.lastOut = w.out[w.n-1]
}

// next steps c through the row-major positions of the box to; it wraps to
// zeros after the last.
func (c *spatial) next(to *spatial, n int) {
	for a := n - 1; a >= 0; a-- {
		if c[a]++; c[a] < to[a] {
			return
		}
		c[a] = 0
	}
}

// at sets c to the row-major position p of the box.
func (c *spatial) at(p int, box *spatial, n int) {
	for a := n - 1; a >= 0; a-- {
		c[a] = p % box[a]
		p /= box[a]
	}
}

// meets is the input position that output position o meets on axis i under
// tap k; false outside the input.
func (w *window) meets(i, o, k int) (int, bool) {
	var x int
	if w.transposed {
		x = o + w.pad[i] - k*w.dil[i]
		if x < 0 || x%w.stride[i] != 0 {
			return 0, false
		}
		x /= w.stride[i]
	} else {
		x = o*w.stride[i] + k*w.dil[i] - w.pad[i]
	}
	return x, x >= 0 && x < w.in[i]
}

// reach gives the outputs of the last axis in o..o+n-1 that tap k reaches:
// count of them from first on, step apart, meeting x, x+xstep, ...
func (w *window) reach(o, n, k int) (first, step, x, xstep, count int) {
	i := w.n - 1
	s, off := w.stride[i], k*w.dil[i]-w.pad[i]
	if w.transposed {
		// o = x*s + off
		x = max(0, ceilDiv(o-off, s))
		first = x*s + off
		return first, s, x, 1, max(0, min(w.in[i]-x, ceilDiv(o+n-first, s)))
	}
	// x = o*s + off
	first = max(o, ceilDiv(-off, s))
	end := min(o+n, ceilDiv(w.in[i]-off, s))
	return first, 1, first*s + off, s, max(0, end-first)
}

// ceilDiv is ceil(a/b) for positive b.
func ceilDiv(a, b int) int {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

// load widens n elements of t, step apart from offset off, to dst.
func load(dst []float64, t *tensor.Tensor, off, step, n int) {
	switch t.DType() {
	case dtype.F32:
		v := tensor.Slice[float32](t)[off:]
		if step == 1 {
			for i, f := range v[:n] {
				dst[i] = float64(f)
			}
			return
		}
		for i := range dst[:n] {
			dst[i] = float64(v[i*step])
		}
	case dtype.F64:
		v := tensor.Slice[float64](t)[off:]
		for i := range dst[:n] {
			dst[i] = v[i*step]
		}
	case dtype.F16:
		v := tensor.Slice[uint16](t)[off:]
		for i := range dst[:n] {
			dst[i] = float64(dtype.F16ToF32(v[i*step]))
		}
	default:
		for i := range dst[:n] {
			dst[i] = t.Float(off + i*step)
		}
	}
}

// store rounds the elements of src to t from offset off on.
func store(t *tensor.Tensor, off int, src []float64) {
	if t.DType() == dtype.F32 {
		v := tensor.Slice[float32](t)[off:]
		for i, f := range src {
			v[i] = float32(f)
		}
		return
	}
	for i, f := range src {
		t.SetFloat(off+i, f)
	}
}
