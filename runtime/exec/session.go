package exec

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/runtime/pool"
)

// keptBindings is how many combinations of extents a session remembers.
const keptBindings = 8

// Session runs a Model. It belongs to one goroutine at a time.
type Session struct {
	m        *Model
	pool     *pool.Pool
	threads  int
	memLimit int64
	ctx      context.Context
	arena    []byte
	scratch  []byte
	bindings []*binding // most recent first
	symv     []int64
	bound    []bool
	states   []tensor.Value
	prof     func(fn, instr int, took time.Duration)
}

// NewSession makes a session of so many threads (at least 1). memLimit bounds
// the bytes of intermediate values, 0 for no bound.
func (m *Model) NewSession(threads int, memLimit int64) *Session {
	s := &Session{m: m, threads: max(1, threads), memLimit: memLimit,
		symv: make([]int64, len(m.prog.Syms)), bound: make([]bool, len(m.prog.Syms))}
	if threads > 1 {
		s.pool = pool.New(threads)
	}
	s.Reset()
	return s
}

// Close ends the session's workers.
func (s *Session) Close() {
	if s.pool != nil {
		s.pool.Close()
		s.pool = nil
	}
}

// OnProfile has f called after every instruction; nil switches it off.
func (s *Session) OnProfile(f func(fn, instr int, took time.Duration)) { s.prof = f }

// Reset gives every state its initial value.
func (s *Session) Reset() {
	s.states = s.states[:0]
	for i := range s.m.prog.States {
		st := &s.m.prog.States[i]
		if st.Init >= 0 {
			s.states = append(s.states, s.m.consts[st.Init].Clone())
			continue
		}
		dims := make([]int, len(st.Type.Dims))
		for k, d := range st.Type.Dims {
			n, _ := d.Const()
			if k == st.GrowAxis {
				n = 0
			}
			dims[k] = int(n)
		}
		s.states = append(s.states, tensor.V(tensor.New(st.Type.DType, dims...)))
	}
}

// State gives the current value of state i; it is valid until the next Run.
func (s *Session) State(i int) tensor.Value { return s.states[i] }

// SetState replaces the value of state i by a copy of v. Error: another type.
func (s *Session) SetState(i int, v tensor.Value) error {
	if v.Kind != tensor.KindTensor || v.Tensor.DType() != s.m.prog.States[i].Type.DType || v.Tensor.Rank() != len(s.m.prog.States[i].Type.Dims) {
		return diag.New(diag.Shape, "state %s: have %v, want %v", s.m.prog.States[i].Name, v.Type(), s.m.prog.States[i].Type)
	}
	s.states[i] = v.Clone()
	return nil
}

// Run computes main: in holds a value per parameter (those of states are
// ignored), out receives one per result, valid until the next Run. Errors:
// wrong inputs (BadData, Shape), extents that do not fit at run time (Shape),
// a cancelled context, limits. A panic in a kernel is an Internal error.
func (s *Session) Run(ctx context.Context, in, out []tensor.Value) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *diag.Error:
			err = r
		default:
			err = diag.New(diag.Internal, "%v", r)
		}
		s.ctx = nil
	}()
	s.ctx = ctx
	main := s.m.prog.Main()
	if len(in) != len(main.Params) || len(out) != len(main.Results) {
		return diag.New(diag.Usage, "have %d inputs and %d outputs, want %d and %d", len(in), len(out), len(main.Params), len(main.Results))
	}
	if err := s.bindSyms(main, in); err != nil {
		return err
	}
	b, err := s.binding()
	if err != nil {
		return err
	}
	fr := b.frames[0]
	if err := s.enter(b, fr, in); err != nil {
		return err
	}
	for i, r := range main.Results {
		out[i] = fr.vals[r]
	}
	return s.keepStates(main, out)
}

// keepStates copies the results that are written to states.
func (s *Session) keepStates(main *plan.Func, out []tensor.Value) error {
	for i, st := range main.Writes {
		if st < 0 {
			continue
		}
		old, v := &s.states[st].Tensor, &out[i].Tensor
		for k, d := range s.m.prog.States[st].Type.Dims {
			if hi, ok := d.Const(); ok && int64(v.Dim(k)) > hi {
				return &diag.Error{Kind: diag.Limit, Node: "state " + s.m.prog.States[st].Name, Have: fmt.Sprint(v.Dims()), Want: "at most " + s.m.prog.States[st].Type.String()}
			}
		}
		if slices.Equal(old.Dims(), v.Dims()) && old.DType() != dtype.String {
			copy(old.Bytes(), v.Bytes())
			continue
		}
		s.states[st] = out[i].Clone()
	}
	return nil
}

// bindSyms checks the inputs against main's parameter types and binds the
// entry symbols to their extents.
func (s *Session) bindSyms(main *plan.Func, in []tensor.Value) error {
	clear(s.bound)
	clear(s.symv)
	for pass := range 2 { // symbols first, then expressions over them
		for i, p := range main.Params {
			sl := &main.Slots[p]
			v := &in[i]
			if sl.Kind == plan.Held {
				v = &s.states[sl.Index]
			}
			if pass == 0 && !s.kindFits(sl, v) {
				return &diag.Error{Kind: diag.BadData, Node: fmt.Sprintf("input %q", sl.Name), Have: v.Type().String(), Want: sl.Type.String()}
			}
			if !sl.Type.Ranked() {
				continue
			}
			for k, d := range sl.Type.Dims {
				have := int64(v.Tensor.Dim(k))
				if name, ok := d.Symbol(); ok {
					if j, known := s.m.syms[name]; known && !s.bound[j] && pass == 0 {
						s.symv[j], s.bound[j] = have, true
						if y := &s.m.prog.Syms[j]; have < y.Lo || have > y.Hi {
							return &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("input %q", sl.Name), Port: fmt.Sprintf("axis %d (%s)", k, name), Have: fmt.Sprint(have), Want: bounds(y)}
						}
						continue
					}
				} else if pass == 0 && !d.IsConst() {
					continue
				}
				if want, err := d.Eval(s.env); err != nil || want != have {
					return &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("input %q", sl.Name), Port: fmt.Sprintf("axis %d", k), Have: fmt.Sprint(have), Want: wantDim(d.String(), want)}
				}
			}
		}
	}
	return nil
}

func bounds(y *plan.Sym) string {
	if y.Hi == int64(^uint64(0)>>1) {
		return fmt.Sprintf("at least %d", y.Lo)
	}
	return fmt.Sprintf("%d..%d", y.Lo, y.Hi)
}

func wantDim(text string, v int64) string {
	if n := fmt.Sprint(v); n != text {
		return n + " (" + text + ")"
	}
	return text
}

func (s *Session) kindFits(sl *plan.Slot, v *tensor.Value) bool {
	if sl.Type.Kind != v.Kind {
		return false
	}
	if v.Kind != tensor.KindTensor {
		return true
	}
	return v.Tensor.DType() == sl.Type.DType && (!sl.Type.Ranked() || v.Tensor.Rank() == len(sl.Type.Dims))
}

// binding finds or makes the preparation for the bound symbols.
func (s *Session) binding() (*binding, error) {
	for i, b := range s.bindings {
		if slices.Equal(b.syms, s.symv) {
			copy(s.bindings[1:i+1], s.bindings[:i])
			s.bindings[0] = b
			return b, nil
		}
	}
	b, err := s.bind()
	if err != nil {
		return nil, err
	}
	if len(s.bindings) == keptBindings {
		s.bindings = s.bindings[:keptBindings-1]
	}
	s.bindings = slices.Insert(s.bindings, 0, b)
	return b, nil
}
