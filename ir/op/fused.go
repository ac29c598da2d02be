package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// fusedOps hold groups that a backend may run as one.
func fusedOps() []*ir.OpDef { return []*ir.OpDef{fusedOp()} }

func fusedOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Fused", Domain: "mlc", Since: []int{1},
		Doc: "Fused is a group of nodes that a backend may run as one kernel. It means what its region means.\n\n" +
			"\tinputs   V   one per parameter of the region\n\toutputs  V   the results of the region\n\n" +
			"Attribute kind tells backends what the group is. The region sees nothing but its parameters.\n\n" +
			"Cost: that of the region.  Errors: C1..C3.",
		Source:     "DESIGN, section 4",
		In:         []ir.Port{{Name: "inputs", AnyKind: true, Variadic: true}},
		Out:        []ir.Port{{Name: "outputs", AnyKind: true, Variadic: true, MinCount: 1}},
		Attrs:      []ir.Attr{{Name: "kind", Kind: attr.KindString, Required: true, Doc: "what the group is: epilogue, qgroup, norm, ..."}},
		NumRegions: 1,
		Constraints: []ir.C{
			{ID: "C1", Text: "region: one parameter per input, one result per output", Check: func(q *ir.Query) error {
				if r := q.Regions[0]; len(r.Params) != len(q.In) || len(r.Results) != q.NOut {
					return ir.Fault("region", fmt.Sprintf("%d parameters, %d results", len(r.Params), len(r.Results)), fmt.Sprintf("%d and %d", len(q.In), q.NOut))
				}
				return nil
			}},
			{ID: "C2", Text: "parameters: of the types of the inputs", Check: func(q *ir.Query) error {
				for i, p := range q.Regions[0].Params {
					if !p.Type.Equal(q.In[i].Type) {
						return ir.Fault(fmt.Sprintf("parameter %d", i), p.Type.String(), q.In[i].Type.String())
					}
				}
				return nil
			}},
			{ID: "C3", Text: "region: sees no value from outside", Check: func(q *ir.Query) error { return seesNothing(q.Regions[0]) }},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			fs := make([]ir.Fact, q.NOut)
			for i, res := range q.Regions[0].Results {
				fs[i] = ir.Fact{Type: res.Value.Type, Ints: res.Value.Ints}
			}
			return fs, nil
		},
		Eval: ref.Fused, Ref: &ref.FusedDesc,
		NoGrad: "groups are made after differentiation",
		Cost:   func(n *ir.Node) (int64, int64) { f, _ := regionCost(n.Regions[0]); return f, bytesOf(n) },
		Examples: []ir.Case{
			{Name: "one addition", Attrs: attr.Map{"kind": attr.Str("eltwise")}, Source: "hand calculation",
				In: tensor.Vs(f32s([]int{2}, 1, 2), f32s([]int{2}, 10, 20)), Out: tensor.Vs(f32s([]int{2}, 11, 22)),
				Regions: func(e ir.Emitter) []*ir.Func {
					return []*ir.Func{e.Region("body", func(e ir.Emitter, f *ir.Func) {
						t := tensor.T(dtype.F32, shape.Int(2))
						f.AddResult("y", e.Op("Add", nil, f.AddParam("a", t), f.AddParam("b", t)))
					})}
				}},
			{Name: "one negation", Attrs: attr.Map{"kind": attr.Str("eltwise")}, Source: "hand calculation",
				In: tensor.Vs(tensor.Scalar(dtype.F32, 1)), Out: tensor.Vs(tensor.Scalar(dtype.F32, -1)),
				Regions: func(e ir.Emitter) []*ir.Func {
					return []*ir.Func{e.Region("body", func(e ir.Emitter, f *ir.Func) {
						f.AddResult("y", e.Op("Neg", nil, f.AddParam("x", tensor.T(dtype.F32))))
					})}
				}},
		},
	}
}

// seesNothing checks that every value read inside f is defined inside f.
func seesNothing(f *ir.Func) (err error) {
	check := func(v *ir.Value) {
		if v != nil && !f.Encloses(v.Func) && err == nil {
			err = ir.Fault("region", "%"+v.Name+" from outside", "parameters only")
		}
	}
	f.Walk(func(n *ir.Node) {
		for _, v := range n.In {
			check(v)
		}
		for _, r := range n.Regions {
			for _, res := range r.Results {
				check(res.Value)
			}
		}
	})
	for _, res := range f.Results {
		check(res.Value)
	}
	return err
}
