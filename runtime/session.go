package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/plan"
)

// SessionOption configures NewSession.
type SessionOption func(*Session)

// Threads sets how many threads a run may use; 1 is the default. Results do
// not depend on it.
func Threads(n int) SessionOption { return func(s *Session) { s.threads = n } }

// MemoryLimit bounds the bytes of intermediate values. 0, the default, is the
// machine's memory or 16 GiB, whichever is less; a negative limit is none. A
// positive one bounds those on a device too, which else takes what the device has.
func MemoryLimit(bytes int64) SessionOption { return func(s *Session) { s.limit = bytes } }

// Session runs a Model for one goroutine at a time and owns the memory of its
// intermediate values and states.
type Session struct {
	m       *Model
	exec    *exec.Session
	threads int
	limit   int64
	main    *plan.Func
	in, out []tensor.Value // per parameter and result of main
	dst     []tensor.Value // preallocated outputs
	ran     bool
	closed  bool
}

// NewSession makes a session. Close it when done; Model.Close waits for it.
func (m *Model) NewSession(opts ...SessionOption) (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed()
	}
	m.busy.Add(1)
	return m.session(opts...), nil
}

func (m *Model) session(opts ...SessionOption) *Session {
	s := &Session{m: m, threads: 1, main: m.file.Program.Main()}
	for _, o := range opts {
		o(s)
	}
	s.exec = m.exec.NewSession(s.threads, s.limit)
	s.in = make([]tensor.Value, len(s.main.Params))
	s.out = make([]tensor.Value, len(s.main.Results))
	s.dst = make([]tensor.Value, len(s.main.Results))
	return s
}

// Bind sets an input, or gives an output a buffer to be copied to, without
// copying t now: t's memory is read or written by Run until it is bound anew.
// Error: no such name. Run tells of another element type or shape.
func (s *Session) Bind(name string, t tensor.Tensor) error { return s.BindValue(name, tensor.V(t)) }

// BindValue is Bind for values of every kind.
func (s *Session) BindValue(name string, v tensor.Value) error {
	for i, p := range s.main.Params {
		if s.main.Names[i] == name && s.main.Slots[p].Kind != plan.Held {
			s.in[i] = v
			return nil
		}
	}
	if i := slices.Index(s.main.Outputs(), name); i >= 0 {
		s.dst[i] = v
		return nil
	}
	return &diag.Error{Kind: diag.BadData, Node: fmt.Sprintf("input %q", name), Have: "no such input or output", Want: s.names()}
}

func (s *Session) names() string {
	var in []string
	for _, i := range s.m.Inputs() {
		in = append(in, i.Name)
	}
	return "inputs " + strings.Join(in, ", ") + "; outputs " + strings.Join(s.main.Outputs(), ", ")
}

// Run computes all outputs from what is bound. ctx is looked at between
// kernels; after an error outputs are invalid.
func (s *Session) Run(ctx context.Context) error {
	s.ran = false
	if s.closed {
		return diag.New(diag.Usage, "the session is closed")
	}
	for i, p := range s.main.Params {
		if !s.in[i].Present() && s.main.Slots[p].Kind != plan.Held && s.main.Slots[p].Type.Kind != tensor.KindNone {
			return &diag.Error{Kind: diag.BadData, Node: fmt.Sprintf("input %q", s.main.Names[i]), Have: "nothing bound", Want: s.main.Slots[p].Type.String()}
		}
	}
	if err := s.exec.Run(ctx, s.in, s.out); err != nil {
		return err
	}
	for i := range s.dst {
		if !s.dst[i].Present() {
			continue
		}
		d, o := &s.dst[i].Tensor, &s.out[i].Tensor
		if d.DType() != o.DType() || !slices.Equal(d.Dims(), o.Dims()) {
			return &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("output %q", s.main.Outputs()[i]), Have: s.dst[i].Type().String(), Want: s.out[i].Type().String()}
		}
		copy(d.Bytes(), o.Bytes())
		copy(d.Strings(), o.Strings())
	}
	s.ran = true
	return nil
}

// Output gives a tensor output of the last Run: a view that is valid until the
// next one.
func (s *Session) Output(name string) (tensor.Tensor, error) {
	v, err := s.OutputValue(name)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if v.Kind != tensor.KindTensor {
		return tensor.Tensor{}, diag.New(diag.Usage, "output %q is %v: use OutputValue", name, v.Type())
	}
	return v.Tensor, nil
}

// OutputValue is Output for values of every kind.
func (s *Session) OutputValue(name string) (tensor.Value, error) {
	if !s.ran {
		return tensor.Value{}, diag.New(diag.Usage, "no output: the session has not run, or its last run failed")
	}
	i := slices.Index(s.main.Outputs(), name)
	if i < 0 {
		return tensor.Value{}, &diag.Error{Kind: diag.BadData, Node: fmt.Sprintf("output %q", name), Have: "no such output", Want: strings.Join(s.main.Outputs(), ", ")}
	}
	return s.out[i], nil
}

// Reset gives every state its initial value.
func (s *Session) Reset() { s.exec.Reset() }

// OnProfile has f called after every instruction of the program; nil switches
// profiling off.
func (s *Session) OnProfile(f func(fn, instr int, took time.Duration)) { s.exec.OnProfile(f) }

// Close frees the session and its workers.
func (s *Session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.m.busy.Done()
	return s.exec.Close()
}
