package rewrite

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// InlineRegion writes the nodes of region r of node n before n, with args for
// r's parameters, and gives what stands for r's results. n itself stays; the
// caller replaces and removes it. Names that are taken become unnamed.
func InlineRegion(n *ir.Node, r *ir.Func, args []*ir.Value) ([]*ir.Value, error) {
	if len(args) != len(r.Params) {
		return nil, diag.New(diag.Internal, "region %s of %s takes %d values, not %d", r.Name, n.Label(), len(r.Params), len(args))
	}
	f := n.Func
	taken := namesOutside(f.Root(), r)
	c := &ir.Cloner{Values: map[*ir.Value]*ir.Value{}, Rename: func(name string) string {
		if taken[name] {
			return f.Module.FreshName()
		}
		taken[name] = true
		return name
	}}
	for i, p := range r.Params {
		c.Values[p] = args[i]
	}
	at := n.Index()
	for _, k := range r.Nodes {
		w := c.Node(f, at, k)
		if len(w.Source) == 0 && w.Const == nil {
			w.Source = n.Source
		}
		at++
	}
	out := make([]*ir.Value, len(r.Results))
	for i, res := range r.Results {
		out[i] = c.Value(res.Value)
	}
	return out, nil
}

// namesOutside collects the value names of f and all its regions, those in
// skip left out.
func namesOutside(f, skip *ir.Func) map[string]bool {
	names := map[string]bool{}
	var add func(f *ir.Func)
	add = func(f *ir.Func) {
		if f == skip {
			return
		}
		for _, p := range f.Params {
			names[p.Name] = true
		}
		for _, n := range f.Nodes {
			for _, v := range n.Out {
				if v != nil {
					names[v.Name] = true
				}
			}
			for _, r := range n.Regions {
				add(r)
			}
		}
	}
	add(f)
	return names
}

// Reinfer infers the types of all nodes anew, in order, regions before their
// owners, from the types of parameters. A type that says more than inference
// can (a run-time dim known better) stays. Error (Shape): what does not fit,
// with the node's name.
func Reinfer(m *ir.Module) error {
	var each func(f *ir.Func) error
	each = func(f *ir.Func) error {
		for _, n := range f.Nodes {
			for _, r := range n.Regions {
				if err := each(r); err != nil {
					return err
				}
			}
			if err := reinfer(m, n); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range m.Funcs {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

func reinfer(m *ir.Module, n *ir.Node) error {
	fs, err := ir.Recheck(m, n)
	if fs == nil && err != nil {
		return err
	}
	types := err != nil
	if types {
		if fs, err = ir.InferNode(m, n); err != nil {
			return err
		}
	}
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		if types {
			v.Type = fs[i].Type
		}
		v.Ints = fs[i].Ints
	}
	return nil
}
