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

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/runtime"
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
	GoFile        = gosrc.File
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
	a, err := c.compile(ctx, s)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	b, err := a.a.Bytes()
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
