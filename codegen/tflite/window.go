package tflite

import (
	"errors"
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// window is a sliding window over height and width. A window over one axis is
// one of height 1.
type window struct {
	one        bool // over one axis
	in, out    [2]int
	k, s, d    [2]int
	begin, end [2]int // padding that is really read
	over       bool   // ceil_mode: windows overhang the padding asked for
}

// windowOf reads the window of n, whose spatial extents are those of x and y
// and whose taps are k.
func windowOf(n *ir.Node, x, y []int, k []int) (window, error) {
	sp := len(x) - 2
	if sp != 1 && sp != 2 {
		return window{}, fmt.Errorf("a window over %d axes has no builtin operator (supported: 1 and 2)", sp)
	}
	w := window{one: sp == 1, k: [2]int{1, 1}, s: [2]int{1, 1}, d: [2]int{1, 1}, in: [2]int{1, 1}, out: [2]int{1, 1}}
	for i := range sp {
		j := 2 - sp + i
		v, err := kernel.WindowOf(n.Attrs, i, sp, x[2+i], int64(k[i]))
		if err != nil {
			return window{}, err
		}
		w.k[j], w.s[j], w.d[j] = v.K, v.Stride, v.Dil
		w.in[j], w.out[j] = v.In, y[2+i]
		w.begin[j], w.end[j] = v.Pad, max(0, (w.out[j]-1)*v.Stride+v.Span()-v.In-v.Pad)
		w.over = w.over || w.end[j] > v.PadEnd
	}
	return w, nil
}

// padding is SAME or VALID where one of them says the window's padding.
func (w *window) padding() (pad int, ok bool) {
	if w.begin == [2]int{} && w.end == [2]int{} {
		return padValid, w.fits()
	}
	for j := range 2 {
		need := max(0, ((w.in[j]+w.s[j]-1)/w.s[j]-1)*w.s[j]+(w.k[j]-1)*w.d[j]+1-w.in[j])
		if w.out[j] != (w.in[j]+w.s[j]-1)/w.s[j] || w.begin[j] != need/2 || w.end[j] != need-need/2 {
			return 0, false
		}
	}
	return padSame, true
}

// fits says whether VALID gives as many outputs as the window has.
func (w *window) fits() bool {
	for j := range 2 {
		if w.out[j] != (w.in[j]-(w.k[j]-1)*w.d[j]-1)/w.s[j]+1 {
			return false
		}
	}
	return true
}

// square is a 4-D tensor of a window's operand: an axis of extent 1 is put in
// for height.
func (x *exporter) square(id int, w *window) int {
	if d := x.tensors[id].dims; w.one {
		return x.reshape(id, []int{d[0], 1, d[1], d[2]})
	}
	return id
}

// padded puts the window's padding into the tensor.
func (x *exporter) padded(id int, w *window, fill int) int {
	t := x.tensors[id]
	d := t.dims
	out := x.like(id, "_pad", []int{d[0], d[1] + w.begin[0] + w.end[0], d[2] + w.begin[1] + w.end[1], d[3]})
	x.padOp(id, out, []int{0, 0, w.begin[0], w.end[0], w.begin[1], w.end[1], 0, 0}, fill)
	w.in[0] += w.begin[0] + w.end[0]
	w.in[1] += w.begin[1] + w.end[1]
	w.begin, w.end = [2]int{}, [2]int{}
	return out
}

// zeroFill is the filling of PAD: 0, or what means that.
const zeroFill = -1

// padOp writes PAD, or PADV2 with the filling of tensor fill.
func (x *exporter) padOp(in, out int, pads []int, fill int) {
	table := x.int32s("paddings", []int{len(pads) / 2, 2}, pads...)
	if fill == zeroFill {
		x.op(opPad, opts(22), []int{in, table}, out)
		return
	}
	x.op(opPadV2, opts(43), []int{in, table, fill}, out)
}

// lowest is a filling that no maximum takes.
func (x *exporter) lowest(id int) int {
	t := x.tensors[id]
	v := math.Inf(-1)
	switch {
	case t.dt.IsUnsigned():
		return zeroFill
	case !t.dt.IsFloat():
		v = -math.Ldexp(1, 8*t.dt.Size()-1)
	}
	if t.q == nil {
		return x.numbers("fill", t.dt, []int{1}, v)
	}
	fill := x.tensor("fill", t.dt, []int{1})
	x.tensors[fill].buffer, x.tensors[fill].q = x.buffer([]byte{0x80}), t.q
	return fill
}

// windowOut makes the 4-D result of a window and gives what to do when it is
// written: for one spatial axis, the height is taken out again.
func (x *exporter) windowOut(v *ir.Value, o layout.Order, w *window) (id int, close func(), err error) {
	out, arrange, err := x.defineAs(v, o)
	if err != nil || !w.one {
		return out, arrange, err
	}
	d := x.tensors[out].dims
	sq := x.like(out, "_2d", []int{d[0], 1, d[1], d[2]})
	return sq, func() {
		x.op(opReshape, reshapeOptions(d), []int{sq, x.ints("shape", d...)}, out)
		x.source[out] = sq
		arrange()
	}, nil
}

func weightsOf(n *ir.Node, i int) (tensor.Tensor, error) {
	c := known(n.In[i])
	if c == nil {
		return tensor.Tensor{}, errors.New("weights that are computed at run time")
	}
	return c.Tensor()
}

// conv is a convolution about to be written.
type conv struct {
	in, bias int
	weights  tensor.Tensor
	scale    []float32 // of int8 weights
	out      *ir.Value
	act      int
	eight    bool
}

func emitConv(x *exporter, n *ir.Node) error {
	if err := takes(n, opConv); err != nil {
		return err
	}
	c, err := x.conv8(n)
	if err != nil {
		return err
	}
	if c == nil {
		if c, err = x.conv32(n); err != nil {
			return err
		}
	}
	xd, _ := layout.Extents(n.In[0])
	yd, _ := layout.Extents(n.Out[0])
	wd := c.weights.Dims()
	w, err := windowOf(n, xd, yd, wd[2:])
	if err != nil {
		return err
	}
	id := x.square(c.in, &w)
	pad, ok := w.padding()
	if !ok {
		id, pad = x.padded(id, &w, zeroFill), padValid
	}
	out, close, err := x.windowOut(c.out, x.a.Out(n.Out[0]), &w)
	if err != nil {
		return err
	}
	if w.one {
		wd = []int{wd[0], wd[1], 1, wd[2]}
	}
	flat, err := c.weights.View(wd...)
	if err != nil {
		return err
	}
	if g := n.Attrs.Int("group"); g > 1 && g == xd[1] {
		f, err := x.filter(n.In[1].Name, flat, c.scale, layout.Order{Perm: []int{1, 2, 3, 0}}, 3)
		if err != nil {
			return err
		}
		x.op(opDepthwiseConv, depthwiseOptions(pad, w.s[0], w.s[1], w.d[0], w.d[1], wd[0]/g, c.act), []int{id, f, c.bias}, out)
	} else {
		f, err := x.filter(n.In[1].Name, flat, c.scale, layout.Order{Perm: []int{0, 2, 3, 1}}, 0)
		if err != nil {
			return err
		}
		x.op(opConv, convOptions(pad, w.s[0], w.s[1], w.d[0], w.d[1], c.act), []int{id, f, c.bias}, out)
	}
	close()
	return nil
}

// filter is a weight tensor, stored as o says, whose scales, if it has some,
// lie along stored axis axis.
func (x *exporter) filter(name string, t tensor.Tensor, scale []float32, o layout.Order, axis int) (int, error) {
	if scale != nil {
		return x.bytes8(name, t, &quant{scale: scale, zero: make([]int64, len(scale)), axis: axis}, o)
	}
	b, err := rearrange(t, o)
	if err != nil {
		return 0, err
	}
	return x.constant(name, t.DType(), o.Dims(t.Dims()), b), nil
}

func (x *exporter) conv32(n *ir.Node) (*conv, error) {
	c := &conv{}
	var err error
	if c.weights, err = weightsOf(n, 1); err != nil {
		return nil, err
	}
	if c.in, err = x.in(n, 0); err != nil {
		return nil, err
	}
	if c.bias, err = x.bias(n, 2, c.weights.Dim(0)); err != nil {
		return nil, err
	}
	c.out, c.act = x.absorb(n.Out[0])
	return c, nil
}

// conv8 is the convolution in int8, nil if it is not one of those.
func (x *exporter) conv8(n *ir.Node) (*conv, error) {
	w, scale, ok := weights8(n.In[1], 0)
	if !ok {
		return nil, nil
	}
	q, p := x.bytesOf(n.In[0]), x.plan8(n, 0)
	if q == nil || p == nil {
		return nil, nil
	}
	var b *ir.Value
	if len(n.In) > 2 {
		b = n.In[2]
	}
	if len(scale) == 1 { // one for each channel, which every kernel takes
		for range w.Dim(0) - 1 {
			scale = append(scale, scale[0])
		}
	}
	scale = settled(q.scale[0], scale, x.q8[p.out].scale[0])
	bias, ok := x.bias8(b, w.Dim(0), q.scale[0], scale)
	if !ok {
		return nil, nil
	}
	e, err := x.inEight(n, 0)
	if e == nil || err != nil {
		return nil, err
	}
	return &conv{in: e.in[0], bias: bias, weights: w, scale: scale, out: e.out, act: e.act, eight: true}, nil
}

// bias is input i as a vector of m, zeros if it is absent.
func (x *exporter) bias(n *ir.Node, i, m int) (int, error) {
	if i >= len(n.In) || n.In[i] == nil {
		return x.constant("zeros", dtype.F32, []int{m}, make([]byte, 4*m)), nil
	}
	c := known(n.In[i])
	if c == nil {
		return 0, errors.New("a bias that is computed at run time")
	}
	return x.payload(n.In[i], c, layout.Plain())
}

func emitConvTranspose(x *exporter, n *ir.Node) error {
	if err := takes(n, opTransposeConv); err != nil {
		return err
	}
	wt, err := weightsOf(n, 1)
	if err != nil {
		return err
	}
	if g := n.Attrs.Int("group"); g != 1 {
		return fmt.Errorf("%d groups (supported: 1)", g)
	}
	xd, _ := layout.Extents(n.In[0])
	yd, _ := layout.Extents(n.Out[0])
	wd := wt.Dims()
	w, err := windowOf(n, xd, yd, wd[2:])
	if err != nil {
		return err
	}
	if w.d != [2]int{1, 1} {
		return errors.New("dilations (supported: 1)")
	}
	begin, err := transposedPads(n, &w)
	if err != nil {
		return err
	}
	id, err := x.in(n, 0)
	if err != nil {
		return err
	}
	id = x.square(id, &w)
	if w.one {
		wd = []int{wd[0], wd[1], 1, wd[2]}
	}
	flat, err := wt.View(wd...)
	if err != nil {
		return err
	}
	b, err := rearrange(flat, layout.Order{Perm: []int{1, 2, 3, 0}})
	if err != nil {
		return err
	}
	f := x.constant(n.In[1].Name, dtype.F32, []int{wd[1], wd[2], wd[3], wd[0]}, b)
	bias, err := x.bias(n, 2, wd[1])
	if err != nil {
		return err
	}
	full := [2]int{}
	cut := false
	for j := range 2 {
		full[j] = max((w.in[j]-1)*w.s[j]+w.k[j], begin[j]+w.out[j])
		cut = cut || full[j] != w.out[j]
		if full[j] > (w.in[j]-1)*w.s[j]+w.k[j]+w.s[j]-1 {
			return errors.New("output padding beyond the stride")
		}
	}
	v, act := x.absorb(n.Out[0])
	out, close, err := x.windowOut(v, x.a.Out(v), &w)
	if err != nil {
		return err
	}
	to := out
	dims := []int{xd[0], full[0], full[1], wd[1]}
	if cut {
		to = x.like(out, "_full", dims)
	}
	x.op(opTransposeConv, transposeConvOptions(padValid, w.s[0], w.s[1], act), []int{x.ints("extents", dims...), f, id, bias}, to)
	if cut {
		x.op(opSlice, opts(48), []int{to, x.ints("begin", 0, begin[0], begin[1], 0), x.ints("size", xd[0], w.out[0], w.out[1], wd[1])}, out)
	}
	close()
	return nil
}

// transposedPads is where the result begins in what the whole window makes.
func transposedPads(n *ir.Node, w *window) (begin [2]int, err error) {
	sp := 2
	if w.one {
		sp = 1
	}
	pads := n.Attrs.Ints("pads")
	for i := range sp {
		j := 2 - sp + i
		more := 0
		if v := n.Attrs.Ints("output_padding"); i < len(v) {
			more = int(v[i])
		}
		total := (w.in[j]-1)*w.s[j] + w.k[j] + more - w.out[j]
		auto := n.Attrs.Str("auto_pad")
		switch {
		case len(n.Attrs.Ints("output_shape")) > 0 || auto == "SAME_UPPER" || auto == "SAME_LOWER":
			begin[j] = total / 2
			if auto == "SAME_LOWER" || auto == "NOTSET" || auto == "VALID" {
				begin[j] = total - total/2
			}
		case len(pads) == 2*sp:
			begin[j] = int(pads[i])
		}
		if begin[j] < 0 {
			return begin, errors.New("an output larger than the window makes")
		}
	}
	return begin, nil
}
