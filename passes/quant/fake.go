package quant

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Ranges are the ranges that Calibrate found, one for each group of values
// that share a scale; nil before.
func (p *Plan) Ranges() []Range { return slices.Clone(p.ranges) }

// SetRanges sets them from elsewhere, in the order of Ranges. Error: another
// number of them; one that is not finite, or does not hold 0 (BadData naming a
// value of it).
func (p *Plan) SetRanges(rs []Range) error {
	if len(rs) != len(p.hists) {
		return diag.New(diag.Internal, "%d ranges for %d groups of values", len(rs), len(p.hists))
	}
	for g, r := range rs {
		if !(r.Lo <= 0 && r.Hi >= 0) || r.Lo-r.Lo != 0 || r.Hi-r.Hi != 0 {
			return &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("range of value %q", p.first(g).Name), Have: fmt.Sprintf("%v to %v", r.Lo, r.Hi), Want: "finite bounds around 0"}
		}
	}
	p.ranges = slices.Clone(rs)
	return nil
}

// first is the first value of a group.
func (p *Plan) first(g int) *ir.Value {
	return p.values[slices.IndexFunc(p.values, func(v *ir.Value) bool { return p.group[v] == g })]
}

// The names of the constants that Fake gives the bounds of group g.
func nameLo(g int) string { return fmt.Sprintf("quant.%d.lo", g) }
func nameHi(g int) string { return fmt.Sprintf("quant.%d.hi", g) }

// Fake rewrites the module of the plan, which must have ranges, for training:
// mlc.FakeQuantize stands where Insert would put its pairs and gives the same
// numbers, activations in ranges that are constants, weights in that of their
// own largest magnitude for each channel. Biases stay as they are. A value that
// is made by moving or comparing elements of its own group is on the steps
// already and gets none.
//
// The ranges may change (they are named), and so may the weights; Faked reads
// what became of them.
func (p *Plan) Fake(ops *ir.OpSet) error {
	if p.ranges == nil {
		return diag.New(diag.Internal, "a plan that has no ranges")
	}
	f := p.m.Main()
	p.m.Opset["mlc"] = ir.MLCOpset
	los, his := make([]*ir.Value, len(p.ranges)), make([]*ir.Value, len(p.ranges))
	b := ir.NewBuilder(f, 0, ops)
	for g, r := range p.ranges {
		for _, x := range []struct {
			to   **ir.Value
			name string
			v    float64
		}{{&los[g], nameLo(g), r.Lo}, {&his[g], nameHi(g), r.Hi}} {
			if named(f, x.name) != nil {
				return diag.New(diag.Usage, "the model has a value named %q already, which its ranges need", x.name)
			}
			t := tensor.New(dtype.F32)
			t.SetFloat(0, x.v)
			*x.to = b.Const(t)
			(*x.to).Name = x.name
		}
	}
	if err := b.Err(); err != nil {
		return err
	}
	for _, v := range p.values {
		if n := v.Node; n != nil && p.nodes[n] && slices.Contains(sharing, n.Def.FullName()) {
			continue
		}
		at := len(p.ranges) * 2
		var src []string
		if v.Node != nil {
			at, src = v.Node.Index()+1, v.Node.Source
		}
		b := ir.NewBuilder(f, at, ops, src...)
		g := p.group[v]
		readers := slices.Clone(v.Uses())
		out := b.Op("mlc.FakeQuantize", attr.Map{"levels": attr.Int(activationSteps)}, v, los[g], his[g])
		if err := b.Err(); err != nil {
			return err
		}
		replace(f, readers, out)
	}
	for _, n := range slices.Clone(f.Nodes) {
		if w := p.weights[n]; w != nil {
			if err := fakeWeights(n, w, ops); err != nil {
				return diag.At(n.Label(), n.OpName(), diag.Internal, err)
			}
		}
	}
	return nil
}

// replace lets readers within f read out.
func replace(f *ir.Func, readers []ir.Use, out *ir.Value) {
	for _, u := range readers {
		switch {
		case u.Node != nil:
			u.Node.SetIn(u.Index, out)
		case u.Func == f:
			f.SetResult(u.Index, out)
		}
	}
}

// fakeWeights puts fake quantization between a product and its weights.
func fakeWeights(n *ir.Node, w *weight, ops *ir.OpSet) error {
	b := ir.NewBuilder(n.Func, n.Index(), ops, n.Source...)
	v := n.In[1]
	var axes []int64
	for i := range v.Type.Rank() {
		if i != w.axis {
			axes = append(axes, int64(i))
		}
	}
	top := b.Op("ReduceMax", attr.Map{"keepdims": attr.Int(0)}, b.Op("Abs", nil, v), b.Ints(axes...))
	n.SetIn(1, b.Op("mlc.FakeQuantize", attr.Map{"axis": attr.Int(w.axis), "levels": attr.Int(weightSteps)}, v, b.Op("Neg", nil, top), top))
	return b.Err()
}

// Faked gives the ranges that a module has in which Fake, of a plan like p, has
// put fake quantization. Error: it has none.
func (p *Plan) Faked(m *ir.Module) ([]Range, error) {
	rs := make([]Range, len(p.hists))
	for g := range rs {
		for _, x := range []struct {
			to   *float64
			name string
		}{{&rs[g].Lo, nameLo(g)}, {&rs[g].Hi, nameHi(g)}} {
			c := named(m.Main(), x.name).Const()
			if c == nil {
				return nil, diag.New(diag.Internal, "no constant %q in module %q", x.name, m.Name)
			}
			t, err := c.Tensor()
			if err != nil {
				return nil, err
			}
			*x.to = t.Float(0)
		}
	}
	return rs, nil
}

// named finds a parameter or a node's output by name, nil if there is none.
func named(f *ir.Func, name string) *ir.Value {
	for _, v := range f.Params {
		if v.Name == name {
			return v
		}
	}
	for _, n := range f.Nodes {
		for _, v := range n.Out {
			if v != nil && v.Name == name {
				return v
			}
		}
	}
	return nil
}
