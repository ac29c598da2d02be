package eval

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// initial makes the value that a state has before the first run: its
// constant, or zeros of its smallest extents.
func initial(s *ir.State, e *env) (tensor.Value, error) {
	if s.Init != nil {
		t, err := s.Init.Tensor()
		return tensor.V(t), diag.At("state "+quote(s.Name), "", diag.BadData, err)
	}
	if !s.Type.Ranked() {
		return tensor.Value{}, &diag.Error{Kind: diag.Unsupported, Node: "state " + quote(s.Name),
			Port: "zeros", Have: s.Type.String(), Want: "a tensor of known rank"}
	}
	dims := make([]int, len(s.Type.Dims))
	for i, d := range s.Type.Dims {
		n := int64(-1)
		if i < len(s.Lo) {
			n = s.Lo[i]
		}
		if n < 0 {
			v, err := d.Eval(e.value)
			if err != nil {
				return tensor.Value{}, &diag.Error{Kind: diag.Shape, Node: "state " + quote(s.Name), Port: fmt.Sprintf("axis %d", i), Err: err}
			}
			n = v
		}
		dims[i] = int(n)
	}
	if _, ok := tensor.Count(dims); !ok {
		return tensor.Value{}, &diag.Error{Kind: diag.Limit, Node: "state " + quote(s.Name), Have: fmt.Sprint(dims), Want: "a tensor that can exist"}
	}
	return tensor.V(tensor.New(s.Type.DType, dims...)), nil
}

// checkState says whether v may be s's value: element type, rank, and extents
// within the state's bounds as far as they are known.
func checkState(s *ir.State, v *tensor.Value, e *env) error {
	fail := func(kind diag.Kind, port string) error {
		return &diag.Error{Kind: kind, Node: "state " + quote(s.Name), Port: port, Have: v.Type().String(), Want: stateText(s)}
	}
	if v.Kind != s.Type.Kind || !s.Type.IsTensor() {
		if v.Kind != s.Type.Kind {
			return fail(diag.Shape, "value")
		}
		return nil
	}
	t := &v.Tensor
	if t.DType() != s.Type.DType || !s.Type.Unranked && t.Rank() != len(s.Type.Dims) {
		return fail(diag.Shape, "value")
	}
	for i, d := range s.Type.Dims {
		if !e.bound(d) {
			continue
		}
		hi, err := d.Eval(e.value)
		if err != nil {
			continue
		}
		lo := hi
		if i < len(s.Lo) && s.Lo[i] >= 0 {
			lo = s.Lo[i]
		}
		n := int64(t.Dim(i))
		if n > hi && lo < hi {
			return fail(diag.Limit, fmt.Sprintf("axis %d would outgrow the state", i))
		}
		if n < lo || n > hi {
			return fail(diag.Shape, fmt.Sprintf("axis %d", i))
		}
	}
	return nil
}

func stateText(s *ir.State) string {
	if s.Lo == nil {
		return s.Type.String()
	}
	return fmt.Sprintf("%v (no less than %v)", s.Type, s.Lo)
}
