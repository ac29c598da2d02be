package cuda

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// generator makes launches of a host call; false leaves it to the host, and
// then nothing has been launched. Its error ends the build.
type generator func(o *op) (bool, error)

// op is one host call that a generator looks at.
type op struct {
	*placer
	in *plan.Instr
	n  int // launches so far
}

func (o *op) attrs() attr.Map { return o.in.Attrs }

// given says whether operand i is there.
func (o *op) given(i int) bool { return i < len(o.in.In) && o.in.In[i] != plan.None }

// input is the type of operand i, output that of result i.
func (o *op) input(i int) tensor.Type  { return o.old.Slots[o.in.In[i]].Type }
func (o *op) output(i int) tensor.Type { return o.old.Slots[o.in.Out[i]].Type }

// packed is constant i of the call, which has a format of its own.
func (o *op) packed(i int) *plan.Const { return &o.p.Consts[o.in.Consts[i]] }

// kern is a kernel that a generator writes, with what it is launched on.
type kern struct {
	*ptx.Kernel
	o       *op
	in, out []plan.SlotID
	args    []plan.Arg
	ptrs    map[ref]ptx.Ptr
	dims    map[string]ptx.U32
}

// ref is an operand of a kernel.
type ref struct {
	kind refKind
	i    int
}

type refKind uint8

const (
	refIn refKind = iota
	refOut
	refPacked
	refRead
	refWrite
	refFault
)

// kernel begins a kernel; base is the first part of its name.
func (o *op) kernel(base string) *kern {
	return &kern{Kernel: o.c.mod.Entry(base), o: o, ptrs: map[ref]ptx.Ptr{}, dims: map[string]ptx.U32{}}
}

// load is the address of operand i, store that of result i, weights that of
// packed constant i; read and write are those of a temporary. What is read may
// be written by nobody while the kernel runs: an operation that gives its result
// the memory of an operand (inPlace of backend/cpu) reads by share instead.
// Operands may be copied to the device here, so that a generator asks for them
// when it knows that it will launch.
func (k *kern) share(i int) ptx.Ptr             { return k.ptr(ref{refIn, i}) }
func (k *kern) load(i int) ptx.Ptr              { return k.share(i).NC() }
func (k *kern) store(i int) ptx.Ptr             { return k.ptr(ref{refOut, i}) }
func (k *kern) weights(i int) ptx.Ptr           { return k.ptr(ref{refPacked, i}).NC() }
func (k *kern) read(t plan.SlotID) ptx.Ptr      { return k.ptr(ref{refRead, int(t)}).NC() }
func (k *kern) write(t plan.SlotID) ptx.Ptr     { return k.ptr(ref{refWrite, int(t)}) }
func (k *kern) operand(at plan.SlotID) plan.Arg { return k.arg(&k.in, plan.ArgIn, at) }

func (k *kern) arg(list *[]plan.SlotID, kind plan.ArgKind, s plan.SlotID) plan.Arg {
	*list = append(*list, s)
	return plan.Arg{Kind: kind, I: len(*list) - 1}
}

func (k *kern) ptr(r ref) ptx.Ptr {
	if p, ok := k.ptrs[r]; ok {
		return p
	}
	x := k.o.placer
	switch r.kind {
	case refIn:
		k.args = append(k.args, k.operand(x.slot(k.o.in.In[r.i], plan.Device)))
	case refPacked:
		k.args = append(k.args, k.operand(x.constant(k.o.in.Consts[r.i])))
	case refRead:
		k.args = append(k.args, k.operand(plan.SlotID(r.i)))
	case refOut:
		k.args = append(k.args, k.arg(&k.out, plan.ArgOut, x.define(k.o.in.Out[r.i], plan.Device)))
	case refFault:
		k.args = append(k.args, plan.Arg{Kind: plan.ArgFault})
	case refWrite:
		k.args = append(k.args, k.arg(&k.out, plan.ArgOut, plan.SlotID(r.i)))
	}
	p := k.ParamPtr(fmt.Sprintf("a%d", len(k.args)-1))
	k.ptrs[r] = p
	return p
}

// fault is the address of a word that a kernel adds to where its operands are
// wrong, as those are whose values nobody knows before: the run then fails.
func (k *kern) fault() ptx.Ptr { return k.ptr(ref{kind: refFault}) }

// temp is memory of type t that one launch writes and a later one reads.
func (o *op) temp(name string, t tensor.Type) plan.SlotID {
	return o.placer.temp(plan.Slot{Kind: plan.Buf, Space: plan.Device, Type: t, Name: name, Alias: plan.None})
}

// constant is the slot of constant i on the device.
func (x *placer) constant(i int) plan.SlotID {
	for id := range x.slots {
		if s := &x.slots[id]; s.Kind == plan.Fixed && s.Space == plan.Device && s.Index == i {
			return plan.SlotID(id)
		}
	}
	c := &x.p.Consts[i]
	return x.temp(plan.Slot{Kind: plan.Fixed, Space: plan.Device, Type: tensor.T(c.DType, shape.Ints(c.Dims...)...), Index: i, Name: c.Name, Alias: plan.None, First: -1})
}

// extent is the value of d: an immediate, or a parameter.
func (k *kern) extent(d shape.Dim) ptx.U32 {
	if n, ok := d.Const(); ok {
		return ptx.I(int(n))
	}
	text := d.String()
	if v, ok := k.dims[text]; ok {
		return v
	}
	k.args = append(k.args, plan.Arg{Kind: plan.ArgDim, Dim: d})
	v := k.ParamU32(fmt.Sprintf("a%d", len(k.args)-1))
	k.dims[text] = v
	return v
}

// extents are the values of all dims.
func (k *kern) extents(dims []shape.Dim) []ptx.U32 {
	out := make([]ptx.U32, len(dims))
	for i, d := range dims {
		out[i] = k.extent(d)
	}
	return out
}

// launch ends the kernel and runs it on a grid of as many blocks as tiles make
// up count, on each axis; axes that are left out are 1.
func (k *kern) launch(count []shape.Dim, tile, block []int) {
	g := &plan.Grid{Kernel: k.o.c.mod.Add(k.Kernel), Args: k.args}
	for i := range 3 {
		g.Count[i], g.Tile[i], g.Block[i] = shape.Int(1), 1, 1
		if i < len(count) {
			g.Count[i], g.Tile[i], g.Block[i] = count[i], tile[i], block[i]
		}
	}
	in := plan.Instr{Op: plan.Launch, Name: k.o.in.Name, In: slices.Clone(k.in), Out: slices.Clone(k.out), Grid: g, Source: k.o.in.Source}
	if k.o.n++; k.o.n == 1 {
		in.MACs = k.o.in.MACs
	}
	k.o.body = append(k.o.body, in)
	k.o.c.launches++
}

// each runs body once for every element of dims, a thread each, with the
// element's number and coordinates, and launches the kernel.
func (k *kern) each(dims []shape.Dim, body func(i ptx.U32, at []ptx.U32)) {
	n := shape.Prod(dims)
	i := k.GlobalX()
	k.If(i.Lt(k.extent(n)), func() { body(i, ptx.Axes(i, k.extents(dims)...)) })
	k.launch([]shape.Dim{n}, []int{threads}, []int{threads})
}

// threads is the size of a block where nothing speaks for another.
const threads = 256
