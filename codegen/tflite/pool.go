package tflite

import (
	"errors"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/layout"
)

func kernelShape(n *ir.Node) []int {
	var k []int
	for _, v := range n.Attrs.Ints("kernel_shape") {
		k = append(k, int(v))
	}
	return k
}

// pool reads what pools have in common.
func (x *exporter) pool(n *ir.Node, c code) (id int, w window, err error) {
	if err := takes(n, c); err != nil {
		return 0, w, err
	}
	xd, _ := layout.Extents(n.In[0])
	yd, _ := layout.Extents(n.Out[0])
	if w, err = windowOf(n, xd, yd, kernelShape(n)); err != nil {
		return 0, w, err
	}
	if w.d != [2]int{1, 1} {
		return 0, w, errors.New("dilations (supported: 1)")
	}
	if len(n.Out) > 1 && n.Out[1] != nil && len(n.Out[1].Uses()) > 0 {
		return 0, w, errors.New("output Indices")
	}
	id, err = x.in(n, 0)
	return x.squareOr(id, &w, err), w, err
}

func (x *exporter) squareOr(id int, w *window, err error) int {
	if err != nil {
		return id
	}
	return x.square(id, w)
}

// pool8 writes a pool without padding, or with SAME, in int8.
func (x *exporter) pool8(n *ir.Node, c code) (bool, error) {
	xd, _ := layout.Extents(n.In[0])
	yd, _ := layout.Extents(n.Out[0])
	w, err := windowOf(n, xd, yd, kernelShape(n))
	if err != nil || w.d != [2]int{1, 1} || len(n.Out) > 1 && n.Out[1] != nil {
		return false, nil
	}
	pad, ok := w.padding()
	if c == opAveragePool && (!ok || pad != padValid && n.Attrs.Bool("count_include_pad")) {
		return false, nil
	}
	if e := x.plan8(n, 0); c == opAveragePool && e != nil && !x.q8[e.out].same(x.bytesOf(n.In[0])) {
		return false, nil // a mean in the operand's steps would be rounded twice
	}
	return x.moved8(n, func(in, out int) error {
		in = x.square(in, &w)
		if !ok { // no byte is less than -128
			in, pad = x.padded(in, &w, x.lowest(in)), padValid
		}
		to := out
		d := x.tensors[out].dims
		if w.one {
			to = x.like(out, "_2d", []int{d[0], 1, d[1], d[2]})
		}
		x.op(c, poolOptions(pad, w.s[0], w.s[1], w.k[0], w.k[1], actNone), []int{in}, to)
		if w.one {
			x.op(opReshape, reshapeOptions(d), []int{to, x.ints("shape", d...)}, out)
		}
		return nil
	})
}

func emitMaxPool(x *exporter, n *ir.Node) error {
	if ok, err := x.pool8(n, opMaxPool); ok || err != nil {
		return err
	}
	id, w, err := x.pool(n, opMaxPool)
	if err != nil {
		return err
	}
	pad, ok := w.padding()
	if !ok {
		id, pad = x.padded(id, &w, x.lowest(id)), padValid
	}
	v, act := x.absorb(n.Out[0])
	out, close, err := x.windowOut(v, x.a.Out(v), &w)
	if err != nil {
		return err
	}
	x.op(opMaxPool, poolOptions(pad, w.s[0], w.s[1], w.k[0], w.k[1], act), []int{id}, out)
	close()
	return nil
}

// emitAveragePool: the builtin leaves padding out of the mean. Where padding
// counts it is put in first; where it is neither counted nor what SAME says,
// the mean over zeros is scaled by a mask.
func emitAveragePool(x *exporter, n *ir.Node) error {
	if ok, err := x.pool8(n, opAveragePool); ok || err != nil {
		return err
	}
	id, w, err := x.pool(n, opAveragePool)
	if err != nil {
		return err
	}
	none := w.begin == [2]int{} && w.end == [2]int{}
	count := n.Attrs.Bool("count_include_pad") && !none
	if count && w.over {
		return errors.New("count_include_pad with ceil_mode, where a window overhangs the padding")
	}
	var mask []float32
	pad, ok := w.padding()
	if count || !ok {
		if !count {
			mask = w.mask()
		}
		id, pad = x.padded(id, &w, zeroFill), padValid
	}
	if mask != nil {
		out, close, err := x.windowOut(n.Out[0], x.a.Out(n.Out[0]), &w)
		if err != nil {
			return err
		}
		mean := x.like(out, "_mean", x.tensors[out].dims)
		x.op(opAveragePool, poolOptions(pad, w.s[0], w.s[1], w.k[0], w.k[1], actNone), []int{id}, mean)
		x.op(opMul, binaryOptions(opMul, actNone), []int{mean, x.floats("mask", []int{1, w.out[0], w.out[1], 1}, mask...)}, out)
		close()
		return nil
	}
	v, act := x.absorb(n.Out[0])
	out, close, err := x.windowOut(v, x.a.Out(v), &w)
	if err != nil {
		return err
	}
	x.op(opAveragePool, poolOptions(pad, w.s[0], w.s[1], w.k[0], w.k[1], act), []int{id}, out)
	close()
	return nil
}

// mask is the size of the window over the elements that it really covers.
func (w *window) mask() []float32 {
	cover := func(j, o int) int {
		lo := o*w.s[j] - w.begin[j]
		return min(lo+w.k[j], w.in[j]) - max(lo, 0)
	}
	var m []float32
	for i := range w.out[0] {
		for k := range w.out[1] {
			m = append(m, float32(float64(w.k[0]*w.k[1])/float64(cover(0, i)*cover(1, k))))
		}
	}
	return m
}
