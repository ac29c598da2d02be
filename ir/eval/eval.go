package eval

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// DefaultLimit is how many bytes of values a run may hold at a time unless
// Limit says otherwise.
const DefaultLimit = int64(8) << 30

// Executor is the interpreter as an ir.Executor. It is immutable.
type Executor struct {
	seed  uint64
	limit int64
	trace func(n *ir.Node, out []tensor.Value)
}

// Option changes an Executor.
type Option func(*Executor)

// Seed starts the random streams; 0 unless given. Each random node has a
// stream of its own, which goes on from one Run of an Exec to the next.
func Seed(s uint64) Option { return func(e *Executor) { e.seed = s } }

// Limit bounds the bytes that the values of a run may take at a time; more is
// an error of kind Limit before anything is allocated. Constants and inputs
// do not count.
func Limit(bytes int64) Option { return func(e *Executor) { e.limit = bytes } }

// Trace calls f after each node, constants and nodes inside regions included.
// f must not keep or change out.
func Trace(f func(n *ir.Node, out []tensor.Value)) Option { return func(e *Executor) { e.trace = f } }

// New makes an interpreter.
func New(opts ...Option) *Executor {
	e := &Executor{limit: DefaultLimit}
	for _, o := range opts {
		o(e)
	}
	return e
}

// Compile implements ir.Executor: it numbers the values of main. The module
// must not change while the Exec is in use.
func (e *Executor) Compile(_ context.Context, m *ir.Module) (ir.Exec, error) {
	x, err := e.compile(m)
	if err != nil {
		return nil, err
	}
	return x, nil
}

func (e *Executor) compile(m *ir.Module) (*exec, error) {
	main := m.Main()
	if main == nil {
		return nil, diag.New(diag.BadModel, "module %q has no function", m.Name)
	}
	c := compiler{}
	p, err := c.function(main, main.Nodes, resultValues(main), nil)
	if err != nil {
		return nil, err
	}
	x := &exec{e: e, m: m, p: p, states: map[string]tensor.Value{}, rands: map[uint64]*rand.Rand{}}
	for _, v := range main.Params {
		if v.State == nil {
			x.inputs = append(x.inputs, v)
		}
	}
	return x, nil
}

// exec implements ir.Exec. Parameters that read a state and results that
// write one are the Exec's own: Run neither takes nor gives them.
type exec struct {
	e      *Executor
	m      *ir.Module
	p      *fn
	inputs []*ir.Value
	states map[string]tensor.Value
	rands  map[uint64]*rand.Rand
}

// Run implements ir.Exec. The values are not touched by later runs. States
// change only if the whole run succeeds.
func (x *exec) Run(ctx context.Context, in []tensor.Value) ([]tensor.Value, error) {
	if len(in) != len(x.inputs) {
		return nil, &diag.Error{Kind: diag.Usage, Port: "inputs", Have: fmt.Sprint(len(in)), Want: fmt.Sprint(len(x.inputs))}
	}
	e := &env{}
	if err := bindParams(x.m, e, x.inputs, in); err != nil {
		return nil, err
	}
	args, err := x.arguments(e, in)
	if err != nil {
		return nil, err
	}
	m := &machine{Context: ctx, trace: x.e.trace, rands: x.rands, seed: x.e.seed, limit: x.e.limit}
	out := make([]tensor.Value, len(x.p.results))
	if err := m.run(x.p, nil, e, args, out); err != nil {
		return nil, err
	}
	return x.commit(e, out)
}

// arguments puts inputs and states in the order of main's parameters.
func (x *exec) arguments(e *env, in []tensor.Value) ([]tensor.Value, error) {
	params := x.m.Main().Params
	args := make([]tensor.Value, len(params))
	var stateParams []*ir.Value
	var stateVals []tensor.Value
	next := 0
	for i, p := range params {
		if p.State == nil {
			args[i] = in[next]
			next++
			continue
		}
		v, ok := x.states[p.State.Name]
		if !ok {
			var err error
			if v, err = initial(p.State, e); err != nil {
				return nil, err
			}
		}
		args[i] = v
		stateParams, stateVals = append(stateParams, p), append(stateVals, v)
	}
	return args, bindParams(x.m, e, stateParams, stateVals)
}

// commit stores what goes to states and gives the rest.
func (x *exec) commit(e *env, out []tensor.Value) ([]tensor.Value, error) {
	results := x.m.Main().Results
	for i := range results {
		if s := results[i].State; s != nil {
			if err := checkState(s, &out[i], e); err != nil {
				return nil, err
			}
		}
	}
	public := out[:0:0]
	for i := range results {
		if s := results[i].State; s != nil {
			x.states[s.Name] = out[i]
		} else {
			public = append(public, out[i])
		}
	}
	return public, nil
}

// State implements ir.Exec. Error: there is no such state, or its extents
// depend on inputs and no run has happened.
func (x *exec) State(name string) (tensor.Value, error) {
	s := x.m.State(name)
	if s == nil {
		return tensor.Value{}, diag.New(diag.Usage, "no state %q", name)
	}
	if v, ok := x.states[name]; ok {
		return v, nil
	}
	return initial(s, &env{})
}

// SetState implements ir.Exec; v must not change afterwards. Error: v is not
// of the state's type.
func (x *exec) SetState(name string, v tensor.Value) error {
	s := x.m.State(name)
	if s == nil {
		return diag.New(diag.Usage, "no state %q", name)
	}
	if err := checkState(s, &v, &env{}); err != nil {
		return err
	}
	x.states[name] = v
	return nil
}

// Close implements ir.Exec; there is nothing to release.
func (x *exec) Close() error { return nil }

// Run compiles m and runs it once: main's parameters in order, states left
// out, to its results, states left out.
func Run(ctx context.Context, m *ir.Module, in []tensor.Value, opts ...Option) ([]tensor.Value, error) {
	x, err := New(opts...).compile(m)
	if err != nil {
		return nil, err
	}
	return x.Run(ctx, in)
}
