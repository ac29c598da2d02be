// Package mlc compiles and runs neural networks in pure Go: the facade over
// codegen (the compiler) and runtime (what an application ships).
//
//	m, err := mlc.Load(ctx, mlc.File("model.onnx"))
//	y, shape, err := mlc.Call[float32, float32](ctx, m, x, 1, 3, 224, 224)
//
// An application that only runs artifacts imports
// github.com/mlc-go/mlc/runtime alone and does not link the compiler.
package mlc

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/task"
)

// The types of other packages under their short names.
type (
	Source        = codegen.Source
	Model         = runtime.Model
	Session       = runtime.Session
	SessionOption = runtime.SessionOption
	Info          = runtime.Info
	Tensor        = tensor.Tensor
	Remark        = rewrite.Remark
)

// Sources and session options under their short names.
var (
	File        = codegen.File        // a .onnx or .mir file, external data beside it; Load takes .mlc too
	FS          = codegen.FS          // a model inside a file system such as embed.FS
	Bytes       = codegen.Bytes       // a model in memory
	Graph       = codegen.Graph       // a module
	Threads     = runtime.Threads     // of a session
	MemoryLimit = runtime.MemoryLimit // of a session
)

// Option changes how Compile and Load build.
type Option func(*config) error

type config struct {
	o   codegen.Options
	reg *Registry
}

// Opt sets the level: "0", "1", "2" (default), "3".
func Opt(level string) Option { return func(c *config) error { c.o.Level = level; return nil } }

// Target sets the machine: "native" (default), "amd64", "arm64", "generic",
// with features as in "amd64+avx2".
func Target(t string) Option { return func(c *config) error { c.o.Target = t; return nil } }

// Passes replaces the level's pipeline.
func Passes(spec string) Option { return func(c *config) error { c.o.Passes = spec; return nil } }

// Disable switches passes or rules off.
func Disable(names ...string) Option {
	return func(c *config) error { c.o.Off = append(c.o.Off, names...); return nil }
}

// Shape fixes the extents of an input; -1 leaves one open.
func Shape(input string, dims ...int64) Option {
	return func(c *config) error {
		c.o.Bind.Shapes = append(c.o.Bind.Shapes, bindshape.Shape{Param: input, Dims: dims})
		return nil
	}
}

// Dim fixes a symbol, or bounds it where lo < hi.
func Dim(name string, lo, hi int64) Option {
	return func(c *config) error {
		c.o.Bind.Dims = append(c.o.Bind.Dims, bindshape.Dim{Name: name, Lo: lo, Hi: hi})
		return nil
	}
}

// Task keeps in the model what it does with pictures, for task.Open.
func Task(t task.Task) Option { return func(c *config) error { c.o.Task = &t; return nil } }

// With compiles with operators, kernels and passes of one's own.
func With(r *Registry) Option { return func(c *config) error { c.reg = r; return nil } }

// Log sends what the compiler does to l.
func Log(l *slog.Logger) Option { return func(c *config) error { c.o.Log = l; return nil } }

// OnRemark is told what passes did and could not do.
func OnRemark(f func(Remark)) Option { return func(c *config) error { c.o.OnRemark = f; return nil } }

// OnProgress is told each stage of a build as it begins.
func OnProgress(f func(stage string)) Option {
	return func(c *config) error { c.o.OnProgress = f; return nil }
}

func configure(opts []Option) (*config, error) {
	c := &config{}
	for _, f := range opts {
		if err := f(c); err != nil {
			return nil, err
		}
	}
	if c.reg != nil {
		set, err := c.reg.set()
		if err != nil {
			return nil, err
		}
		c.o.Ops, c.o.Kernels, c.o.ExtraPass = c.reg.ops, set, c.reg.passes
	}
	return c, nil
}

// Artifact is a compiled model that can be written out.
type Artifact struct{ a *codegen.Artifact }

// Compile builds a model. Errors are *diag.Error with the kind of their cause.
func Compile(ctx context.Context, s Source, opts ...Option) (*Artifact, error) {
	c, err := configure(opts)
	if err != nil {
		return nil, err
	}
	a, err := codegen.Build(ctx, s, c.o)
	if err != nil {
		return nil, err
	}
	return &Artifact{a}, nil
}

// Module is the optimized module.
func (a *Artifact) Module() *ir.Module { return a.a.Module() }

// Digest is the same for the same input, options and compiler version.
func (a *Artifact) Digest() string { return a.a.Digest() }

// Report says what each pass did.
func (a *Artifact) Report() *pass.Report { return a.a.Report() }

// Export writes the model as "mlc", "onnx" or "mir".
func (a *Artifact) Export(w io.Writer, format string) error {
	switch format {
	case "mlc":
		b, err := a.a.Bytes()
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case "onnx":
		return onnx.Export(w, a.a.Module(), onnx.Options{})
	case "mir":
		return text.Print(w, a.a.Module())
	}
	return diag.New(diag.Usage, "unknown format %q (have mlc, onnx, mir)", format)
}

// Close lets go of the model's file, which constants may still be read from.
func (a *Artifact) Close() error { return a.a.Close() }

// Load opens an artifact, or compiles a model on the fly for this machine.
func Load(ctx context.Context, s Source, opts ...Option) (*Model, error) {
	c, err := configure(opts)
	if err != nil {
		return nil, err
	}
	var ro []runtime.Option
	if c.o.Kernels != nil {
		ro = append(ro, runtime.WithKernels(c.o.Kernels))
	}
	compiled, err := s.IsArtifact()
	if err != nil {
		return nil, err
	}
	if compiled {
		if p := s.Path(); p != "" {
			return runtime.Open(p, ro...)
		}
		b, err := s.All()
		if err != nil {
			return nil, err
		}
		return runtime.Decode(b, ro...)
	}
	a, err := codegen.Build(ctx, s, c.o)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		return nil, err
	}
	return runtime.Decode(b, ro...)
}

// Call runs a model of one input and one output on plain slices and gives the
// output's elements and extents. in is not copied and must hold as many
// elements as shape says.
func Call[I, O tensor.Element](ctx context.Context, m *Model, in []I, shape ...int) ([]O, []int, error) {
	ins, outs := m.Inputs(), m.Outputs()
	if len(ins) != 1 || len(outs) != 1 {
		return nil, nil, diag.New(diag.Usage, "Call wants a model of one input and one output, this one has %d and %d", len(ins), len(outs))
	}
	x, err := tensor.Of(in, shape...)
	if err != nil {
		return nil, nil, diag.New(diag.BadData, "%v", err)
	}
	res, err := m.Run(ctx, map[string]tensor.Tensor{ins[0].Name: x})
	if err != nil {
		return nil, nil, err
	}
	y := res[outs[0].Name]
	data, err := tensor.Data[O](y)
	if err != nil {
		return nil, nil, diag.New(diag.BadData, "output %q: %v", outs[0].Name, err)
	}
	return data, y.Dims(), nil
}

// Registry adds operators, kernels and passes of one's own to the built-in
// ones, for one Compile or Load at a time: nothing is global.
type Registry struct {
	ops     *ir.OpSet
	kernels []*kernel.Desc
	passes  []pass.Pass
}

// NewRegistry starts with everything built in.
func NewRegistry() *Registry { return &Registry{ops: op.Builtin()} }

// AddOp adds an operator. Error: its name is taken, or it says no Eval, Infer
// or Doc.
func (r *Registry) AddOp(d ir.OpDef) error {
	var lacks []string
	if d.Name == "" {
		lacks = append(lacks, "Name")
	}
	if d.Infer == nil {
		lacks = append(lacks, "Infer")
	}
	if d.Eval == nil {
		lacks = append(lacks, "Eval")
	}
	if len(lacks) > 0 {
		return diag.New(diag.Usage, "operator %q lacks %s", d.Name, strings.Join(lacks, ", "))
	}
	if d.Ref == nil {
		id := "ref." + d.FullName()
		d.Ref = &kernel.Desc{ID: id, Op: id, Ref: d.Eval}
	}
	if err := r.ops.Add(&d); err != nil {
		return diag.New(diag.Usage, "%v", err)
	}
	return r.AddKernel(d.Ref)
}

// AddKernel adds a kernel, preferred to those built in for the same Op.
func (r *Registry) AddKernel(d *kernel.Desc) error {
	if d.ID == "" || d.Op == "" {
		return diag.New(diag.Usage, "a kernel needs an ID and an Op")
	}
	r.kernels = append(r.kernels, d)
	return nil
}

// AddPass adds a pass that Passes may name.
func (r *Registry) AddPass(p pass.Pass) error {
	if p.Name == "" || p.Run == nil && len(p.Rules) == 0 {
		return diag.New(diag.Usage, "a pass needs a name and rules or a Run")
	}
	for _, n := range passes.Names() {
		if n == p.Name {
			return diag.New(diag.Usage, "pass %s is built in", n)
		}
	}
	r.passes = append(r.passes, p)
	return nil
}

func (r *Registry) set() (*kernel.Set, error) {
	s, err := kernel.NewSet(append(append([]*kernel.Desc{}, r.kernels...), all.Set().All()...)...)
	if err != nil {
		return nil, diag.New(diag.Usage, "%v", err)
	}
	return s, nil
}
