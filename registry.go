package mlc

import (
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/all"
)

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

// Ops are all operators, those of one's own included: for building a module and
// for the interpreter. It must not be changed.
func (r *Registry) Ops() *ir.OpSet { return r.ops }

// AddKernel adds a kernel, preferred to those built in for the same Op. That of
// an operator added by AddOp is "ref." and the operator's full name:
// "ref.acme.Distance".
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
