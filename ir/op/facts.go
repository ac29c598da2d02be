package op

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// classic are the element types that ONNX gave operators before the small
// floats came: what Concat, Slice, Gather and others move.
var classic = append(append(append([]dtype.DType{}, numerics...), bools...), dtype.String, dtype.C64, dtype.C128)

// knownInts bounds the vectors whose elements facts track.
const knownInts = 1024

// dimRange bounds an extent from the bounds of its symbols.
func dimRange(q *ir.Query, d shape.Dim) (lo, hi int64) {
	if q.Bounds == nil {
		return d.Range(func(string) (int64, int64) { return 0, shape.Unbounded })
	}
	return d.Range(q.Bounds)
}

// notNegative says whether d is provably 0 or more.
func notNegative(q *ir.Query, d shape.Dim) bool { lo, _ := dimRange(q, d); return lo >= 0 }

// given says whether input i is there.
func given(q *ir.Query, i int) bool { f := q.Input(i); return f.Present() }

// newDims gives r extents of output out that only the run knows.
func newDims(q *ir.Query, out, r int) []shape.Dim {
	dims := make([]shape.Dim, r)
	for i := range dims {
		dims[i] = q.NewDim(out, i)
	}
	return dims
}

// constInts gives the elements of an integer operand where all are known.
func constInts(f ir.Fact) ([]int64, bool) {
	if f.Ints == nil {
		return nil, false
	}
	out := make([]int64, len(f.Ints))
	for i, d := range f.Ints {
		c, ok := d.Const()
		if !ok {
			return nil, false
		}
		out[i] = c
	}
	return out, true
}

// lengthOf is the length of a vector operand, -1 where it is not known.
func lengthOf(f ir.Fact) int {
	if f.Ints != nil {
		return len(f.Ints)
	}
	if !f.Type.Ranked() {
		return -1
	}
	if n, ok := shape.Prod(f.Type.Dims).Const(); ok && n >= 0 && n < math.MaxInt32 {
		return int(n)
	}
	return -1
}

// axesFrom resolves a list of axes. Error: out of range or named twice.
func axesFrom(list []int64, rank int) ([]int, error) {
	axes := make([]int, len(list))
	seen := make([]bool, rank)
	for i, a := range list {
		k, err := axisOf(int(min(max(a, math.MinInt32), math.MaxInt32)), rank)
		if err != nil {
			return nil, err
		}
		if seen[k] {
			return nil, ir.Fault("axes", fmt.Sprintf("axis %d twice", k), "each once")
		}
		axes[i], seen[k] = k, true
	}
	return axes, nil
}

// axesOperand resolves an optional axes operand of n entries that counts in
// rank: absent means 0..n-1. ok is false where it is not known.
func axesOperand(f ir.Fact, n, rank int) (axes []int, ok bool, err error) {
	if !f.Present() {
		if n < 0 {
			return nil, false, nil
		}
		list := make([]int64, n)
		for i := range list {
			list[i] = int64(i)
		}
		axes, err = axesFrom(list, rank)
		return axes, err == nil, err
	}
	list, ok := constInts(f)
	if !ok {
		return nil, false, nil
	}
	axes, err = axesFrom(list, rank)
	return axes, err == nil, err
}

// axisC is the constraint that attribute axis lies within the rank of the
// first input; extra is 1 where one behind the last is allowed.
func axisC(id string, extra int) ir.C {
	text := "axis: -rank <= axis < rank"
	if extra > 0 {
		text = "axis: -rank <= axis <= rank"
	}
	return ir.C{ID: id, Text: text, Check: func(q *ir.Query) error {
		r := q.In[0].Type.Rank()
		if a := q.Attrs.Int("axis"); r >= 0 && (a < -r || a >= r+extra) {
			return ir.Fault("axis", fmt.Sprint(a), fmt.Sprintf("%d..%d", -r, r-1+extra))
		}
		return nil
	}}
}

// maxAxes bounds the vectors that name axes or extents, so that a hostile type
// cannot make inference build a shape of a billion axes.
const maxAxes = 128

// vectorC is the constraint that an operand is a short vector (or, in models
// that exporters wrote so, a scalar).
func vectorC(id, name string, i int) ir.C {
	return ir.C{ID: id, Text: fmt.Sprintf("%s is a vector of at most %d elements", name, maxAxes), Check: func(q *ir.Query) error {
		if f := q.Input(i); f.Present() && (f.Type.Rank() > 1 || lengthOf(f) > maxAxes) {
			return ir.Fault(name, f.Type.String(), fmt.Sprintf("a vector of at most %d elements", maxAxes))
		}
		return nil
	}}
}

// keepInts lets the known elements of the first input pass to an output of
// rank 0 or 1.
func keepInts(q *ir.Query, fs []ir.Fact) []ir.Fact {
	if fs[0].Type.Ranked() && len(fs[0].Type.Dims) <= 1 {
		fs[0].Ints = q.In[0].Ints
	}
	return fs
}

// unranked is the fact of a tensor of unknown rank.
func unranked(d dtype.DType) []ir.Fact { return []ir.Fact{{Type: tensor.TUnranked(d)}} }

// moveCost is the cost of operators that only move elements.
func moveCost(n *ir.Node) (flop, bytes int64) { return 0, bytesOf(n) }

// viewCost is the cost of operators that a runtime makes views.
func viewCost(*ir.Node) (flop, bytes int64) { return 0, 0 }

// shapeVec emits the shape of v, as a constant where it is known.
func shapeVec(e ir.Emitter, v *ir.Value) *ir.Value {
	if dims, ok := v.Type.Static(); ok {
		list := make([]int64, len(dims))
		for i, d := range dims {
			list[i] = int64(d)
		}
		return e.Ints(list...)
	}
	return e.Op("Shape", nil, v)
}

// dimVec emits the extent of one axis as a vector of one element.
func dimVec(e ir.Emitter, v *ir.Value, axis int) *ir.Value {
	if v.Type.Ranked() {
		if n, ok := v.Type.Dims[axis].Const(); ok {
			return e.Ints(n)
		}
	}
	return e.Op("Shape", attr.Map{"start": attr.Int(axis), "end": attr.Int(axis + 1)}, v)
}

// reshapeLike gives dy the shape of x: the gradient of every view.
func reshapeLike(e ir.Emitter, dy, x *ir.Value) *ir.Value {
	if dy == nil || dy.Type.Equal(x.Type) {
		return dy
	}
	return e.Op("Reshape", attr.Map{"allowzero": attr.Int(1)}, dy, shapeVec(e, x))
}

// viewGrad is the gradient of an operator whose output is a view of its first
// input; the other inputs have none.
func viewGrad(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(n.In))
	out[0] = reshapeLike(e, dy[0], n.In[0])
	return out
}

// rawIn is input i of a node of an older schema, nil if it is absent.
func rawIn(r *ir.Raw, i int) *ir.Value {
	if i < len(r.In) {
		return r.In[i]
	}
	return nil
}

// attrToInput turns an ints attribute of an older schema into an operand, nil
// if it is not given.
func attrToInput(e ir.Emitter, r *ir.Raw, name string) *ir.Value {
	if !r.Attrs.Has(name) {
		return nil
	}
	return e.Ints(r.Attrs.Ints(name)...)
}

// without copies attributes except those named.
func without(a attr.Map, names ...string) attr.Map {
	out := a.Clone()
	for _, n := range names {
		delete(out, n)
	}
	return out
}

// tensorCase writes an example with tensor inputs and one output.
func tensorCase(name, source string, a attr.Map, out tensor.Tensor, in ...tensor.Tensor) ir.Case {
	return ir.Case{Name: name, Attrs: a, In: tensor.Vs(in...), Out: tensor.Vs(out), Source: source}
}

// f32s, i64s make tensors of examples; bad extents are a fault of this
// package that its test finds.
func f32s(dims []int, v ...float32) tensor.Tensor { return tensor.MustOf(v, dims...) }
func i64s(v ...int64) tensor.Tensor               { return tensor.Int64s(v...) }
