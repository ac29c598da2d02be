package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/all"
)

// genStatus writes docs/status.md: operator x what there is for it.
func genStatus(ops *op.Set) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(generated + "# Status\n\n" +
		"Operator by operator. *Import*: the schema versions that are read. *Upgrade*, *downgrade*: versions that need translation at import or export; " +
		"the others are taken as they are. *Kernels*: what the operator's own examples compile to for amd64 with every feature, operands after the first constant, " +
		"where that is more than the reference function; other element types and attributes may fall back to it, and `mlc build -Rmissed=select-kernels` says where.\n\n" +
		"| operator | import | upgrade | downgrade | reference | gradient | examples | kernels |\n|---|---|---|---|---|---|---|---|\n")
	grads, beyond := 0, 0
	for _, d := range ops.All() {
		grad := "yes"
		if d.Grad == nil {
			grad = "no: " + cell(d.NoGrad)
		} else {
			grads++
		}
		refer := ""
		if d.Ref != nil {
			refer = "yes"
		}
		ks, err := kernelsOf(ops, d)
		if err != nil {
			return nil, err
		}
		if len(ks) > 0 {
			beyond++
		}
		fmt.Fprintf(&b, "| [%s](ops.md#%s) | %s | %s | %s | %s | %s | %d | %s |\n", d.FullName(), anchor(d), versions(d.Since),
			keys(d.Upgrade), keys(d.Downgrade), refer, grad, len(d.Examples), strings.Join(ks, ", "))
	}
	fmt.Fprintf(&b, "\n%d operators: %d with a gradient, %d that run as more than their reference function.\n", len(ops.All()), grads, beyond)
	return b.Bytes(), nil
}

func keys[V any](m map[int]V) string { return versions(slices.Sorted(maps.Keys(m))) }

// kernelsOf are the operations, other than reference functions, that d's
// examples compile to.
func kernelsOf(ops *op.Set, d *ir.OpDef) ([]string, error) {
	set := all.Set()
	found := map[string]bool{}
	calls, built := 0, 0
	for _, k := range d.Examples {
		if k.Regions != nil {
			continue
		}
		m, err := exampleModule(ops, d, &k)
		if err != nil {
			return nil, fmt.Errorf("%s, example %q: %w", d.FullName(), k.Name, err)
		}
		a, err := codegen.Build(context.Background(), codegen.Graph(m), codegen.Options{Ops: ops, Target: "amd64"})
		if err != nil {
			return nil, fmt.Errorf("%s, example %q: %w", d.FullName(), k.Name, err)
		}
		for _, f := range a.Program().Funcs {
			for _, in := range f.Body {
				if len(in.Alts) == 0 {
					continue
				}
				calls++
				if x := set.Get(in.Alts[0].Kernel); x != nil && x.Run != nil || x != nil && x.Ref == nil {
					found["`"+x.Op+"`"] = true
				}
			}
		}
		a.Close()
		built++
	}
	if built > 0 && calls == 0 {
		return []string{"no call: a view or a constant"}, nil
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// exampleModule is a module of one node; operands after the first are
// constants, as weights, bounds and extents mostly are in models.
func exampleModule(ops *op.Set, d *ir.OpDef, k *ir.Case) (*ir.Module, error) {
	m := ir.NewModule(d.Name)
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops, d.Name)
	var in []*ir.Value
	for i, v := range k.In {
		switch {
		case !v.Present():
			in = append(in, nil)
		case v.Kind == tensor.KindTensor && i > 0:
			in = append(in, b.Const(v.Tensor))
		default:
			in = append(in, f.AddParam(fmt.Sprintf("x%d", i), v.Type()))
		}
	}
	var as attr.Map = k.Attrs
	for i, o := range b.OpN(d.FullName(), len(k.Out), as, nil, in...) {
		if o != nil {
			f.AddResult(fmt.Sprintf("y%d", i), o)
		}
	}
	return m, b.Err()
}
