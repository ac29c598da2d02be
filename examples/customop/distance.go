package main

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// distance is the table's entry for acme.Distance. Everything that the compiler
// does with the operator, from reading files to messages, comes from here.
func distance() ir.OpDef {
	f32 := []dtype.DType{dtype.F32}
	return ir.OpDef{
		Name: "Distance", Domain: "acme", Since: []int{1},
		Doc:    "Distance is the Euclidean distance of each row of x to each row of c: y[i,j] = sqrt(sum over k of (x[i,k]-c[j,k])^2), or its square where squared is 1.",
		Source: "examples/customop",
		In:     []ir.Port{{Name: "x", DTypes: f32}, {Name: "c", DTypes: f32}},
		Out:    []ir.Port{{Name: "y", DTypes: f32}},
		Attrs:  []ir.Attr{{Name: "squared", Kind: attr.KindInt, Default: attr.Int(0), Doc: "no root is taken where it is 1"}},
		// Constraints are checked before anything else and quoted in messages.
		Constraints: []ir.C{{ID: "C1", Text: "x is [N,K] and c is [M,K]", Check: func(q *ir.Query) error {
			x, c := q.In[0].Type, q.In[1].Type
			if x.Rank() != 2 || c.Rank() != 2 || !x.Dims[1].Equal(c.Dims[1]) {
				return &diag.Error{Kind: diag.Shape, Port: "inputs x and c", Have: x.String() + " and " + c.String(), Want: "[N,K] and [M,K]"}
			}
			return nil
		}}},
		// Infer works on symbols too: N may be open.
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return []ir.Fact{{Type: tensor.T(dtype.F32, q.In[0].Type.Dims[0], q.In[1].Type.Dims[0])}}, nil
		},
		Eval:   reference,
		NoGrad: "the example does not train",
		Cost: func(n *ir.Node) (flop, bytes int64) {
			return 3 * lower(n.In[0].Type.Dims[0]) * lower(n.In[1].Type.Dims[0]) * lower(n.In[1].Type.Dims[1]), 0
		},
		Examples: []ir.Case{{
			Name: "three, four, five", Source: "hand calculation",
			In:  tensor.Vs(tensor.MustOf([]float32{0, 0}, 1, 2), tensor.MustOf([]float32{3, 4, 0, 0}, 2, 2)),
			Out: tensor.Vs(tensor.MustOf([]float32{5, 0}, 1, 2)),
		}},
	}
}

// lower is an extent, or 1 where it is open.
func lower(d shape.Dim) int64 {
	if n, ok := d.Const(); ok {
		return n
	}
	return 1
}

// reference is the meaning of acme.Distance: obvious loops in float64. The
// explicit conversion keeps compilers from contracting x*x+s on some machines.
func reference(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, p := &in[0].Tensor, &in[1].Tensor
	n, m, k := x.Dim(0), p.Dim(0), x.Dim(1)
	y := c.New(0, dtype.F32, n, m)
	for i := range n {
		for j := range m {
			var s float64
			for l := range k {
				d := x.Float(i*k+l) - p.Float(j*k+l)
				s += float64(d * d)
			}
			if a.Int("squared") == 0 {
				s = math.Sqrt(s)
			}
			y.SetFloat(i*m+j, s)
		}
	}
	out[0] = tensor.V(*y)
	return nil
}

// distanceF32 is a faster kernel: plain slices, float32. Op names what it
// stands for: the call of the reference function in a compiled program.
func distanceF32() *kernel.Desc {
	return &kernel.Desc{ID: "acme.distance.f32", Op: "ref.acme.Distance", Fast: true, Prepare: prepare, Run: compute}
}

// prepare sees the shapes of a call once, before it runs, often: what compute
// relies on must be refused here, for an artifact can come from anywhere.
func prepare(c *kernel.Call) (any, error) {
	if len(c.In) != 2 || len(c.Out) != 1 {
		return nil, fmt.Errorf("acme.Distance with %d inputs and %d outputs", len(c.In), len(c.Out))
	}
	x, p, y := &c.In[0].Tensor, &c.In[1].Tensor, &c.Out[0].Tensor
	for _, t := range []*tensor.Tensor{x, p, y} {
		if t.DType() != dtype.F32 || t.Rank() != 2 {
			return nil, fmt.Errorf("acme.Distance of %v and %v to %v", x.Type(), p.Type(), y.Type())
		}
	}
	if p.Dim(1) != x.Dim(1) || y.Dim(0) != x.Dim(0) || y.Dim(1) != p.Dim(0) {
		return nil, fmt.Errorf("acme.Distance of %v and %v to %v", x.Type(), p.Type(), y.Type())
	}
	return c.Attrs.Int("squared") == 0, nil // becomes c.State
}

// compute runs on buffers that are there already, and allocates nothing.
func compute(c *kernel.Call) {
	x, p, y := tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.In[1].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	n, m, k := c.In[0].Tensor.Dim(0), c.In[1].Tensor.Dim(0), c.In[1].Tensor.Dim(1)
	root := c.State.(bool)
	for i := range n {
		a := x[i*k : i*k+k]
		for j := range m {
			b := p[j*k : j*k+k]
			var s float32
			for l, v := range a {
				d := v - b[l]
				s += float32(d * d)
			}
			if root {
				s = float32(math.Sqrt(float64(s)))
			}
			y[i*m+j] = s
		}
	}
}
