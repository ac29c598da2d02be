package tflite

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// aligned is input i of an elementwise node, with leading axes of extent 1 up
// to the rank of the result, in the result's order.
func (x *exporter) aligned(n *ir.Node, i int) (int, error) {
	v := n.In[i]
	want := x.a.Out(n.Out[0])
	rank := n.Out[0].Type.Rank()
	r := v.Type.Rank()
	if r == rank && known(v) == nil {
		return x.in(n, i)
	}
	dims := make([]int, rank)
	for k := range dims {
		dims[k] = 1
	}
	if c := known(v); c != nil {
		copy(dims[rank-r:], c.Dims)
		t, err := c.Tensor()
		if err != nil {
			return 0, err
		}
		if t.Len() == 1 {
			return x.constant(v.Name, t.DType(), []int{1}, t.Bytes()), nil
		}
		if t, err = t.View(dims...); err != nil {
			return 0, err
		}
		b, err := rearrange(t, trimmed(want, dims))
		if err != nil {
			return 0, err
		}
		return x.constant(v.Name, t.DType(), want.Dims(dims), b), nil
	}
	own, _ := layout.Extents(v)
	copy(dims[rank-r:], own)
	id, err := x.in(n, i)
	if err != nil {
		return 0, err
	}
	id = x.reshape(id, dims)
	return x.arranged(id, v, dims, layout.Plain(), trimmed(want, dims)), nil
}

// trimmed is an order without shuffles of axes that are broadcast.
func trimmed(o layout.Order, dims []int) layout.Order {
	out := layout.Order{Perm: o.Perm}
	for a, s := range o.Inner {
		if dims[a] != 1 {
			if out.Inner == nil {
				out.Inner = map[int]layout.Shuffle{}
			}
			out.Inner[a] = s
		}
	}
	return out
}

// pairwise writes a chain of two or more operands.
func pairwise(c code) func(x *exporter, n *ir.Node) error {
	return func(x *exporter, n *ir.Node) error {
		if c == opPow && squares(n) {
			return emitSquare(x, n)
		}
		if err := takes(n, c); err != nil {
			return err
		}
		if c == opPow && !n.In[0].Type.DType.IsFloat() {
			if e, ok, err := constInts(n, 1); err != nil || !ok || slices.ContainsFunc(e, func(v int) bool { return v < 0 }) {
				return errors.New("integers to a power that is computed or negative (supported: a constant of 0 or more)")
			}
		}
		if ok, err := x.pair8(n, c); ok || err != nil {
			return err
		}
		var ids []int
		for i := range n.In {
			id, err := x.aligned(n, i)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		if len(ids) == 1 {
			return emitSame(x, n)
		}
		v, act := n.Out[0], actNone
		if binaryOptions(c, 0).t != nil {
			v, act = x.absorb(v)
		}
		out, err := x.define(v)
		if err != nil {
			return err
		}
		acc := ids[0]
		for i, id := range ids[1:] {
			to, a := out, act
			if i < len(ids)-2 {
				to, a = x.like(out, "_part", x.tensors[out].dims), actNone
			}
			x.op(c, binaryOptions(c, a), []int{acc, id}, to)
			acc = to
		}
		return nil
	}
}

// squares says whether a Pow is by 2, of floats of the result's extents.
func squares(n *ir.Node) bool {
	if !n.In[0].Type.DType.IsFloat() || !sameExtents(n.In[0], n.Out[0]) {
		return false
	}
	e, ok, err := constFloats(n, 1)
	return err == nil && ok && len(e) > 0 && !slices.ContainsFunc(e, func(v float64) bool { return v != 2 })
}

// emitSquare writes the product that a Pow by 2 is.
func emitSquare(x *exporter, n *ir.Node) error {
	if err := takes(n, opMul); err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		x.stepTo(out, opMul, in, in)
		return nil
	})
}

func unary(c code) func(x *exporter, n *ir.Node) error {
	return func(x *exporter, n *ir.Node) error {
		if err := takes(n, c); err != nil {
			return err
		}
		if ok, err := x.table8(n, c, options{}); ok || err != nil {
			return err
		}
		if ok, err := x.bound8(n); ok || err != nil {
			return err
		}
		return x.chain(n, func(in, out int) error {
			x.op(c, options{}, []int{in}, out)
			return nil
		})
	}
}

// chain gives the operand and the result of a node with one of each.
func (x *exporter) chain(n *ir.Node, write func(in, out int) error) error {
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	return write(in, out)
}

// emitSame passes a value on under another name.
func emitSame(x *exporter, n *ir.Node) error {
	if len(n.Out) > 1 && n.Out[1] != nil && len(n.Out[1].Uses()) > 0 {
		return errors.New("output mask")
	}
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	x.written[n.Out[0]] = in
	return nil
}

// emitDropout: what is no training, or drops nothing, passes on its operand.
func emitDropout(x *exporter, n *ir.Node) error {
	train, _, err := constFloats(n, 2)
	if err != nil {
		return err
	}
	if len(train) > 0 && train[0] != 0 {
		if ratio, _, err := constFloats(n, 1); err != nil || len(ratio) != 1 || ratio[0] != 0 {
			return errors.New("training_mode (supported: false, or a constant ratio of 0)")
		}
	}
	return emitSame(x, n)
}

func emitCast(x *exporter, n *ir.Node) error {
	from, ok1 := typeOf(n.In[0].Type.DType)
	to, ok2 := typeOf(n.Out[0].Type.DType)
	if !ok1 || !ok2 {
		return fmt.Errorf("a cast from %s to %s", n.In[0].Type.DType, n.Out[0].Type.DType)
	}
	return x.chain(n, func(in, out int) error {
		o := opts(37)
		o.t.i8(0, from).i8(1, to)
		x.op(opCast, o, []int{in}, out)
		return nil
	})
}

// step writes one operator of a decomposition and gives its result.
func (x *exporter) step(c code, in ...int) int {
	lead := in[0]
	for _, i := range in {
		if size(x.tensors[i].dims) > size(x.tensors[lead].dims) {
			lead = i
		}
	}
	out := x.like(lead, "_"+c.String(), x.tensors[lead].dims)
	x.stepTo(out, c, in...)
	return out
}

func (x *exporter) stepTo(out int, c code, in ...int) {
	x.op(c, binaryOptions(c, actNone), in, out)
}

func size(dims []int) int {
	n, _ := tensor.Count(dims)
	return n
}

// scalar is a constant of the element type of tensor id.
func (x *exporter) scalar(id int, v float64) int {
	return x.numbers("value", x.tensors[id].dt, []int{1}, v)
}

func emitLeakyRelu(x *exporter, n *ir.Node) error {
	if err := takes(n, opLeakyRelu); err != nil {
		return err
	}
	o := opts(75)
	o.t.f32(0, n.Attrs.Float("alpha"))
	return x.chain(n, func(in, out int) error {
		x.op(opLeakyRelu, o, []int{in}, out)
		return nil
	})
}

func emitElu(x *exporter, n *ir.Node) error {
	if err := takes(n, opElu); err != nil {
		return err
	}
	if a := n.Attrs.Float("alpha"); a != 1 {
		return fmt.Errorf("alpha %v (supported: 1)", a)
	}
	return unary(opElu)(x, n)
}

func emitGelu(x *exporter, n *ir.Node) error {
	if err := takes(n, opGelu); err != nil {
		return err
	}
	o := opts(116)
	o.t.flag(0, n.Attrs.Str("approximate") == "tanh")
	if ok, err := x.table8(n, opGelu, o); ok || err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		x.op(opGelu, o, []int{in}, out)
		return nil
	})
}

func emitClip(x *exporter, n *ir.Node) error {
	if err := takes(n, opMaximum); err != nil {
		return err
	}
	if n.In[0].Type.DType != dtype.F32 {
		return x.clipped(n)
	}
	if ok, err := x.bound8(n); ok || err != nil {
		return err
	}
	lo, hi, err := clipBounds(n)
	if err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		switch {
		case lo == 0 && math.IsInf(hi, 1):
			x.stepTo(out, opRelu, in)
		case lo == 0 && hi == 6:
			x.stepTo(out, opRelu6, in)
		case lo == -1 && hi == 1:
			x.stepTo(out, opReluN1To1, in)
		case lo == 0 && hi == 1:
			x.stepTo(out, opRelu0To1, in)
		case math.IsInf(lo, -1) && math.IsInf(hi, 1):
			x.op(opReshape, reshapeOptions(x.tensors[in].dims), []int{in, x.ints("shape", x.tensors[in].dims...)}, out)
		case math.IsInf(hi, 1):
			x.stepTo(out, opMaximum, in, x.scalar(in, lo))
		case math.IsInf(lo, -1):
			x.stepTo(out, opMinimum, in, x.scalar(in, hi))
		default:
			x.stepTo(out, opMinimum, x.step(opMaximum, in, x.scalar(in, lo)), x.scalar(in, hi))
		}
		return nil
	})
}

// clipped is a Clip of other elements than f32, with its bounds as they are.
func (x *exporter) clipped(n *ir.Node) error {
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	for i, c := range []code{opMaximum, opMinimum} {
		t, ok, err := constant(n, 1+i)
		if err != nil {
			return err
		}
		if ok && t.Len() == 1 {
			in = x.step(c, in, x.constant(n.In[1+i].Name, t.DType(), []int{1}, t.Bytes()))
		}
	}
	x.written[n.Out[0]] = in
	return nil
}

func emitHardSigmoid(x *exporter, n *ir.Node) error {
	if err := takes(n, opMul); err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		y := x.step(opAdd, x.step(opMul, in, x.scalar(in, float64(n.Attrs.Float("alpha")))), x.scalar(in, float64(n.Attrs.Float("beta"))))
		if x.tensors[in].dt == dtype.F32 {
			x.stepTo(out, opRelu0To1, y)
			return nil
		}
		x.stepTo(out, opMinimum, x.step(opMaximum, y, x.scalar(in, 0)), x.scalar(in, 1))
		return nil
	})
}

func emitReciprocal(x *exporter, n *ir.Node) error {
	if err := takes(n, opDiv); err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		x.stepTo(out, opDiv, x.scalar(in, 1), in)
		return nil
	})
}

// emitHardSwish: f16 has no builtin of its own.
func emitHardSwish(x *exporter, n *ir.Node) error {
	if n.In[0].Type.DType != dtype.F16 {
		return unary(opHardSwish)(x, n)
	}
	return x.chain(n, func(in, out int) error {
		y := x.step(opAdd, x.step(opMul, in, x.scalar(in, 1.0/6)), x.scalar(in, 0.5))
		x.stepTo(out, opMul, in, x.step(opMinimum, x.step(opMaximum, y, x.scalar(in, 0)), x.scalar(in, 1)))
		return nil
	})
}

// emitSoftplus: log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which cannot
// overflow.
func emitSoftplus(x *exporter, n *ir.Node) error {
	if err := takes(n, opExp); err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		tail := x.step(opLog, x.step(opAdd, x.step(opExp, x.step(opNeg, x.step(opAbs, in))), x.scalar(in, 1)))
		x.stepTo(out, opAdd, x.step(opRelu, in), tail)
		return nil
	})
}

func emitSoftsign(x *exporter, n *ir.Node) error {
	if err := takes(n, opDiv); err != nil {
		return err
	}
	return x.chain(n, func(in, out int) error {
		x.stepTo(out, opDiv, in, x.step(opAdd, x.step(opAbs, in), x.scalar(in, 1)))
		return nil
	})
}

func emitPRelu(x *exporter, n *ir.Node) error {
	if err := takes(n, opPRelu); err != nil {
		return err
	}
	in, err := x.in(n, 0)
	if err != nil {
		return err
	}
	slope, err := x.aligned(n, 1)
	if err != nil {
		return err
	}
	// The slope has the operand's axes but the batch.
	if t := x.tensors[slope]; known(n.In[1]) != nil && len(t.dims) > 1 && t.dims[0] == 1 {
		slope = x.constantView(slope, t.dims[1:])
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	x.op(opPRelu, options{}, []int{in, slope}, out)
	return nil
}

// constantView is a constant with other extents.
func (x *exporter) constantView(id int, dims []int) int {
	t := x.tensors[id]
	return x.constant(t.name, t.dt, dims, x.buffers[t.buffer])
}
