package ir

import (
	"context"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Emitter adds nodes at one place of a function: the builder, the importer,
// gradients, upgrades and rewrite rules all write through it. It infers types
// and checks as it goes. Errors stick: after the first, every method gives
// values of unknown type, and Err tells.
type Emitter interface {
	// Op adds an operator by full name and gives its first output. nil inputs
	// are absent; trailing ones may be left off.
	Op(name string, a attr.Map, in ...*Value) *Value
	// OpN is Op for operators with several outputs or regions.
	OpN(name string, nout int, a attr.Map, regions []*Func, in ...*Value) []*Value
	// Region makes a region for the next OpN: body fills f through its own
	// emitter, adding parameters with f.AddParam and results with f.AddResult.
	Region(name string, body func(e Emitter, f *Func)) *Func
	// Const adds a constant.
	Const(t tensor.Tensor) *Value
	// ConstOf adds a constant that is loaded when needed.
	ConstOf(c *Const) *Value
	// Ints adds an i64 vector, Scalar a rank-0 tensor.
	Ints(v ...int64) *Value
	Scalar(d dtype.DType, v float64) *Value
	// Fail records an error (the first sticks).
	Fail(err error)
	Err() error
	// Module is where it writes.
	Module() *Module
}

// Executor turns a module into something that runs: the interpreter and the
// compiler both do, and training takes whichever it is given.
type Executor interface {
	Compile(ctx context.Context, m *Module) (Exec, error)
}

// Exec runs a compiled module. It belongs to one goroutine at a time.
type Exec interface {
	// Run maps the parameters of main, in order, to its results. Values are
	// valid until the next Run.
	Run(ctx context.Context, in []tensor.Value) ([]tensor.Value, error)
	// State gives the current value of a state.
	State(name string) (tensor.Value, error)
	SetState(name string, v tensor.Value) error
	Close() error
}
