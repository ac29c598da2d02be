package fuse

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// KindQGroup is a group from DequantizeLinear to QuantizeLinear.
const KindQGroup = "qgroup"

// QGroup is the pass fuse-qgroup. A group is what integer kernels compute: the
// DequantizeLinear of each operand, one operator, activations after it, and
// the QuantizeLinear of the result. Scales and zero points of activations are
// constants of one element. Operators that only move or compare elements need
// no group: between equal scales they work on the quantized values themselves.
func QGroup() pass.Pass {
	return pass.Pass{
		Name: "fuse-qgroup", Level: 2, Tol: tensor.Quantum(1, 1e-4), Run: qgroups,
		Rules: []rewrite.Rule{
			{Name: "move-quantized", Doc: "What moves or compares elements does so to quantized ones of the same scale."},
			{Name: "qlinear-qdq", Doc: "QLinearConv and QLinearMatMul with constant weights are such groups too."},
			{Name: "qdq-op", Doc: "An operator between DequantizeLinear and QuantizeLinear is one integer kernel."},
		},
		Doc: "group operators between DequantizeLinear and QuantizeLinear",
	}
}

// movers give elements of their input as they are; only the first operand is
// data.
var movers = []string{"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "MaxPool", "Gather", "Expand", "Tile"}

// qcores are the operators of groups with the number of operands that are
// data; -1 is all of them. Others are functions of one operand, elementwise.
var qcores = map[string]int{"Conv": 3, "Gemm": 3, "MatMul": 2, "Add": 2, "AveragePool": 1, "GlobalAveragePool": 1}

// qunary are elementwise functions of one operand, which a table holds.
var qunary = []string{"Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "Exp", "Erf", "Gelu", "Elu", "Selu", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Mish", "Swish", "Neg", "Abs", "Sqrt", "Floor", "Ceil", "Round"}

func qgroups(c *rewrite.Ctx, m *ir.Module) error {
	for _, n := range rewrite.OrderAll(m) {
		if rewrite.Live(n) && n.Is("QuantizeLinear") && !inGroup(n) {
			if err := moveQuantized(c, n); err != nil {
				return err
			}
		}
	}
	for _, n := range rewrite.OrderAll(m) {
		if !rewrite.Live(n) || inGroup(n) || !n.Is("QLinearConv") && !n.Is("QLinearMatMul") {
			continue
		}
		if err := expandQLinear(c, n); err != nil {
			return err
		}
	}
	for _, n := range rewrite.OrderAll(m) {
		if !rewrite.Live(n) || !n.Is("QuantizeLinear") || inGroup(n) || !perTensor(n) || !byteType(n.Out[0]) || n.In[0].Type.DType != dtype.F32 {
			continue
		}
		nodes := qchain(n)
		if nodes == nil || !c.Fire("qdq-op", n) {
			continue
		}
		if _, err := group(c, KindQGroup, nodes); err != nil {
			return err
		}
	}
	return nil
}

// perTensor says whether a QuantizeLinear or DequantizeLinear has a constant
// scale and zero point of one element each.
func perTensor(n *ir.Node) bool {
	if n.Attrs.Int("block_size") != 0 || n.In[1].Type.DType != dtype.F32 {
		return false
	}
	for _, v := range n.In[1:] {
		if v == nil {
			continue
		}
		if _, ok := rewrite.Scalar(v); !ok {
			return false
		}
	}
	return true
}

func byteType(v *ir.Value) bool { return v.Type.DType == dtype.U8 || v.Type.DType == dtype.I8 }

// sameScale says whether two nodes of scale and zero point, and the types of
// the quantized side, agree.
func sameScale(dq, q *ir.Node) bool {
	if !perTensor(dq) || !perTensor(q) || dq.In[0].Type.DType != q.Out[0].Type.DType {
		return false
	}
	zero := func(n *ir.Node) float64 {
		if len(n.In) < 3 || n.In[2] == nil {
			return 0
		}
		z, _ := rewrite.Scalar(n.In[2])
		return z
	}
	a, _ := rewrite.Scalar(dq.In[1])
	b, _ := rewrite.Scalar(q.In[1])
	return a == b && zero(dq) == zero(q)
}

// dequantizer is the DequantizeLinear behind v in function f, nil if there is
// none.
func dequantizer(v *ir.Value, f *ir.Func) *ir.Node {
	if v == nil || v.Node == nil || v.Func != f || !v.Node.Is("DequantizeLinear") {
		return nil
	}
	return v.Node
}

// moveQuantized rewrites q = QuantizeLinear(move(DequantizeLinear(x))) with one
// scale as move(x).
func moveQuantized(c *rewrite.Ctx, q *ir.Node) error {
	n := q.In[0].Node
	if n == nil || len(n.In) == 0 || n.Func != q.Func || !byteType(q.Out[0]) || len(q.In[0].Uses()) != 1 || len(n.Out) != 1 {
		return nil
	}
	data := n.In[:1]
	switch {
	case n.Is("Concat"):
		data = n.In
	case !slices.Contains(movers, n.Def.FullName()):
		return nil
	}
	in := slices.Clone(n.In)
	for i, v := range data {
		d := dequantizer(v, n.Func)
		if d == nil || !sameScale(d, q) || rewrite.IsConst(d.In[0]) {
			return nil
		}
		in[i] = d.In[0]
	}
	if !n.Def.In[0].Allows(q.Out[0].Type.DType) || !c.Fire("move-quantized", q) {
		return nil
	}
	b := ir.NewBuilder(q.Func, q.Index(), c.Ops, rewrite.Sources(n, q)...)
	out := &ir.Value{Name: q.Out[0].Name}
	b.Node(n.Def, n.Attrs, nil, in, []*ir.Value{out})
	if err := b.Err(); err != nil {
		return err
	}
	ir.ReplaceUses(q.Out[0], out)
	for _, k := range []*ir.Node{q, n} {
		k.Remove()
	}
	for _, v := range data {
		if v.Node != nil && rewrite.Unread(v.Node) {
			v.Node.Remove()
		}
	}
	return nil
}

// qchain lists the nodes of the group that ends in q, in order: operands'
// DequantizeLinear, the operator, activations, q; nil if there is none.
func qchain(q *ir.Node) []*ir.Node {
	back := []*ir.Node{q}
	n := q
	for {
		v := n.In[0]
		p := v.Node
		if p == nil || p.Func != q.Func || p.Is("DequantizeLinear") || len(v.Uses()) != 1 || len(p.Out) != 1 || p.Const != nil {
			break
		}
		back = append(back, p)
		n = p
		if _, core := qcores[p.Def.FullName()]; core {
			break
		}
		if !slices.Contains(qunary, p.Def.FullName()) || !fixedUnary(p) {
			return nil
		}
	}
	if n == q {
		return nil // DequantizeLinear to QuantizeLinear: a change of scale
	}
	count, ok := qcores[n.Def.FullName()]
	if !ok {
		count = 1
	}
	if n.Out[0].Type.DType != dtype.F32 || !n.Out[0].Type.Ranked() {
		return nil
	}
	var nodes []*ir.Node
	for i, v := range n.In {
		if v == nil || i >= count {
			continue
		}
		d := dequantizer(v, q.Func)
		if d == nil || d.Attrs.Int("block_size") != 0 || d.Out[0].Type.DType != dtype.F32 {
			return nil
		}
		// Activations are of one scale; weights are constant.
		if weights := rewrite.IsConst(d.In[0]); weights != (i > 0 && !n.Is("Add")) || !weights && (!perTensor(d) || !byteType(d.In[0])) {
			return nil
		}
		if !slices.Contains(nodes, d) {
			nodes = append(nodes, d)
		}
	}
	if len(nodes) == 0 || n.Is("Gemm") && (n.Attrs.Float("alpha") != 1 || n.Attrs.Float("beta") != 1 || n.Attrs.Bool("transA")) {
		return nil
	}
	slices.Reverse(back)
	return append(nodes, back...)
}

// fixedUnary says whether all operands of an elementwise function but the
// first are constants.
func fixedUnary(n *ir.Node) bool {
	for _, v := range n.In[1:] {
		if v != nil && v.Const() == nil {
			return false
		}
	}
	return true
}

// expandQLinear makes QLinearConv or QLinearMatMul n a group, where its weights
// are constant and its activations have constant scales of one element.
func expandQLinear(c *rewrite.Ctx, n *ir.Node) error {
	for _, i := range []int{1, 2, 6, 7} {
		if _, ok := rewrite.Scalar(n.In[i]); !ok {
			return nil
		}
	}
	for _, v := range []*ir.Value{n.In[3], n.In[4], n.In[5]} {
		if v.Const() == nil {
			return nil
		}
	}
	axis, name := 0, "Conv"
	if n.Is("QLinearMatMul") {
		axis, name = 1, "MatMul"
		if n.In[3].Type.Rank() != 2 || n.In[0].Type.Rank() < 1 {
			return nil
		}
	}
	if n.In[1].Type.DType != dtype.F32 || rewrite.IsConst(n.In[0]) || !c.Fire("qlinear-qdq", n) {
		return nil
	}
	b := ir.NewBuilder(n.Func, n.Index(), c.Ops, n.Source...)
	along := attr.Map{"axis": attr.Int(axis)}
	in := []*ir.Value{
		b.Op("DequantizeLinear", nil, n.In[0], n.In[1], n.In[2]),
		b.Op("DequantizeLinear", along, n.In[3], n.In[4], n.In[5]),
	}
	nodes := []*ir.Node{in[0].Node, in[1].Node}
	if len(n.In) > 8 && n.In[8] != nil {
		bias := b.Op("DequantizeLinear", attr.Map{"axis": attr.Int(0)}, n.In[8], b.Op("Mul", nil, n.In[1], n.In[4]))
		in, nodes = append(in, bias), append(nodes, bias.Node)
	}
	y := b.Op(name, n.Attrs, in...)
	z := b.Op("QuantizeLinear", nil, y, n.In[6], n.In[7])
	if err := b.Err(); err != nil {
		return err
	}
	old := n.Out[0]
	ir.ReplaceUses(old, z)
	n.Remove()
	z.Name = old.Name
	_, err := group(c, KindQGroup, append(nodes, y.Node, z.Node))
	return err
}
