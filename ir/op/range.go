package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// rangeOps count: positions along an axis, elements of a tensor.
func rangeOps() []*ir.OpDef { return []*ir.OpDef{rangeOp(), sizeOp()} }

func rangeOp() *ir.OpDef {
	types := []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16, dtype.I16, dtype.I32, dtype.I64}
	return &ir.OpDef{
		Name: "Range", Since: []int{11, 27},
		Doc: "Range gives start, start+delta, ... before limit.\n\n" +
			"\tstart   T      one element\n\tlimit   T      not reached\n\tdelta   T      not 0; negative counts down\n\toutput  T[n]   n = max(ceil((limit-start)/delta), 0)\n\n" +
			"Cost: n FLOP.  Errors: C1, C2.",
		Source: "ONNX Range-27",
		In:     []ir.Port{{Name: "start", DTypes: types, Var: "T"}, {Name: "limit", DTypes: types, Var: "T"}, {Name: "delta", DTypes: types, Var: "T"}},
		Out:    []ir.Port{{Name: "output", DTypes: types, Var: "T"}},
		Constraints: []ir.C{
			{ID: "C1", Text: "start, limit, delta: one element", Check: func(q *ir.Query) error {
				for i, f := range q.In {
					if n := lengthOf(f); n >= 0 && n != 1 || f.Type.Rank() > 1 {
						return ir.Fault(q.Def.In[i].Name, f.Type.String(), "one element")
					}
				}
				return nil
			}},
			{ID: "C2", Text: "delta: not 0; a length that a tensor can have", Check: func(q *ir.Query) error {
				_, _, err := rangeConst(q)
				if d := q.In[2].Const; err == nil && d != nil && d.Len() == 1 && d.Float(0) == 0 {
					return ir.Fault("delta", "0", "another number")
				}
				return err
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			d := q.In[0].Type.DType
			n, ok, err := rangeConst(q)
			if err != nil {
				return nil, err
			}
			if !ok {
				if e, ok := rangeDim(q); ok {
					return tt(d, e), nil
				}
				return tt(d, q.NewDim(0, 0)), nil
			}
			fs := tt(d, shape.Int(int64(n)))
			if d.IsInt() && n <= knownInts {
				fs[0].Ints = make([]shape.Dim, n)
				for i := range fs[0].Ints {
					fs[0].Ints[i] = shape.Int(q.In[0].Const.Int(0) + int64(i)*q.In[2].Const.Int(0))
				}
			}
			return fs, nil
		},
		Eval: ref.Range, Ref: &ref.RangeDesc,
		NoGrad: "its inputs decide an extent",
		Cost:   perElement(1),
		Examples: []ir.Case{
			tensorCase("up", "ONNX test_range_float_type_positive_delta", nil, f32s([]int{2}, 1, 3), f32s(nil, 1), f32s(nil, 5), f32s(nil, 2)),
			tensorCase("down", "ONNX test_range_int32_type_negative_delta", nil, tensor.MustOf([]int32{10, 7}, 2),
				tensor.MustOf([]int32{10}), tensor.MustOf([]int32{6}), tensor.MustOf([]int32{-3})),
		},
	}
}

// rangeConst is the length where all three operands are known.
func rangeConst(q *ir.Query) (n int, ok bool, err error) {
	s, l, d := q.In[0].Const, q.In[1].Const, q.In[2].Const
	if s == nil || l == nil || d == nil || s.Len() != 1 || l.Len() != 1 || d.Len() != 1 {
		return 0, false, nil
	}
	n, err = ref.RangeLen(s, l, d)
	return n, err == nil, err
}

// rangeDim is the length in symbols, for a known step that leads from start
// towards limit.
func rangeDim(q *ir.Query) (shape.Dim, bool) {
	s, l := q.In[0].Ints, q.In[1].Ints
	step, ok := constInts(q.In[2])
	if !ok || len(s) != 1 || len(l) != 1 || len(step) != 1 || step[0] == 0 || step[0] < -toEnd || step[0] > toEnd {
		return shape.Dim{}, false
	}
	span, k := l[0].Sub(s[0]), step[0]
	if k < 0 {
		span, k = span.Neg(), -k
	}
	lo, hi := dimRange(q, span)
	switch {
	case hi <= 0:
		return shape.Int(0), true
	case lo <= -k:
		return shape.Dim{}, false
	}
	return span.Add(shape.Int(k - 1)).Div(shape.Int(k)), true
}

func sizeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Size", Since: []int{1, 13, 19, 21, 23, 24, 25},
		Doc:    "Size gives the number of elements.\n\n\tdata  T[...]\n\tsize  i64\n\nCost: none.",
		Source: "ONNX Size-25",
		In:     []ir.Port{{Name: "data"}},
		Out:    []ir.Port{{Name: "size", DTypes: []dtype.DType{dtype.I64}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			fs := tt(dtype.I64)
			if x := q.In[0].Type; x.Ranked() {
				fs[0].Ints = []shape.Dim{shape.Prod(x.Dims)}
			}
			return fs, nil
		},
		Eval: ref.Size, Ref: &ref.SizeDesc,
		NoGrad: "reads extents only",
		Traits: ir.ShapeOnly, Cost: viewCost,
		Examples: []ir.Case{
			tensorCase("matrix", "the definition", nil, tensor.Scalar(dtype.I64, 6), f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)),
			tensorCase("empty", "the definition", nil, tensor.Scalar(dtype.I64, 0), f32s([]int{2, 0})),
		},
	}
}
