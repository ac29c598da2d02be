package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Element types that many ports allow.
var (
	floats   = []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16}
	ints     = []dtype.DType{dtype.I8, dtype.I16, dtype.I32, dtype.I64, dtype.U8, dtype.U16, dtype.U32, dtype.U64}
	numerics = append(append([]dtype.DType{}, floats...), ints...)
	indices  = []dtype.DType{dtype.I32, dtype.I64}
	bools    = []dtype.DType{dtype.Bool}
)

// tt is one tensor fact.
func tt(d dtype.DType, dims ...shape.Dim) []ir.Fact {
	return []ir.Fact{{Type: tensor.T(d, dims...)}}
}

// sameAs gives the first input's type to the output.
func sameAs(q *ir.Query) ([]ir.Fact, error) {
	return []ir.Fact{{Type: q.In[0].Type}}, nil
}

// broadcast infers an elementwise result of type d over all tensor inputs.
func broadcast(q *ir.Query, d dtype.DType) ([]ir.Fact, error) {
	var shapes [][]shape.Dim
	for _, f := range q.In {
		if !f.Present() {
			continue
		}
		if !f.Type.Ranked() {
			return []ir.Fact{{Type: tensor.TUnranked(d)}}, nil
		}
		shapes = append(shapes, f.Type.Dims)
	}
	dims, err := shape.BcastAll(shapes...)
	if err != nil {
		return nil, &diag.Error{Kind: diag.Shape, Port: "inputs", Have: typesOf(q.In), Err: err}
	}
	return tt(d, dims...), nil
}

func typesOf(fs []ir.Fact) string {
	var ts []ir.Type
	for _, f := range fs {
		ts = append(ts, f.Type)
	}
	return tensor.FormatTypes(ts)
}

// intsOf2 combines the known elements of two small integer operands of an
// arithmetic operator, broadcasting a scalar; nil if either is unknown.
func intsOf2(a, b ir.Fact, f func(x, y shape.Dim) shape.Dim) []shape.Dim {
	if a.Ints == nil || b.Ints == nil {
		return nil
	}
	n := max(len(a.Ints), len(b.Ints))
	if len(a.Ints) != n && len(a.Ints) != 1 || len(b.Ints) != n && len(b.Ints) != 1 {
		return nil
	}
	out := make([]shape.Dim, n)
	for i := range out {
		out[i] = f(a.Ints[min(i, len(a.Ints)-1)], b.Ints[min(i, len(b.Ints)-1)])
	}
	return out
}

// axisOf normalizes an axis that may be negative. Error: out of range.
func axisOf(axis, rank int) (int, error) {
	if axis < -rank || axis >= rank {
		return 0, ir.Fault("axis", fmt.Sprint(axis), fmt.Sprintf("%d..%d", -rank, rank-1))
	}
	if axis < 0 {
		axis += rank
	}
	return axis, nil
}

// elements counts the elements of a type; symbols count as 1.
func elements(t ir.Type) int64 {
	n := int64(1)
	for _, d := range t.Dims {
		if c, ok := d.Const(); ok {
			n *= c
		}
	}
	return n
}

// bytesOf adds up what a node reads and writes.
func bytesOf(n *ir.Node) int64 {
	var b int64
	for _, vs := range [][]*ir.Value{n.In, n.Out} {
		for _, v := range vs {
			if v != nil && v.Type.IsTensor() {
				b += int64(v.Type.DType.Bytes(int(elements(v.Type))))
			}
		}
	}
	return b
}

// perElement is the cost of an elementwise operator at f FLOP an element.
func perElement(f int64) func(n *ir.Node) (int64, int64) {
	return func(n *ir.Node) (int64, int64) { return f * elements(n.Out[0].Type), bytesOf(n) }
}
