package quant

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/runtime/sketch"
)

// Config says how to quantize.
type Config struct {
	Method string   // how ranges are found: "minmax" (default) or "percentile:P"
	Signed bool     // activations are i8, else u8
	Keep   []string // nodes, by name, that stay float
}

// percent is the share of values that ranges hold.
func (c *Config) percent() (float64, error) {
	name, val, has := strings.Cut(c.Method, ":")
	switch {
	case c.Method == "" || c.Method == "minmax":
		return 100, nil
	case name == "percentile" && has:
		if p, err := strconv.ParseFloat(val, 64); err == nil && p > 50 && p <= 100 {
			return p, nil
		}
	}
	return 0, diag.New(diag.Usage, "calibration method %q (have minmax, percentile:P with P above 50 and at most 100)", c.Method)
}

// activation is the element type of quantized activations.
func (c *Config) activation() dtype.DType {
	if c.Signed {
		return dtype.I8
	}
	return dtype.U8
}

// A Plan is which values of a module are to be quantized, and in which ranges.
type Plan struct {
	Config
	percentage float64
	m          *ir.Module
	values     []*ir.Value          // to be quantized, in order of definition
	group      map[*ir.Value]int    // values of one group share a scale
	hists      []sketch.Hist        // by group
	ranges     []Range              // by group, once calibrated
	nodes      map[*ir.Node]bool    // that shall work on quantized operands
	weights    map[*ir.Node]*weight // of products
	outs       []string             // what stands for values in the rewritten module, in their order
}

// Range is what values of a group lie in; 0 is inside.
type Range struct{ Lo, Hi float64 }

// weight says which operand of a product is constant and along which axis its
// outputs lie.
type weight struct {
	axis int
	bias int // operand, -1 if there is none
}

// products are the operators with weights.
func productWeight(n *ir.Node) *weight {
	constant := func(i int) bool { return i < len(n.In) && n.In[i] != nil && n.In[i].Const() != nil }
	float := func(v *ir.Value) bool { return v != nil && v.Type.DType == dtype.F32 && v.Type.Ranked() }
	if !n.Is("Conv") && !n.Is("Gemm") && !n.Is("MatMul") || !constant(1) || !float(n.In[0]) || !float(n.In[1]) || rewrite.IsConst(n.In[0]) {
		return nil
	}
	w := &weight{bias: -1}
	if len(n.In) > 2 && n.In[2] != nil {
		w.bias = 2
		if !constant(2) {
			return nil
		}
	}
	switch {
	case n.Is("MatMul"):
		if n.In[1].Type.Rank() != 2 {
			return nil
		}
		w.axis = 1
	case n.Is("Gemm"):
		if n.Attrs.Float("alpha") != 1 || n.Attrs.Float("beta") != 1 || n.Attrs.Bool("transA") {
			return nil
		}
		if !n.Attrs.Bool("transB") {
			w.axis = 1
		}
		if w.bias > 0 && n.In[2].Type.Rank() > 1 {
			return nil
		}
	}
	if w.bias > 0 {
		// One bias for each output.
		m, ok := rewrite.Extent(n.In[1], w.axis)
		b, ok2 := rewrite.Extent(n.In[2], 0)
		if !ok || !ok2 || n.In[2].Type.Rank() != 1 || b != m {
			return nil
		}
	}
	return w
}

// followers work on quantized values where their operands are quantized
// already: those that move or compare elements share their scale.
var (
	sharing = []string{"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Concat"}
	ownings = []string{"Add", "AveragePool", "GlobalAveragePool", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Gelu", "Relu", "Clip"}
)

// NewPlan chooses what to quantize in m: products with constant weights, and
// what follows them. An activation right behind a product goes with it. Error:
// the method, or a node of Keep, is not known; nothing can be quantized.
func NewPlan(m *ir.Module, c Config) (*Plan, error) {
	p := &Plan{Config: c, m: m, group: map[*ir.Value]int{}, nodes: map[*ir.Node]bool{}, weights: map[*ir.Node]*weight{}}
	var err error
	if p.percentage, err = c.percent(); err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for _, n := range m.Main().Nodes {
		for _, s := range n.Source {
			if slices.Contains(c.Keep, s) {
				kept[s] = true
			}
		}
	}
	for _, s := range c.Keep {
		if !kept[s] {
			return nil, diag.New(diag.Usage, "no node %q to keep", s)
		}
	}
	u := &unions{parent: map[*ir.Value]*ir.Value{}}
	for _, n := range m.Main().Nodes {
		if n.Const == nil && !slices.ContainsFunc(n.Source, func(s string) bool { return kept[s] }) {
			p.choose(n, u)
		}
	}
	if len(p.nodes) == 0 {
		return nil, diag.New(diag.Unsupported, "nothing to quantize (supported: Conv, Gemm and MatMul of float32 with constant weights, and what follows them)")
	}
	p.number(u)
	return p, nil
}

// choose decides on one node, those before it being decided.
func (p *Plan) choose(n *ir.Node, u *unions) {
	if w := productWeight(n); w != nil {
		p.nodes[n], p.weights[n] = true, w
		u.add(n.In[0])
		u.add(result(n))
		return
	}
	name := n.Def.FullName()
	share, own := slices.Contains(sharing, name), slices.Contains(ownings, name)
	if !share && !own || len(n.Out) != 1 || n.Out[0].Type.DType != dtype.F32 {
		return
	}
	if n.Is("Clip") && slices.ContainsFunc(n.In[1:], func(b *ir.Value) bool { return b != nil && b.Const() == nil }) {
		return
	}
	data := n.In[:1]
	if n.Is("Concat") || n.Is("Add") {
		data = n.In
	}
	for _, v := range data {
		if !u.has(v) || n.Is("Add") && !v.Type.Equal(n.Out[0].Type) {
			return
		}
	}
	p.nodes[n] = true
	out := n.Out[0]
	if own {
		out = result(n)
	}
	u.add(out)
	for _, v := range data {
		if share {
			u.join(v, out)
		}
	}
}

// result is the value that n's QuantizeLinear reads: that behind the
// activations that only bound it and alone read it.
func result(n *ir.Node) *ir.Value {
	v := n.Out[0]
	for {
		us := v.Uses()
		if len(us) != 1 || us[0].Node == nil || us[0].Index != 0 || us[0].Node.Func != n.Func {
			return v
		}
		k := us[0].Node
		if !k.Is("Relu") && !k.Is("Clip") || slices.ContainsFunc(k.In[1:], func(b *ir.Value) bool { return b != nil && b.Const() == nil }) {
			return v
		}
		v = k.Out[0]
	}
}

// number gives every group its number, in order of definition.
func (p *Plan) number(u *unions) {
	f := p.m.Main()
	ids := map[*ir.Value]int{}
	add := func(v *ir.Value) {
		if v == nil || !u.has(v) {
			return
		}
		r := u.root(v)
		if _, ok := ids[r]; !ok {
			ids[r] = len(ids)
		}
		p.group[v] = ids[r]
		p.values = append(p.values, v)
	}
	for _, v := range f.Params {
		add(v)
	}
	for _, n := range f.Nodes {
		for _, v := range n.Out {
			add(v)
		}
	}
	p.hists = make([]sketch.Hist, len(ids))
}

// Values are the names of the values to be quantized.
func (p *Plan) Values() []string {
	var out []string
	for _, v := range p.values {
		out = append(out, v.Name)
	}
	return out
}

// unions are values of which some share a scale.
type unions struct{ parent map[*ir.Value]*ir.Value }

func (u *unions) has(v *ir.Value) bool { _, ok := u.parent[v]; return ok }

func (u *unions) add(v *ir.Value) {
	if !u.has(v) {
		u.parent[v] = v
	}
}

func (u *unions) root(v *ir.Value) *ir.Value {
	for u.parent[v] != v {
		v = u.parent[v]
	}
	return v
}

func (u *unions) join(a, b *ir.Value) {
	if a, b = u.root(a), u.root(b); a != b {
		u.parent[b] = a
	}
}
