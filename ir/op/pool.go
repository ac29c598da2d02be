package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// poolOps are the pools; their gradients are in grad_pool.go.
func poolOps() []*ir.OpDef {
	return []*ir.OpDef{maxPoolOp(), averagePoolOp(), globalAveragePoolOp(), globalMaxPoolOp(), maxPoolGradOp(), averagePoolGradOp()}
}

// pooled are the element types of MaxPool.
var pooled = append(append([]dtype.DType{}, floats...), dtype.I8, dtype.U8)

func poolAttrs(more ...ir.Attr) []ir.Attr {
	as := windowAttrs(append([]ir.Attr{
		{Name: "ceil_mode", Kind: attr.KindInt, Default: attr.Int(0), Check: flag, Doc: "1: the last window may overhang the end"},
	}, more...)...)
	for i := range as {
		if as[i].Name == "kernel_shape" {
			as[i].Required = true
		}
	}
	return as
}

func maxPoolOp() *ir.OpDef {
	type down = func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error)
	return &ir.OpDef{
		Name: "MaxPool", Since: []int{1, 8, 10, 11, 12, 22},
		Doc: "MaxPool is the largest element under each window. Padding and NaN never win.\n\n" +
			"\tX        T[N, C, in...]    activations, channels first\n" +
			"\tY        T[N, C, out...]   out = (in + pads - dil*(k-1) - 1)/stride + 1, floor or with ceil_mode ceil; SAME: in/stride, ceil\n" +
			"\tIndices  i64[N, C, out...] optional: flat position in X of each maximum, the first of equals\n\n" +
			"With ceil_mode, a window that would start in the end padding is left out.\n" +
			"Cost: |Y|*|k| FLOP.  Grad: dX = mlc.MaxPoolGrad(dY, X).",
		Source: "ONNX MaxPool-22",
		In:     []ir.Port{{Name: "X", DTypes: pooled, Var: "T"}},
		Out:    []ir.Port{{Name: "Y", DTypes: pooled, Var: "T"}, {Name: "Indices", DTypes: indices[1:], Optional: true}},
		Attrs: poolAttrs(ir.Attr{Name: "storage_order", Kind: attr.KindInt, Default: attr.Int(0), Check: flag,
			Doc: "of Indices: 0 counts row by row, 1 column by column within a plane"}),
		Constraints: poolConstraints(0),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			y := inferPool(q)
			idx := y
			idx.DType = dtype.I64
			return []ir.Fact{{Type: y}, {Type: idx}}, nil
		},
		Eval: ref.MaxPool, Ref: &ref.MaxPoolDesc,
		Downgrade: map[int]down{
			12: withoutBF16(12, nil), 11: withoutBF16(11, nil), 10: withoutBF16(10, nil),
			8: withoutBF16(8, both(dropAttr("dilations", allOnes), dropAttr("ceil_mode", isZero))),
			1: withoutBF16(1, both(dropAttr("dilations", allOnes), dropAttr("ceil_mode", isZero), dropAttr("storage_order", isZero))),
		},
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			if dy[0] == nil || !n.In[0].Type.DType.IsFloat() {
				return make([]*ir.Value, 1)
			}
			a := n.Attrs.Clone()
			delete(a, "storage_order")
			return []*ir.Value{e.Op("mlc.MaxPoolGrad", a, dy[0], n.In[0])}
		},
		Cost:     poolCost,
		Examples: maxPoolExamples(),
	}
}

func averagePoolOp() *ir.OpDef {
	old := both(dropAttr("dilations", allOnes))
	older := both(old, dropAttr("ceil_mode", isZero))
	return &ir.OpDef{
		Name: "AveragePool", Since: []int{1, 7, 10, 11, 19, 22},
		Doc: "AveragePool is the mean of the elements under each window.\n\n" +
			"\tX  T[N, C, in...]   activations, channels first\n" +
			"\tY  T[N, C, out...]  extents as MaxPool's\n\n" +
			"The mean divides by the elements of X under the window or, with count_include_pad, by those of X and its padding; what overhangs beyond the padding never counts.\n" +
			"Cost: |Y|*|k| FLOP.  Grad: dX = mlc.AveragePoolGrad(dY).",
		Source: "ONNX AveragePool-22",
		In:     []ir.Port{{Name: "X", DTypes: floats, Var: "T"}},
		Out:    []ir.Port{{Name: "Y", DTypes: floats, Var: "T"}},
		Attrs: poolAttrs(ir.Attr{Name: "count_include_pad", Kind: attr.KindInt, Default: attr.Int(0), Check: flag,
			Doc: "1: padding counts as elements that are 0"}),
		Constraints: poolConstraints(0),
		Infer:       func(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: inferPool(q)}}, nil },
		Eval:        ref.AveragePool, Ref: &ref.AveragePoolDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			19: withoutBF16(19, nil), 11: withoutBF16(11, old), 10: withoutBF16(10, old), 7: withoutBF16(7, older),
			1: withoutBF16(1, both(older, dropAttr("count_include_pad", isZero))),
		},
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			if dy[0] == nil {
				return make([]*ir.Value, 1)
			}
			return []*ir.Value{e.Op("mlc.AveragePoolGrad", n.Attrs, dy[0], emitShape(e, n.In[0]))}
		},
		Cost:     poolCost,
		Examples: averagePoolExamples(),
	}
}

// both joins attribute changes of a downgrade.
func both(fs ...func(attr.Map) error) func(attr.Map) error {
	return func(a attr.Map) error {
		for _, f := range fs {
			if err := f(a); err != nil {
				return err
			}
		}
		return nil
	}
}

// poolCost counts one FLOP for each tap.
func poolCost(n *ir.Node) (int64, int64) {
	k := int64(1)
	for _, d := range n.Attrs.Ints("kernel_shape") {
		k *= d
	}
	return k * elements(n.Out[0].Type), bytesOf(n)
}

// poolConstraints are those of a pool over input x.
func poolConstraints(x int) []ir.C {
	return []ir.C{
		{ID: "C1", Text: "rank(X) = 2 + length of kernel_shape, at least 3", Check: func(q *ir.Query) error {
			k := len(q.Attrs.Ints("kernel_shape"))
			if k == 0 {
				return ir.Fault("attribute kernel_shape", "0 numbers", "1 or more")
			}
			if t := q.In[x].Type; t.Ranked() && t.Rank() != 2+k {
				return ir.Fault("rank of X", fmt.Sprint(t.Rank()), fmt.Sprintf("%d (2 + %d of kernel_shape)", 2+k, k))
			}
			return nil
		}},
		{ID: "C2", Text: "all lists fit the spatial axes", Check: func(q *ir.Query) error {
			return windowLists(q, len(q.Attrs.Ints("kernel_shape")))
		}},
		{ID: "C3", Text: "pads are 0 beside auto_pad", Check: padsOrAuto},
		{ID: "C4", Text: "the window fits the padded input", Check: func(q *ir.Query) error {
			return eachPooled(q, q.In[x].Type, func(i int, w winAxis, in shape.Dim) error { return w.fits(i, in) })
		}},
	}
}

// eachPooled visits the spatial axes of t, if ranked.
func eachPooled(q *ir.Query, t ir.Type, f func(i int, w winAxis, in shape.Dim) error) error {
	ks := q.Attrs.Ints("kernel_shape")
	for i, k := range ks {
		if in, ok := dimAt(t, 2+i); ok {
			if err := f(i, axisWindow(q.Attrs, i, len(ks), shape.Int(k)), in); err != nil {
				return err
			}
		}
	}
	return nil
}

// inferPool gives Y's type.
func inferPool(q *ir.Query) ir.Type {
	x := q.In[0].Type
	if !x.Ranked() {
		return tensor.TUnranked(x.DType)
	}
	dims := append([]shape.Dim{}, x.Dims...)
	_ = eachPooled(q, x, func(i int, w winAxis, in shape.Dim) error {
		dims[2+i] = w.out(in)
		return nil
	})
	return tensor.T(x.DType, dims...)
}

func globalAveragePoolOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "GlobalAveragePool", Since: []int{1, 22},
		Doc: "GlobalAveragePool is the mean of each plane.\n\n" +
			"\tX  T[N, C, in...]   activations, channels first\n" +
			"\tY  T[N, C, 1, ...]  as many axes as X\n\n" +
			"Cost: |X| FLOP.  Grad: dY divided by the size of a plane, expanded.",
		Source:      "ONNX GlobalAveragePool-22",
		In:          []ir.Port{{Name: "X", DTypes: floats, Var: "T"}},
		Out:         []ir.Port{{Name: "Y", DTypes: floats, Var: "T"}},
		Constraints: globalConstraints(),
		Infer:       inferGlobal,
		Eval:        ref.GlobalAveragePool, Ref: &ref.GlobalAveragePoolDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){1: withoutBF16(1, nil)},
		Grad:      gradGlobalAverage,
		Cost:      func(n *ir.Node) (int64, int64) { return elements(n.In[0].Type), bytesOf(n) },
		Examples: []ir.Case{
			{Name: "two channels", In: tensor.Vs(count(1, 2, 2, 2)), Out: tensor.Vs(tensor.MustOf([]float32{1.5, 5.5}, 1, 2, 1, 1)), Source: "hand calculation"},
			{Name: "precomputed", In: tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 1, 3, 3)),
				Out: tensor.Vs(tensor.MustOf([]float32{5}, 1, 1, 1, 1)), Source: "ONNX GlobalAveragePool-22, example globalaveragepool_precomputed"},
		},
	}
}

func globalMaxPoolOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "GlobalMaxPool", Since: []int{1, 22},
		Doc: "GlobalMaxPool is the largest element of each plane. NaN never wins.\n\n" +
			"\tX  T[N, C, in...]   activations, channels first\n" +
			"\tY  T[N, C, 1, ...]  as many axes as X\n\n" +
			"Cost: |X| FLOP.  Grad: dY shared by the elements that are the maximum.",
		Source:      "ONNX GlobalMaxPool-22",
		In:          []ir.Port{{Name: "X", DTypes: floats, Var: "T"}},
		Out:         []ir.Port{{Name: "Y", DTypes: floats, Var: "T"}},
		Constraints: globalConstraints(),
		Infer:       inferGlobal,
		Eval:        ref.GlobalMaxPool, Ref: &ref.GlobalMaxPoolDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){1: withoutBF16(1, nil)},
		Grad:      gradGlobalMax,
		Cost:      func(n *ir.Node) (int64, int64) { return elements(n.In[0].Type), bytesOf(n) },
		Examples: []ir.Case{
			{Name: "two channels", In: tensor.Vs(count(1, 2, 2, 2)), Out: tensor.Vs(tensor.MustOf([]float32{3, 7}, 1, 2, 1, 1)), Source: "hand calculation"},
			{Name: "precomputed", In: tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 1, 3, 3)),
				Out: tensor.Vs(tensor.MustOf([]float32{9}, 1, 1, 1, 1)), Source: "ONNX GlobalMaxPool-22, example globalmaxpool_precomputed"},
		},
	}
}

func globalConstraints() []ir.C {
	return []ir.C{{ID: "C1", Text: "rank(X) >= 2", Check: func(q *ir.Query) error {
		if t := q.In[0].Type; t.Ranked() && t.Rank() < 2 {
			return ir.Fault("rank of X", fmt.Sprint(t.Rank()), "2 or more")
		}
		return nil
	}}}
}

func inferGlobal(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	if !x.Ranked() {
		return []ir.Fact{{Type: x}}, nil
	}
	dims := append([]shape.Dim{}, x.Dims...)
	for i := 2; i < len(dims); i++ {
		dims[i] = shape.Int(1)
	}
	return tt(x.DType, dims...), nil
}

func maxPoolExamples() []ir.Case {
	return []ir.Case{
		{Name: "ceil_mode", Attrs: attr.Map{"kernel_shape": attr.Ints(3, 3), "strides": attr.Ints(2, 2), "ceil_mode": attr.Int(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 1, 1, 4, 4)),
			Out:    tensor.Vs(tensor.MustOf([]float32{11, 12, 15, 16}, 1, 1, 2, 2)),
			Source: "ONNX MaxPool-22, example maxpool_2d_ceil"},
		{Name: "a window that would start in the end padding is left out",
			Attrs:  attr.Map{"kernel_shape": attr.Ints(1, 1), "strides": attr.Ints(2, 2), "ceil_mode": attr.Int(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4}, 1, 1, 2, 2)),
			Out:    tensor.Vs(tensor.MustOf([]float32{1}, 1, 1, 1, 1)),
			Source: "ONNX MaxPool-22, example maxpool_2d_ceil_output_size_reduce_by_one"},
		{Name: "indices column by column", Attrs: attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2), "storage_order": attr.Int(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25}, 1, 1, 5, 5)),
			Out:    tensor.Vs(tensor.MustOf([]float32{7, 9, 17, 19}, 1, 1, 2, 2), tensor.MustOf([]int64{6, 16, 8, 18}, 1, 1, 2, 2)),
			Source: "ONNX MaxPool-22, example maxpool_with_argmax_2d_precomputed_strides"},
		{Name: "u8, dilated", Attrs: attr.Map{"kernel_shape": attr.Ints(2), "dilations": attr.Ints(2)},
			In:     tensor.Vs(tensor.MustOf([]uint8{9, 200, 3, 4}, 1, 1, 4)),
			Out:    tensor.Vs(tensor.MustOf([]uint8{9, 200}, 1, 1, 2)),
			Source: "hand calculation"},
	}
}

func averagePoolExamples() []ir.Case {
	return []ir.Case{
		{Name: "padding is left out", Attrs: attr.Map{"kernel_shape": attr.Ints(2), "pads": attr.Ints(1, 0)},
			In:     tensor.Vs(tensor.MustOf([]float32{2, 4, 8}, 1, 1, 3)),
			Out:    tensor.Vs(tensor.MustOf([]float32{2, 3, 6}, 1, 1, 3)),
			Source: "hand calculation"},
		{Name: "padding counts as zeros", Attrs: attr.Map{"kernel_shape": attr.Ints(2), "pads": attr.Ints(1, 0), "count_include_pad": attr.Int(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{2, 4, 8}, 1, 1, 3)),
			Out:    tensor.Vs(tensor.MustOf([]float32{1, 3, 6}, 1, 1, 3)),
			Source: "hand calculation"},
		{Name: "an overhang never counts", Attrs: attr.Map{"kernel_shape": attr.Ints(3, 3), "strides": attr.Ints(2, 2), "ceil_mode": attr.Int(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 1, 1, 4, 4)),
			Out:    tensor.Vs(tensor.MustOf([]float32{6, 7.5, 12, 13.5}, 1, 1, 2, 2)),
			Source: "ONNX AveragePool-22, example averagepool_2d_ceil"},
	}
}
