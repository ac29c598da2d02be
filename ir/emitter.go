package ir

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"slices"
)

// Builder is the Emitter: it writes nodes into a function at a position,
// after those it wrote before.
type Builder struct {
	ops    *OpSet
	f      *Func
	at     int
	Source []string // given to every node it writes
	err    error
	parent *Builder
	// Nodes are what was written, constants included, in order.
	Nodes []*Node
}

// NewBuilder writes into f at position at; len(f.Nodes) or -1 appends.
func NewBuilder(f *Func, at int, ops *OpSet, source ...string) *Builder {
	if at < 0 {
		at = len(f.Nodes)
	}
	return &Builder{ops: ops, f: f, at: at, Source: source}
}

// Func is where the builder writes.
func (b *Builder) Func() *Func { return b.f }

// Ops is the table it emits from.
func (b *Builder) Ops() *OpSet { return b.ops }

// At is the position after the last node written.
func (b *Builder) At() int { return b.at }

// Module implements Emitter.
func (b *Builder) Module() *Module { return b.f.Module }

// Fail implements Emitter.
func (b *Builder) Fail(err error) {
	for p := b; p != nil; p = p.parent {
		if p.err == nil {
			p.err = err
		}
	}
}

// Err implements Emitter.
func (b *Builder) Err() error { return b.err }

// Unnamed is the prefix of names that text prints as numbers.
const Unnamed = "."

// freshName gives a name no value of the root function has. Names that start
// with Unnamed are printed as %0, %1, ...
func (b *Builder) freshName() string { return b.f.Root().Module.FreshName() }

// Op implements Emitter.
func (b *Builder) Op(name string, a attr.Map, in ...*Value) *Value {
	return b.OpN(name, 1, a, nil, in...)[0]
}

// OpN implements Emitter.
func (b *Builder) OpN(name string, nout int, a attr.Map, regions []*Func, in ...*Value) []*Value {
	out := make([]*Value, nout)
	for i := range out {
		out[i] = &Value{Name: b.freshName()}
	}
	if b.err != nil {
		return out
	}
	d := b.ops.Lookup(name)
	if d == nil {
		b.Fail(&diag.Error{Kind: diag.Unsupported, Op: name, Err: errNoOp})
		return out
	}
	b.Node(d, a, regions, in, out)
	return slices.Clone(out) // the node keeps its own: callers may change what they got
}

var errNoOp = diag.New(diag.Unsupported, "no such operator in the table")

// Node writes a node of def with the given output values (nil entries are
// outputs nobody wants; names must be unique), whose types it infers.
func (b *Builder) Node(def *OpDef, a attr.Map, regions []*Func, in, out []*Value) *Node {
	for len(in) > 0 && in[len(in)-1] == nil {
		in = in[:len(in)-1]
	}
	n := &Node{Def: def, Attrs: def.Complete(a), Regions: regions, In: in, Out: out, Source: b.Source, Func: b.f}
	for _, v := range in {
		if v != nil && v.Func == nil {
			b.Fail(diag.New(diag.Internal, "input %%%s of %s is not in the module", v.Name, def.Name))
			return n
		}
	}
	for _, r := range regions {
		r.Owner, r.Module = n, b.f.Module
	}
	fs, err := InferNode(b.f.Module, n)
	if err != nil {
		b.Fail(err)
		return n
	}
	for i, v := range out {
		if v != nil {
			v.Type, v.Ints = fs[i].Type, fs[i].Ints
			v.uses = nil
		}
	}
	b.insert(n)
	return n
}

func (b *Builder) insert(n *Node) {
	b.f.InsertNode(b.at, n)
	b.at++
	b.Nodes = append(b.Nodes, n)
}

// Region implements Emitter. The region becomes visible to the node that OpN
// writes next with it; until then it belongs to a placeholder at the builder's
// position, so that outer values are in scope.
func (b *Builder) Region(name string, body func(e Emitter, f *Func)) *Func {
	r := &Func{Name: name, Module: b.f.Module, Owner: &Node{Def: ConstDef, Func: b.f}}
	c := &Builder{ops: b.ops, f: r, Source: b.Source, parent: b, err: b.err}
	body(c, r)
	return r
}

// Const implements Emitter.
func (b *Builder) Const(t tensor.Tensor) *Value { return b.ConstOf(NewConst(t)) }

// ConstOf implements Emitter.
func (b *Builder) ConstOf(c *Const) *Value { return b.NamedConst(b.freshName(), c) }

// NamedConst is ConstOf with a name, which must be unique.
func (b *Builder) NamedConst(name string, c *Const) *Value {
	v := &Value{Name: name, Type: c.Type()}
	n := &Node{Def: ConstDef, Const: c, Out: []*Value{v}, Source: b.Source}
	if fs, err := InferNode(b.f.Module, n); err == nil {
		v.Ints = fs[0].Ints
	}
	b.insert(n)
	return v
}

// Ints implements Emitter.
func (b *Builder) Ints(v ...int64) *Value { return b.Const(tensor.Int64s(v...)) }

// Scalar implements Emitter.
func (b *Builder) Scalar(d dtype.DType, v float64) *Value { return b.Const(tensor.Scalar(d, v)) }

var _ Emitter = (*Builder)(nil)
