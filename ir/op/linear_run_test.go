package op

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// plainCtx runs operators without regions.
type plainCtx struct{ context.Context }

func (plainCtx) New(_ int, d dtype.DType, dims ...int) *tensor.Tensor {
	t := tensor.New(d, dims...)
	return &t
}
func (plainCtx) Region(int, []tensor.Value, []tensor.Value) error { panic("no region here") }
func (plainCtx) Rand() *rand.Rand                                 { return rand.New(rand.NewPCG(1, 2)) }

// graph is a function under construction with values for its parameters.
type graph struct {
	t   *testing.T
	b   *ir.Builder
	f   *ir.Func
	env map[*ir.Value]tensor.Value
}

func newGraph(t *testing.T) *graph {
	f := ir.NewModule("m").AddFunc("main")
	return &graph{t: t, b: ir.NewBuilder(f, -1, Builtin()), f: f, env: map[*ir.Value]tensor.Value{}}
}

// param adds a parameter that holds v; an absent v gives nil.
func (g *graph) param(v tensor.Value) *ir.Value {
	if !v.Present() {
		return nil
	}
	p := g.f.AddParam(fmt.Sprintf("p%d", len(g.f.Params)), v.Type())
	g.env[p] = v
	return p
}

func (g *graph) params(vs []tensor.Value) []*ir.Value {
	out := make([]*ir.Value, len(vs))
	for i, v := range vs {
		out[i] = g.param(v)
	}
	return out
}

// run evaluates every node with the reference functions and checks that what
// inference said of a static type holds.
func (g *graph) run() error {
	if err := g.b.Err(); err != nil {
		return err
	}
	env := make(map[*ir.Value]tensor.Value, len(g.env))
	for k, v := range g.env {
		env[k] = v
	}
	for _, n := range g.f.Nodes {
		if n.Const != nil {
			t, err := n.Const.Tensor()
			if err != nil {
				return err
			}
			env[n.Out[0]] = tensor.V(t)
			continue
		}
		in, out := make([]tensor.Value, len(n.In)), make([]tensor.Value, len(n.Out))
		for i, v := range n.In {
			if v != nil {
				in[i] = env[v]
			}
		}
		if err := n.Def.Eval(plainCtx{context.Background()}, in, out, n.Attrs); err != nil {
			return err
		}
		for i, v := range n.Out {
			if _, static := v.Type.Static(); static && !v.Type.Equal(out[i].Type()) {
				return fmt.Errorf("%s output %d: inferred %v, evaluated %v", n.OpName(), i, v.Type, out[i].Type())
			}
			env[v] = out[i]
		}
	}
	g.env = env
	return nil
}

// apply runs one operator on values.
func apply(t *testing.T, name string, nout int, a attr.Map, in ...tensor.Value) ([]tensor.Value, error) {
	g := newGraph(t)
	out := g.b.OpN(name, nout, a, nil, g.params(in)...)
	if err := g.run(); err != nil {
		return nil, err
	}
	vs := make([]tensor.Value, nout)
	for i, o := range out {
		vs[i] = g.env[o]
	}
	return vs, nil
}

// linearOps are the families that the linear tests cover.
func linearOps() []*ir.OpDef {
	var ds []*ir.OpDef
	for _, f := range []func() []*ir.OpDef{matmulOps, convOps, poolOps, normOps, rnnOps} {
		ds = append(ds, f()...)
	}
	return ds
}

func TestLinearExamples(t *testing.T) {
	for _, d := range linearOps() {
		if len(d.Examples) < 2 {
			t.Errorf("%s: %d examples, want 2 or more", d.FullName(), len(d.Examples))
		}
		for _, c := range d.Examples {
			t.Run(d.FullName()+"/"+c.Name, func(t *testing.T) {
				out, err := apply(t, d.FullName(), len(c.Out), c.Attrs, c.In...)
				if err != nil {
					t.Fatal(err)
				}
				for i := range c.Out {
					if err := c.Tol.Compare(out[i], c.Out[i]); err != nil {
						t.Errorf("output %d: %v", i, err)
					}
				}
				if c.Source == "" {
					t.Error("no source")
				}
			})
		}
	}
}

// noise is an f64 tensor of values in -1..1.
func noise(r *rand.Rand, dims ...int) tensor.Value {
	t := tensor.New(dtype.F64, dims...)
	for i := range t.Len() {
		t.SetFloat(i, 2*r.Float64()-1)
	}
	return tensor.V(t)
}
