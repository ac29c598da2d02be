package codegen

import (
	"context"
	"errors"

	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// Reference is the engine that interprets the imported module: no pass, no
// kernel.
func Reference(o Options) conform.Engine { return reference{o} }

type reference struct{ o Options }

// Load implements conform.Engine.
func (e reference) Load(ctx context.Context, c *conform.Case) (conform.Runner, error) {
	o := e.o
	o.Stop = StageImport
	if o.Ops == nil {
		o.Ops = op.Builtin()
	}
	a, err := Build(ctx, FS(c.FS, c.Model), o)
	if err != nil {
		return nil, err
	}
	x, err := eval.New().Compile(ctx, a.Module())
	if err != nil {
		a.Close()
		return nil, err
	}
	return &moduleRunner{a, x}, nil
}

type moduleRunner struct {
	a *Artifact
	x ir.Exec
}

func (r *moduleRunner) Inputs() []conform.Port {
	var out []conform.Port
	for _, p := range r.a.Module().Main().Params {
		out = append(out, conform.Port{Name: p.Name, Type: p.Type})
	}
	return out
}

func (r *moduleRunner) Outputs() []conform.Port {
	var out []conform.Port
	for _, p := range r.a.Module().Main().Results {
		out = append(out, conform.Port{Name: p.Name, Type: p.Value.Type})
	}
	return out
}

func (r *moduleRunner) Run(ctx context.Context, in []tensor.Value) ([]tensor.Value, error) {
	return r.x.Run(ctx, in)
}

func (r *moduleRunner) Close() error {
	r.x.Close()
	return r.a.Close()
}

// CPU is the engine that compiles to an artifact in memory and runs it as an
// application would.
func CPU(o Options, threads int) conform.Engine { return cpuEngine{o, threads} }

type cpuEngine struct {
	o       Options
	threads int
}

// Load implements conform.Engine.
func (e cpuEngine) Load(ctx context.Context, c *conform.Case) (conform.Runner, error) {
	a, err := Build(ctx, FS(c.FS, c.Model), e.o)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		return nil, err
	}
	var opts []runtime.Option
	if e.o.Kernels != nil {
		opts = append(opts, runtime.WithKernels(e.o.Kernels))
	}
	if e.o.Device != nil {
		opts = append(opts, runtime.WithDevice(e.o.Device))
	}
	m, err := runtime.Decode(b, opts...)
	if err != nil {
		return nil, err
	}
	return NewRunner(m, e.threads)
}

// NewRunner runs a loaded artifact as a conform.Runner, which closes it in the end.
func NewRunner(m *runtime.Model, threads int) (conform.Runner, error) {
	s, err := m.NewSession(runtime.Threads(threads))
	if err != nil {
		m.Close()
		return nil, err
	}
	return &sessionRunner{m, s, nil}, nil
}

type sessionRunner struct {
	m   *runtime.Model
	s   *runtime.Session
	out []tensor.Value
}

func ports(is []runtime.Info) []conform.Port {
	var out []conform.Port
	for _, i := range is {
		out = append(out, conform.Port{Name: i.Name, Type: i.Type})
	}
	return out
}

func (r *sessionRunner) Inputs() []conform.Port  { return ports(r.m.Inputs()) }
func (r *sessionRunner) Outputs() []conform.Port { return ports(r.m.Outputs()) }

func (r *sessionRunner) Run(ctx context.Context, in []tensor.Value) ([]tensor.Value, error) {
	for i, p := range r.Inputs() {
		if err := r.s.BindValue(p.Name, in[i]); err != nil {
			return nil, err
		}
	}
	if err := r.s.Run(ctx); err != nil {
		return nil, err
	}
	r.out = r.out[:0]
	for _, p := range r.Outputs() {
		v, err := r.s.OutputValue(p.Name)
		if err != nil {
			return nil, err
		}
		r.out = append(r.out, v)
	}
	return r.out, nil
}

func (r *sessionRunner) Close() error {
	return errors.Join(r.s.Close(), r.m.Close())
}
