package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// qlinearOps compute on quantized integers.
func qlinearOps() []*ir.OpDef {
	return []*ir.OpDef{qlinearConvOp(), convIntegerOp(), qlinearMatMulOp(), matMulIntegerOp(), dynamicQuantizeLinearOp()}
}

// bytes8 are the element types of quantized operands.
var bytes8 = []dtype.DType{dtype.I8, dtype.U8}

const (
	qruleDoc    = "The sum of products of differences to the zero points is exact; it becomes saturate(round(f32(sum)*m) + y_zero_point), halves to even, with m = f32(product of the operands' scales / y_scale). "
	noQGradWhy  = "quantized operands; quantization-aware training works on DequantizeLinear"
	noMeasured  = "a result of its own choice of scale; quantization-aware training fixes ranges"
	fewScaleDoc = "one element, or one for each "
)

// seen is the query that Conv's or MatMul's constraints and inference get:
// operands of other ports in their places.
func seen(q *ir.Query, ports ...int) *ir.Query {
	s := *q
	s.In = nil
	for _, p := range ports {
		s.In = append(s.In, q.Input(p))
	}
	return &s
}

// renamed are constraints on such a query, numbered from 1 on, and then more.
func renamed(cs []ir.C, ports []int, more ...ir.C) []ir.C {
	var out []ir.C
	for _, c := range cs {
		check := c.Check
		out = append(out, ir.C{ID: fmt.Sprint("C", len(out)+1), Text: c.Text, Check: func(q *ir.Query) error { return check(seen(q, ports...)) }})
	}
	for _, c := range more {
		c.ID = fmt.Sprint("C", len(out)+1)
		out = append(out, c)
	}
	return out
}

// oneOrEach is the constraint that operand i has one element, or is a vector
// of as many as dim says (not at all where it says no).
func oneOrEach(i int, name, each string, dim func(q *ir.Query) (shape.Dim, bool)) ir.C {
	text := name + " has one element"
	if each != "" {
		text += ", or is a vector with one for each " + each
	}
	return ir.C{Text: text, Check: func(q *ir.Query) error {
		f := q.Input(i)
		if !f.Present() || !f.Type.Ranked() {
			return nil
		}
		n := shape.Prod(f.Type.Dims)
		if !differ(n, shape.Int(1)) {
			return nil
		}
		if each == "" {
			return ir.Fault(name, f.Type.String(), "one element")
		}
		if f.Type.Rank() != 1 {
			return ir.Fault(name, f.Type.String(), "one element or a vector")
		}
		if d, ok := dim(q); ok && differ(f.Type.Dims[0], d) {
			return ir.Fault(name, f.Type.Dims[0].String(), "1 or "+d.String()+" (one for each "+each+")")
		}
		return nil
	}}
}

// filtersOf says how many filters operand i has.
func filtersOf(i int) func(q *ir.Query) (shape.Dim, bool) {
	return func(q *ir.Query) (shape.Dim, bool) { return dimAt(q.In[i].Type, 0) }
}

// rowsOf and columnsOf say how many rows A and columns B of a product have.
func rowsOf(i int) func(q *ir.Query) (shape.Dim, bool) {
	return func(q *ir.Query) (shape.Dim, bool) {
		t := q.In[i].Type
		if t.Rank() == 1 {
			return shape.Int(1), true
		}
		return dimAt(t, t.Rank()-2)
	}
}

func columnsOf(i int) func(q *ir.Query) (shape.Dim, bool) {
	return func(q *ir.Query) (shape.Dim, bool) {
		t := q.In[i].Type
		if t.Rank() == 1 {
			return shape.Int(1), true
		}
		return dimAt(t, t.Rank()-1)
	}
}

// typed replaces the element type of the first fact.
func typed(fs []ir.Fact, err error, d dtype.DType) ([]ir.Fact, error) {
	if err == nil {
		fs[0].Type.DType = d
	}
	return fs, err
}

func qlinearConvOp() *ir.OpDef {
	ports := []int{0, 3, 8}
	return &ir.OpDef{
		Name: "QLinearConv", Since: []int{10}, Source: "ONNX QLinearConv-10; DESIGN 5.2 for the rounding",
		Doc: "QLinearConv is Conv of quantized values. " + qruleDoc + "Padding is the zero point of x.\n\n" +
			"\tx             T1[N, C, in...]\n\tx_scale       f32, one element\n\tx_zero_point  T1, one element\n" +
			"\tw             T2[M, C/group, k...]\n\tw_scale       f32, " + fewScaleDoc + "filter\n\tw_zero_point  T2, as w_scale\n" +
			"\ty_scale       f32, one element\n\ty_zero_point  T3, one element\n\tB             i32[M]   optional, of scale x_scale*w_scale and zero point 0\n" +
			"\ty             T3[N, M, out...]   as Conv\n\n" +
			"Cost: 2*|y|*(C/group)*|k| FLOP.  Grad: none.",
		In: []ir.Port{{Name: "x", DTypes: bytes8, Var: "T1"}, {Name: "x_scale", DTypes: []dtype.DType{dtype.F32}}, {Name: "x_zero_point", DTypes: bytes8, Var: "T1"},
			{Name: "w", DTypes: bytes8, Var: "T2"}, {Name: "w_scale", DTypes: []dtype.DType{dtype.F32}}, {Name: "w_zero_point", DTypes: bytes8, Var: "T2"},
			{Name: "y_scale", DTypes: []dtype.DType{dtype.F32}}, {Name: "y_zero_point", DTypes: bytes8, Var: "T3"},
			{Name: "B", DTypes: []dtype.DType{dtype.I32}, Optional: true}},
		Out:   []ir.Port{{Name: "y", DTypes: bytes8, Var: "T3"}},
		Attrs: windowAttrs(groupAttr()),
		Constraints: renamed(convConstraints(false), ports,
			oneOrEach(1, "x_scale", "", nil), oneOrEach(2, "x_zero_point", "", nil),
			oneOrEach(4, "w_scale", "filter", filtersOf(3)), oneOrEach(5, "w_zero_point", "filter", filtersOf(3)),
			oneOrEach(6, "y_scale", "", nil), oneOrEach(7, "y_zero_point", "", nil)),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			fs, err := inferConv(seen(q, ports...))
			return typed(fs, err, q.In[7].Type.DType)
		},
		Eval: ref.QLinearConv, Ref: &ref.QLinearConvDesc,
		NoGrad: noQGradWhy,
		Cost: func(n *ir.Node) (int64, int64) {
			return 2 * elements(n.Out[0].Type) * perChannel(n.In[3].Type), bytesOf(n)
		},
		Examples: []ir.Case{
			tensorCase("a 1x1 filter", "hand calculation: (x-1)*(w-0) = 0 2 4 6, *0.5/1 = 0 1 2 3, +1", nil,
				tensor.MustOf([]uint8{1, 2, 3, 4}, 1, 1, 2, 2),
				tensor.MustOf([]uint8{1, 2, 3, 4}, 1, 1, 2, 2), num32(0.5), tensor.MustOf([]uint8{1}),
				tensor.MustOf([]int8{2}, 1, 1, 1, 1), num32(1), tensor.MustOf([]int8{0}), num32(1), tensor.MustOf([]uint8{1})),
			tensorCase("two filters, padding, bias", "hand calculation: the upper tap meets padding; 3*1+10 and 3*-1-7 by filter, times 1 and 0.5", attr.Map{"pads": attr.Ints(1, 0, 0, 0)},
				tensor.MustOf([]int8{13, -5}, 1, 2, 1, 1),
				tensor.MustOf([]int8{5}, 1, 1, 1, 1), num32(1), tensor.MustOf([]int8{2}),
				tensor.MustOf([]int8{9, 1, 4, -1}, 2, 1, 2, 1), vec(1, 0.5), i8s(0, 0), num32(1), tensor.MustOf([]int8{0}), i32s(10, -7)),
		},
	}
}

func convIntegerOp() *ir.OpDef {
	ports := []int{0, 1}
	return &ir.OpDef{
		Name: "ConvInteger", Since: []int{10}, Source: "ONNX ConvInteger-10",
		Doc: "ConvInteger is Conv of x - x_zero_point and w - w_zero_point, exact. Padding is the zero point of x.\n\n" +
			"\tx             T1[N, C, in...]\n\tw             T2[M, C/group, k...]\n\tx_zero_point  T1, one element   optional\n" +
			"\tw_zero_point  T2, " + fewScaleDoc + "filter   optional\n\ty             i32[N, M, out...]   as Conv\n\n" +
			"Cost: 2*|y|*(C/group)*|k| FLOP.  Grad: none.",
		In: []ir.Port{{Name: "x", DTypes: bytes8, Var: "T1"}, {Name: "w", DTypes: bytes8, Var: "T2"},
			{Name: "x_zero_point", DTypes: bytes8, Var: "T1", Optional: true}, {Name: "w_zero_point", DTypes: bytes8, Var: "T2", Optional: true}},
		Out:         []ir.Port{{Name: "y", DTypes: []dtype.DType{dtype.I32}}},
		Attrs:       windowAttrs(groupAttr()),
		Constraints: renamed(lacking(convConstraints(false), "C6"), ports, oneOrEach(2, "x_zero_point", "", nil), oneOrEach(3, "w_zero_point", "filter", filtersOf(1))),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			fs, err := inferConv(seen(q, ports...))
			return typed(fs, err, dtype.I32)
		},
		Eval: ref.ConvInteger, Ref: &ref.ConvIntegerDesc,
		NoGrad: noQGradWhy,
		Cost:   convCost,
		Examples: []ir.Case{
			tensorCase("a filter of ones", "ONNX test_convinteger_without_padding: x - 1, summed in twos", nil,
				tensor.MustOf([]int32{12, 16, 24, 28}, 1, 1, 2, 2),
				tensor.MustOf([]uint8{2, 3, 4, 5, 6, 7, 8, 9, 10}, 1, 1, 3, 3), tensor.MustOf([]uint8{1, 1, 1, 1}, 1, 1, 2, 2), tensor.MustOf([]uint8{1})),
			tensorCase("no zero points", "hand calculation", nil,
				tensor.MustOf([]int32{-10}, 1, 1, 1, 1),
				tensor.MustOf([]int8{5}, 1, 1, 1, 1), tensor.MustOf([]int8{-2}, 1, 1, 1, 1)),
		},
	}
}

// lacking drops a constraint.
func lacking(cs []ir.C, id string) []ir.C {
	var out []ir.C
	for _, c := range cs {
		if c.ID != id {
			out = append(out, c)
		}
	}
	return out
}

// productCost counts two FLOP for each multiply-add of a matrix product.
func productCost(n *ir.Node) (int64, int64) {
	k := int64(1)
	if a := n.In[0].Type; a.Rank() > 0 {
		k = elements(tensor.T(a.DType, a.Dims[a.Rank()-1]))
	}
	return 2 * k * elements(n.Out[0].Type), bytesOf(n)
}

func qlinearMatMulOp() *ir.OpDef {
	ports := []int{0, 3}
	scales := []dtype.DType{dtype.F32, dtype.F16, dtype.BF16}
	return &ir.OpDef{
		Name: "QLinearMatMul", Since: []int{10, 21}, Source: "ONNX QLinearMatMul-21; DESIGN 5.2 for the rounding",
		Doc: "QLinearMatMul is MatMul of quantized values. " + qruleDoc + "8-bit floats are not supported.\n\n" +
			"\ta             T1[batch..., m, k]\n\ta_scale       T, " + fewScaleDoc + "row\n\ta_zero_point  T1, as a_scale\n" +
			"\tb             T2[batch..., k, n]\n\tb_scale       T, " + fewScaleDoc + "column\n\tb_zero_point  T2, as b_scale\n" +
			"\ty_scale       T, one element\n\ty_zero_point  T3, one element\n\ty             T3[batch..., m, n]   as MatMul\n\n" +
			"Cost: 2*|y|*k FLOP.  Grad: none.",
		In: []ir.Port{{Name: "a", DTypes: bytes8, Var: "T1"}, {Name: "a_scale", DTypes: scales, Var: "TS"}, {Name: "a_zero_point", DTypes: bytes8, Var: "T1"},
			{Name: "b", DTypes: bytes8, Var: "T2"}, {Name: "b_scale", DTypes: scales, Var: "TS"}, {Name: "b_zero_point", DTypes: bytes8, Var: "T2"},
			{Name: "y_scale", DTypes: scales, Var: "TS"}, {Name: "y_zero_point", DTypes: bytes8, Var: "T3"}},
		Out: []ir.Port{{Name: "y", DTypes: bytes8, Var: "T3"}},
		Constraints: renamed(matMulOp().Constraints, ports,
			oneOrEach(1, "a_scale", "row", rowsOf(0)), oneOrEach(2, "a_zero_point", "row", rowsOf(0)),
			oneOrEach(4, "b_scale", "column", columnsOf(3)), oneOrEach(5, "b_zero_point", "column", columnsOf(3)),
			oneOrEach(6, "y_scale", "", nil), oneOrEach(7, "y_zero_point", "", nil)),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			fs, err := inferMatMul(seen(q, ports...))
			return typed(fs, err, q.In[7].Type.DType)
		},
		Eval: ref.QLinearMatMul, Ref: &ref.QLinearMatMulDesc,
		Downgrade: map[int]lower{10: func(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
			if d := n.In[1].Type.DType; d != dtype.F32 {
				return nil, nil, diag.New(diag.Unsupported, "%v scales in QLinearMatMul-10 (supported: f32)", d)
			}
			return n.In, n.Attrs, nil
		}},
		NoGrad: noQGradWhy,
		Cost:   productCost,
		Examples: []ir.Case{
			tensorCase("2x2 by 2x1", "hand calculation: sums 1*3+2*4 = 11, 3*3+4*4 = 25, times 0.5, halves to even, +10", nil,
				tensor.MustOf([]uint8{16, 22}, 2, 1),
				tensor.MustOf([]uint8{2, 3, 4, 5}, 2, 2), num32(0.5), tensor.MustOf([]uint8{1}), tensor.MustOf([]int8{3, 4}, 2, 1), num32(1), tensor.MustOf([]int8{0}),
				num32(1), tensor.MustOf([]uint8{10})),
			tensorCase("scales by row and by column", "hand calculation: sums 6, -8, 3, -4; 6*1*1/2 = 3, -8*1*0.5/2 = -2, 3*3*1/2 = 4.5, -4*3*0.5/2 = -3", nil,
				tensor.MustOf([]int8{3, -2, 4, -3}, 2, 2),
				tensor.MustOf([]int8{2, 1}, 2, 1), vec(1, 3), i8s(0, 0), tensor.MustOf([]int8{4, -4}, 1, 2), vec(1, 0.5), i8s(1, 0), num32(2), tensor.MustOf([]int8{0})),
		},
	}
}

func matMulIntegerOp() *ir.OpDef {
	ports := []int{0, 1}
	return &ir.OpDef{
		Name: "MatMulInteger", Since: []int{10}, Source: "ONNX MatMulInteger-10",
		Doc: "MatMulInteger is MatMul of A - a_zero_point and B - b_zero_point, exact.\n\n" +
			"\tA             T1[batch..., m, k]\n\tB             T2[batch..., k, n]\n\ta_zero_point  T1, " + fewScaleDoc + "row   optional\n" +
			"\tb_zero_point  T2, " + fewScaleDoc + "column   optional\n\tY             i32[batch..., m, n]   as MatMul\n\n" +
			"Cost: 2*|Y|*k FLOP.  Grad: none.",
		In: []ir.Port{{Name: "A", DTypes: bytes8, Var: "T1"}, {Name: "B", DTypes: bytes8, Var: "T2"},
			{Name: "a_zero_point", DTypes: bytes8, Var: "T1", Optional: true}, {Name: "b_zero_point", DTypes: bytes8, Var: "T2", Optional: true}},
		Out: []ir.Port{{Name: "Y", DTypes: []dtype.DType{dtype.I32}}},
		Constraints: renamed(matMulOp().Constraints, ports,
			oneOrEach(2, "a_zero_point", "row", rowsOf(0)), oneOrEach(3, "b_zero_point", "column", columnsOf(1))),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			fs, err := inferMatMul(seen(q, ports...))
			return typed(fs, err, dtype.I32)
		},
		Eval: ref.MatMulInteger, Ref: &ref.MatMulIntegerDesc,
		NoGrad: noQGradWhy,
		Cost:   productCost,
		Examples: []ir.Case{
			tensorCase("4x3 by 3x2", "ONNX test_matmulinteger", nil,
				tensor.MustOf([]int32{-38, -83, -44, -98, -50, -113, -56, -128}, 4, 2),
				tensor.MustOf([]uint8{11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0}, 4, 3), tensor.MustOf([]uint8{1, 4, 2, 5, 3, 6}, 3, 2), u8s(12), u8s(0)),
			tensorCase("two vectors", "hand calculation: 1*(253-255) + 2*(0-255)", nil, tensor.MustOf([]int32{-512}), i8s(1, 2), tensor.MustOf([]uint8{253, 0}, 2), i8s(0), u8s(255)),
		},
	}
}

func dynamicQuantizeLinearOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "DynamicQuantizeLinear", Since: []int{11}, Source: "ONNX DynamicQuantizeLinear-11; a scale of 1 for zeros as onnxruntime",
		Doc: "DynamicQuantizeLinear quantizes to u8 by the range of x, widened to hold 0. y_scale = (max - min)/255, 1 where that is 0; " +
			"y_zero_point = round(saturate(-min/y_scale)); y = saturate(round(x/y_scale) + y_zero_point), halves to even. NaN is not part of the range " +
			"and becomes the zero point.\n\n" +
			"\tx             f32[...]\n\ty             u8[...]\n\ty_scale       f32[]\n\ty_zero_point  u8[]\n\n" +
			"Cost: 5*|x| FLOP.  Grad: none.",
		In:  []ir.Port{{Name: "x", DTypes: []dtype.DType{dtype.F32}}},
		Out: []ir.Port{{Name: "y", DTypes: []dtype.DType{dtype.U8}}, {Name: "y_scale", DTypes: []dtype.DType{dtype.F32}}, {Name: "y_zero_point", DTypes: []dtype.DType{dtype.U8}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			t := q.In[0].Type
			t.DType = dtype.U8
			return []ir.Fact{{Type: t}, {Type: tensor.T(dtype.F32)}, {Type: tensor.T(dtype.U8)}}[:q.NOut], nil
		},
		Eval: ref.DynamicQuantizeLinear, Ref: &ref.DynamicQuantizeLinearDesc,
		NoGrad: noMeasured,
		Cost:   perElement(5),
		Examples: []ir.Case{
			{Name: "both signs", Source: "ONNX test_dynamicquantizelinear", In: tensor.Vs(vec(0, 2, -3, -2.5, 1.34, 0.5)),
				Out: tensor.Vs(u8s(153, 255, 0, 26, 221, 179), num32(0.019607844), tensor.MustOf([]uint8{153}))},
			{Name: "zeros", Source: "hand calculation", In: tensor.Vs(vec(0, 0)), Out: tensor.Vs(u8s(0, 0), num32(1), tensor.MustOf([]uint8{0}))},
		},
	}
}
