package op

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

func sliceOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Slice", Since: []int{1, 10, 11, 13},
		Doc: "Slice takes elements start, start+step, ... before end along the axes named.\n\n" +
			"\tdata    T[...]\n\tstarts  I[n]   negative counts from the back; clamped\n\tends    I[n]   likewise; INT_MAX or INT_MIN: to the end\n" +
			"\taxes    I[n]   optional: absent, the first n\n\tsteps   I[n]   optional: absent, 1; negative walks backward\n\toutput  T[...]\n\n" +
			"Cost: |Y| moves.  Errors: C1..C3.  Grad: dY among zeros.",
		Source: "ONNX Slice-13",
		In: []ir.Port{{Name: "data", DTypes: classic, Var: "T"}, {Name: "starts", DTypes: indices, Var: "Tind"}, {Name: "ends", DTypes: indices, Var: "Tind"},
			{Name: "axes", DTypes: indices, Var: "Tind", Optional: true}, {Name: "steps", DTypes: indices, Var: "Tind", Optional: true}},
		Out: []ir.Port{{Name: "output", DTypes: classic, Var: "T"}},
		Constraints: []ir.C{
			{ID: "C1", Text: "starts, ends, axes, steps: vectors of one length, at most the rank of data", Check: sliceC1},
			{ID: "C2", Text: "axes: distinct and within the rank of data", Check: func(q *ir.Query) error {
				if !q.In[0].Type.Ranked() {
					return nil
				}
				_, _, err := axesOperand(q.Input(3), lengthOf(q.In[1]), q.In[0].Type.Rank())
				return err
			}},
			{ID: "C3", Text: "steps: not 0", Check: func(q *ir.Query) error {
				for _, d := range q.Input(4).Ints {
					if d.Is(0) {
						return ir.Fault("steps", shape.Format(q.Input(4).Ints), "other than 0")
					}
				}
				return nil
			}},
		},
		Infer: inferSlice,
		Eval:  ref.Slice, Ref: &ref.SliceDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){
			1: func(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
				return e.OpN("Slice", 1, nil, nil, rawIn(&r, 0), attrToInput(e, &r, "starts"), attrToInput(e, &r, "ends"), attrToInput(e, &r, "axes")), nil
			},
		},
		Grad: sliceGrad,
		Cost: moveCost,
		Examples: []ir.Case{
			tensorCase("steps", "ONNX Slice, its first example", nil, f32s([]int{1, 2}, 5, 7),
				f32s([]int{2, 4}, 1, 2, 3, 4, 5, 6, 7, 8), i64s(1, 0), i64s(2, 3), i64s(0, 1), i64s(1, 2)),
			tensorCase("negative and clamped ends", "ONNX Slice, its second example", nil, f32s([]int{1, 3}, 2, 3, 4),
				f32s([]int{2, 4}, 1, 2, 3, 4, 5, 6, 7, 8), i64s(0, 1), i64s(-1, 1000)),
			tensorCase("backward", "numpy x[::-2]", nil, f32s([]int{2}, 4, 2),
				f32s([]int{4}, 1, 2, 3, 4), i64s(-1), i64s(math.MinInt64), i64s(0), i64s(-2)),
		},
	}
}

func sliceC1(q *ir.Query) error {
	n := -1
	for i := 1; i < len(q.In); i++ {
		f := q.In[i]
		if !f.Present() {
			continue
		}
		k := lengthOf(f)
		if f.Type.Ranked() && f.Type.Rank() != 1 || k >= 0 && n >= 0 && k != n {
			return ir.Fault(q.Def.In[i].Name, f.Type.String(), "a vector as long as starts")
		}
		if k >= 0 {
			n = k
		}
	}
	if r := q.In[0].Type.Rank(); r >= 0 && n > r {
		return ir.Fault("starts", fmt.Sprintf("%d of them", n), fmt.Sprintf("at most %d", r))
	}
	return nil
}

func inferSlice(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	if !x.Ranked() {
		return unranked(x.DType), nil
	}
	axes, ok, err := axesOperand(q.Input(3), lengthOf(q.In[1]), len(x.Dims))
	if err != nil {
		return nil, err
	}
	if !ok {
		return tt(x.DType, newDims(q, 0, len(x.Dims))...), nil
	}
	dims := append([]shape.Dim{}, x.Dims...)
	starts, ends, steps := q.In[1].Ints, q.In[2].Ints, q.Input(4).Ints
	for i, a := range axes {
		step, stepKnown := int64(1), true
		if given(q, 4) {
			if stepKnown = steps != nil; stepKnown {
				step, stepKnown = steps[i].Const()
			}
		}
		d, known := shape.Dim{}, false
		if stepKnown && starts != nil && ends != nil {
			d, known = sliceDim(q, x.Dims[a], starts[i], ends[i], step)
		}
		if !known {
			d = q.NewDim(0, a)
		}
		dims[a] = d
	}
	fs := tt(x.DType, dims...)
	if len(dims) == 1 && len(axes) == 1 && q.In[0].Ints != nil {
		fs[0].Ints = sliceInts(q)
	}
	return fs, nil
}

// sliceInts follows known elements through a slice of a vector.
func sliceInts(q *ir.Query) []shape.Dim {
	start, ok1 := constInts(q.In[1])
	end, ok2 := constInts(q.In[2])
	step, ok3 := []int64{1}, true
	if given(q, 4) {
		step, ok3 = constInts(q.Input(4))
	}
	if !ok1 || !ok2 || !ok3 || step[0] == 0 || step[0] == math.MinInt64 {
		return nil
	}
	have := q.In[0].Ints
	n := int64(len(have))
	s, e := start[0], end[0]
	if s < 0 {
		s += n
	}
	if e < 0 {
		e += n
	}
	out := []shape.Dim{}
	if step[0] > 0 {
		s, e = min(max(s, 0), n), min(max(e, 0), n)
		for ; s < e; s += min(step[0], n) {
			out = append(out, have[s])
		}
		return out
	}
	s, e = min(max(s, 0), n-1), min(max(e, -1), n-1)
	for ; s > e; s += max(step[0], -n) {
		out = append(out, have[s])
	}
	return out
}

// toEnd is where positions mean "to the end": exporters write INT_MAX of 32 or
// 64 bits, and no axis is as long.
const toEnd = math.MaxInt32

// sliceDim is the extent of a slice along one axis of extent n; false where
// the bounds of the symbols do not decide how positions are clamped.
func sliceDim(q *ir.Query, n, start, end shape.Dim, step int64) (shape.Dim, bool) {
	if step == 0 {
		return shape.Dim{}, false
	}
	one := shape.Int(1)
	lo, hi := shape.Int(0), n
	if step < 0 {
		if n.Is(0) {
			return n, true
		} else if nlo, _ := dimRange(q, n); nlo < 1 { // the first element may not be there
			return shape.Dim{}, false
		}
		lo, hi = shape.Int(-1), n.Sub(one)
	}
	s, ok1 := clampTo(q, start, n, shape.Int(0), hi)
	e, ok2 := clampTo(q, end, n, lo, hi)
	if !ok1 && ok2 && e.Equal(n) {
		// From a start that may lie behind the end up to the end: the floor
		// below still gives 0 where it does by less than a step, as it does for
		// x[1::2] of an axis that may be empty.
		slo, _ := dimRange(q, start)
		short, _ := dimRange(q, n.Sub(start))
		s, ok1 = start, step > 0 && slo >= 0 && short > -step
	}
	if !ok1 || !ok2 {
		return shape.Dim{}, false
	}
	if step < 0 {
		s, e, step = e, s, -max(step, -math.MaxInt64)
	}
	span := e.Sub(s)
	slo, shi := dimRange(q, span)
	switch {
	case shi <= 0:
		return shape.Int(0), true
	case slo <= -step:
		return shape.Dim{}, false
	}
	if step > toEnd {
		step = toEnd
	}
	return span.Add(shape.Int(step - 1)).Div(shape.Int(step)), true
}

// clampTo resolves a position on an axis of extent n and clamps it to lo..hi.
func clampTo(q *ir.Query, v, n, lo, hi shape.Dim) (shape.Dim, bool) {
	if c, ok := v.Const(); ok && c >= toEnd {
		return hi, true
	} else if ok && c <= -toEnd {
		return lo, true
	}
	vlo, vhi := dimRange(q, v)
	switch {
	case vhi < 0:
		v = v.Add(n)
	case vlo < 0: // the sign is open
		return shape.Dim{}, false
	}
	below, above := v.Sub(lo), hi.Sub(v)
	blo, bhi := dimRange(q, below)
	alo, ahi := dimRange(q, above)
	switch {
	case blo >= 0 && alo >= 0:
		return v, true
	case bhi <= 0 && !(ahi < 0):
		return lo, true
	case ahi <= 0:
		return hi, true
	}
	return shape.Dim{}, false
}

// sliceGrad undoes the slice axis by axis: the positions that it took are the
// same slice of 0, 1, 2, ..., and GatherGrad puts dY back there.
func sliceGrad(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(n.In))
	x := n.In[0]
	var f ir.Fact
	if len(n.In) > 3 {
		f = ir.FactOf(n.In[3])
	}
	axes, ok, err := axesOperand(f, lengthOf(ir.FactOf(n.In[1])), x.Type.Rank())
	if err != nil || !ok {
		e.Fail(ir.Fault("axes", x.Type.String(), "known axes"))
		return out
	}
	out[0] = dy[0]
	for i, a := range axes {
		at := func(k int) *ir.Value {
			if k >= len(n.In) || n.In[k] == nil {
				return nil
			}
			return e.Op("Slice", nil, e.Op("Cast", attr.Map{"to": attr.Int(dtype.I64.ONNX())}, n.In[k]), e.Ints(int64(i)), e.Ints(int64(i+1)))
		}
		pos := e.Op("Slice", nil, positions(e, x, a), at(1), at(2), e.Ints(0), at(4))
		out[0] = e.Op("mlc.GatherGrad", attr.Map{"axis": attr.Int(a)}, out[0], pos, dimVec(e, x, a))
	}
	return out
}

// positions emits 0, 1, ... up to the extent of an axis.
func positions(e ir.Emitter, x *ir.Value, axis int) *ir.Value {
	if n, ok := x.Type.Dims[axis].Const(); ok && n <= ir.SmallConst {
		list := make([]int64, n)
		for i := range list {
			list[i] = int64(i)
		}
		return e.Ints(list...)
	}
	n := e.Op("Squeeze", nil, dimVec(e, x, axis))
	return e.Op("Range", nil, e.Scalar(dtype.I64, 0), n, e.Scalar(dtype.I64, 1))
}
