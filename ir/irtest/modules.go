package irtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Module makes a random legal module of about size nodes over the table, the
// same for the same seed. Nodes come from the operators' own examples: inputs
// of floating point become parameters, or values of that type computed
// already; all others (shapes, axes, indices) stay constants of the example,
// so that the module runs whatever its inputs. Operators without a regular
// result (Random, Stateful) are left out. Every value nobody reads becomes a
// result. Dim N (1..4) is open.
func Module(ops *ir.OpSet, seed uint64, size int) *ir.Module {
	g := &generator{r: rand.New(rand.NewPCG(seed, 0)), ops: ops, m: ir.NewModule(fmt.Sprintf("random %d", seed))}
	g.m.Opset["mlc"] = ir.MLCOpset
	g.f = g.m.AddFunc("main")
	for _, d := range ops.All() {
		if len(d.Examples) > 0 && !d.Has(ir.Random) && !d.Has(ir.Stateful) {
			g.defs = append(g.defs, d)
		}
		if len(d.In) <= 2 && d.Has(ir.Elementwise) {
			g.free = append(g.free, d)
		}
	}
	g.param(tensor.T(dtype.F32, shape.Ints(2, 3)...))
	g.param(tensor.T(dtype.F32, g.m.DeclareDim("N", 1, 4), shape.Int(3)))
	for i := 0; i < size && len(g.defs) > 0; i++ {
		if len(g.free) > 0 && g.r.IntN(2) == 0 {
			g.elementwise(g.free[g.r.IntN(len(g.free))])
		} else {
			g.example(g.defs[g.r.IntN(len(g.defs))])
		}
	}
	for _, v := range g.pool {
		if len(v.Uses()) == 0 && v.Node != nil {
			g.f.AddResult(fmt.Sprintf("r%d", len(g.f.Results)), v)
		}
	}
	if len(g.f.Results) == 0 {
		g.f.AddResult("r0", g.pool[len(g.pool)-1])
	}
	return g.m
}

type generator struct {
	r          *rand.Rand
	ops        *ir.OpSet
	m          *ir.Module
	f          *ir.Func
	defs, free []*ir.OpDef
	pool       []*ir.Value // floats that nodes may read
}

func (g *generator) param(t ir.Type) *ir.Value {
	v := g.f.AddParam(fmt.Sprintf("p%d", len(g.f.Params)), t)
	g.pool = append(g.pool, v)
	return v
}

// pick finds a value of type t, nil if there is none.
func (g *generator) pick(t ir.Type) *ir.Value {
	at := g.r.IntN(len(g.pool))
	for i := range g.pool {
		if v := g.pool[(at+i)%len(g.pool)]; v.Type.Equal(t) {
			return v
		}
	}
	return nil
}

// elementwise applies an operator to values of whatever types there are; types
// that do not fit leave the module as it was.
func (g *generator) elementwise(d *ir.OpDef) {
	in := make([]*ir.Value, len(d.In))
	for i := range in {
		in[i] = g.pool[g.r.IntN(len(g.pool))]
	}
	g.emit(d, nil, nil, in, 1)
}

// example makes a node like one of the operator's examples.
func (g *generator) example(d *ir.OpDef) {
	c := &d.Examples[g.r.IntN(len(d.Examples))]
	b := g.builder()
	in := make([]*ir.Value, len(c.In))
	for i := range c.In {
		v := &c.In[i]
		if v.Kind != tensor.KindTensor && v.Kind != tensor.KindNone {
			return // sequences have no constants
		}
		if !v.Present() {
			continue
		}
		x := v.Tensor
		if x.DType().IsFloat() && x.DType().Bits() > 8 && g.r.IntN(4) > 0 {
			if in[i] = g.pick(x.Type()); in[i] == nil || g.r.IntN(4) == 0 {
				in[i] = g.param(x.Type())
			}
			continue
		}
		in[i] = b.Const(x)
	}
	var regions []*ir.Func
	if c.Regions != nil {
		regions = c.Regions(b)
	}
	if b.Err() == nil {
		g.emit(d, c.Attrs, regions, in, len(c.Out))
	}
}

func (g *generator) builder() *ir.Builder {
	return ir.NewBuilder(g.f, -1, g.ops, fmt.Sprintf("n%d", len(g.f.Nodes)))
}

func (g *generator) emit(d *ir.OpDef, a attr.Map, regions []*ir.Func, in []*ir.Value, nout int) {
	b := g.builder()
	out := b.OpN(d.FullName(), nout, a, regions, in...)
	if b.Err() != nil {
		return
	}
	for _, v := range out {
		if v.Type.IsTensor() && v.Type.DType.IsFloat() && v.Type.DType.Bits() > 8 {
			g.pool = append(g.pool, v)
		} else {
			g.f.AddResult(fmt.Sprintf("r%d", len(g.f.Results)), v)
		}
	}
}
