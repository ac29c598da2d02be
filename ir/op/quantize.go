package op

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// quantizeOps convert between real and quantized tensors.
func quantizeOps() []*ir.OpDef { return []*ir.OpDef{quantizeLinearOp(), dequantizeLinearOp()} }

var (
	halfs     = []dtype.DType{dtype.F32, dtype.F16, dtype.BF16}
	quantized = slices.Concat([]dtype.DType{dtype.I8, dtype.U8, dtype.I16, dtype.U16}, nibbles,
		[]dtype.DType{dtype.I2, dtype.U2}, float8s, []dtype.DType{dtype.F4E2M1})
	scaleTypes = append(slices.Clone(halfs), dtype.F8E8M0)
	// quantAt are the quantized types that each schema version knows.
	quantAt = map[int][]dtype.DType{
		13: {dtype.I8, dtype.U8, dtype.I32},
		19: slices.Concat([]dtype.DType{dtype.I8, dtype.U8, dtype.I32}, float8s),
		21: slices.Concat([]dtype.DType{dtype.I8, dtype.U8, dtype.I16, dtype.U16, dtype.I32}, nibbles, float8s),
		23: append(less(quantized, dtype.U2, dtype.I2), dtype.I32),
		24: append(less(quantized, dtype.U2, dtype.I2), dtype.I32),
		25: append(slices.Clone(quantized), dtype.I32),
	}
)

const granularityDoc = "The scale is a scalar, a vector along axis, or, with block_size B, of x's shape with " +
	"ceil(extent/B) along axis; the zero point has its shape."

func granularityAttrs() []ir.Attr {
	return []ir.Attr{
		{Name: "axis", Kind: attr.KindInt, Default: attr.Int(1), Doc: "of a vector of scales, or of blocks"},
		{Name: "block_size", Kind: attr.KindInt, Default: attr.Int(0), Check: atLeast0, Doc: "elements that share a scale along axis, 0: not blocked"},
	}
}

func atLeast0(v attr.Value) error {
	if v.Int < 0 {
		return diag.New(diag.Shape, "%d is negative", v.Int)
	}
	return nil
}

// scaleIs says how a scale's type goes with x: by the tensor, the axis or the
// block; "" where it cannot be told yet.
func scaleIs(q *ir.Query) string {
	x, s := q.In[0].Type, q.In[1].Type
	if !x.Ranked() || !s.Ranked() {
		return ""
	}
	n := shape.Prod(s.Dims)
	switch block := q.Attrs.Int("block_size"); {
	case s.Rank() == 0 || block == 0 && n.Is(1):
		return "tensor"
	case block > 0:
		return "block"
	case n.IsConst():
		return "axis"
	}
	return "" // one element or more: the run will tell
}

func granularityCs() []ir.C {
	return []ir.C{
		{ID: "C1", Text: "axis is within the rank of x, where scales lie along it", Check: func(q *ir.Query) error {
			if k := scaleIs(q); k == "axis" || k == "block" {
				return axisC("C1", 0).Check(q)
			}
			return nil
		}},
		{ID: "C2", Text: "the scale is a scalar, a vector as long as the axis, or one block each", Check: checkScale},
		{ID: "C3", Text: "the zero point has the scale's shape", Check: func(q *ir.Query) error {
			z, s := q.Input(2), q.In[1].Type
			if !z.Present() || !z.Type.Ranked() || !s.Ranked() {
				return nil
			}
			// Scalars and vectors of one element mix.
			if zn, sn := shape.Prod(z.Type.Dims), shape.Prod(s.Dims); !differ(zn, shape.Int(1)) && !differ(sn, shape.Int(1)) {
				return nil
			}
			same := z.Type.Rank() == s.Rank()
			for i := 0; same && i < s.Rank(); i++ {
				same = !differ(z.Type.Dims[i], s.Dims[i])
			}
			if !same {
				return ir.Fault("zero point", z.Type.String(), "the shape of the scale, "+s.String())
			}
			return nil
		}},
	}
}

func checkScale(q *ir.Query) error {
	x, s := q.In[0].Type, q.In[1].Type
	kind := scaleIs(q)
	if kind == "" || kind == "tensor" {
		return nil
	}
	axis, err := axisOf(q.Attrs.Int("axis"), x.Rank())
	if err != nil {
		return err
	}
	if kind == "axis" {
		if s.Rank() != 1 || differ(s.Dims[0], x.Dims[axis]) {
			return ir.Fault("scale", s.String(), "a scalar or ["+x.Dims[axis].String()+"]")
		}
		return nil
	}
	want := slices.Clone(x.Dims)
	b := int64(q.Attrs.Int("block_size"))
	want[axis] = want[axis].Add(shape.Int(b - 1)).Div(shape.Int(b))
	ok := s.Rank() == x.Rank()
	for i := 0; ok && i < len(want); i++ {
		ok = !differ(s.Dims[i], want[i])
	}
	if !ok {
		return ir.Fault("scale", s.String(), shape.Format(want))
	}
	return nil
}

func quantizeLinearOp() *ir.OpDef {
	d := &ir.OpDef{
		Name: "QuantizeLinear", Since: []int{10, 13, 19, 21, 23, 24, 25, 28}, Source: "ONNX QuantizeLinear-28",
		Doc: "QuantizeLinear is y = saturate(round(x/scale) + zero point). " + granularityDoc + " The quotient is rounded to the precision " +
			"(the scale's type unless stated), then to the nearest even integer; NaN gives the zero point. To 4- and 8-bit floats it is rounded to " +
			"the format, saturating if saturate. Scales of i32 and the 6-bit floats are not supported.\n\n" +
			"\tx             T1[...]\n\ty_scale       T2[], T2[n] or T2[...]\n\ty_zero_point  T3, as y_scale   optional\n" +
			"\ty             T3[...]   T3 of the zero point, else output_dtype, else u8\n\n" +
			"Cost: 3*|y| FLOP.  Errors: C1 to C4.  Grad: none.",
		In: []ir.Port{{Name: "x", DTypes: append(slices.Clone(halfs), dtype.I32)}, {Name: "y_scale", DTypes: scaleTypes},
			{Name: "y_zero_point", DTypes: quantized, Optional: true}},
		Out: []ir.Port{{Name: "y", DTypes: quantized}},
		Attrs: append(granularityAttrs(),
			ir.Attr{Name: "output_dtype", Kind: attr.KindInt, Default: attr.Int(0), Check: typeCode(quantized, true), Doc: "type of y without a zero point"},
			ir.Attr{Name: "precision", Kind: attr.KindInt, Default: attr.Int(0), Check: typeCode(halfs, true), Doc: "type in which x/scale is computed"},
			ir.Attr{Name: "saturate", Kind: attr.KindInt, Default: attr.Int(1), Check: flag, Doc: "to 8-bit floats: the largest value where out of range"}),
		Constraints: append(granularityCs(), ir.C{ID: "C4", Text: "output_dtype is the zero point's type", Check: func(q *ir.Query) error {
			z := q.Input(2)
			if d, ok := dtype.FromONNX(int32(q.Attrs.Int("output_dtype"))); ok && z.Present() && z.Type.DType != d {
				return ir.Fault("output_dtype", d.String(), z.Type.DType.String()+" (of the zero point)")
			}
			return nil
		}}),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			t := q.In[0].Type
			t.DType = dtype.U8
			if z := q.Input(2); z.Present() {
				t.DType = z.Type.DType
			} else if d, ok := dtype.FromONNX(int32(q.Attrs.Int("output_dtype"))); ok {
				t.DType = d
			}
			return []ir.Fact{{Type: t}}, nil
		},
		Eval: ref.QuantizeLinear, Ref: &ref.QuantizeLinearDesc,
		Downgrade: map[int]lower{},
		NoGrad:    "piecewise constant; quantization-aware training puts a straight-through pair in its place",
		Cost:      perElement(3),
		Examples: []ir.Case{
			tensorCase("u8", "ONNX test_quantizelinear", nil, u8s(128, 129, 130, 255, 1, 0), vec(0, 2, 3, 1000, -254, -1000), num32(2), tensor.MustOf([]uint8{128})),
			tensorCase("halves to even, by channel", "hand calculation: 0.5, 1.5, 2.5 round to 0, 2, 2", attr.Map{"axis": attr.Int(0)},
				tensor.MustOf([]int8{0, 2, 2, 1}, 2, 2), f32s([]int{2, 2}, 0.5, 1.5, 5, 2), vec(1, 2), i8s(0, 0)),
			tensorCase("blocks of two", "hand calculation", attr.Map{"axis": attr.Int(0), "block_size": attr.Int(2)},
				u8s(1, 2, 3), vec(1, 2, 30), vec(1, 10)),
		},
	}
	for v, types := range quantAt {
		d.Downgrade[v] = quantDown(v, types)
	}
	return d
}

// quantDown writes QuantizeLinear or DequantizeLinear in schema version v.
// Error: a type or an attribute that it lacks.
func quantDown(v int, types []dtype.DType) lower {
	return func(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
		q, real := n.Out[0].Type.DType, n.In[0].Type.DType
		if n.Def.Name == "DequantizeLinear" {
			q, real = real, q
		}
		if s := n.In[1].Type.DType; !slices.Contains(types, q) || v < 24 && s == dtype.F8E8M0 || v < 19 && (real != dtype.F32 && real != dtype.I32 || s != dtype.F32) {
			return nil, nil, diag.New(diag.Unsupported, "%v with scale %v in %s-%d", q, s, n.Def.Name, v)
		}
		a := n.Attrs.Clone()
		for _, x := range []struct {
			name  string
			since int
		}{{"saturate", 19}, {"block_size", 21}, {"output_dtype", 21}, {"precision", 23}} {
			since := x.since
			if x.name == "output_dtype" && n.Def.Name == "DequantizeLinear" {
				since = 23
			}
			if v >= since || !a.Has(x.name) {
				continue
			}
			implied := x.name == "saturate" && !slices.Contains(float8s, q) ||
				x.name == "output_dtype" && (len(n.In) > 2 && n.In[2] != nil || n.Def.Name == "DequantizeLinear" && real == n.In[1].Type.DType)
			if def := n.Def.Attr(x.name).Default; !implied && !a[x.name].Equal(def) {
				return nil, nil, diag.New(diag.Unsupported, "attribute %s = %s in %s-%d (supported: its default)", x.name, attrText(a[x.name]), n.Def.Name, v)
			}
			delete(a, x.name)
		}
		return n.In, a, nil
	}
}

func dequantizeLinearOp() *ir.OpDef {
	types := append(slices.Clone(quantized), dtype.I32)
	d := &ir.OpDef{
		Name: "DequantizeLinear", Since: []int{10, 13, 19, 21, 23, 24, 25, 28}, Source: "ONNX DequantizeLinear-28",
		Doc: "DequantizeLinear is y = (x - zero point)*scale. " + granularityDoc + " The difference is exact; it and the product " +
			"are rounded to f32, then to the type of y. The 6-bit floats are not supported.\n\n" +
			"\tx             T1[...]\n\tx_scale       T2[], T2[n] or T2[...]\n\tx_zero_point  T1, as x_scale   optional; with i32 ONNX wants 0\n" +
			"\ty             T3[...]   T3 is output_dtype, else T2\n\n" +
			"Cost: 2*|y| FLOP.  Errors: C1 to C4.  Grad: none.",
		In: []ir.Port{{Name: "x", DTypes: types, Var: "T1"}, {Name: "x_scale", DTypes: scaleTypes},
			{Name: "x_zero_point", DTypes: types, Var: "T1", Optional: true}},
		Out: []ir.Port{{Name: "y", DTypes: halfs}},
		Attrs: append(granularityAttrs(),
			ir.Attr{Name: "output_dtype", Kind: attr.KindInt, Default: attr.Int(0), Check: typeCode(halfs, true), Doc: "type of y, else the scale's"}),
		Constraints: append(granularityCs(), ir.C{ID: "C4", Text: "output_dtype is given where the scale is f8e8m0", Check: func(q *ir.Query) error {
			if q.In[1].Type.DType == dtype.F8E8M0 && q.Attrs.Int("output_dtype") == 0 {
				return ir.Fault("output_dtype", "none", "f32, f16 or bf16")
			}
			return nil
		}}),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			t := q.In[0].Type
			t.DType = q.In[1].Type.DType
			if d, ok := dtype.FromONNX(int32(q.Attrs.Int("output_dtype"))); ok {
				t.DType = d
			}
			return []ir.Fact{{Type: t}}, nil
		},
		Eval: ref.DequantizeLinear, Ref: &ref.DequantizeLinearDesc,
		Downgrade: map[int]lower{},
		NoGrad:    "x is quantized; quantization-aware training puts a straight-through pair in its place",
		Cost:      perElement(2),
		Examples: []ir.Case{
			tensorCase("u8", "ONNX test_dequantizelinear", nil, vec(-256, -250, 0, 254), u8s(0, 3, 128, 255), num32(2), tensor.MustOf([]uint8{128})),
			tensorCase("blocks of two", "hand calculation", attr.Map{"axis": attr.Int(0), "block_size": attr.Int(2)}, vec(1, 2, 30), i8s(1, 2, 3), vec(1, 10)),
		},
	}
	for v, types := range quantAt {
		d.Downgrade[v] = quantDown(v, types)
	}
	return d
}
