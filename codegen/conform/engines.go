package conform

import (
	"context"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// Reference is the engine that interprets the imported module: no pass, no
// kernel.
func Reference(o codegen.Options) Engine { return reference{o} }

type reference struct{ o codegen.Options }

// Load implements Engine.
func (e reference) Load(ctx context.Context, c *Case) (Runner, error) {
	o := e.o
	o.Stop = codegen.StageImport
	if o.Ops == nil {
		o.Ops = op.Builtin()
	}
	a, err := codegen.Build(ctx, codegen.FS(c.FS, c.Model), o)
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
	a *codegen.Artifact
	x ir.Exec
}

func (r *moduleRunner) Inputs() []Port {
	var out []Port
	for _, p := range r.a.Module().Main().Params {
		out = append(out, Port{p.Name, p.Type})
	}
	return out
}

func (r *moduleRunner) Outputs() []Port {
	var out []Port
	for _, p := range r.a.Module().Main().Results {
		out = append(out, Port{p.Name, p.Value.Type})
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
func CPU(o codegen.Options, threads int) Engine { return cpuEngine{o, threads} }

type cpuEngine struct {
	o       codegen.Options
	threads int
}

// Load implements Engine.
func (e cpuEngine) Load(ctx context.Context, c *Case) (Runner, error) {
	a, err := codegen.Build(ctx, codegen.FS(c.FS, c.Model), e.o)
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
	m, err := runtime.Decode(b, opts...)
	if err != nil {
		return nil, err
	}
	return Session(m, e.threads)
}

// Session runs a loaded artifact as a Runner, which closes it in the end.
func Session(m *runtime.Model, threads int) (Runner, error) {
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

func ports(is []runtime.Info) []Port {
	var out []Port
	for _, i := range is {
		out = append(out, Port{i.Name, i.Type})
	}
	return out
}

func (r *sessionRunner) Inputs() []Port  { return ports(r.m.Inputs()) }
func (r *sessionRunner) Outputs() []Port { return ports(r.m.Outputs()) }

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
	r.s.Close()
	return r.m.Close()
}
