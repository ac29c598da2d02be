package op

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// joinOps join tensors along an axis and cut them again.
func joinOps() []*ir.OpDef { return []*ir.OpDef{concatOp(), splitOp()} }

func concatOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Concat", Since: []int{1, 4, 11, 13},
		Doc: "Concat joins its inputs along axis.\n\n" +
			"\tinputs         T[...]   one or more, equal except along axis\n\tconcat_result  T[...]   the extents along axis added up\n\n" +
			"Cost: |Y| moves.  Errors: C1, C2.  Grad: dY split again.",
		Source: "ONNX Concat-13",
		In:     []ir.Port{{Name: "inputs", DTypes: classic, Var: "T", Variadic: true, MinCount: 1}},
		Out:    []ir.Port{{Name: "concat_result", DTypes: classic, Var: "T"}},
		Attrs:  []ir.Attr{{Name: "axis", Kind: attr.KindInt, Required: true, Doc: "axis to join along; negative counts from the back"}},
		Constraints: []ir.C{
			axisC("C1", 0),
			{ID: "C2", Text: "inputs: equal rank and, except along axis, equal extents", Check: concatC2},
		},
		Infer: inferConcat,
		Eval:  ref.Concat, Ref: &ref.ConcatDesc,
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			a, err := axisOf(n.Attrs.Int("axis"), dy[0].Type.Rank())
			if err != nil {
				e.Fail(err)
				return make([]*ir.Value, len(n.In))
			}
			sizes := make([]*ir.Value, len(n.In))
			for i, x := range n.In {
				sizes[i] = dimVec(e, x, a)
			}
			all := e.Op("Concat", attr.Map{"axis": attr.Int(0)}, sizes...)
			return slices.Clone(e.OpN("Split", len(n.In), attr.Map{"axis": attr.Int(a)}, nil, dy[0], all))
		},
		Cost: moveCost,
		Examples: []ir.Case{
			tensorCase("rows", "hand calculation", attr.Map{"axis": attr.Int(0)},
				f32s([]int{3, 2}, 1, 2, 3, 4, 5, 6), f32s([]int{1, 2}, 1, 2), f32s([]int{2, 2}, 3, 4, 5, 6)),
			tensorCase("columns", "hand calculation", attr.Map{"axis": attr.Int(-1)},
				f32s([]int{2, 3}, 1, 2, 5, 3, 4, 6), f32s([]int{2, 2}, 1, 2, 3, 4), f32s([]int{2, 1}, 5, 6)),
		},
	}
}

func concatC2(q *ir.Query) error {
	first := q.In[0].Type
	for i, f := range q.In {
		if !first.Ranked() || !f.Type.Ranked() {
			continue
		}
		ok := len(f.Type.Dims) == len(first.Dims)
		a, _ := axisOf(q.Attrs.Int("axis"), len(first.Dims))
		for k := 0; ok && k < len(first.Dims); k++ {
			m, mk := first.Dims[k].Const()
			n, nk := f.Type.Dims[k].Const()
			ok = k == a || !mk || !nk || m == n
		}
		if !ok {
			return ir.Fault(fmt.Sprintf("input %d", i), f.Type.String(), fmt.Sprintf("%v except along axis %d", first, q.Attrs.Int("axis")))
		}
	}
	return nil
}

// inferConcat takes a known extent over a symbol where inputs must agree; two
// symbols that are not provably equal are compared by the run.
func inferConcat(q *ir.Query) ([]ir.Fact, error) {
	first := q.In[0].Type
	for _, f := range q.In {
		if !f.Type.Ranked() {
			return unranked(first.DType), nil
		}
	}
	a, err := axisOf(q.Attrs.Int("axis"), len(first.Dims))
	if err != nil {
		return nil, err
	}
	dims := append([]shape.Dim{}, first.Dims...)
	var list []shape.Dim
	known := len(dims) == 1
	for i, f := range q.In {
		for k, d := range f.Type.Dims {
			switch {
			case k == a && i > 0:
				dims[k] = dims[k].Add(d)
			case k != a && d.IsConst():
				dims[k] = d
			}
		}
		known = known && f.Ints != nil && len(list)+len(f.Ints) <= knownInts
		list = append(list, f.Ints...)
	}
	fs := tt(first.DType, dims...)
	if known {
		fs[0].Ints = append([]shape.Dim{}, list...)
	}
	return fs, nil
}

func splitOp() *ir.OpDef {
	split := func(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
		lens := rawIn(&r, 1)
		if lens == nil {
			lens = attrToInput(e, &r, "split")
		}
		a := without(r.Attrs, "split")
		if lens == nil {
			if a == nil {
				a = attr.Map{}
			}
			a["num_outputs"] = attr.Int(r.NOut)
		}
		return e.OpN("Split", r.NOut, a, nil, rawIn(&r, 0), lens), nil
	}
	return &ir.OpDef{
		Name: "Split", Since: []int{1, 2, 11, 13, 18},
		Doc: "Split cuts its input along axis, into given lengths or into equal parts.\n\n" +
			"\tinput    T[...]\n\tsplit    i64[n]   optional: length of each output\n\toutputs  T[...]   n of them; by num_outputs ceil(d/n) long each, the last what is left\n\n" +
			"Cost: |X| moves.  Errors: C1..C5.  Grad: the dY joined, zeros where an output has none.",
		Source: "ONNX Split-18",
		In:     []ir.Port{{Name: "input", DTypes: classic, Var: "T"}, {Name: "split", DTypes: []dtype.DType{dtype.I64}, Optional: true}},
		Out:    []ir.Port{{Name: "outputs", DTypes: classic, Var: "T", Variadic: true, MinCount: 1}},
		Attrs: []ir.Attr{
			{Name: "axis", Kind: attr.KindInt, Default: attr.Int(0), Doc: "axis to cut along; negative counts from the back"},
			{Name: "num_outputs", Kind: attr.KindInt, Doc: "number of equal parts"},
		},
		Constraints: []ir.C{
			axisC("C1", 0),
			{ID: "C2", Text: "one of split and num_outputs is given", Check: func(q *ir.Query) error {
				s := q.Input(1)
				if s.Present() == q.Attrs.Has("num_outputs") {
					return ir.Fault("split, num_outputs", fmt.Sprintf("split given: %t, num_outputs given: %t", s.Present(), !s.Present()), "one of them")
				}
				return nil
			}},
			{ID: "C3", Text: "split or num_outputs: as many as outputs", Check: func(q *ir.Query) error {
				n := q.Attrs.Int("num_outputs")
				if f := q.Input(1); f.Present() {
					n = lengthOf(f)
				}
				if n >= 0 && n != q.NOut || q.NOut == 0 {
					return ir.Fault("outputs", fmt.Sprint(q.NOut), fmt.Sprint(n))
				}
				return nil
			}},
			vectorC("C4", "split", 1),
			{ID: "C5", Text: "split: lengths of 0 or more that add up to the extent; num_outputs: no part below 0", Check: splitC5},
		},
		Infer: inferSplit,
		Eval:  ref.Split, Ref: &ref.SplitDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){2: split, 11: split, 13: split},
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			13: splitTo13,
		},
		Grad: splitGrad,
		Cost: moveCost,
		Examples: []ir.Case{
			{Name: "equal parts", Attrs: attr.Map{"num_outputs": attr.Int(3)}, Source: "ONNX test_split_equal_parts_1d_opset18",
				In:  tensor.Vs(f32s([]int{6}, 1, 2, 3, 4, 5, 6)),
				Out: tensor.Vs(f32s([]int{2}, 1, 2), f32s([]int{2}, 3, 4), f32s([]int{2}, 5, 6))},
			{Name: "smaller last part", Attrs: attr.Map{"num_outputs": attr.Int(2)}, Source: "hand calculation",
				In:  tensor.Vs(f32s([]int{3}, 1, 2, 3)),
				Out: tensor.Vs(f32s([]int{2}, 1, 2), f32s([]int{1}, 3))},
			{Name: "lengths", Attrs: attr.Map{"axis": attr.Int(1)}, Source: "hand calculation",
				In:  tensor.Vs(f32s([]int{2, 3}, 1, 2, 3, 4, 5, 6), i64s(1, 2)),
				Out: tensor.Vs(f32s([]int{2, 1}, 1, 4), f32s([]int{2, 2}, 2, 3, 5, 6))},
		},
	}
}

func splitC5(q *ir.Query) error {
	x := q.In[0].Type
	if !x.Ranked() {
		return nil
	}
	a, err := axisOf(q.Attrs.Int("axis"), len(x.Dims))
	if err != nil {
		return err
	}
	have, known := x.Dims[a].Const()
	if f := q.Input(1); f.Present() {
		list, ok := constInts(f)
		sum := int64(0)
		for _, v := range list {
			if v < 0 {
				return ir.Fault("split", fmt.Sprint(list), "lengths of 0 or more")
			}
			sum += v
		}
		if ok && known && sum != have {
			return ir.Fault("split", fmt.Sprintf("%v, together %d", list, sum), fmt.Sprint(have))
		}
		return nil
	}
	n := int64(q.NOut)
	if known && have-(have+n-1)/n*(n-1) < 0 {
		return ir.Fault("num_outputs", fmt.Sprint(n), fmt.Sprintf("a number whose parts fit %d", have))
	}
	return nil
}

func inferSplit(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	fs := make([]ir.Fact, q.NOut)
	if !x.Ranked() {
		for i := range fs {
			fs[i] = unranked(x.DType)[0]
		}
		return fs, nil
	}
	a, err := axisOf(q.Attrs.Int("axis"), len(x.Dims))
	if err != nil {
		return nil, err
	}
	n := shape.Int(int64(q.NOut))
	whole := x.Dims[a]
	chunk := whole.Div(n)
	last := chunk
	if !chunk.Mul(n).Equal(whole) { // not provably even
		chunk = whole.Add(n).Sub(shape.Int(1)).Div(n)
		last = whole.Sub(chunk.Mul(n.Sub(shape.Int(1))))
	}
	at := 0
	for i := range fs {
		part := chunk
		switch f := q.Input(1); {
		case f.Ints != nil && notNegative(q, f.Ints[i]):
			part = f.Ints[i]
		case f.Present():
			part = q.NewDim(i, a)
		case i == q.NOut-1:
			part = last
		}
		dims := append([]shape.Dim{}, x.Dims...)
		dims[a] = part
		fs[i] = tt(x.DType, dims...)[0]
		if c, ok := part.Const(); ok && at >= 0 && len(dims) == 1 && q.In[0].Ints != nil && at+int(c) <= len(q.In[0].Ints) {
			fs[i].Ints = append([]shape.Dim{}, q.In[0].Ints[at:at+int(c)]...)
			at += int(c)
		} else {
			at = -1
		}
	}
	return fs, nil
}

// splitTo13 writes uneven or symbolic parts as lengths where they are known;
// Split-13 without lengths wants even parts.
func splitTo13(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
	if !n.Attrs.Has("num_outputs") {
		return n.In, n.Attrs, nil
	}
	x := n.In[0].Type
	even := attr.Map{"axis": n.Attrs["axis"]}
	if !x.Ranked() {
		return n.In[:1], even, nil
	}
	a, err := axisOf(n.Attrs.Int("axis"), len(x.Dims))
	if err != nil {
		return nil, nil, err
	}
	k := int64(len(n.Out))
	whole, known := x.Dims[a].Const()
	if !known || whole%k == 0 {
		return n.In[:1], even, nil
	}
	lens := make([]int64, k)
	for i := range lens {
		lens[i] = (whole + k - 1) / k
	}
	lens[k-1] = whole - lens[0]*(k-1)
	return []*ir.Value{n.In[0], e.Ints(lens...)}, even, nil
}

func splitGrad(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(n.In))
	var parts []*ir.Value // for the shapes of outputs that nobody wanted
	grads := make([]*ir.Value, len(n.Out))
	for i := range grads {
		if grads[i] = dy[i]; dy[i] != nil {
			continue
		}
		like := n.Out[i]
		if like == nil {
			if parts == nil {
				parts = e.OpN("Split", len(n.Out), n.Attrs, nil, n.In...)
			}
			like = parts[i]
		}
		grads[i] = zerosVec(e, like)
	}
	out[0] = e.Op("Concat", attr.Map{"axis": n.Attrs["axis"]}, grads...)
	return out
}

// zerosVec emits zeros of v's type and shape.
func zerosVec(e ir.Emitter, v *ir.Value) *ir.Value {
	z := tensor.New(v.Type.DType, 1)
	return e.Op("ConstantOfShape", attr.Map{"value": attr.Tensor(z)}, shapeVec(e, v))
}
