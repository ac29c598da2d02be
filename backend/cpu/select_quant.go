package cpu

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/plan"
)

// qparam is a scale and a zero point of one element, and the type that they
// are for.
type qparam struct {
	d     dtype.DType
	scale float32
	zero  int
}

// qparams reads those of a QuantizeLinear or DequantizeLinear between f32 and
// bytes; false where it has more than one or they are not constant.
func (fl *funcLowerer) qparams(n *ir.Node) (p qparam, ok bool) {
	q, real := n.In[0].Type, n.Out[0].Type
	if n.Is("QuantizeLinear") {
		q, real = real, q
		if precision := n.Attrs.Int("precision"); precision != 0 && precision != int(dtype.F32.ONNX()) {
			return p, false
		}
	}
	p.d = q.DType
	if p.d != dtype.U8 && p.d != dtype.I8 || real.DType != dtype.F32 || n.Attrs.Int("block_size") != 0 || !q.Ranked() || n.In[1].Type.DType != dtype.F32 {
		return p, false
	}
	s, ok := fl.small(n.In[1])
	if !ok || s.Len() != 1 {
		return p, false
	}
	p.scale = tensor.Slice[float32](&s)[0]
	if len(n.In) > 2 && n.In[2] != nil {
		z, ok := fl.small(n.In[2])
		if !ok || z.Len() != 1 {
			return p, false
		}
		p.zero = int(z.Int(0))
	}
	return p, p.scale > 0 && !math.IsInf(float64(p.scale), 0)
}

// small gives the elements of a constant that lowering itself looks at.
func (fl *funcLowerer) small(v *ir.Value) (tensor.Tensor, bool) {
	if v = fl.resolve(v); v == nil || !fl.isConst(v) {
		return tensor.Tensor{}, false
	}
	c, err := fl.constOf(v)
	if err != nil {
		return tensor.Tensor{}, false
	}
	t, err := c.Tensor()
	return t, err == nil
}

// quantum is what QuantizeLinear makes of v.
func (p qparam) quantum(v float32) int {
	lo, hi := p.d.IntRange()
	r := math.RoundToEven(float64(v / p.scale))
	switch {
	case r != r:
		return p.zero
	case r < -1e6:
		return int(lo)
	case r > 1e6:
		return int(hi)
	}
	return min(max(int(r)+p.zero, int(lo)), int(hi))
}

// result gives the attributes of quant.RuleOf for a value of which an
// activation has left [lo, hi].
func (p qparam) result(at attr.Map, lo, hi int) {
	at[quant.AttrYZero], at[quant.AttrYLow], at[quant.AttrYHigh] = attr.Int(p.zero), attr.Int(lo), attr.Int(hi)
}

func (p qparam) bounds() (lo, hi int) {
	l, h := p.d.IntRange()
	return int(l), int(h)
}

// selectQuantize lowers QuantizeLinear of f32 to bytes of one scale.
func selectQuantize(fl *funcLowerer, n *ir.Node) (bool, error) {
	p, ok := fl.qparams(n)
	if !ok {
		return false, nil
	}
	at := attr.Map{quant.AttrYScale: attr.Float(p.scale)}
	lo, hi := p.bounds()
	p.result(at, lo, hi)
	return fl.bytes(n, quant.OpQuantize, at, nil, n.In[0])
}

// selectDequantize lowers DequantizeLinear of bytes of one scale to f32.
func selectDequantize(fl *funcLowerer, n *ir.Node) (bool, error) {
	p, ok := fl.qparams(n)
	if !ok {
		return false, nil
	}
	return fl.bytes(n, quant.OpDequantize, attr.Map{quant.AttrXScale: attr.Float(p.scale), quant.AttrXZero: attr.Int(p.zero)}, nil, n.In[0])
}

// bytes emits a call of op, in place of n, that reads the given values as they
// are.
func (fl *funcLowerer) bytes(n *ir.Node, op string, at attr.Map, consts []int, reads ...*ir.Value) (bool, error) {
	return fl.multiply(n, op, at, consts, 0, reads...)
}

// multiply is bytes for a product of so many multiply-adds.
func (fl *funcLowerer) multiply(n *ir.Node, op string, at attr.Map, consts []int, macs int64, reads ...*ir.Value) (bool, error) {
	format := ""
	if len(consts) > 0 {
		format = fl.p.Consts[consts[0]].Format
	}
	call := plan.Instr{Op: plan.Call, Name: op, Alts: fl.alts(op, format), Attrs: at, Consts: consts, Source: n.Source, MACs: macs}
	if call.Alts == nil {
		return false, nil
	}
	var err error
	if call.In, err = fl.operands(reads); err != nil {
		return false, err
	}
	call.Out = fl.results(n)
	fl.emit(call)
	return true, nil
}

// qgroup lowers a group of kind qgroup: the DequantizeLinear of each operand,
// an operator, activations, QuantizeLinear.
func (fl *funcLowerer) qgroup(n *ir.Node, nodes []*ir.Node) (bool, error) {
	g := &qgroup{fl: fl, n: n, dq: map[*ir.Value]*ir.Node{}}
	for len(nodes) > 0 && nodes[0].Is("DequantizeLinear") {
		g.dq[nodes[0].Out[0]] = nodes[0]
		nodes = nodes[1:]
	}
	if len(nodes) < 2 {
		return false, nil
	}
	var ok bool
	last := len(nodes) - 1
	if g.y, ok = fl.qparams(nodes[last]); !ok {
		return false, nil
	}
	core := nodes[0]
	g.lo, g.hi = g.y.bounds()
	bounded := g.activations(nodes[1:last])
	if bounded {
		switch core.OpName() {
		case "Conv":
			return g.conv(core)
		case "Gemm", "MatMul":
			return g.product(core)
		case "Add":
			return g.add(core)
		case "AveragePool", "GlobalAveragePool":
			return g.mean(core)
		}
	}
	return g.table(nodes)
}

// qgroup is one group while it is lowered.
type qgroup struct {
	fl     *funcLowerer
	n      *ir.Node
	dq     map[*ir.Value]*ir.Node
	y      qparam
	lo, hi int // what activations leave of y's range
}

// activations narrows the range of the result by nodes that only bound their
// operand; false where others are among them.
func (g *qgroup) activations(nodes []*ir.Node) bool {
	for _, k := range nodes {
		switch k.OpName() {
		case "Relu":
			g.lo = max(g.lo, g.y.zero)
			g.hi = max(g.hi, g.lo)
		case "Clip":
			for i, v := range k.In[1:] {
				if v == nil {
					continue
				}
				t, ok := g.fl.small(v)
				if !ok || t.Len() != 1 || t.DType() != dtype.F32 {
					return false
				}
				b := tensor.Slice[float32](&t)[0]
				if b != b {
					return false
				}
				// As Clip does: the upper bound wins.
				if q := g.y.quantum(b); i == 0 {
					g.lo, g.hi = max(g.lo, q), max(g.hi, q)
				} else {
					g.lo, g.hi = min(g.lo, q), min(g.hi, q)
				}
			}
		default:
			return false
		}
	}
	return true
}

// operand gives the quantized value behind an operand, and its scale.
func (g *qgroup) operand(v *ir.Value) (*ir.Value, qparam, bool) {
	d := g.dq[v]
	if d == nil {
		return nil, qparam{}, false
	}
	p, ok := g.fl.qparams(d)
	return d.In[0], p, ok
}

func (g *qgroup) add(core *ir.Node) (bool, error) {
	a, pa, ok := g.operand(core.In[0])
	if !ok {
		return false, nil
	}
	b, pb, ok := g.operand(core.In[1])
	if !ok || !sameDims(core.In[0], core.Out[0]) || !sameDims(core.In[1], core.Out[0]) {
		return false, nil
	}
	at := attr.Map{quant.AttrXScale: attr.Float(pa.scale), quant.AttrXZero: attr.Int(pa.zero), quant.AttrBScale: attr.Float(pb.scale), quant.AttrBZero: attr.Int(pb.zero),
		quant.AttrYScale: attr.Float(g.y.scale)}
	g.y.result(at, g.lo, g.hi)
	return g.fl.bytes(g.n, quant.OpAdd, at, nil, a, b)
}

func sameDims(a, b *ir.Value) bool { return a.Type.Equal(b.Type) }
