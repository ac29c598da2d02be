package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// movementOps move elements without computing on them.
func movementOps() []*ir.OpDef {
	return []*ir.OpDef{transposeOp(), expandOp(), tileOp()}
}

func transposeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Transpose", Since: []int{1, 13, 21, 23, 24, 25},
		Doc: "Transpose permutes the axes: axis i of the result is axis perm[i] of data.\n\n" +
			"\tdata        T[...]\n\ttransposed  T[...]\n\n" +
			"Cost: |Y| moves.  Errors: C1.  Grad: dY under the inverse permutation.",
		Source: "ONNX Transpose-25",
		In:     []ir.Port{{Name: "data", Var: "T"}},
		Out:    []ir.Port{{Name: "transposed", Var: "T"}},
		Attrs:  []ir.Attr{{Name: "perm", Kind: attr.KindInts, Doc: "source axes; absent: the axes in reverse"}},
		Constraints: []ir.C{{ID: "C1", Text: "perm: a permutation of the axes of data", Check: func(q *ir.Query) error {
			r := q.In[0].Type.Rank()
			if !q.Attrs.Has("perm") {
				return nil
			}
			perm := q.Attrs.Ints("perm")
			seen := make([]bool, len(perm))
			for _, p := range perm {
				if r >= 0 && r != len(perm) || p < 0 || p >= int64(len(perm)) || seen[p] {
					return ir.Fault("perm", fmt.Sprint(perm), fmt.Sprintf("a permutation of the axes of %v", q.In[0].Type))
				}
				seen[p] = true
			}
			if r >= 0 && r != len(perm) {
				return ir.Fault("perm", fmt.Sprint(perm), fmt.Sprintf("%d axes", r))
			}
			return nil
		}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x, perm := q.In[0].Type, q.Attrs.Ints("perm")
			if !x.Ranked() {
				if q.Attrs.Has("perm") {
					return tt(x.DType, newDims(q, 0, len(perm))...), nil
				}
				return unranked(x.DType), nil
			}
			dims := make([]shape.Dim, len(x.Dims))
			for i := range dims {
				dims[i] = x.Dims[len(dims)-1-i]
				if q.Attrs.Has("perm") {
					dims[i] = x.Dims[perm[i]]
				}
			}
			return keepInts(q, tt(x.DType, dims...)), nil
		},
		Eval: ref.Transpose, Ref: &ref.TransposeDesc,
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			if !n.Attrs.Has("perm") {
				return []*ir.Value{e.Op("Transpose", nil, dy[0])}
			}
			perm := n.Attrs.Ints("perm")
			inv := make([]int64, len(perm))
			for i, p := range perm {
				inv[p] = int64(i)
			}
			return []*ir.Value{e.Op("Transpose", attr.Map{"perm": attr.Ints(inv...)}, dy[0])}
		},
		Cost: moveCost,
		Examples: []ir.Case{
			tensorCase("matrix", "the definition", nil, f32s([]int{3, 2}, 1, 4, 2, 5, 3, 6), f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)),
			tensorCase("perm", "numpy.transpose", attr.Map{"perm": attr.Ints(1, 0, 2)},
				f32s([]int{2, 2, 2}, 1, 2, 5, 6, 3, 4, 7, 8), f32s([]int{2, 2, 2}, 1, 2, 3, 4, 5, 6, 7, 8)),
		},
	}
}

func expandOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Expand", Since: []int{8, 13},
		Doc: "Expand broadcasts its input with a shape.\n\n" +
			"\tinput   T[...]\n\tshape   i64[n]   1 keeps an extent of the input\n\toutput  T[...]   the broadcast shape\n\n" +
			"Cost: |Y| moves.  Errors: C2.  Grad: dY summed to the shape of input.",
		Source: "ONNX Expand-13",
		In:     []ir.Port{{Name: "input", DTypes: classic, Var: "T"}, {Name: "shape", DTypes: []dtype.DType{dtype.I64}}},
		Out:    []ir.Port{{Name: "output", DTypes: classic, Var: "T"}},
		Constraints: []ir.C{
			vectorC("C1", "shape", 1),
			{ID: "C2", Text: "shape: extents of 0 or more that broadcast with those of input", Check: func(q *ir.Query) error {
				for _, d := range q.In[1].Ints {
					if n, ok := d.Const(); ok && n < 0 {
						return ir.Fault("shape", shape.Format(q.In[1].Ints), "extents of 0 or more")
					}
				}
				if q.In[0].Type.Ranked() && q.In[1].Ints != nil {
					if _, err := shape.BcastAll(q.In[0].Type.Dims, q.In[1].Ints); err != nil {
						return ir.Fault("shape", shape.Format(q.In[1].Ints), "what broadcasts with "+q.In[0].Type.String())
					}
				}
				return nil
			}},
		},
		Infer: inferExpand,
		Eval:  ref.Expand, Ref: &ref.ExpandDesc,
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{sumTo(e, dy[0], n.In[0]), nil}
		},
		Cost: moveCost,
		Examples: []ir.Case{
			tensorCase("column", "numpy.broadcast_to", nil, f32s([]int{2, 3}, 1, 1, 1, 2, 2, 2), f32s([]int{2, 1}, 1, 2), i64s(2, 3)),
			tensorCase("shape shorter than the rank", "ONNX test_expand_dim_unchanged, made small", nil, f32s([]int{2, 2}, 1, 1, 2, 2), f32s([]int{2, 1}, 1, 2), i64s(2)),
		},
	}
}

func inferExpand(q *ir.Query) ([]ir.Fact, error) {
	x, want := q.In[0].Type, q.In[1].Ints
	n := lengthOf(q.In[1])
	if !x.Ranked() || n < 0 {
		return unranked(x.DType), nil
	}
	r := max(n, len(x.Dims))
	dims := make([]shape.Dim, r)
	for i := range dims {
		have, k, j := shape.Int(1), i-(r-len(x.Dims)), i-(r-n)
		if k >= 0 {
			have = x.Dims[k]
		}
		c, known := have.Const()
		switch {
		case j < 0 || known && c != 1 && want == nil: // only 1 or c fits
			dims[i] = have
		case want == nil || !notNegative(q, want[j]):
			dims[i] = q.NewDim(0, i)
		default:
			d, err := shape.Bcast(have, want[j])
			if err != nil {
				return nil, err
			}
			dims[i] = d
		}
	}
	fs := tt(x.DType, dims...)
	if ints := q.In[0].Ints; len(ints) == 1 && r == 1 {
		if c, ok := dims[0].Const(); ok && c <= knownInts {
			for range c {
				fs[0].Ints = append(fs[0].Ints, ints[0])
			}
		}
	}
	return fs, nil
}

func tileOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Tile", Since: []int{1, 6, 13},
		Doc: "Tile repeats its input along every axis.\n\n" +
			"\tinput    T[d0, ...]\n\trepeats  i64[rank]\n\toutput   T[d0*repeats[0], ...]\n\n" +
			"Cost: |Y| moves.  Errors: C1..C3.  Grad: dY summed over the repetitions.",
		Source: "ONNX Tile-13",
		In:     []ir.Port{{Name: "input", DTypes: classic, Var: "T"}, {Name: "repeats", DTypes: []dtype.DType{dtype.I64}}},
		Out:    []ir.Port{{Name: "output", DTypes: classic, Var: "T"}},
		Constraints: []ir.C{
			vectorC("C1", "repeats", 1),
			{ID: "C2", Text: "repeats: one per axis of input", Check: func(q *ir.Query) error {
				if n, r := lengthOf(q.In[1]), q.In[0].Type.Rank(); n >= 0 && r >= 0 && n != r {
					return ir.Fault("repeats", fmt.Sprint(n), fmt.Sprint(r))
				}
				return nil
			}},
			{ID: "C3", Text: "repeats: 0 or more", Check: func(q *ir.Query) error {
				for _, d := range q.In[1].Ints {
					if n, ok := d.Const(); ok && n < 0 {
						return ir.Fault("repeats", shape.Format(q.In[1].Ints), "0 or more")
					}
				}
				return nil
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x := q.In[0].Type
			if !x.Ranked() {
				if n := lengthOf(q.In[1]); n >= 0 {
					return tt(x.DType, newDims(q, 0, n)...), nil
				}
				return unranked(x.DType), nil
			}
			dims, reps := make([]shape.Dim, len(x.Dims)), q.In[1].Ints
			for i := range dims {
				if reps != nil && notNegative(q, reps[i]) {
					dims[i] = x.Dims[i].Mul(reps[i])
				} else {
					dims[i] = q.NewDim(0, i)
				}
			}
			return tt(x.DType, dims...), nil
		},
		Eval: ref.Tile, Ref: &ref.TileDesc,
		Grad: tileGrad,
		Cost: moveCost,
		Examples: []ir.Case{
			tensorCase("both axes", "numpy.tile", nil, f32s([]int{2, 4}, 1, 2, 1, 2, 1, 2, 1, 2), f32s([]int{1, 2}, 1, 2), i64s(2, 2)),
			tensorCase("matrix", "ONNX test_tile_precomputed", nil,
				f32s([]int{4, 4}, 0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3), f32s([]int{2, 2}, 0, 1, 2, 3), i64s(2, 2)),
		},
	}
}

// tileGrad sees dY as [r0,d0,r1,d1,...] and sums over the repetitions.
func tileGrad(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	r := n.In[0].Type.Rank()
	if r == 0 {
		return []*ir.Value{dy[0], nil}
	}
	if r < 0 {
		e.Fail(ir.Fault("input", n.In[0].Type.String(), "a known rank"))
		return []*ir.Value{nil, nil}
	}
	pair := e.Op("Concat", attr.Map{"axis": attr.Int(1)},
		e.Op("Unsqueeze", nil, n.In[1], e.Ints(1)), e.Op("Unsqueeze", nil, shapeVec(e, n.In[0]), e.Ints(1)))
	axes := make([]int64, r)
	for i := range axes {
		axes[i] = int64(2 * i)
	}
	long := e.Op("Reshape", attr.Map{"allowzero": attr.Int(1)}, dy[0], e.Op("Reshape", nil, pair, e.Ints(int64(2*r))))
	dx := e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(0)}, long, e.Ints(axes...))
	return []*ir.Value{reshapeLike(e, dx, n.In[0]), nil}
}
