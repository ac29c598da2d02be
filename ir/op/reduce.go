package op

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// reduceOps are the reductions over axes.
func reduceOps() []*ir.OpDef {
	return []*ir.OpDef{reduceSumOp(), reduceMeanOp(), reduceMaxOp(), reduceMinOp(), reduceProdOp(), argMaxOp(), argMinOp()}
}

// reducer is the frame of the reductions. attrUntil is the last schema version
// whose axes are an attribute.
func reducer(d ir.OpDef, types []dtype.DType, attrUntil int, what, grad string) *ir.OpDef {
	d.Doc = d.Name + " " + what + "\n\n" +
		"\tdata     T[...]\n\taxes     i64[n]   optional: which; absent or empty, all (none if noop_with_empty_axes)\n" +
		"\treduced  T[...]   extents 1 at the axes, or without them if not keepdims\n\n" +
		"Cost: |data| FLOP.  Errors: C1, C2.  Grad: " + grad
	d.In = []ir.Port{{Name: "data", DTypes: types, Var: "T"}, {Name: "axes", DTypes: []dtype.DType{dtype.I64}, Optional: true}}
	d.Out = []ir.Port{{Name: "reduced", DTypes: types, Var: "T"}}
	d.Attrs = []ir.Attr{
		{Name: "keepdims", Kind: attr.KindInt, Default: attr.Int(1), Check: flag, Doc: "keep the reduced axes with extent 1"},
		{Name: "noop_with_empty_axes", Kind: attr.KindInt, Default: attr.Int(0), Check: flag, Doc: "no axes mean none rather than all"},
	}
	d.Constraints = []ir.C{
		vectorC("C1", "axes", 1),
		{ID: "C2", Text: "axes: distinct, within the rank of data", Check: func(q *ir.Query) error {
			_, _, err := reducedAxes(q)
			return err
		}},
	}
	d.Infer = inferReduce
	d.Upgrade = map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){}
	for _, v := range d.Since {
		if v <= attrUntil {
			d.Upgrade[v] = upgradeReduce
		}
	}
	d.Cost = func(n *ir.Node) (int64, int64) { return elements(n.In[0].Type), bytesOf(n) }
	return &d
}

// reducedAxes says which axes go. ok is false where they are not known.
func reducedAxes(q *ir.Query) (axes []int, ok bool, err error) {
	rank := q.In[0].Type.Rank()
	if rank < 0 {
		return nil, false, nil
	}
	f := q.Input(1)
	n := lengthOf(f)
	if !f.Present() || n == 0 {
		if q.Attrs.Bool("noop_with_empty_axes") {
			return nil, true, nil
		}
		return axesOperand(ir.Fact{}, rank, rank)
	}
	return axesOperand(f, n, rank)
}

func inferReduce(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	axes, ok, err := reducedAxes(q)
	if err != nil {
		return nil, err
	}
	keep := q.Attrs.Bool("keepdims")
	if !ok {
		f := q.Input(1)
		n := lengthOf(f)
		switch {
		case x.Rank() < 0:
			return unranked(x.DType), nil
		case keep:
			return tt(x.DType, newDims(q, 0, x.Rank())...), nil
		case n > 0 && n <= x.Rank():
			return tt(x.DType, newDims(q, 0, x.Rank()-n)...), nil
		}
		return unranked(x.DType), nil
	}
	gone := make([]bool, x.Rank())
	for _, a := range axes {
		gone[a] = true
	}
	dims := []shape.Dim{}
	for i, d := range x.Dims {
		switch {
		case !gone[i]:
			dims = append(dims, d)
		case keep:
			dims = append(dims, shape.Int(1))
		}
	}
	fs := tt(x.DType, dims...)
	fs[0].Ints = reducedInts(q, len(axes))
	return fs, nil
}

// reducedInts tracks ReduceProd and ReduceSum of a known vector: the number of
// elements of a shape.
func reducedInts(q *ir.Query, axes int) []shape.Dim {
	if q.In[0].Ints == nil || q.In[0].Type.Rank() != 1 || axes != 1 || q.In[0].Type.DType != dtype.I64 {
		return nil
	}
	switch q.Def.Name {
	case "ReduceProd":
		return []shape.Dim{shape.Prod(q.In[0].Ints)}
	case "ReduceSum":
		s := shape.Int(0)
		for _, d := range q.In[0].Ints {
			s = s.Add(d)
		}
		return []shape.Dim{s}
	}
	return nil
}

// upgradeReduce turns attribute axes into an input.
func upgradeReduce(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	return []*ir.Value{e.Op(r.Op, without(r.Attrs, "axes"), rawIn(&r, 0), attrToInput(e, &r, "axes"))}, nil
}

// reduceTo writes a reduction with attribute axes for schema version v. Error:
// axes that are not constant, noop_with_empty_axes, an element type that is
// too new.
func reduceTo(v int, types []dtype.DType) lower {
	fits := onlyTypes(v, 0, types)
	return func(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
		if _, _, err := fits(e, n); err != nil {
			return nil, nil, err
		}
		a := without(n.Attrs, "noop_with_empty_axes")
		if len(n.In) > 1 && n.In[1] != nil {
			list, ok := constInts(ir.FactOf(n.In[1]))
			if !ok {
				return nil, nil, diag.New(diag.Unsupported, "axes that are computed in %s-%d (supported: constant axes)", n.Def.Name, v)
			}
			if len(list) > 0 {
				a["axes"] = attr.Ints(list...)
			}
		}
		if n.Attrs.Bool("noop_with_empty_axes") && !a.Has("axes") {
			return nil, nil, diag.New(diag.Unsupported, "noop_with_empty_axes without axes in %s-%d (supported: axes)", n.Def.Name, v)
		}
		return n.In[:1], a, nil
	}
}

// spread gives v, a result or its gradient, the rank of data again with
// extents 1 at the reduced axes.
func spread(c calc, n *ir.Node, v *ir.Value) *ir.Value {
	x := n.In[0]
	if n.Attrs.Bool("keepdims") || v.Type.Equal(x.Type) {
		return v
	}
	if len(n.In) > 1 && n.In[1] != nil {
		if f := ir.FactOf(n.In[1]); lengthOf(f) != 0 {
			return c.e.Op("Unsqueeze", nil, v, n.In[1])
		}
	}
	if n.Attrs.Bool("noop_with_empty_axes") {
		return v
	}
	ones := make([]int64, x.Type.Rank())
	for i := range ones {
		ones[i] = 1
	}
	return c.e.Op("Reshape", nil, v, c.e.Ints(ones...))
}

// keepTwin emits a reduction over the axes of n that keeps them.
func keepTwin(c calc, n *ir.Node, name string, x *ir.Value) *ir.Value {
	a := attr.Map{"keepdims": attr.Int(1), "noop_with_empty_axes": n.Attrs["noop_with_empty_axes"]}
	return c.e.Op(name, a, append([]*ir.Value{x}, n.In[1:]...)...)
}

// expandTo stretches v to the shape of x.
func expandTo(c calc, v, x *ir.Value) *ir.Value {
	if v.Type.Equal(x.Type) {
		return v
	}
	return c.e.Op("Expand", nil, v, shapeVec(c.e, x))
}

// reduceGrad gives data its gradient from that of the result in data's rank.
func reduceGrad(f func(c calc, n *ir.Node, dy *ir.Value) *ir.Value) func(ir.Emitter, *ir.Node, []*ir.Value) []*ir.Value {
	return floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
		if n.In[0].Type.Rank() < 0 {
			c.e.Fail(diag.New(diag.Unsupported, "gradient of %s over a tensor of unknown rank (supported: known rank)", n.Def.Name))
		}
		out := make([]*ir.Value, len(n.In))
		out[0] = f(c, n, spread(c, n, dy))
		return out
	})
}

func reduceSumOp() *ir.OpDef {
	d := reducer(ir.OpDef{
		Name: "ReduceSum", Since: []int{1, 11, 13}, Source: "ONNX ReduceSum-13",
		Eval: ref.ReduceSum, Ref: &ref.ReduceSumDesc,
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value { return expandTo(c, dy, n.In[0]) }),
		Examples: []ir.Case{
			tensorCase("all axes", "ONNX test_reduce_sum_default_axes_keepdims_example", nil, f32s([]int{1, 1}, 10), f32s([]int{2, 2}, 1, 2, 3, 4)),
			tensorCase("rows, dropped", "hand calculation", attr.Map{"keepdims": attr.Int(0)}, vec(3, 7), f32s([]int{2, 2}, 1, 2, 3, 4), i64s(-1)),
			tensorCase("nothing", "ONNX test_reduce_sum_empty_set", nil, f32s([]int{1, 2}, 0, 0), f32s([]int{0, 2}), i64s(0)),
			tensorCase("no axes, none wanted", "ONNX ReduceSum-13: noop_with_empty_axes", attr.Map{"noop_with_empty_axes": attr.Int(1)}, vec(1, 2), vec(1, 2), i64s()),
		},
	}, wide, 11, "is the sum over axes; of nothing it is 0. Integers wrap.", "ddata = dreduced, stretched.")
	return d
}

func reduceMeanOp() *ir.OpDef {
	return reducer(ir.OpDef{
		Name: "ReduceMean", Since: []int{1, 11, 13, 18}, Source: "ONNX ReduceMean-18",
		Eval: ref.ReduceMean, Ref: &ref.ReduceMeanDesc,
		Downgrade: map[int]lower{13: reduceTo(13, wide)},
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
			x := n.In[0]
			size, small := shape.Prod(x.Type.Dims).Const()
			kept, fixed := shape.Prod(n.Out[0].Type.Dims).Const()
			if small && fixed && kept > 0 {
				return expandTo(c, c.div(dy, c.num(x, float64(size/kept))), x)
			}
			// The number of elements is the sum of as many ones.
			ones := expandTo(c, c.num(x, 1), x)
			return c.div(expandTo(c, dy, x), keepTwin(c, n, "ReduceSum", ones))
		}),
		Examples: []ir.Case{
			tensorCase("columns", "hand calculation", nil, f32s([]int{1, 2}, 2, 3), f32s([]int{2, 2}, 1, 2, 3, 4), i64s(0)),
			tensorCase("integers truncate", "hand calculation: -7/2 = -3", attr.Map{"keepdims": attr.Int(0)}, tensor.MustOf([]int32{-3}), i32s(-4, -3)),
		},
	}, wide, 13, "is the mean over axes; of nothing it is NaN, and an error of kind bad data for integers, whose quotient truncates "+
		"toward zero.", "ddata = dreduced over the number of elements, stretched.")
}

// extremeGrad shares dy among the elements that equal the result.
func extremeGrad(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
	x := n.In[0]
	one, zero := c.num(x, 1), c.num(x, 0)
	hit := c.where(c.equal(x, spread(c, n, n.Out[0])), one, zero)
	return c.mul(hit, c.div(dy, keepTwin(c, n, "ReduceSum", hit)))
}

func reduceMaxOp() *ir.OpDef {
	types := append(append([]dtype.DType{}, wide...), dtype.U8, dtype.I8, dtype.Bool)
	d := reducer(ir.OpDef{
		Name: "ReduceMax", Since: []int{1, 11, 12, 13, 18, 20}, Source: "ONNX ReduceMax-20",
		Eval: ref.ReduceMax, Ref: &ref.ReduceMaxDesc,
		Downgrade: map[int]lower{18: onlyTypes(18, 0, less(types, dtype.Bool)), 13: reduceTo(13, less(types, dtype.Bool))},
		Grad:      reduceGrad(extremeGrad),
		Examples: []ir.Case{
			tensorCase("rows", "hand calculation", attr.Map{"keepdims": attr.Int(0)}, vec(2, 4), f32s([]int{2, 2}, 1, 2, 4, 3), i64s(1)),
			tensorCase("bools", "ONNX test_reduce_max_bool_inputs: or", nil, tensor.MustOf([]bool{true, false}, 2, 1),
				tensor.MustOf([]bool{true, false, false, false}, 2, 2), i64s(1)),
			tensorCase("nothing", "ONNX test_reduce_max_empty_set", nil, f32s([]int{1}, float32(math.Inf(-1))), f32s([]int{0}), i64s(0)),
		},
	}, types, 13, "is the maximum over axes; NaN wins; of nothing it is -Inf, the type's smallest integer, or false.",
		"shared among the elements that equal the result.")
	d.Traits |= ir.Monotone
	return d
}

func reduceMinOp() *ir.OpDef {
	types := append(append([]dtype.DType{}, wide...), dtype.U8, dtype.I8, dtype.Bool)
	d := reducer(ir.OpDef{
		Name: "ReduceMin", Since: []int{1, 11, 12, 13, 18, 20}, Source: "ONNX ReduceMin-20",
		Eval: ref.ReduceMin, Ref: &ref.ReduceMinDesc,
		Downgrade: map[int]lower{18: onlyTypes(18, 0, less(types, dtype.Bool)), 13: reduceTo(13, less(types, dtype.Bool))},
		Grad:      reduceGrad(extremeGrad),
		Examples: []ir.Case{
			tensorCase("rows", "hand calculation", attr.Map{"keepdims": attr.Int(0)}, vec(1, 3), f32s([]int{2, 2}, 1, 2, 4, 3), i64s(1)),
			tensorCase("nothing of u64", "ONNX ReduceMin-20: the maximum of the type", nil, tensor.MustOf([]uint64{math.MaxUint64}, 1),
				tensor.MustOf([]uint64{}, 0), i64s(0)),
		},
	}, types, 13, "is the minimum over axes; NaN wins; of nothing it is +Inf, the type's largest integer, or true.",
		"shared among the elements that equal the result.")
	d.Traits |= ir.Monotone
	return d
}

func reduceProdOp() *ir.OpDef {
	return reducer(ir.OpDef{
		Name: "ReduceProd", Since: []int{1, 11, 13, 18}, Source: "ONNX ReduceProd-18",
		Eval: ref.ReduceProd, Ref: &ref.ReduceProdDesc,
		Downgrade: map[int]lower{13: reduceTo(13, wide)},
		Grad: reduceGrad(func(c calc, n *ir.Node, dy *ir.Value) *ir.Value {
			// The product of the others: by division where no factor is 0,
			// the product of the non-zero ones at the only 0, else 0.
			x := n.In[0]
			one, zero := c.num(x, 1), c.num(x, 0)
			isZero := c.equal(x, zero)
			safe := c.where(isZero, one, x)
			p := keepTwin(c, n, "ReduceProd", safe)
			zeros := keepTwin(c, n, "ReduceSum", c.where(isZero, one, zero))
			atZero := c.where(c.equal(zeros, one), p, zero)
			elsewhere := c.where(c.equal(zeros, zero), c.div(p, safe), zero)
			return c.mul(dy, c.where(isZero, atZero, elsewhere))
		}),
		Examples: []ir.Case{
			tensorCase("columns", "hand calculation", nil, f32s([]int{1, 2}, 3, 8), f32s([]int{2, 2}, 1, 2, 3, 4), i64s(0)),
			tensorCase("elements of a shape", "hand calculation", attr.Map{"keepdims": attr.Int(0)}, tensor.MustOf([]int64{24}), i64s(2, 3, 4)),
		},
	}, wide, 13, "is the product over axes; of nothing it is 1. Integers wrap.", "ddata = dreduced times the product of the other elements.")
}

func argMaxOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "ArgMax", Since: []int{1, 11, 12, 13}, Source: "ONNX ArgMax-13",
		Doc: "ArgMax is the index of the largest element along axis, the first of equals unless select_last_index. NaN counts as the largest.\n\n" +
			"\tdata     T[...]\n\treduced  i64[...]   extent 1 at axis, or without it if not keepdims\n\n" +
			"Cost: |data| FLOP.  Errors: C1, C2.  Grad: none, the result is an index.",
		In:  []ir.Port{{Name: "data", DTypes: numerics, Var: "T"}},
		Out: []ir.Port{{Name: "reduced", DTypes: []dtype.DType{dtype.I64}}},
		Attrs: []ir.Attr{
			{Name: "axis", Kind: attr.KindInt, Default: attr.Int(0), Doc: "along which it searches"},
			{Name: "keepdims", Kind: attr.KindInt, Default: attr.Int(1), Check: flag, Doc: "keep the axis with extent 1"},
			{Name: "select_last_index", Kind: attr.KindInt, Default: attr.Int(0), Check: flag, Doc: "the last of equals"},
		},
		Constraints: []ir.C{axisC("C1", 0), {ID: "C2", Text: "the axis has elements", Check: func(q *ir.Query) error {
			x := q.In[0].Type
			if !x.Ranked() {
				return nil
			}
			axis, err := axisOf(q.Attrs.Int("axis"), x.Rank())
			if err == nil && x.Dims[axis].Is(0) {
				return ir.Fault("extent of the axis", "0", "1 or more")
			}
			return err
		}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x := q.In[0].Type
			if !x.Ranked() {
				return unranked(dtype.I64), nil
			}
			axis, err := axisOf(q.Attrs.Int("axis"), x.Rank())
			if err != nil {
				return nil, err
			}
			dims := append([]shape.Dim{}, x.Dims[:axis]...)
			if q.Attrs.Bool("keepdims") {
				dims = append(dims, shape.Int(1))
			}
			return tt(dtype.I64, append(dims, x.Dims[axis+1:]...)...), nil
		},
		Eval: ref.ArgMax, Ref: &ref.ArgMaxDesc,
		NoGrad: "the result is an index",
		Cost:   func(n *ir.Node) (int64, int64) { return elements(n.In[0].Type), bytesOf(n) },
		Examples: []ir.Case{
			tensorCase("first of equals", "hand calculation", attr.Map{"axis": attr.Int(1), "keepdims": attr.Int(0)},
				i64s(0, 1), f32s([]int{2, 2}, 2, 2, 3, 10)),
			tensorCase("last of equals", "ONNX test_argmax_keepdims_example_select_last_index", attr.Map{"axis": attr.Int(1), "select_last_index": attr.Int(1)},
				tensor.MustOf([]int64{1, 1}, 2, 1), f32s([]int{2, 2}, 2, 2, 3, 10)),
		},
	}
}
