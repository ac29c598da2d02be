package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// selectDynamic lowers DynamicQuantizeLinear.
func selectDynamic(fl *funcLowerer, n *ir.Node) (bool, error) {
	return fl.bytes(n, quant.OpDynamic, attr.Map{}, nil, n.In[0])
}

// operandZero adds the zero point of the first operand of a call, operand i of
// n, of which there must be one: an attribute where it is constant, else a
// value to read. ok is false where it may have more elements.
func (fl *funcLowerer) operandZero(n *ir.Node, i int, at attr.Map, reads []*ir.Value) (_ []*ir.Value, ok bool) {
	at[quant.AttrXZero] = attr.Int(0)
	if len(n.In) <= i || n.In[i] == nil {
		return reads, true
	}
	if z, ok := fl.small(n.In[i]); ok {
		if z.Len() == 1 {
			at[quant.AttrXZero] = attr.Int(int(z.Int(0)))
		}
		return reads, z.Len() == 1
	}
	t := n.In[i].Type
	if !t.Ranked() {
		return nil, false
	}
	for _, d := range t.Dims {
		if v, known := d.Const(); !known || v != 1 {
			return nil, false
		}
	}
	return append(reads, n.In[i]), true
}

// weightZeros adds the zero points of m outputs' weights w, of i8, as a
// constant: operand i of n, which must be constant. There is none where all
// are 0.
func (fl *funcLowerer) weightZeros(n *ir.Node, i int, w *qweight, m int) (consts []int, ok bool) {
	base := int64(0)
	if w.shift {
		base = 128
	}
	z := tensor.New(w.c.DType)
	if len(n.In) > i && n.In[i] != nil {
		if z, ok = fl.small(n.In[i]); !ok || z.Len() != 1 && z.Len() != m {
			return nil, false
		}
	}
	zeros := tensor.New(dtype.I32, m)
	for j := range m {
		zeros.SetInt(j, z.Int(j%z.Len())-base)
	}
	if !anyNonZero(zeros) {
		return nil, true
	}
	return []int{fl.addConst(w.name+".zeros", ir.NewConst(zeros))}, true
}

// selectMatMulInteger lowers a product of integers by a constant matrix.
func selectMatMulInteger(fl *funcLowerer, n *ir.Node) (bool, error) {
	a, y := n.In[0], n.Out[0].Type
	w, err := fl.byteWeights(n.In[1])
	if w == nil || len(w.dims) != 2 || !a.Type.Ranked() || a.Type.Rank() < 1 || a.Type.Rank() != y.Rank() || fl.isConst(a) {
		return false, err
	}
	k, m := w.dims[0], w.dims[1]
	at := attr.Map{}
	reads, ok := fl.operandZero(n, 2, at, []*ir.Value{a})
	if !ok || k > gemm.MaxI8 || fl.alts(gemm.OpI32, gemm.FormatI8) == nil {
		return false, nil
	}
	zeros, ok := fl.weightZeros(n, 3, w, m)
	if !ok {
		return false, nil
	}
	consts := append([]int{fl.packMatrix(w, false, m, k), fl.sums(w, m, sumColumns(m))}, zeros...)
	return fl.multiply(n, gemm.OpI32, at, consts, macs(n), reads...)
}

// selectConvInteger lowers a convolution of integers with constant filters.
func selectConvInteger(fl *funcLowerer, n *ir.Node) (bool, error) {
	x := n.In[0]
	w, err := fl.byteWeights(n.In[1])
	if w == nil || len(w.dims) < 3 || len(w.dims) > 4 || !x.Type.Ranked() || fl.isConst(x) {
		return false, err
	}
	m, k := w.dims[0], shapeCount(w.dims[1:])
	at := pick(n.Attrs, "auto_pad", "dilations", "group", "pads", "strides")
	reads, ok := fl.operandZero(n, 2, at, []*ir.Value{x})
	if !ok || k > gemm.MaxI8 || fl.alts(conv.OpI32, gemm.FormatI8) == nil {
		return false, nil
	}
	zeros, ok := fl.weightZeros(n, 3, w, m)
	if !ok {
		return false, nil
	}
	var ks []int64
	for _, d := range w.dims[2:] {
		ks = append(ks, int64(d))
	}
	at["kernel_shape"] = attr.Ints(ks...)
	consts := append([]int{fl.packFilters(w, n.Attrs.Int("group"), m, k), fl.sums(w, m, sumRows(k))}, zeros...)
	return fl.multiply(n, conv.OpI32, at, consts, macs(n), reads...)
}
