package codegen

import (
	"context"
	"errors"
	goruntime "runtime"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

// NewExecutor compiles modules in memory and runs them on this host's CPU with
// the given number of threads. Options that write or stop are ignored.
func NewExecutor(o Options, threads int) ir.Executor { return &executor{o, threads, cpu.Host} }

type executor struct {
	o       Options
	threads int
	feats   func() cpu.Features // of the CPU that runs
}

// Compile implements ir.Executor; m is not changed.
func (e *executor) Compile(ctx context.Context, m *ir.Module) (ir.Exec, error) {
	o := e.o
	o.Stop = ""
	if o.Kernels == nil {
		o.Kernels = all.Set()
	}
	a, err := Build(ctx, Graph(m), o)
	if err != nil {
		return nil, err
	}
	if p := a.program; p.Arch != goruntime.GOARCH && p.Arch != "generic" {
		return nil, diag.New(diag.Usage, "target %s cannot run here", p.Target)
	}
	x, err := exec.NewOn(a.program, o.Kernels, e.feats(), o.Device)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	main := a.program.Main()
	return &session{a: a, x: x, s: x.NewSession(e.threads, 0), in: make([]tensor.Value, len(main.Params)),
		all: make([]tensor.Value, len(main.Results)), out: make([]tensor.Value, 0, len(main.Results))}, nil
}

type session struct {
	a            *Artifact
	x            *exec.Model
	s            *exec.Session
	in, all, out []tensor.Value
}

// Run implements ir.Exec. The parameters and results that are states are the
// session's own: they are neither taken nor given.
func (s *session) Run(ctx context.Context, in []tensor.Value) ([]tensor.Value, error) {
	main := s.a.program.Main()
	k := 0
	for i, p := range main.Params {
		if main.Slots[p].Kind == plan.Held {
			continue
		}
		if k == len(in) {
			return nil, diag.New(diag.Usage, "have %d inputs, want more", len(in))
		}
		s.in[i] = in[k]
		k++
	}
	if k != len(in) {
		return nil, diag.New(diag.Usage, "have %d inputs, want %d", len(in), k)
	}
	if err := s.s.Run(ctx, s.in, s.all); err != nil {
		return nil, err
	}
	s.out = s.out[:0]
	for i, v := range s.all {
		if main.Writes[i] < 0 {
			s.out = append(s.out, v)
		}
	}
	return s.out, nil
}

// State implements ir.Exec.
func (s *session) State(name string) (tensor.Value, error) {
	i, err := s.state(name)
	if err != nil {
		return tensor.Value{}, err
	}
	return s.s.State(i), nil
}

// SetState implements ir.Exec.
func (s *session) SetState(name string, v tensor.Value) error {
	i, err := s.state(name)
	if err != nil {
		return err
	}
	return s.s.SetState(i, v)
}

func (s *session) state(name string) (int, error) {
	for i := range s.a.program.States {
		if s.a.program.States[i].Name == name {
			return i, nil
		}
	}
	return 0, diag.New(diag.Usage, "no state %q", name)
}

// Close implements ir.Exec.
func (s *session) Close() error { return errors.Join(s.s.Close(), s.x.Close(), s.a.Close()) }
