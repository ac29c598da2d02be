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

// shapeOps read or change shapes without moving elements.
func shapeOps() []*ir.OpDef {
	return []*ir.OpDef{reshapeOp(), flattenOp(), squeezeOp(), unsqueezeOp(), identityOp(), shapeOp()}
}

func reshapeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Reshape", Since: []int{1, 5, 13, 14, 19, 21, 23, 24, 25},
		Doc: "Reshape gives the elements of data another shape, in row-major order.\n\n" +
			"\tdata      T[...]    any tensor\n" +
			"\tshape     i64[r]    new extents; 0 copies the extent of the same axis (unless allowzero), one -1 takes what is left\n" +
			"\treshaped  T[...]    r axes\n\n" +
			"Cost: none where the runtime makes it a view.  Errors: element counts differ.  Grad: dY in the shape of data.",
		Source: "ONNX Reshape-25",
		In:     []ir.Port{{Name: "data", Var: "T"}, {Name: "shape", DTypes: []dtype.DType{dtype.I64}}},
		Out:    []ir.Port{{Name: "reshaped", Var: "T"}},
		Attrs:  []ir.Attr{{Name: "allowzero", Kind: attr.KindInt, Default: attr.Int(0), Doc: "1: an extent of 0 means 0"}},
		Constraints: []ir.C{
			vectorC("C1", "shape", 1),
			{ID: "C2", Text: "shape: at most one -1, other extents 0 or more, no 0 beside -1 where allowzero=1", Check: reshapeC2},
		},
		Infer: inferReshape,
		Eval:  ref.Reshape, Ref: &ref.ReshapeDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			13: func(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
				if s, ok := constInts(ir.FactOf(n.In[1])); n.Attrs.Bool("allowzero") && (!ok || hasZero(s)) {
					return nil, nil, diag.New(diag.Unsupported, "allowzero=1 (Reshape-13 copies extents of 0)")
				}
				return n.In, without(n.Attrs, "allowzero"), nil
			},
		},
		Grad:   viewGrad,
		Traits: ir.View,
		Cost:   viewCost,
		Examples: []ir.Case{
			tensorCase("rows and columns", "hand calculation", nil,
				f32s([]int{3, 2}, 1, 2, 3, 4, 5, 6), f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6), i64s(3, -1)),
			tensorCase("copy an extent", "ONNX test_reshape_zero_and_negative_dim, made small", nil,
				f32s([]int{2, 1, 2}, 1, 2, 3, 4), f32s([]int{2, 2}, 1, 2, 3, 4), i64s(0, 1, -1)),
			tensorCase("allowzero", "ONNX test_reshape_allowzero_reordered", attr.Map{"allowzero": attr.Int(1)},
				f32s([]int{3, 4, 0}), f32s([]int{0, 3, 4}), i64s(3, 4, 0)),
		},
	}
}

func hasZero(list []int64) bool {
	for _, v := range list {
		if v == 0 {
			return true
		}
	}
	return false
}

func reshapeC2(q *ir.Query) error {
	open, zeros := 0, 0
	for _, d := range q.In[1].Ints {
		c, ok := d.Const()
		switch {
		case !ok:
		case c == -1:
			open++
		case c < -1:
			open += 2
		case c == 0:
			zeros++
		}
	}
	if open > 1 || open == 1 && zeros > 0 && q.Attrs.Bool("allowzero") {
		return ir.Fault("shape", shape.Format(q.In[1].Ints), "extents of 0 or more and at most one -1")
	}
	return nil
}

// inferReshape works on symbols: [N,C,H,W] under [0,-1,4] is [N,(C*H*W)/4,4],
// exact where the division provably is.
func inferReshape(q *ir.Query) ([]ir.Fact, error) {
	x, want := q.In[0].Type, q.In[1].Ints
	if want == nil {
		switch r := lengthOf(q.In[1]); {
		case r < 0:
			return unranked(x.DType), nil
		case r == 1 && x.Ranked():
			return keepInts(q, tt(x.DType, shape.Prod(x.Dims))), nil
		default:
			return keepInts(q, tt(x.DType, newDims(q, 0, r)...)), nil
		}
	}
	dims := make([]shape.Dim, len(want))
	open, opaque := -1, !x.Ranked()
	for i, d := range want {
		switch {
		case d.Is(-1):
			open = i
		case d.Is(0) && !q.Attrs.Bool("allowzero"):
			if x.Ranked() && i >= len(x.Dims) {
				return nil, ir.Fault("shape", shape.Format(want), fmt.Sprintf("0 only at the %d axes of data", len(x.Dims)))
			}
			if x.Ranked() {
				dims[i] = x.Dims[i]
			} else {
				dims[i] = q.NewDim(0, i)
			}
		case !notNegative(q, d): // it may turn out to be -1
			dims[i], opaque = q.NewDim(0, i), true
		default:
			dims[i] = d
		}
	}
	if !q.Attrs.Bool("allowzero") {
		for i := range dims {
			if i != open && mayCopy(q, want[i], x, dims, open) {
				dims[i], opaque = q.NewDim(0, i), true
			}
		}
	}
	switch {
	case open >= 0 && opaque:
		dims[open] = q.NewDim(0, open)
	case open >= 0:
		rest := append(append([]shape.Dim{}, dims[:open]...), dims[open+1:]...)
		d, ok := quotientOf(x.Dims, rest)
		if !ok {
			return nil, ir.Fault("shape", shape.Format(want), "extents that divide the elements of "+x.String())
		}
		dims[open] = d
	case !opaque:
		a, aok := shape.Prod(x.Dims).Const()
		b, bok := shape.Prod(dims).Const()
		if aok && bok && a != b {
			return nil, ir.Fault("shape", shape.Format(want), "the element count of "+x.String())
		}
	}
	return keepInts(q, tt(x.DType, dims...)), nil
}

// mayCopy says whether a symbolic entry d of a shape may be 0 and then mean
// another extent than 0. It does not count where the extents asked for
// provably divide the elements of data: then data is empty whenever d is 0.
func mayCopy(q *ir.Query, d shape.Dim, x ir.Type, dims []shape.Dim, open int) bool {
	if lo, _ := dimRange(q, d); d.IsConst() || lo != 0 {
		return false
	}
	if !x.Ranked() {
		return true
	}
	rest := shape.Int(1)
	for i, e := range dims {
		if i != open {
			rest = rest.Mul(e)
		}
	}
	all := shape.Prod(x.Dims)
	return all.Is(0) || !all.Div(rest).Mul(rest).Equal(all)
}

// quotientOf divides a product of extents by another, after striking out what
// stands on both sides; false where it provably does not divide.
func quotientOf(num, den []shape.Dim) (shape.Dim, bool) {
	num = append([]shape.Dim{}, num...)
	rest := shape.Int(1)
next:
	for _, d := range den {
		for i, n := range num {
			if n.Equal(d) {
				num = append(num[:i], num[i+1:]...)
				continue next
			}
		}
		rest = rest.Mul(d)
	}
	all := shape.Prod(num)
	a, aok := all.Const()
	if b, ok := rest.Const(); ok && (b == 0 || aok && a%b != 0) {
		return shape.Int(0), b == 0 && aok && a == 0
	}
	return all.Div(rest), true
}

func flattenOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Flatten", Since: []int{1, 9, 11, 13, 21, 23, 24, 25},
		Doc: "Flatten makes a matrix of its input: the axes before axis, and those from it on.\n\n" +
			"\tinput   T[d0, ...]\n\toutput  T[d0*...*d(axis-1), d(axis)*...]\n\n" +
			"Cost: none where the runtime makes it a view.  Errors: C1.  Grad: dY in the shape of input.",
		Source:      "ONNX Flatten-25",
		In:          []ir.Port{{Name: "input", Var: "T"}},
		Out:         []ir.Port{{Name: "output", Var: "T"}},
		Attrs:       []ir.Attr{{Name: "axis", Kind: attr.KindInt, Default: attr.Int(1), Doc: "first axis of the second extent; negative counts from the back"}},
		Constraints: []ir.C{axisC("C1", 1)},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x, a := q.In[0].Type, q.Attrs.Int("axis")
			if !x.Ranked() {
				return tt(x.DType, newDims(q, 0, 2)...), nil
			}
			if a < 0 {
				a += len(x.Dims)
			}
			return tt(x.DType, shape.Prod(x.Dims[:a]), shape.Prod(x.Dims[a:])), nil
		},
		Eval: ref.Flatten, Ref: &ref.FlattenDesc,
		Grad: viewGrad, Traits: ir.View, Cost: viewCost,
		Examples: []ir.Case{
			tensorCase("default axis", "hand calculation", nil,
				f32s([]int{2, 4}, 1, 2, 3, 4, 5, 6, 7, 8), f32s([]int{2, 2, 2}, 1, 2, 3, 4, 5, 6, 7, 8)),
			tensorCase("axis 0", "ONNX test_flatten_axis0, made small", attr.Map{"axis": attr.Int(0)},
				f32s([]int{1, 4}, 1, 2, 3, 4), f32s([]int{2, 2}, 1, 2, 3, 4)),
		},
	}
}

// axesUpgrade turns attribute axes of Squeeze and Unsqueeze (before 13) into
// their second input.
func axesUpgrade(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	return e.OpN(r.Op, 1, nil, nil, rawIn(&r, 0), attrToInput(e, &r, "axes")), nil
}

func squeezeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Squeeze", Since: []int{1, 11, 13, 21, 23, 24, 25},
		Doc: "Squeeze removes axes of extent 1.\n\n" +
			"\tdata      T[...]\n\taxes      i64[n]   optional: which; absent, all of extent 1\n\tsqueezed  T[...]\n\n" +
			"Cost: none where the runtime makes it a view.  Errors: C2.  Grad: dY in the shape of data.",
		Source: "ONNX Squeeze-25",
		In:     []ir.Port{{Name: "data", Var: "T"}, {Name: "axes", DTypes: []dtype.DType{dtype.I64}, Optional: true}},
		Out:    []ir.Port{{Name: "squeezed", Var: "T"}},
		Constraints: []ir.C{
			vectorC("C1", "axes", 1),
			{ID: "C2", Text: "axes: distinct, within the rank, of extent 1", Check: func(q *ir.Query) error {
				axes, ok, err := squeezed(q)
				if err != nil || !ok {
					return err
				}
				for _, a := range axes {
					if n, known := q.In[0].Type.Dims[a].Const(); known && n != 1 {
						return ir.Fault("extent of axis "+fmt.Sprint(a), fmt.Sprint(n), "1")
					}
				}
				return nil
			}},
		},
		Infer: inferSqueeze,
		Eval:  ref.Squeeze, Ref: &ref.SqueezeDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){1: axesUpgrade, 11: axesUpgrade},
		Grad:    viewGrad, Traits: ir.View, Cost: viewCost,
		Examples: []ir.Case{
			tensorCase("one axis", "hand calculation", nil, f32s([]int{2, 1}, 1, 2), f32s([]int{1, 2, 1}, 1, 2), i64s(0)),
			tensorCase("negative axis", "ONNX test_squeeze_negative_axes, made small", nil, f32s([]int{1, 2}, 1, 2), f32s([]int{1, 2, 1}, 1, 2), i64s(-1)),
			tensorCase("all", "numpy.squeeze", nil, f32s([]int{2}, 1, 2), f32s([]int{1, 2, 1}, 1, 2)),
		},
	}
}

// squeezed are the axes that Squeeze removes; ok is false where they, or the
// rank, are not known.
func squeezed(q *ir.Query) (axes []int, ok bool, err error) {
	x := q.In[0].Type
	if !x.Ranked() {
		return nil, false, nil
	}
	if f := q.Input(1); f.Present() {
		return axesOperand(f, -1, len(x.Dims))
	}
	for i, d := range x.Dims {
		lo, hi := dimRange(q, d)
		switch {
		case d.Is(1):
			axes = append(axes, i)
		case lo <= 1 && hi >= 1: // perhaps
			return nil, false, nil
		}
	}
	return axes, true, nil
}

func inferSqueeze(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	axes, ok, err := squeezed(q)
	if err != nil {
		return nil, err
	}
	if !ok {
		if n := lengthOf(q.Input(1)); q.Input(1).Type.IsTensor() && n >= 0 && x.Ranked() && n <= len(x.Dims) {
			return keepInts(q, tt(x.DType, newDims(q, 0, len(x.Dims)-n)...)), nil
		}
		return unranked(x.DType), nil
	}
	drop := make([]bool, len(x.Dims))
	for _, a := range axes {
		drop[a] = true
	}
	dims := []shape.Dim{}
	for i, d := range x.Dims {
		if !drop[i] {
			dims = append(dims, d)
		}
	}
	return keepInts(q, tt(x.DType, dims...)), nil
}

func unsqueezeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Unsqueeze", Since: []int{1, 11, 13, 21, 23, 24, 25},
		Doc: "Unsqueeze inserts axes of extent 1.\n\n" +
			"\tdata      T[...]\n\taxes      i64[n]   positions in the result\n\texpanded  T[...]   rank + n axes\n\n" +
			"Cost: none where the runtime makes it a view.  Errors: C2.  Grad: dY in the shape of data.",
		Source: "ONNX Unsqueeze-25",
		In:     []ir.Port{{Name: "data", Var: "T"}, {Name: "axes", DTypes: []dtype.DType{dtype.I64}}},
		Out:    []ir.Port{{Name: "expanded", Var: "T"}},
		Constraints: []ir.C{
			vectorC("C1", "axes", 1),
			{ID: "C2", Text: "axes: distinct and within the rank of the result", Check: func(q *ir.Query) error {
				if list, ok := constInts(q.In[1]); ok && q.In[0].Type.Ranked() {
					_, err := axesFrom(list, len(list)+q.In[0].Type.Rank())
					return err
				}
				return nil
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x := q.In[0].Type
			n := lengthOf(q.In[1])
			if !x.Ranked() || n < 0 {
				return unranked(x.DType), nil
			}
			r := n + len(x.Dims)
			list, ok := constInts(q.In[1])
			if !ok {
				return keepInts(q, tt(x.DType, newDims(q, 0, r)...)), nil
			}
			axes, err := axesFrom(list, r)
			if err != nil {
				return nil, err
			}
			one := make([]bool, r)
			for _, a := range axes {
				one[a] = true
			}
			dims := make([]shape.Dim, r)
			for i, k := 0, 0; i < r; i++ {
				if dims[i] = shape.Int(1); !one[i] {
					dims[i] = x.Dims[k]
					k++
				}
			}
			return keepInts(q, tt(x.DType, dims...)), nil
		},
		Eval: ref.Unsqueeze, Ref: &ref.UnsqueezeDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){1: axesUpgrade, 11: axesUpgrade},
		Grad:    viewGrad, Traits: ir.View, Cost: viewCost,
		Examples: []ir.Case{
			tensorCase("two axes", "hand calculation", nil, f32s([]int{1, 2, 1}, 1, 2), f32s([]int{2}, 1, 2), i64s(0, 2)),
			tensorCase("unsorted and negative", "ONNX test_unsqueeze_unsorted_axes, made small", nil, f32s([]int{1, 2, 1}, 1, 2), f32s([]int{2}, 1, 2), i64s(-1, 0)),
		},
	}
}

func identityOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Identity", Since: []int{1, 13, 14, 16, 19, 21, 23, 24, 25},
		Doc: "Identity gives its input, whatever it is.\n\n" +
			"\tinput   V   tensor, sequence or optional\n\toutput  V\n\n" +
			"Cost: none.  Grad: dY.",
		Source: "ONNX Identity-25",
		In:     []ir.Port{{Name: "input", AnyKind: true}},
		Out:    []ir.Port{{Name: "output", AnyKind: true}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return []ir.Fact{{Type: q.In[0].Type, Ints: q.In[0].Ints}}, nil
		},
		Eval: ref.Identity, Ref: &ref.IdentityDesc,
		Grad:   func(_ ir.Emitter, _ *ir.Node, dy []*ir.Value) []*ir.Value { return dy[:1] },
		Traits: ir.View | ir.Elementwise | ir.Idempotent | ir.Monotone, Cost: viewCost,
		Examples: []ir.Case{
			tensorCase("tensor", "the definition", nil, f32s([]int{2}, 1, 2), f32s([]int{2}, 1, 2)),
			{Name: "sequence", Source: "the definition",
				In:  []tensor.Value{tensor.SeqV(tensor.TUnranked(dtype.F32), tensor.V(f32s([]int{1}, 3)))},
				Out: []tensor.Value{tensor.SeqV(tensor.TUnranked(dtype.F32), tensor.V(f32s([]int{1}, 3)))}},
		},
	}
}

func shapeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Shape", Since: []int{1, 13, 15, 19, 21, 23, 24, 25},
		Doc: "Shape gives the extents of axes start up to end.\n\n" +
			"\tdata   T[...]\n\tshape  i64[n]   axes start..end-1; both count from the back if negative and are clamped\n\n" +
			"Cost: none.",
		Source: "ONNX Shape-25",
		In:     []ir.Port{{Name: "data"}},
		Out:    []ir.Port{{Name: "shape", DTypes: []dtype.DType{dtype.I64}}},
		Attrs: []ir.Attr{
			{Name: "start", Kind: attr.KindInt, Default: attr.Int(0), Doc: "first axis"},
			{Name: "end", Kind: attr.KindInt, Doc: "axis behind the last; absent: all"},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x := q.In[0].Type
			if !x.Ranked() {
				return tt(dtype.I64, q.NewDim(0, 0)), nil
			}
			lo, hi := ref.ShapeSpan(q.Attrs, len(x.Dims))
			fs := tt(dtype.I64, shape.Int(int64(hi-lo)))
			fs[0].Ints = append([]shape.Dim{}, x.Dims[lo:hi]...)
			return fs, nil
		},
		Eval: ref.Shape, Ref: &ref.ShapeDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			13: func(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
				r := n.In[0].Type.Rank()
				if lo, hi := ref.ShapeSpan(n.Attrs, max(r, 0)); r < 0 && (n.Attrs.Has("end") || n.Attrs.Int("start") != 0) || lo != 0 || hi != max(r, 0) {
					return nil, nil, diag.New(diag.Unsupported, "start and end (Shape-13 gives all axes)")
				}
				return n.In, nil, nil
			},
		},
		NoGrad: "reads extents only",
		Traits: ir.ShapeOnly, Cost: viewCost,
		Examples: []ir.Case{
			tensorCase("all", "the definition", nil, i64s(2, 3), f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)),
			tensorCase("last axis", "ONNX test_shape_start_negative_1, made small", attr.Map{"start": attr.Int(-1)}, i64s(3), f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)),
			tensorCase("clamped", "ONNX test_shape_clip_end, made small", attr.Map{"end": attr.Int(10)}, i64s(2, 3), f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6)),
		},
	}
}
