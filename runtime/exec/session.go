package exec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
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
	memLimit int64 // bytes
	devLimit int64 // bytes on a device
	held     int64 // bytes of what the run itself made
	ctx      context.Context
	arena    []byte
	device   deviceSession
	scratch  []byte
	bindings []*binding // most recent first
	symv     []int64
	bound    []bool
	states   []tensor.Value
	spare    []tensor.Value // per state: memory for its next value
	prof     func(fn, instr int, took time.Duration)
}

// NewSession makes a session of so many threads (at least 1). memLimit bounds
// the bytes of intermediate values: 0 for the machine's memory or 16 GiB,
// whichever is less, negative for no bound. A limit that is given holds for those
// on a device too, which else has its own.
func (m *Model) NewSession(threads int, memLimit int64) *Session {
	s := &Session{m: m, threads: max(1, threads), memLimit: limitFor(memLimit), devLimit: math.MaxInt64,
		symv: make([]int64, len(m.prog.Syms)), bound: make([]bool, len(m.prog.Syms))}
	if memLimit > 0 {
		s.devLimit = memLimit
	}
	if threads > 1 {
		s.pool = pool.New(threads)
	}
	s.Reset()
	return s
}

// Close ends the session's workers and frees its memory on a device. Error: of
// the device.
func (s *Session) Close() error {
	if s.pool != nil {
		s.pool.Close()
		s.pool = nil
	}
	return s.closeDevice()
}

// OnProfile has f called after every instruction; nil switches it off.
func (s *Session) OnProfile(f func(fn, instr int, took time.Duration)) { s.prof = f }

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
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = ctx.Err()
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
	if err := s.beginFaults(); err != nil {
		return err
	}
	fr := b.frames[0]
	if err := s.enter(b, fr, in); err != nil {
		return err
	}
	for i, r := range main.Results {
		out[i] = fr.vals[r]
	}
	return s.keepStates(out)
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
			if i > 0 {
				s.forget(s.bindings[1])
			}
			return b, nil
		}
	}
	b, err := s.bind()
	if err != nil {
		return nil, err
	}
	if len(s.bindings) > 0 {
		s.forget(s.bindings[0])
	}
	if last := len(s.bindings) - 1; last+1 == keptBindings {
		err := s.drop(s.bindings[last])
		if s.bindings = s.bindings[:last]; err != nil {
			return nil, errors.Join(err, s.drop(b))
		}
	}
	s.bindings = slices.Insert(s.bindings, 0, b)
	return b, nil
}
