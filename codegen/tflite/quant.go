package tflite

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// A quantized module says with QuantizeLinear and DequantizeLinear where its
// values are bytes. An operator whose operands come from a DequantizeLinear and
// whose result goes to a QuantizeLinear is written in int8, if the builtin does
// that; others are written in float between DEQUANTIZE and QUANTIZE.

// quantOf is what a QuantizeLinear or DequantizeLinear says of its integers,
// as int8 sees them; nil if TensorFlow Lite has no such form.
func quantOf(n *ir.Node) *quant {
	bytes := n.Out[0].Type.DType
	if n.Is("DequantizeLinear") {
		bytes = n.In[0].Type.DType
	}
	if bytes != dtype.I8 && bytes != dtype.U8 && bytes != dtype.I32 || n.Attrs.Int("block_size") != 0 {
		return nil
	}
	c := n.In[1].Const()
	if c == nil || c.DType != dtype.F32 || len(c.Dims) > 1 {
		return nil
	}
	s, err := c.Tensor()
	if err != nil {
		return nil
	}
	q := &quant{zero: make([]int64, s.Len())}
	q.scale = append(q.scale, tensor.Slice[float32](&s)...)
	if s.Len() > 1 {
		q.axis = axisOf(n.Attrs.Int("axis"), n.In[0].Type.Rank())
	}
	if len(n.In) > 2 && n.In[2] != nil {
		z := n.In[2].Const()
		if z == nil {
			return nil
		}
		t, err := z.Tensor()
		if err != nil || t.Len() != s.Len() {
			return nil
		}
		for i := range q.zero {
			q.zero[i] = t.Int(i)
		}
	}
	if bytes == dtype.U8 {
		for i := range q.zero {
			q.zero[i] -= 128
		}
	}
	return q
}

// quantOf8 is what a DequantizeLinear of bytes with one scale says, else nil.
func quantOf8(n *ir.Node) *quant {
	if !n.Is("DequantizeLinear") || n.In[0].Type.DType == dtype.I32 {
		return nil
	}
	if q := quantOf(n); q != nil && len(q.scale) == 1 {
		return q
	}
	return nil
}

// unsigned is how uint8 says what q says of int8.
func (q *quant) unsigned() *quant { return &quant{scale: q.scale, zero: []int64{q.zero[0] + 128}} }

// enter makes the tensor of a parameter. The bytes of a file's inside are
// int8, and uint8 ones are converted behind the entry.
func (x *exporter) enter(p *ir.Value) (int, error) {
	id, err := x.define(p)
	if err != nil || x.q8[p] == nil || p.Type.DType != dtype.U8 || x.opt.Edges == Int8 {
		return id, err
	}
	t := x.tensors[id]
	in := x.like(id, "_i8", t.dims)
	t.dt, t.q = dtype.U8, t.q.unsigned()
	x.op(opQuantize, opts(89), []int{id}, in)
	x.written[p] = in
	return id, nil
}

// leave is the tensor of a result, uint8 again where it was.
func (x *exporter) leave(v *ir.Value, id int) int {
	t := x.tensors[id]
	if v.Type.DType != dtype.U8 || t.dt != dtype.I8 || x.opt.Edges == Int8 {
		return id
	}
	out := x.like(id, "_u8", t.dims)
	x.tensors[out].dt, x.tensors[out].q = dtype.U8, t.q.unsigned()
	x.op(opQuantize, opts(89), []int{id}, out)
	return out
}

func (q *quant) same(o *quant) bool {
	return slices.Equal(q.scale, o.scale) && slices.Equal(q.zero, o.zero)
}

// quantRule: one scale for all elements bears any order.
func quantRule(n *ir.Node) layout.Rule {
	if q := quantOf(n); q != nil && len(q.scale) == 1 {
		return layout.Rule{Class: layout.ClassWhole, Data: []int{0}}
	}
	return layout.Rule{}
}

// findQuants notes which values are bytes with a meaning.
func (x *exporter) findQuants() {
	for _, p := range x.f.Params {
		for _, u := range p.Uses() {
			if q := quantOf8(u.Node); q != nil && u.Index == 0 {
				x.q8[p] = q
			}
		}
	}
	for _, n := range x.f.Nodes {
		switch n.OpName() {
		case "QuantizeLinear":
			if q := quantOf(n); q != nil && len(q.scale) == 1 {
				x.q8[n.Out[0]] = q
			}
		case "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "MaxPool":
			if q := x.q8[n.In[0]]; q != nil {
				x.q8[n.Out[0]] = q
			}
		}
	}
}

var errQuantForm = errors.New("a form of quantization that TensorFlow Lite does not have (supported: constant f32 scales, 8 bits, one scale for activations, one a channel for weights)")

// known is a constant, or what a DequantizeLinear makes of one.
func known(v *ir.Value) *ir.Const {
	if v == nil {
		return nil
	}
	if c := v.Const(); c != nil {
		return c
	}
	n := v.Node
	if !n.Is("DequantizeLinear") || n.In[0].Const() == nil || v.Type.DType != dtype.F32 {
		return nil
	}
	q := quantOf(n)
	t, err := n.In[0].Const().Tensor()
	if q == nil || err != nil {
		return nil
	}
	out := tensor.New(dtype.F32, t.Dims()...)
	of := tensor.Slice[float32](&out)
	inner := 1
	for _, d := range t.Dims()[min(q.axis+1, t.Rank()):] {
		inner *= d
	}
	for i := range of {
		k := 0
		if len(q.scale) > 1 {
			k = i / inner % len(q.scale)
		}
		z := q.zero[k]
		if t.DType() == dtype.U8 {
			z += 128
		}
		of[i] = float32(t.Int(i)-z) * q.scale[k]
	}
	return ir.NewConst(out)
}

// signed is a tensor of bytes as int8.
func signed(t tensor.Tensor) tensor.Tensor {
	if t.DType() != dtype.U8 {
		return t
	}
	out := tensor.New(dtype.I8, t.Dims()...)
	for i, b := range t.Bytes() {
		out.Bytes()[i] = b ^ 0x80
	}
	return out
}

// bytes8 is a quantized constant.
func (x *exporter) bytes8(name string, t tensor.Tensor, q *quant, o layout.Order) (int, error) {
	b, err := rearrange(t, o)
	if err != nil {
		return 0, err
	}
	id := x.tensor(name, t.DType(), o.Dims(t.Dims()))
	x.tensors[id].buffer, x.tensors[id].q = x.buffer(b), q
	return id, nil
}

// weights8 are int8 weights whose scales lie along axis, or that have one
// scale; ok is false if they are no such thing.
func weights8(v *ir.Value, axis int) (t tensor.Tensor, scale []float32, ok bool) {
	if v == nil || !v.Node.Is("DequantizeLinear") || v.Node.In[0].Const() == nil {
		return t, nil, false
	}
	q := quantOf(v.Node)
	c := v.Node.In[0].Const()
	if q == nil || c.DType != dtype.I8 || len(q.scale) > 1 && q.axis != axis ||
		slices.ContainsFunc(q.zero, func(z int64) bool { return z != 0 }) {
		return t, nil, false
	}
	t, err := c.Tensor()
	return t, q.scale, err == nil
}

// settled are the scales of weights, each moved by so few units in the last
// place that the runtime's factor from sums to steps of the result is ours. Both
// round that factor to float32, but we once, from in*w/out in float64, and it
// after each operation; where the two differ, one element in some 100,000 does, and
// a net carries that on. Where no scale nearby gives our factor, the scale stays.
func settled(in float32, scale []float32, out float32) []float32 {
	res := slices.Clone(scale)
	for i, s := range scale {
		want := float32(float64(in) * float64(s) / float64(out))
		up, down := s, s
		for range 5 {
			if float32(in*up)/out == want {
				res[i] = up
				break
			}
			if float32(in*down)/out == want {
				res[i] = down
				break
			}
			up, down = math.Nextafter32(up, math.MaxFloat32), math.Nextafter32(down, 0)
		}
	}
	return res
}

// bias8 is a bias of m in steps of the products that it is added to; v may be
// nil. It is false where v is not one number for each channel.
func (x *exporter) bias8(v *ir.Value, m int, in float32, scale []float32) (int, bool) {
	q := &quant{zero: make([]int64, len(scale))}
	for _, s := range scale {
		q.scale = append(q.scale, in*s)
	}
	out := make([]byte, 0, 4*m)
	bias := make([]float32, m)
	if v != nil {
		var ok bool
		if bias, ok = vectorOf(v, m); !ok {
			return 0, false
		}
	}
	for i := range m {
		b := math.RoundToEven(float64(bias[i]) / (float64(in) * float64(scale[i%len(scale)])))
		if math.Abs(b) > math.MaxInt32 {
			return 0, false
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(int32(b)))
	}
	id := x.tensor("bias", dtype.I32, []int{m})
	x.tensors[id].buffer, x.tensors[id].q = x.buffer(out), q
	return id, true
}

// emitQuantize writes float to bytes, or bytes to bytes in other steps.
func emitQuantize(x *exporter, n *ir.Node) error {
	if err := takes(n, opQuantize); err != nil {
		return err
	}
	if err := x.need8(n); err != nil {
		return err
	}
	in, err := -1, error(nil)
	if x.bytesOf(n.In[0]) != nil && n.In[0].Node.In[0].Const() == nil {
		in, err = x.value8(n.In[0], x.a.In(n, 0))
	} else {
		in, err = x.in(n, 0)
	}
	if err != nil {
		return err
	}
	if q := x.tensors[in].q; q != nil && q.same(x.q8[n.Out[0]]) {
		x.written[n.Out[0]] = in // the bytes that they were
		return nil
	}
	out, err := x.define(n.Out[0])
	if err != nil {
		return err
	}
	x.op(opQuantize, opts(89), []int{in}, out)
	return nil
}

// emitDequantize writes nothing: who needs floats asks for them.
func emitDequantize(x *exporter, n *ir.Node) error {
	if known(n.Out[0]) != nil {
		return nil
	}
	return x.need8(n)
}

func (x *exporter) need8(n *ir.Node) error {
	if n.Is("QuantizeLinear") && x.q8[n.Out[0]] != nil || n.Is("DequantizeLinear") && x.bytesOf(n.Out[0]) != nil {
		return nil
	}
	return errQuantForm
}
