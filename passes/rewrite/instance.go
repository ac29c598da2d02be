package rewrite

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Instance builds a module whose main holds a random place where the rule's
// pattern may fit: leaves become parameters and constants of small shapes,
// attributes take random values, and what inference or a condition refuses is
// tried again a few times. It is how rules are fuzzed without a line of code
// about any of them. false: this attempt found no legal module; rules need
// from a few to some thousands.
func Instance(r *rand.Rand, ops *ir.OpSet, rule *Rule) (*ir.Module, bool) {
	m := ir.NewModule("instance")
	f := m.AddFunc("main")
	g := &generator{r: r, ops: ops, m: m, f: f, b: ir.NewBuilder(f, -1, ops), named: map[string]*ir.Value{}}
	g.dt = []dtype.DType{dtype.F32, dtype.F32, dtype.F32, dtype.F16, dtype.F64, dtype.I32, dtype.I64, dtype.Bool}[r.IntN(8)]
	g.rank = 1 + r.IntN(4)
	for range 5 {
		g.dims = append(g.dims, shape.Int(int64(1+r.IntN(3))))
	}
	if r.IntN(3) == 0 { // an open batch
		g.dims[0] = m.DeclareDim("N", 1, 4)
	}
	v, ok := g.value(&rule.Match, ir.Port{}, nil)
	if !ok || v == nil || v.Node == nil {
		return nil, false
	}
	for i, o := range v.Node.Out {
		if o != nil && (i == 0 || v.Node.Out[i] == v) {
			f.AddResult("y"+string(rune('0'+i)), o)
		}
	}
	for { // what attempts left behind
		if f.RemoveNodes(Unread) == 0 {
			break
		}
	}
	f.Params = slices.DeleteFunc(f.Params, func(p *ir.Value) bool { return len(p.Uses()) == 0 })
	return m, true
}

type generator struct {
	r     *rand.Rand
	ops   *ir.OpSet
	m     *ir.Module
	f     *ir.Func
	b     *ir.Builder
	dt    dtype.DType
	rank  int
	dims  []shape.Dim
	named map[string]*ir.Value
}

// tries is how often one operator or leaf is attempted.
const tries = 12

// value builds what p matches, for a port whose neighbours are before.
func (g *generator) value(p *Pat, port ir.Port, before []*ir.Value) (*ir.Value, bool) {
	if p.name != "" {
		if v, ok := g.named[p.name]; ok {
			return v, v != nil || p.kind == patOpt
		}
	}
	switch p.kind {
	case patNone:
		return nil, true
	case patOr:
		return g.value(&p.in[g.r.IntN(len(p.in))], port, before)
	case patOp:
		return g.op(p)
	case patOpt:
		if g.r.IntN(2) == 0 {
			if p.name != "" {
				g.named[p.name] = nil
			}
			return nil, true
		}
	}
	for range tries {
		v := g.leaf(p.kind == patConst || g.r.IntN(2) == 0, port, before)
		ok := true
		for _, f := range p.value {
			ok = ok && f(v)
		}
		if ok {
			if p.name != "" {
				g.named[p.name] = v
			}
			return v, true
		}
	}
	return nil, false
}

func (g *generator) op(p *Pat) (*ir.Value, bool) {
	def := g.ops.Lookup(p.ops[g.r.IntN(len(p.ops))])
	if def == nil {
		return nil, false
	}
	for range tries {
		saved := map[string]*ir.Value{}
		for k, v := range g.named {
			saved[k] = v
		}
		if v, ok := g.tryOp(p, def); ok {
			return v, true
		}
		g.named = saved
	}
	return nil, false
}

func (g *generator) tryOp(p *Pat, def *ir.OpDef) (*ir.Value, bool) {
	var in []*ir.Value
	for i := range p.in {
		v, ok := g.value(&p.in[i], portOf(def, i), in)
		if !ok {
			return nil, false
		}
		in = append(in, v)
	}
	if p.rest {
		for i := len(in); i < len(def.In) && (!def.In[i].Optional || g.r.IntN(2) == 0); i++ {
			in = append(in, g.leaf(g.r.IntN(4) > 0, def.In[i], in))
		}
	}
	g.b.Source = []string{def.Name}
	out := make([]*ir.Value, 1+p.out)
	for i := range out {
		out[i] = &ir.Value{Name: g.m.FreshName()}
	}
	b := ir.NewBuilder(g.f, -1, g.ops, def.Name)
	n := b.Node(def, g.attrs(def, in), nil, in, out)
	if b.Err() != nil {
		return nil, false
	}
	for _, f := range p.node {
		if !f(n) {
			return nil, false
		}
	}
	v := out[p.out]
	for _, f := range p.value {
		if !f(v) {
			return nil, false
		}
	}
	if p.name != "" {
		g.named[p.name] = v
	}
	return v, true
}

func portOf(def *ir.OpDef, i int) ir.Port {
	if len(def.In) == 0 {
		return ir.Port{}
	}
	return def.In[min(i, len(def.In)-1)]
}

// leaf makes a parameter or a constant that the port might take.
func (g *generator) leaf(constant bool, port ir.Port, before []*ir.Value) *ir.Value {
	d := g.dt
	if len(port.DTypes) > 0 && !slices.Contains(port.DTypes, d) {
		d = port.DTypes[g.r.IntN(len(port.DTypes))]
		if slices.Contains(port.DTypes, dtype.I64) {
			d = dtype.I64
		}
	}
	if d == dtype.I64 && g.dt != dtype.I64 && constant || !tensorRandom(d) {
		return g.intsLeaf(before)
	}
	dims := g.shape(before)
	n, static := shape.Consts(dims)
	if !constant || !static {
		t := tensor.T(d, dims...)
		return g.f.AddParam(g.m.FreshName(), t)
	}
	return g.b.Const(g.fill(tensor.New(d, n...)))
}

func tensorRandom(d dtype.DType) bool {
	return d.IsFloat() && d.Bits() >= 16 || d.IsInt() && d.Bits() >= 8 || d == dtype.Bool
}

// intsLeaf makes a small i64 constant as shapes, axes and pads are.
func (g *generator) intsLeaf(before []*ir.Value) *ir.Value {
	n, r := 1+g.r.IntN(4), 0
	if len(before) > 0 && before[0] != nil && before[0].Type.Ranked() {
		r = before[0].Type.Rank()
		n = []int{r, 2 * r, 1, n}[g.r.IntN(4)]
	}
	t := tensor.New(dtype.I64, n)
	kind := g.r.IntN(5)
	for i := range n {
		switch {
		case kind == 0:
			t.SetInt(i, 0)
		case kind == 1:
			t.SetInt(i, 1)
		case kind == 2 && n == r: // the extents themselves
			e, ok := before[0].Type.Dims[i].Const()
			if !ok {
				e = -1
			}
			t.SetInt(i, e)
		case kind == 3 && n == 2*r && i%r < 2:
			t.SetInt(i, 0)
		default:
			t.SetInt(i, int64(g.r.IntN(4)))
		}
	}
	return g.b.Const(t)
}

// shape picks extents, often related to those of the operands before.
func (g *generator) shape(before []*ir.Value) []shape.Dim {
	if n := len(before); n > 1 && before[n-1] != nil && before[n-1].Type.Rank() > 0 {
		// Parameters of one operator often have one shape; a bias follows a
		// weight's first or second axis.
		switch last := before[n-1].Type.Dims; {
		case len(last) == 1 && g.r.IntN(4) > 0:
			return slices.Clone(last)
		case len(last) > 2 && g.r.IntN(4) > 0:
			return []shape.Dim{last[g.r.IntN(2)]}
		}
	}
	if len(before) > 0 && before[0] != nil && before[0].Type.Ranked() {
		x := before[0].Type.Dims
		pick := g.r.IntN(8)
		switch {
		case pick == 0:
			return nil
		case pick == 1:
			return slices.Clone(x)
		case pick <= 4 && len(x) > 1: // a vector along the channels
			return []shape.Dim{x[1]}
		case pick == 5 && len(x) > 1: // the same, shaped
			out := []shape.Dim{x[1]}
			for range len(x) - 2 {
				out = append(out, shape.Int(1))
			}
			return out
		case pick >= 6 && len(x) > 2: // filters
			out := []shape.Dim{g.dims[1+g.r.IntN(4)], x[1]}
			if g.r.IntN(2) == 0 {
				out[0], out[1] = out[1], out[0]
			}
			for range len(x) - 2 {
				out = append(out, shape.Int(int64(1+g.r.IntN(2))))
			}
			return out
		case pick == 6 && len(x) == 2:
			return []shape.Dim{x[1], g.dims[2]}
		}
	}
	out := slices.Clone(g.dims[:g.rank])
	if g.r.IntN(3) == 0 {
		out[g.r.IntN(len(out))] = shape.Int(1)
	}
	return out
}

// fill gives a constant elements among which zeros, ones and signs occur.
func (g *generator) fill(t tensor.Tensor) tensor.Tensor {
	kind := g.r.IntN(5)
	for i := range t.Len() {
		switch {
		case !t.DType().IsFloat():
			v := int64(g.r.IntN(3))
			if kind < 2 {
				v = int64(kind)
			}
			t.SetInt(i, v)
		case kind == 0:
			t.SetFloat(i, 0)
		case kind == 1:
			t.SetFloat(i, 1)
		case kind == 2:
			t.SetFloat(i, math.Copysign(0, -1))
		case kind == 3:
			t.SetFloat(i, g.r.NormFloat64())
		default:
			t.SetFloat(i, 0.5+g.r.Float64())
		}
	}
	return t
}

// attrs gives random values to about half of the attributes.
func (g *generator) attrs(def *ir.OpDef, in []*ir.Value) attr.Map {
	rank := g.rank
	if len(in) > 0 && in[0] != nil && in[0].Type.Ranked() {
		rank = in[0].Type.Rank()
	}
	a := attr.Map{}
	for _, x := range def.Attrs {
		if !x.Required && g.r.IntN(2) == 0 {
			continue
		}
		switch x.Kind {
		case attr.KindInt:
			if x.Name == "to" { // an element type by its ONNX number
				d := []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.I32, dtype.I64, g.dt}[g.r.IntN(6)]
				a[x.Name] = attr.Int(d.ONNX())
				continue
			}
			a[x.Name] = attr.Int(g.r.IntN(3))
		case attr.KindFloat:
			a[x.Name] = attr.Float([]float32{0.5, 1, 2, 1e-3}[g.r.IntN(4)])
		case attr.KindInts:
			n := []int{rank, max(rank-2, 0), 2 * max(rank-2, 0)}[g.r.IntN(3)]
			ns := make([]int64, n)
			for i, p := range g.r.Perm(n) {
				ns[i] = int64(p)
				if n != rank {
					ns[i] = int64(g.r.IntN(2)) + int64(n/max(rank-1, 1))%2
				}
			}
			a[x.Name] = attr.Ints(ns...)
		}
	}
	return a
}
