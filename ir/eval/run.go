package eval

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// machine is what the frames of one run share.
type machine struct {
	context.Context
	trace func(n *ir.Node, out []tensor.Value)
	rands map[uint64]*rand.Rand
	seed  uint64
	limit int64 // bytes that may be alive
	live  int64
}

// frame holds the values of one activation of a function.
type frame struct {
	m     *machine
	outer *frame
	env   *env
	vals  []tensor.Value
	bytes []int64 // allocated for each slot
}

func (fr *frame) get(r ref) tensor.Value {
	if r.slot < 0 {
		return tensor.Value{}
	}
	for range r.up {
		fr = fr.outer
	}
	return fr.vals[r.slot]
}

// run executes p with in as its parameters, filling out.
func (m *machine) run(p *fn, outer *frame, e *env, in, out []tensor.Value) error {
	fr := &frame{m: m, outer: outer, env: e, vals: make([]tensor.Value, p.slots), bytes: make([]int64, p.slots)}
	for i, s := range p.params {
		fr.vals[s] = in[i]
	}
	if err := m.Err(); err != nil { // a region may have no node, and loop for ever
		return err
	}
	for i := range p.steps {
		if err := m.Err(); err != nil {
			return err
		}
		if err := fr.step(&p.steps[i]); err != nil {
			return err
		}
	}
	for i, r := range p.results {
		out[i] = fr.get(r)
	}
	for _, b := range fr.bytes {
		m.live -= b
	}
	return nil
}

func (fr *frame) step(s *step) error {
	n := s.n
	out := make([]tensor.Value, len(s.out))
	var own int64
	if n.Const != nil {
		t, err := n.Const.Tensor()
		if err != nil {
			return diag.At("constant "+quote(n.Label()), "", diag.BadData, err)
		}
		out[0] = tensor.V(t)
	} else {
		c := &call{machine: fr.m, fr: fr, s: s}
		in := make([]tensor.Value, len(s.in))
		for i, r := range s.in {
			in[i] = fr.get(r)
		}
		if err := c.eval(in, out); err != nil {
			return fr.fault(n, err)
		}
		own = c.bytes
	}
	for i, slot := range s.out {
		if slot < 0 {
			continue
		}
		if x := fr.env.match(&out[i], n.Out[i].Type, "output "+quote(n.Out[i].Name)); x != nil {
			return fr.mistyped(n, i, &out[i], x)
		}
		fr.vals[slot] = out[i]
		fr.bytes[slot], own = own, 0
	}
	fr.m.live -= own
	if fr.m.trace != nil {
		fr.m.trace(n, out)
	}
	for _, slot := range s.free {
		fr.m.live -= fr.bytes[slot]
		fr.vals[slot], fr.bytes[slot] = tensor.Value{}, 0
	}
	return nil
}

// mistyped says whose fault it is that output i is not of the type it carries.
// Text may state a run-time dim or a rank more exactly than inference knows
// it: where the value is of the inferred type, that statement is wrong. Else
// inference is.
func (fr *frame) mistyped(n *ir.Node, i int, v *tensor.Value, x *mismatch) error {
	e := &diag.Error{Kind: diag.Internal, Node: n.Label(), Op: n.Def.VersionedName(),
		Port: fmt.Sprintf("value of output %d against its inferred type", i), Have: x.have, Want: x.want, Err: x.err}
	if n.Const != nil || n.Func == nil || n.Func.Module == nil {
		return e
	}
	q := ir.NewQuery(n.Func.Module, n)
	fresh := 0
	q.Prior, q.Fresh = nil, func() shape.Dim {
		fresh++
		return shape.Sym(fmt.Sprintf("?%d", fresh))
	}
	fs, err := ir.Infer(q)
	if err == nil && (&env{outer: fr.env}).match(v, fs[i].Type, "") == nil {
		e.Kind, e.Port = diag.Shape, fmt.Sprintf("value of output %d against the type stated for it", i)
	}
	return e
}

// fault gives err the node's name, except for the end of the context.
func (fr *frame) fault(n *ir.Node, err error) error {
	if c := fr.m.Err(); c != nil && errors.Is(err, c) {
		return c
	}
	return diag.At(n.Label(), n.Def.VersionedName(), diag.Shape, err)
}

// call is the kernel.Ctx of one node.
type call struct {
	*machine
	fr    *frame
	s     *step
	bytes int64
}

var _ kernel.Ctx = (*call)(nil)

// refused carries an error out of New, which has no way to return one.
type refused struct{ err error }

func (c *call) eval(in, out []tensor.Value) (err error) {
	defer func() {
		if r := recover(); r != nil {
			x, ok := r.(refused)
			if !ok {
				panic(r)
			}
			err = x.err
		}
	}()
	d := c.s.n.Def
	if d.Eval == nil {
		return &diag.Error{Kind: diag.Unsupported, Err: errors.New("operator without a reference function")}
	}
	return d.Eval(c, in, out, c.s.n.Attrs)
}

// New implements kernel.Ctx; buffers are zeroed and never reused.
func (c *call) New(i int, d dtype.DType, dims ...int) *tensor.Tensor {
	n, ok := tensor.Count(dims)
	if !ok {
		panic(refused{&diag.Error{Kind: diag.Limit, Port: fmt.Sprintf("output %d", i), Have: fmt.Sprint(d, dims), Want: "a tensor that can exist"}})
	}
	b := int64(d.Bytes(n))
	if d == dtype.String {
		b = 16 * int64(n)
	}
	if c.live += b; c.live > c.limit {
		panic(refused{&diag.Error{Kind: diag.Limit, Port: fmt.Sprintf("memory for output %d of type %v%v", i, d, dims),
			Have: fmt.Sprintf("%d bytes in use with it", c.live), Want: fmt.Sprintf("at most %d", c.limit)}})
	}
	c.bytes += b
	t := tensor.New(d, dims...)
	return &t
}

// Hold implements kernel.Holder.
func (c *call) Hold(bytes int64) error {
	if c.live += bytes; bytes > 0 && c.live > c.limit {
		c.live -= bytes
		return &diag.Error{Kind: diag.Limit, Port: "memory for values that a loop keeps",
			Have: fmt.Sprintf("%d bytes in use and %d more", c.live, bytes), Want: fmt.Sprintf("at most %d", c.limit)}
	}
	return nil
}

// Region implements kernel.Ctx.
func (c *call) Region(i int, in, out []tensor.Value) error {
	p := c.s.regions[i]
	if len(in) != len(p.params) || len(out) != len(p.results) {
		return diag.New(diag.Internal, "region %d run with %d values for %d, want %d for %d", i, len(in), len(out), len(p.params), len(p.results))
	}
	e := &env{outer: c.fr.env}
	for k, v := range p.f.Params {
		if x := e.match(&in[k], v.Type, fmt.Sprintf("parameter %q", v.Name)); x != nil {
			return &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("parameter %q of region %d", v.Name, i), Have: x.have, Want: x.want, Err: x.err}
		}
	}
	return c.run(p, c.fr, e, in, out)
}

// Rand implements kernel.Ctx.
func (c *call) Rand() *rand.Rand {
	r := c.rands[c.s.key]
	if r == nil {
		r = rand.New(rand.NewPCG(c.seed, c.s.key))
		c.rands[c.s.key] = r
	}
	return r
}

var (
	_ kernel.RegionTyper = (*call)(nil)
	_ kernel.Holder      = (*call)(nil)
)

// RegionTypes implements kernel.RegionTyper: extents whose symbols are bound
// are numbers.
func (c *call) RegionTypes(i int) []tensor.Type {
	results := c.s.n.Regions[i].Results
	out := make([]tensor.Type, len(results))
	for k, r := range results {
		t := r.Value.Type
		dims := slices.Clone(t.Dims)
		for a, d := range dims {
			if c.fr.env.bound(d) {
				if n, err := d.Eval(c.fr.env.value); err == nil {
					dims[a] = shape.Int(n)
				}
			}
		}
		t.Dims = dims
		out[k] = t
	}
	return out
}
