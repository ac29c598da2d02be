package tflite

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/layout"
)

// storedAxis is where axis a of v is stored.
func (x *exporter) storedAxis(v *ir.Value, a int) int {
	return x.a.Out(v).Stored(v.Type.Rank(), a)
}

// emitView changes extents; where an order goes through, nothing moves.
func emitView(x *exporter, n *ir.Node) error {
	if ok, err := x.moved8(n, func(in, out int) error {
		d := x.tensors[out].dims
		x.op(opReshape, reshapeOptions(d), []int{in, x.ints("shape", d...)}, out)
		return nil
	}); ok || err != nil {
		return err
	}
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	v := n.Out[0]
	dims, _ := layout.Extents(v)
	to := x.a.Out(v).Dims(dims)
	if slices.Equal(x.tensors[in].dims, to) {
		x.written[v] = in
		return nil
	}
	if s, ok := x.source[in]; ok {
		in = s
	}
	out, err := x.define(v)
	if err != nil {
		return err
	}
	x.op(opReshape, reshapeOptions(to), []int{in, x.ints("shape", to...)}, out)
	x.source[out] = in
	return nil
}

// emitTranspose writes what is left of a Transpose when its operand and result
// are stored as layout.Solve says.
func emitTranspose(x *exporter, n *ir.Node) error {
	v := n.Out[0]
	var in int
	var err error
	if e := x.plan8(n, 0); e != nil && e.act == actNone && x.q8[e.out].same(x.bytesOf(n.In[0])) {
		if e, err = x.inEight(n, 0); err != nil {
			return err
		}
		in, v = e.in[0], e.out
	} else if in, err = x.in(n, 0); err != nil {
		return err
	}
	dims, _ := layout.Extents(n.In[0])
	perm := transposePerm(n)
	have, want := x.a.In(n, 0).Moved(perm), x.a.Out(v)
	if n.In[0].Const() != nil {
		have = layout.Plain().Moved(perm)
	}
	moved := make([]int, len(perm))
	for i, a := range perm {
		moved[i] = dims[a]
	}
	if have.Equal(want, len(perm)) {
		x.written[v] = in
		return nil
	}
	x.written[v] = x.arranged(in, v, moved, have, want)
	return nil
}

func emitConcat(x *exporter, n *ir.Node) error {
	if err := takes(n, opConcatenation); err != nil {
		return err
	}
	if ok, err := x.concat8(n); ok || err != nil {
		return err
	}
	var ids []int
	for i := range n.In {
		id, err := x.aligned(n, i)
		if err != nil {
			return err
		}
		// A constant of one element keeps its rank here.
		if r := n.Out[0].Type.Rank(); len(x.tensors[id].dims) != r {
			ones := make([]int, r)
			for k := range ones {
				ones[k] = 1
			}
			id = x.constantView(id, ones)
		}
		ids = append(ids, id)
	}
	v := n.Out[0]
	out, err := x.define(v)
	if err != nil {
		return err
	}
	x.op(opConcatenation, concatOptions(x.storedAxis(v, axisOf(n.Attrs.Int("axis"), v.Type.Rank()))), ids, out)
	return nil
}

func emitSplit(x *exporter, n *ir.Node) error {
	if err := takes(n, opSplitV); err != nil {
		return err
	}
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	axis := axisOf(n.Attrs.Int("axis"), n.In[0].Type.Rank())
	var sizes, outs []int
	var lead *ir.Value
	for _, v := range n.Out {
		if v == nil {
			return errors.New("an output that nobody wants")
		}
		d, _ := layout.Extents(v)
		sizes = append(sizes, d[axis])
		id, err := x.define(v)
		if err != nil {
			return err
		}
		outs = append(outs, id)
		lead = v
	}
	o := opts(79)
	o.t.i32(0, len(outs))
	at := x.storedAxis(lead, axis)
	x.op(opSplitV, o, []int{in, x.ints("sizes", sizes...), x.int32s("axis", []int{}, at)}, outs...)
	return nil
}

func emitSlice(x *exporter, n *ir.Node) error {
	if err := takes(n, opStridedSlice); err != nil {
		return err
	}
	r := n.In[0].Type.Rank()
	dims, _ := layout.Extents(n.In[0])
	to, _ := layout.Extents(n.Out[0])
	starts, _, err := constInts(n, 1)
	if err != nil {
		return err
	}
	if _, _, err := constInts(n, 2); err != nil {
		return err
	}
	axes, ok, err := constInts(n, 3)
	if err != nil {
		return err
	}
	steps, _, err := constInts(n, 4)
	if err != nil {
		return err
	}
	begin, end, stride := make([]int, r), slices.Clone(dims), make([]int, r)
	for i := range stride {
		stride[i] = 1
	}
	for i, s := range starts {
		a := i
		if ok {
			a = axisOf(axes[i], r)
		}
		st := 1
		if i < len(steps) {
			st = steps[i]
		}
		if st < math.MinInt32 || st > math.MaxInt32 {
			return fmt.Errorf("step %d", st)
		}
		if s < 0 {
			s += dims[a]
		}
		if st > 0 {
			begin[a] = min(max(s, 0), dims[a])
		} else {
			begin[a] = min(max(s, 0), dims[a]-1)
		}
		stride[a], end[a] = st, begin[a]+to[a]*st
		if st > 0 {
			end[a] = min(end[a], dims[a])
		}
	}
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	o := x.a.Out(n.Out[0])
	opt := opts(32)
	mask := 0
	for i, a := range o.Axes(r) {
		if stride[a] < 0 && end[a] < 0 { // the end of a walk backwards
			mask |= 1 << i
		}
	}
	opt.t.i32(1, mask)
	x.op(opStridedSlice, opt, []int{in, x.ints("begin", o.Dims(begin)...), x.ints("end", o.Dims(end)...), x.ints("strides", o.Dims(stride)...)}, out)
	return nil
}

func emitPad(x *exporter, n *ir.Node) error {
	if err := takes(n, opPad); err != nil {
		return err
	}
	r := n.In[0].Type.Rank()
	pads, _, err := constInts(n, 1)
	if err != nil {
		return err
	}
	axes, ok, err := constInts(n, 3)
	if err != nil {
		return err
	}
	begin, end := make([]int, r), make([]int, r)
	for i := range len(pads) / 2 {
		a := i
		if ok {
			a = axisOf(axes[i], r)
		}
		begin[a], end[a] = pads[i], pads[len(pads)/2+i]
		if begin[a] < 0 || end[a] < 0 {
			return errors.New("negative pads")
		}
	}
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	var list []int
	for _, a := range x.a.Out(n.Out[0]).Axes(r) {
		list = append(list, begin[a], end[a])
	}
	switch mode := n.Attrs.Str("mode"); mode {
	case "constant":
		fill, ok, err := constant(n, 2)
		if err != nil {
			return err
		}
		f := zeroFill
		if ok && fill.Len() == 1 && slices.ContainsFunc(fill.Bytes(), func(b byte) bool { return b != 0 }) {
			f = x.constant(n.In[2].Name, fill.DType(), []int{1}, fill.Bytes())
		}
		x.padOp(in, out, list, f)
	case "reflect":
		dims, _ := layout.Extents(n.In[0])
		for a, d := range dims {
			if max(begin[a], end[a]) >= d {
				return fmt.Errorf("reflect pads of %d and %d of an extent of %d (supported: below it)", begin[a], end[a], d)
			}
		}
		x.op(opMirrorPad, opts(77), []int{in, x.int32s("paddings", []int{r, 2}, list...)}, out)
	default:
		return fmt.Errorf("mode %s (supported: constant, reflect)", mode)
	}
	return nil
}

func emitExpand(x *exporter, n *ir.Node) error {
	if err := takes(n, opBroadcastTo); err != nil {
		return err
	}
	dims, _ := layout.Extents(n.Out[0])
	return x.chain(n, func(in, out int) error {
		x.op(opBroadcastTo, opts(104), []int{in, x.ints("shape", dims...)}, out)
		return nil
	})
}

func emitTile(x *exporter, n *ir.Node) error {
	reps, _, err := constInts(n, 1)
	if err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		x.op(opTile, opts(51), []int{in, x.ints("repeats", reps...)}, out)
		return nil
	})
}

// reduce writes a reduction over constant axes.
func reduce(c code) func(x *exporter, n *ir.Node) error {
	return func(x *exporter, n *ir.Node) error {
		if err := takes(n, c); err != nil {
			return err
		}
		axes, err := reduceAxes(n)
		if err != nil {
			return err
		}
		return x.reduced(n, c, axes, n.Attrs.Bool("keepdims"))
	}
}

// global writes a reduction over all spatial axes.
func global(c code) func(x *exporter, n *ir.Node) error {
	return func(x *exporter, n *ir.Node) error {
		if err := takes(n, c); err != nil {
			return err
		}
		var axes []int
		for a := 2; a < n.In[0].Type.Rank(); a++ {
			axes = append(axes, a)
		}
		return x.reduced(n, c, axes, true)
	}
}

func (x *exporter) reduced(n *ir.Node, c code, axes []int, keep bool) error {
	if len(axes) == 0 {
		return emitSame(x, n)
	}
	o := x.a.In(n, 0)
	at := make([]int, len(axes))
	for i, a := range axes {
		at[i] = o.Stored(n.In[0].Type.Rank(), a)
	}
	slices.Sort(at)
	if c == opMean {
		if e, err := x.inEight(n, 0); e != nil || err != nil {
			return x.mean8(e, at, keep, err)
		}
	}
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	x.op(c, reduceOptions(keep), []int{in, x.ints("axes", at...)}, out)
	return nil
}

// emitSoftmax: the builtin works along the last stored axis.
func emitSoftmax(c code) func(x *exporter, n *ir.Node) error {
	return func(x *exporter, n *ir.Node) error {
		if err := takes(n, c); err != nil {
			return err
		}
		r := n.In[0].Type.Rank()
		if r < 1 {
			return errors.New("no axis")
		}
		v := n.Out[0]
		axis := x.storedAxis(v, axisOf(n.Attrs.Int("axis"), r))
		o := softmaxOptions()
		if c == opLogSoftmax {
			o = opts(36)
		}
		if axis == r-1 {
			if ok, err := x.table8(n, c, o); ok || err != nil {
				return err
			}
		}
		return x.chain(n, func(in, out int) error {
			if axis == r-1 {
				x.op(c, o, []int{in}, out)
				return nil
			}
			perm := layout.Plain().Axes(r)
			perm[axis], perm[r-1] = r-1, axis
			moved := x.transpose(in, perm, n.In[0])
			y := x.like(moved, "_softmax", x.tensors[moved].dims)
			x.op(c, o, []int{moved}, y)
			x.op(opTranspose, opts(26), []int{y, x.ints("perm", perm...)}, out)
			x.moved = append(x.moved, Transpose{x.tensors[y].name, x.tensors[y].dims, perm, x.reason(nil)})
			return nil
		})
	}
}
