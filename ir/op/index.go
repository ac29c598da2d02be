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

// indexOps select elements by position.
func indexOps() []*ir.OpDef { return []*ir.OpDef{gatherOp(), gatherGradOp(), sliceOp()} }

func gatherOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Gather", Since: []int{1, 11, 13},
		Doc: "Gather takes slices of data along axis at the indices.\n\n" +
			"\tdata     T[d0, ...]\n\tindices  I[q...]    -d..d-1 of the axis\n\toutput   T[...]     data's axes with those of indices in the place of axis\n\n" +
			"Cost: |Y| moves.  Errors: C1..C3; an index out of range.  Grad: dY added up at the indices.",
		Source: "ONNX Gather-13",
		In:     []ir.Port{{Name: "data", DTypes: classic, Var: "T"}, {Name: "indices", DTypes: indices}},
		Out:    []ir.Port{{Name: "output", DTypes: classic, Var: "T"}},
		Attrs:  []ir.Attr{{Name: "axis", Kind: attr.KindInt, Default: attr.Int(0), Doc: "axis that the indices select along; negative counts from the back"}},
		Constraints: []ir.C{
			{ID: "C1", Text: "data: one axis or more", Check: func(q *ir.Query) error {
				if q.In[0].Type.Rank() == 0 {
					return ir.Fault("data", q.In[0].Type.String(), "one axis or more")
				}
				return nil
			}},
			axisC("C2", 0),
			{ID: "C3", Text: "indices: within the extent of axis", Check: gatherC3},
		},
		Infer: inferGather,
		Eval:  ref.Gather, Ref: &ref.GatherDesc,
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			x := n.In[0]
			a, err := axisOf(n.Attrs.Int("axis"), x.Type.Rank())
			if err != nil {
				e.Fail(err)
				return []*ir.Value{nil, nil}
			}
			return []*ir.Value{e.Op("mlc.GatherGrad", attr.Map{"axis": attr.Int(a)}, dy[0], n.In[1], dimVec(e, x, a)), nil}
		},
		Cost: moveCost,
		Examples: []ir.Case{
			tensorCase("rows", "ONNX Gather, its first example", nil,
				f32s([]int{2, 2, 2}, 1, 1.2, 2.3, 3.4, 2.3, 3.4, 4.5, 5.7), f32s([]int{3, 2}, 1, 1.2, 2.3, 3.4, 4.5, 5.7),
				tensor.MustOf([]int64{0, 1, 1, 2}, 2, 2)),
			tensorCase("scalar from the back", "numpy.take", attr.Map{"axis": attr.Int(1)},
				f32s([]int{2}, 3, 6), f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6), tensor.Scalar(dtype.I64, -1)),
		},
	}
}

func gatherC3(q *ir.Query) error {
	x := q.In[0].Type
	if !x.Ranked() || q.In[1].Const == nil {
		return nil
	}
	a, err := axisOf(q.Attrs.Int("axis"), len(x.Dims))
	if err != nil {
		return err
	}
	if n, ok := x.Dims[a].Const(); ok {
		return indicesWithin(q.In[1], n)
	}
	return nil
}

// indicesWithin checks known indices against the extent that they select from.
func indicesWithin(f ir.Fact, n int64) error {
	for i := 0; f.Const != nil && i < f.Const.Len(); i++ {
		if v := f.Const.Int(i); v < -n || v >= n {
			return ir.Fault("index", fmt.Sprint(v), fmt.Sprintf("%d..%d", -n, n-1))
		}
	}
	return nil
}

func inferGather(q *ir.Query) ([]ir.Fact, error) {
	x, ix := q.In[0].Type, q.In[1].Type
	if !x.Ranked() || !ix.Ranked() {
		return unranked(x.DType), nil
	}
	a, err := axisOf(q.Attrs.Int("axis"), len(x.Dims))
	if err != nil {
		return nil, err
	}
	fs := tt(x.DType, append(append(append([]shape.Dim{}, x.Dims[:a]...), ix.Dims...), x.Dims[a+1:]...)...)
	list, ok := constInts(q.In[1])
	if have := q.In[0].Ints; ok && have != nil && len(x.Dims) == 1 && len(ix.Dims) <= 1 {
		ints := make([]shape.Dim, len(list))
		for i, v := range list {
			if v < 0 {
				v += int64(len(have))
			}
			if v < 0 || v >= int64(len(have)) {
				return nil, ir.Fault("index", fmt.Sprint(list[i]), fmt.Sprintf("%d..%d", -len(have), len(have)-1))
			}
			ints[i] = have[v]
		}
		fs[0].Ints = ints
	}
	return fs, nil
}

func gatherGradOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "GatherGrad", Domain: "mlc", Since: []int{1},
		Doc: "GatherGrad adds the slices of dY to zeros at the indices: the gradient of Gather.\n\n" +
			"\tdY       T[...]   as the output of Gather\n\tindices  I[q...]\n\tdim      i64      extent of axis in the result\n\tdX       T[...]   axis in the place of the axes of indices\n\n" +
			"Slices of one index are added in ascending order.\n\nCost: |dY| FLOP.  Errors: C1..C3.  Grad: dX gathered.",
		Source: "calculus",
		In:     []ir.Port{{Name: "dY", DTypes: floats, Var: "T"}, {Name: "indices", DTypes: indices}, {Name: "dim", DTypes: []dtype.DType{dtype.I64}}},
		Out:    []ir.Port{{Name: "dX", DTypes: floats, Var: "T"}},
		Attrs:  []ir.Attr{{Name: "axis", Kind: attr.KindInt, Default: attr.Int(0), Doc: "axis of the result"}},
		Constraints: []ir.C{{ID: "C1", Text: "axis lies within the result; dY has the extents of indices from it on", Check: func(q *ir.Query) error {
			dy, ix := q.In[0].Type, q.In[1].Type
			if !dy.Ranked() || !ix.Ranked() {
				return nil
			}
			a, err := axisOf(q.Attrs.Int("axis"), len(dy.Dims)-len(ix.Dims)+1)
			if err != nil {
				return err
			}
			for i, d := range ix.Dims {
				m, mk := d.Const()
				n, nk := dy.Dims[a+i].Const()
				if mk && nk && m != n {
					return ir.Fault("dY", dy.String(), fmt.Sprintf("the extents of indices %v from axis %d on", ix, a))
				}
			}
			return nil
		}},
			{ID: "C2", Text: "dim: one element, 0 or more", Check: func(q *ir.Query) error {
				n := q.In[2].Ints
				if k := lengthOf(q.In[2]); k >= 0 && k != 1 || len(n) == 1 && n[0].IsConst() && !notNegative(q, n[0]) {
					return ir.Fault("dim", q.In[2].Type.String()+" "+shape.Format(n), "one element, 0 or more")
				}
				return nil
			}},
			{ID: "C3", Text: "indices: within dim", Check: func(q *ir.Query) error {
				if list, ok := constInts(q.In[2]); ok {
					return indicesWithin(q.In[1], list[0])
				}
				return nil
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			dy, ix := q.In[0].Type, q.In[1].Type
			if !dy.Ranked() || !ix.Ranked() {
				return unranked(dy.DType), nil
			}
			a, err := axisOf(q.Attrs.Int("axis"), len(dy.Dims)-len(ix.Dims)+1)
			if err != nil {
				return nil, err
			}
			dims := append([]shape.Dim{}, dy.Dims[:a]...)
			if n := q.In[2].Ints; len(n) == 1 && notNegative(q, n[0]) {
				dims = append(dims, n[0])
			} else {
				dims = append(dims, q.NewDim(0, a))
			}
			return tt(dy.DType, append(dims, dy.Dims[a+len(ix.Dims):]...)...), nil
		},
		Eval: ref.GatherGrad, Ref: &ref.GatherGradDesc,
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{e.Op("Gather", attr.Map{"axis": n.Attrs["axis"]}, dy[0], n.In[1]), nil, nil}
		},
		Cost: func(n *ir.Node) (int64, int64) { return elements(n.In[0].Type), bytesOf(n) },
		Examples: []ir.Case{
			tensorCase("one index twice", "hand calculation", nil,
				f32s([]int{3, 2}, 4, 6, 0, 0, 5, 6), f32s([]int{3, 2}, 1, 2, 3, 4, 5, 6), i64s(0, 0, 2), i64s(3)),
			tensorCase("scalar index", "hand calculation", attr.Map{"axis": attr.Int(1)},
				f32s([]int{2, 2}, 0, 1, 0, 2), f32s([]int{2}, 1, 2), tensor.Scalar(dtype.I64, -1), i64s(2)),
		},
	}
}
