package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// LoopCarried gives the type that a carried parameter of a loop's region must
// have when its first value is of type init and the region, built with a
// parameter of type param, gives result; stable says that param is that type
// already. Whoever builds a loop starts with param = init and builds the
// region again with the type given until it is stable. Each step turns a fixed
// extent into a fresh one (from fresh), or the whole into an unranked tensor,
// and never back, so there are at most rank + 2 steps. own says whether a
// symbol belongs to the region, that is, is not named by a value outside it:
// a parameter's own symbol stands for any extent. Error: kind or element type
// of the result differ from the parameter's.
func LoopCarried(init, param, result ir.Type, own func(sym string) bool, fresh func() shape.Dim) (t ir.Type, stable bool, err error) {
	if covers(param, init, own) && covers(param, result, own) {
		return param, true, nil
	}
	if _, ok := joinTypes(param, result, nil, nil); !ok {
		return ir.Type{}, false, ir.Fault("carried result", result.String(), param.String())
	}
	if param.Kind != tensor.KindTensor {
		t, _ = joinTypes(init, result, nil, nil)
		return t, false, nil
	}
	if param.Unranked || init.Unranked || result.Unranked || len(init.Dims) != len(param.Dims) || len(result.Dims) != len(param.Dims) {
		return tensor.TUnranked(param.DType), false, nil
	}
	t = param
	t.Dims = make([]shape.Dim, len(param.Dims))
	for i, d := range param.Dims {
		if t.Dims[i] = d; !coversDim(d, init.Dims[i], own) || !coversDim(d, result.Dims[i], own) {
			t.Dims[i] = fresh()
		}
	}
	return t, false, nil
}

// covers says whether a parameter of type p may be given a value of type t.
func covers(p, t ir.Type, own func(string) bool) bool {
	if p.Kind != t.Kind || p.DType != t.DType {
		return false
	}
	if p.Kind != tensor.KindTensor {
		return p.Elem == nil || t.Elem == nil || p.Elem.Equal(*t.Elem) || p.Elem.Unranked && p.Elem.DType == t.Elem.DType
	}
	if p.Unranked {
		return true
	}
	if t.Unranked || len(p.Dims) != len(t.Dims) {
		return false
	}
	for i, d := range p.Dims {
		if !coversDim(d, t.Dims[i], own) {
			return false
		}
	}
	return true
}

func coversDim(p, d shape.Dim, own func(string) bool) bool {
	s, bare := p.Symbol()
	return p.Equal(d) || bare && own(s)
}

func loopConstraints() []ir.C {
	carried := func(q *ir.Query) int { return max(len(q.In)-2, 0) }
	return []ir.C{
		{ID: "C1", Text: "M, cond: one element", Check: func(q *ir.Query) error {
			for i := range min(2, len(q.In)) {
				if f := q.In[i]; f.Present() && lengthOf(f) >= 0 && lengthOf(f) != 1 {
					return ir.Fault(q.Def.In[i].Name, f.Type.String(), "one element")
				}
			}
			return nil
		}},
		{ID: "C2", Text: "region: 2 parameters and one per carried value; one result and one per output", Check: func(q *ir.Query) error {
			r := q.Regions[0]
			if len(r.Params) != 2+carried(q) || len(r.Results) != 1+q.NOut || q.NOut < carried(q) {
				return ir.Fault("region", fmt.Sprintf("%d parameters, %d results", len(r.Params), len(r.Results)),
					fmt.Sprintf("%d parameters, %d results of which %d are carried", 2+carried(q), 1+q.NOut, carried(q)))
			}
			return nil
		}},
		{ID: "C3", Text: "region: first parameters i64[] and bool[], first result one bool", Check: func(q *ir.Query) error {
			p, res := q.Regions[0].Params, q.Regions[0].Results[0].Value.Type
			if !p[0].Type.Equal(tensor.T(dtype.I64)) || !p[1].Type.Equal(tensor.T(dtype.Bool)) {
				return ir.Fault("region's parameters", p[0].Type.String()+", "+p[1].Type.String(), "i64[], bool[]")
			}
			if n := lengthOf(ir.Fact{Type: res}); !res.IsTensor() || res.DType != dtype.Bool || n >= 0 && n != 1 {
				return ir.Fault("region's condition", res.String(), "one bool")
			}
			return nil
		}},
		{ID: "C4", Text: "carried values: each parameter general enough for the first value and the region's result", Check: func(q *ir.Query) error {
			r := q.Regions[0]
			seen := outerSymbols(q)
			own := func(s string) bool { return !seen[s] }
			for i := range carried(q) {
				p, init, res := r.Params[2+i].Type, q.In[2+i].Type, r.Results[1+i].Value.Type
				for _, t := range []ir.Type{init, res} {
					if !covers(p, t, own) {
						return ir.Fault(fmt.Sprintf("carried value %d", i), t.String(), "what its parameter takes, "+p.String())
					}
				}
			}
			return nil
		}},
		{ID: "C5", Text: "scanned values: tensors", Check: func(q *ir.Query) error {
			for i, res := range q.Regions[0].Results[1+carried(q):] {
				if !res.Value.Type.IsTensor() {
					return ir.Fault(fmt.Sprintf("scanned value %d", i), res.Value.Type.String(), "a tensor")
				}
			}
			return nil
		}},
	}
}

// inferLoop gives a carried output the join of its first value (no iteration
// may run) and the region's result; a scanned one its result behind a new
// axis, whose extent is M where nothing can end the loop early.
func inferLoop(q *ir.Query) ([]ir.Fact, error) {
	r := q.Regions[0]
	seen := outerSymbols(q)
	carried := max(len(q.In)-2, 0)
	fs := make([]ir.Fact, q.NOut)
	for i := range fs {
		res := r.Results[1+i].Value.Type
		if i < carried {
			fs[i].Type, _ = joinTypes(q.In[2+i].Type, res, seen, func(axis int) shape.Dim { return q.NewDim(i, axis) })
			continue
		}
		if !res.Ranked() {
			fs[i].Type = tensor.TUnranked(res.DType)
			continue
		}
		n, ok := loopTrips(q)
		if !ok {
			n = q.NewDim(i, 0)
		}
		dims := []shape.Dim{n}
		for k, d := range res.Dims {
			if !seen.all(res.Dims[k : k+1]) {
				d = q.NewDim(i, 1+k)
			}
			dims = append(dims, d)
		}
		fs[i].Type = tensor.T(res.DType, dims...)
	}
	return fs, nil
}

// loopTrips is the number of iterations where M alone decides it.
func loopTrips(q *ir.Query) (shape.Dim, bool) {
	m := q.Input(0).Ints
	if len(m) != 1 {
		return shape.Dim{}, false
	}
	if given(q, 1) {
		c := q.Input(1).Const
		if c == nil || c.Len() != 1 || c.Int(0) == 0 || !staysTrue(q.Regions[0]) {
			return shape.Dim{}, false
		}
	}
	if n, ok := m[0].Const(); ok {
		return shape.Int(max(n, 0)), true
	}
	return m[0], notNegative(q, m[0])
}

// staysTrue says whether a loop's region gives its own condition back, or
// true.
func staysTrue(r *ir.Func) bool {
	v := r.Results[0].Value
	for v.Node.Is("Identity") {
		v = v.Node.In[0]
	}
	if v == r.Params[1] {
		return true
	}
	t := ir.FactOf(v).Const
	return t != nil && t.Len() == 1 && t.Int(0) != 0
}
