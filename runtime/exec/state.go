package exec

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Reset gives every state its initial value.
func (s *Session) Reset() {
	states := s.m.prog.States
	if s.states == nil {
		s.states, s.spare = make([]tensor.Value, len(states)), make([]tensor.Value, len(states))
	}
	for i := range states {
		st := &states[i]
		if st.Init >= 0 {
			s.states[i] = s.m.consts[st.Init].Clone()
			continue
		}
		dims := make([]int, len(st.Lo))
		for k, n := range st.Lo {
			dims[k] = int(n)
		}
		s.states[i] = tensor.V(tensor.New(st.Type.DType, dims...))
	}
}

// State gives the current value of state i; it is valid until the next Run.
func (s *Session) State(i int) tensor.Value { return s.states[i] }

// SetState replaces the value of state i by a copy of v. Error: v is not of
// the state's type, or its extents are out of bounds.
func (s *Session) SetState(i int, v tensor.Value) error {
	if err := checkState(&s.m.prog.States[i], &v); err != nil {
		return err
	}
	s.states[i] = v.Clone()
	return nil
}

// checkState says whether v may be the value of st.
func checkState(st *plan.State, v *tensor.Value) error {
	fail := func(k diag.Kind) error {
		return &diag.Error{Kind: k, Node: fmt.Sprintf("state %q", st.Name), Have: v.Type().String(), Want: fmt.Sprintf("%v, no less than %v", st.Type, st.Lo)}
	}
	if v.Kind != tensor.KindTensor || v.Tensor.DType() != st.Type.DType || v.Tensor.Rank() != len(st.Lo) {
		return fail(diag.Shape)
	}
	for k, d := range st.Type.Dims {
		hi, _ := d.Const()
		switch n := int64(v.Tensor.Dim(k)); {
		case n > hi && st.Lo[k] < hi:
			return fail(diag.Limit) // it would outgrow what it may
		case n > hi || n < st.Lo[k]:
			return fail(diag.Shape)
		}
	}
	return nil
}

// keepStates copies the results that are written to states: all, or none and
// an error. A result may be what another state, or this one, holds (states
// that swap), and views of states may be among the results; so the copies go
// to memory apart, which becomes the states' own when all are made. Two turns
// later it is used again.
func (s *Session) keepStates(out []tensor.Value) error {
	writes := s.m.prog.Main().Writes
	for i, st := range writes {
		if st >= 0 {
			if err := checkState(&s.m.prog.States[st], &out[i]); err != nil {
				return err
			}
		}
	}
	for i, st := range writes {
		if st < 0 {
			continue
		}
		to, v := &s.spare[st].Tensor, &out[i].Tensor
		if s.spare[st].Present() && slices.Equal(to.Dims(), v.Dims()) && v.DType() != dtype.String {
			copy(to.Bytes(), v.Bytes())
		} else {
			s.spare[st] = out[i].Clone()
		}
	}
	for _, st := range writes {
		if st >= 0 {
			s.states[st], s.spare[st] = s.spare[st], s.states[st]
		}
	}
	return nil
}
