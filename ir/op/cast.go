package op

import (
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// castOps is the conversion of element types.
func castOps() []*ir.OpDef { return []*ir.OpDef{castOp()} }

var (
	float8s = []dtype.DType{dtype.F8E4M3FN, dtype.F8E4M3FNUZ, dtype.F8E5M2, dtype.F8E5M2FNUZ}
	nibbles = []dtype.DType{dtype.U4, dtype.I4}
	// castable are the types of opset 28 but the 6-bit floats, which have no
	// DType.
	castable = slices.Concat(numerics, bools, []dtype.DType{dtype.String}, float8s, nibbles,
		[]dtype.DType{dtype.F4E2M1, dtype.F8E8M0, dtype.U2, dtype.I2})
	// castAt are the types that each schema version of Cast knows.
	castAt = map[int][]dtype.DType{
		13: slices.Concat(numerics, bools, []dtype.DType{dtype.String}),
		19: slices.Concat(numerics, bools, []dtype.DType{dtype.String}, float8s),
		21: slices.Concat(numerics, bools, []dtype.DType{dtype.String}, float8s, nibbles),
		23: less(castable, dtype.F8E8M0, dtype.U2, dtype.I2),
		24: less(castable, dtype.U2, dtype.I2),
		25: castable,
	}
)

// castAttrs are the attributes of a Cast to d.
func castAttrs(d dtype.DType) attr.Map { return attr.Map{"to": attr.Int(d.ONNX())} }

// typeCode checks an attribute that holds an ONNX type code; 0 is allowed
// where zero says so (not given).
func typeCode(types []dtype.DType, zero bool) func(attr.Value) error {
	return func(v attr.Value) error {
		if v.Int == 0 && zero {
			return nil
		}
		d, ok := dtype.FromONNX(int32(min(max(v.Int, 0), math.MaxInt32)))
		if ok && slices.Contains(types, d) {
			return nil
		}
		if !ok {
			return diag.New(diag.Unsupported, "type code %d", v.Int)
		}
		return diag.New(diag.Unsupported, "element type %v", d)
	}
}

func castOp() *ir.OpDef {
	d := &ir.OpDef{
		Name: "Cast", Since: []int{1, 6, 9, 13, 19, 21, 23, 24, 25, 28}, Source: "ONNX Cast-28",
		Doc: "Cast converts the elements to type to. Floats round to nearest even and overflow to infinity. Floats to integers " +
			"truncate toward zero; what ONNX leaves open saturates to 32 or 64 bits, of which shorter types keep the low ones, and NaN gives 0. Integers to integers keep their low bits. To bool it is x != 0. " +
			"Strings are decimal or scientific numbers, INF, NaN; others are an error of kind bad data. Numbers become the shortest " +
			"decimal that reads back. To 8-bit floats saturate chooses the largest value over infinity or NaN; " +
			"to f8e8m0 round_mode holds, and negative numbers give NaN. The 6-bit floats are not supported.\n\n" +
			"\tinput   T1[...]\n\toutput  T2[...]   the same shape\n\n" +
			"Cost: |output| FLOP.  Grad: dX = dY cast back, between floats.",
		In:  []ir.Port{{Name: "input", DTypes: castable}},
		Out: []ir.Port{{Name: "output", DTypes: castable}},
		Attrs: []ir.Attr{
			{Name: "to", Kind: attr.KindInt, Required: true, Check: typeCode(castable, false), Doc: "ONNX type code"},
			{Name: "saturate", Kind: attr.KindInt, Default: attr.Int(1), Check: flag, Doc: "to 8-bit floats: the largest value where out of range"},
			{Name: "round_mode", Kind: attr.KindString, Default: attr.Str("up"), Check: oneOf("up", "down", "nearest"), Doc: "to f8e8m0"},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			to, _ := dtype.FromONNX(int32(q.Attrs.Int("to")))
			t := q.In[0].Type
			t.DType = to
			fs := []ir.Fact{{Type: t}}
			from := q.In[0].Type.DType
			if q.In[0].Ints == nil || !to.IsInt() || !from.IsInt() && from != dtype.Bool {
				return fs, nil
			}
			for _, d := range q.In[0].Ints {
				if !fitsType(q, to, d) {
					return fs, nil
				}
			}
			return keepInts(q, fs), nil
		},
		Eval: ref.Cast, Ref: &ref.CastDesc,
		Downgrade: map[int]lower{},
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			if d := n.In[0].Type.DType; dy[0] != nil && slices.Contains(floats, d) && slices.Contains(floats, n.Out[0].Type.DType) {
				return []*ir.Value{castTo(e, dy[0], d)}
			}
			return []*ir.Value{nil}
		},
		Traits: ir.Elementwise,
		Cost:   perElement(1),
		Examples: []ir.Case{
			tensorCase("float to integer", "C truncation; beyond the range as documented", castAttrs(dtype.I32),
				i32s(2, -2, math.MaxInt32, 0), vec(2.9, -2.9, 1e10, float32(math.NaN()))),
			tensorCase("float to short integer", "ONNX test_cast_FLOAT_to_INT4 wraps so: 300 = 44 modulo 256", castAttrs(dtype.I8), i8s(44, -1), vec(300, -1.5)),
			tensorCase("integer to byte", "ONNX Cast-28: 200 (int16) -> -56 (int8)", castAttrs(dtype.I8), i8s(-56), tensor.MustOf([]int16{200}, 1)),
			tensorCase("to bool", "ONNX Cast-28: +/- 0 to false, all else to true", castAttrs(dtype.Bool), truths(false, true, true), vec(0, 0.1, float32(math.NaN()))),
		},
	}
	for v, types := range castAt {
		d.Downgrade[v] = castDown(v, types)
	}
	return d
}

// castDown writes a Cast in schema version v.
func castDown(v int, types []dtype.DType) lower {
	fits := onlyTypes(v, 0, types)
	return func(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
		if _, _, err := fits(e, n); err != nil {
			return nil, nil, err
		}
		if d := n.Out[0].Type.DType; !slices.Contains(types, d) {
			return nil, nil, diag.New(diag.Unsupported, "%v in Cast-%d", d, v)
		}
		a := n.Attrs.Clone()
		// The attributes matter only to types that came with them.
		if v < 24 {
			delete(a, "round_mode")
		}
		if v < 19 {
			delete(a, "saturate")
		}
		return n.In, a, nil
	}
}
