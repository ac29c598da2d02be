package tflite

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/passes/layout"
)

// eight is an operator that is written in int8.
type eight struct {
	in   []int // tensors of the operands asked for
	out  *ir.Value
	as   layout.Order // that out is written in
	act  int
	with []*ir.Node // what is written with it
}

// plan8 looks whether n can be written in int8: each of its inputs data is
// dequantized from bytes, and its result, after an activation perhaps, is
// quantized to bytes and not read elsewhere. Nil: it cannot. Nothing is written
// yet.
func (x *exporter) plan8(n *ir.Node, data ...int) *eight {
	e := &eight{out: n.Out[0], as: x.a.Out(n.Out[0])}
	u := e.out.Uses()
	if len(u) == 1 && u[0].Index == 0 && activationOf(u[0].Node) != actNone {
		e.act, e.with = activationOf(u[0].Node), append(e.with, u[0].Node)
		e.out = u[0].Node.Out[0]
		u = e.out.Uses()
	}
	if len(u) != 1 || !u[0].Node.Is("QuantizeLinear") || u[0].Index != 0 || x.q8[u[0].Node.Out[0]] == nil {
		return nil
	}
	e.with = append(e.with, u[0].Node)
	e.out = u[0].Node.Out[0]
	for _, i := range data {
		if x.bytesOf(n.In[i]) == nil {
			return nil
		}
	}
	return e
}

// inEight is plan8 with its operands read.
func (x *exporter) inEight(n *ir.Node, data ...int) (*eight, error) {
	e := x.plan8(n, data...)
	if e == nil {
		return nil, nil
	}
	for _, i := range data {
		id, err := x.value8(n.In[i], x.a.In(n, i))
		if err != nil {
			return nil, err
		}
		e.in = append(e.in, id)
	}
	for _, w := range e.with {
		x.done[w] = true
	}
	return e, nil
}

// bytesOf is what the bytes mean that v is dequantized from, nil if it is not.
func (x *exporter) bytesOf(v *ir.Value) *quant {
	if v == nil || !v.Node.Is("DequantizeLinear") {
		return nil
	}
	q := quantOf(v.Node)
	if q == nil || len(q.scale) != 1 {
		return nil
	}
	from := v.Node.In[0]
	if c := from.Const(); c != nil {
		if c.DType == dtype.I8 || c.DType == dtype.U8 {
			return q
		}
		return nil
	}
	if have := x.q8[from]; have != nil && have.same(q) {
		return q
	}
	return nil
}

// value8 is the bytes that v is dequantized from, stored as o says.
func (x *exporter) value8(v *ir.Value, o layout.Order) (int, error) {
	from := v.Node.In[0]
	if c := from.Const(); c != nil {
		t, err := c.Tensor()
		if err != nil {
			return 0, err
		}
		return x.bytes8(v.Name, signed(t), x.bytesOf(v), o)
	}
	return x.value(from, o)
}

// moved8 writes an operator that only moves or picks bytes, so that operand
// and result must have the same steps: where they do not, QUANTIZE changes
// them afterwards. write is told the operand and the result.
func (x *exporter) moved8(n *ir.Node, write func(in, out int) error) (bool, error) {
	e, err := x.inEight(n, 0)
	if e == nil || err != nil {
		return false, err
	}
	out, close, err := x.defineAs(e.out, e.as)
	if err != nil {
		return true, err
	}
	defer close()
	to := out
	from := x.tensors[e.in[0]].q
	if !from.same(x.tensors[out].q) || e.act != actNone {
		to = x.like(out, "_same", x.tensors[out].dims)
		x.tensors[to].q = from
	}
	if err := write(e.in[0], to); err != nil {
		return true, err
	}
	if to == out {
		return true, nil
	}
	if e.act != actNone {
		r := out
		if !from.same(x.tensors[out].q) {
			r = x.like(to, "_act", x.tensors[to].dims)
		}
		x.op(actCodes[e.act], options{}, []int{to}, r)
		if to = r; to == out {
			return true, nil
		}
	}
	x.op(opQuantize, opts(89), []int{to}, out)
	return true, nil
}

// pair8 writes ADD, SUB or MUL of two operands of the result's rank in int8.
func (x *exporter) pair8(n *ir.Node, c code) (bool, error) {
	if c != opAdd && c != opSub && c != opMul || len(n.In) != 2 {
		return false, nil
	}
	for _, v := range n.In {
		if v.Type.Rank() != n.Out[0].Type.Rank() {
			return false, nil
		}
	}
	e, err := x.inEight(n, 0, 1)
	if e == nil || err != nil {
		return false, err
	}
	out, close, err := x.defineAs(e.out, e.as)
	if err != nil {
		return true, err
	}
	x.op(c, binaryOptions(c, e.act), e.in, out)
	close()
	return true, nil
}

// fixedSteps are those of a builtin's int8 result that are the builtin's own,
// nil if it has none.
func fixedSteps(c code) *quant {
	switch c {
	case opLogistic, opSoftmax:
		return &quant{scale: []float32{1.0 / 256}, zero: []int64{-128}}
	case opTanh:
		return &quant{scale: []float32{1.0 / 128}, zero: []int64{0}}
	case opLogSoftmax:
		return &quant{scale: []float32{16.0 / 256}, zero: []int64{127}}
	}
	return nil
}

// table8 writes an activation in int8 where the steps of its result are those
// that the builtin has, or some that it takes.
func (x *exporter) table8(n *ir.Node, c code, o options) (bool, error) {
	u := n.Out[0].Uses()
	if len(u) != 1 || !u[0].Node.Is("QuantizeLinear") {
		return false, nil
	}
	if q := x.q8[u[0].Node.Out[0]]; q == nil || !x.tabled(c, q) {
		return false, nil
	}
	e, err := x.inEight(n, 0)
	if e == nil || err != nil {
		return false, err
	}
	out, close, err := x.defineAs(e.out, e.as)
	if err != nil {
		return true, err
	}
	x.op(c, o, e.in, out)
	close()
	return true, nil
}

// tabled says whether the builtin is to make bytes in steps to of bytes in steps
// from. ELU and GELU look them up in a table made in float, which is what we do; but
// XNNPACK has no GELU of bytes and makes the float one, with DEQUANTIZE and QUANTIZE
// around, in a third of the time: the other is for files that work in bytes throughout.
//
// HARD_SWISH and LEAKY_RELU of bytes are not written (tools/peers/tables.py). The
// first rounds three times and the second takes its factors to 1/256, or rounds
// twice without XNNPACK: 4 and 80 of 1,000 bytes are a step off, and nets carry
// that on; 96 and 95 % of trained ones' outputs are within a step of ours, where the
// float ones give all.
func (x *exporter) tabled(c code, to *quant) bool {
	switch c {
	case opElu:
		return true
	case opGelu:
		return x.opt.Edges == Int8
	}
	want := fixedSteps(c)
	return want != nil && to.same(want)
}

// bound8 writes a Relu, or a Clip like it, of bytes that keep their steps.
func (x *exporter) bound8(n *ir.Node) (bool, error) {
	act := activationOf(n)
	e := x.plan8(n, 0)
	if act == actNone || e == nil || e.act != actNone || !x.q8[e.out].same(x.bytesOf(n.In[0])) {
		return false, nil
	}
	e, err := x.inEight(n, 0)
	if err != nil {
		return true, err
	}
	out, close, err := x.defineAs(e.out, e.as)
	if err != nil {
		return true, err
	}
	x.op(actCodes[act], options{}, e.in, out)
	close()
	return true, nil
}

// concat8 joins bytes of the same steps.
func (x *exporter) concat8(n *ir.Node) (bool, error) {
	all := make([]int, len(n.In))
	for i := range all {
		all[i] = i
	}
	e := x.plan8(n, all...)
	if e == nil || e.act != actNone {
		return false, nil
	}
	for _, v := range n.In {
		if !x.bytesOf(v).same(x.q8[e.out]) {
			return false, nil
		}
	}
	e, err := x.inEight(n, all...)
	if err != nil {
		return true, err
	}
	out, close, err := x.defineAs(e.out, e.as)
	if err != nil {
		return true, err
	}
	r := e.out.Type.Rank()
	x.op(opConcatenation, concatOptions(e.as.Stored(r, axisOf(n.Attrs.Int("axis"), r))), e.in, out)
	close()
	return true, nil
}

func (x *exporter) mean8(e *eight, axes []int, keep bool, err error) error {
	if err != nil {
		return err
	}
	out, close, err := x.defineAs(e.out, e.as)
	if err != nil {
		return err
	}
	defer close()
	to := out
	if e.act != actNone {
		to = x.like(out, "_mean", x.tensors[out].dims)
	}
	x.op(opMean, reduceOptions(keep), []int{e.in[0], x.ints("axes", axes...)}, to)
	if to != out {
		x.op(actCodes[e.act], options{}, []int{to}, out)
	}
	return nil
}
