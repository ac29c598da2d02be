package tflite

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// How 4-D inputs and outputs are stored.
const (
	NCHW = "nchw" // as the module has them
	NHWC = "nhwc" // channels last, where the network works in that order
)

// What the inputs and outputs of a quantized module are.
const (
	Float = "float" // as the module has them
	Int8  = "int8"  // the bytes that the network works with
)

// Options says how to write a file. The zero Options are good defaults.
type Options struct {
	IO    string // NCHW (default) or NHWC
	Edges string // Float (default) or Int8
}

// Report says what was written.
type Report struct {
	Operators  []Count
	Transposes []Transpose // every change of layout that is left
	Inputs     []Port
	Outputs    []Port
	Batch      string // the open extent, which Dims have as 1; "": all are fixed
}

// Count is how often a builtin operator stands in the file.
type Count struct {
	Name    string
	Version int
	N       int
}

// Transpose is one change of layout.
type Transpose struct {
	Tensor string // what is moved
	Dims   []int  // its extents before
	Perm   []int
	Reason string
}

// Port is an input or output as the file has it.
type Port struct {
	Name string
	Dims []int
	Perm []int // stored axis i is the module's axis Perm[i]; nil: as in the module
	Type dtype.DType
	// Quant says what the integers mean; nil: nothing but themselves.
	Quant *PortQuant
}

// PortQuant is the meaning of a port's integers: (q - Zero) * Scale.
type PortQuant struct {
	Scale float32
	Zero  int
}

// Unwanted are passes that make groups for our own runtime, which Export would
// open again, or prepare for them: some say quantized operators in a form that is
// lost then, or take HardSwish and the like apart, which are builtins.
func Unwanted() []string {
	return []string{"fuse-qgroup", "fuse-epilogue", "fuse-eltwise", "expand-eltwise"}
}

// Export writes the entry function of m, whose module is left as it is, as one
// subgraph with the signature "serving_default". Names of inputs and outputs
// are kept. Equal modules give equal bytes.
//
// Where nothing is open but the first extent of the inputs, the file is written for
// a batch of 1 that the runtime can resize.
//
// Errors name the node: an operator or a form of it that has no builtin
// equivalent, an element type that TensorFlow Lite does not have, another extent
// that is not fixed, what cannot be said for every batch, more than 2 GB.
func Export(w io.Writer, m *ir.Module, opt Options) (*Report, error) {
	switch opt.IO {
	case "":
		opt.IO = NCHW
	case NCHW, NHWC:
	default:
		return nil, diag.New(diag.Usage, "--tflite-io=%s: unknown layout (have %s, %s)", opt.IO, NCHW, NHWC)
	}
	switch opt.Edges {
	case "":
		opt.Edges = Float
	case Float, Int8:
	default:
		return nil, diag.New(diag.Usage, "--tflite-edges=%s: unknown type (have %s, %s)", opt.Edges, Float, Int8)
	}
	if m.Main() == nil {
		return nil, diag.New(diag.Usage, "module %q has no function", m.Name)
	}
	x, err := newExporter(m.Clone(), opt), error(nil)
	if d := openBatch(m.Main(), m.Dims); d != nil {
		x, err = exportBatch(m, d, opt)
	} else {
		err = x.write()
	}
	if err != nil {
		return nil, err
	}
	if err := x.obey(); err != nil {
		return nil, err
	}
	b, err := x.file()
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	return x.report(), nil
}

// write makes all operators and tensors.
func (x *exporter) write() error {
	if err := x.prepare(); err != nil {
		return err
	}
	if err := x.emit(); err != nil {
		return err
	}
	x.sweep()
	return nil
}

// prepare opens groups, refuses what cannot be written and chooses layouts.
func (x *exporter) prepare() error {
	if len(x.m.States) > 0 {
		return diag.New(diag.Unsupported, "the module has states, which a TensorFlow Lite export does not keep yet")
	}
	f := x.f
	for i := 0; i < len(f.Nodes); i++ {
		if n := f.Nodes[i]; n.Is("mlc.Fused") {
			ir.Inline(n)
			i--
		}
	}
	for _, p := range f.Params {
		if err := fixed(p); err != nil {
			x.faults = append(x.faults, err)
		}
	}
	if err := x.faults.Err(); err != nil {
		return err
	}
	for _, n := range f.Nodes {
		if n.Const != nil {
			continue
		}
		if _, ok := builtins[n.OpName()]; !ok {
			x.fail(n, fmt.Errorf("TensorFlow Lite has no such builtin operator, and none is made of others"))
			continue
		}
		for _, v := range n.Out {
			if v == nil {
				continue
			}
			d, ok := layout.Extents(v)
			if !ok {
				x.fail(n, fmt.Errorf("output %q has extents that are not fixed: %s", v.Name, v.Type))
				break
			}
			if !countable(d) {
				x.fail(n, fmt.Errorf("output %q of type %s: %w", v.Name, v.Type, errCount))
				break
			}
		}
	}
	if err := x.faults.Err(); err != nil {
		return err
	}
	if x.opt.Edges == Int8 {
		if err := x.byteEdges(); err != nil {
			return err
		}
	}
	x.findQuants()
	x.a = layout.Solve(f, layout.Costs{
		Rule: func(n *ir.Node) layout.Rule {
			if r := builtins[n.OpName()].rule; r != nil {
				return r(n)
			}
			return layout.Rule{}
		},
		Entry: x.edge, Exit: x.edge,
	})
	return nil
}

// edge is how a parameter or result is stored.
func (x *exporter) edge(_ int, v *ir.Value) (layout.Order, bool) {
	return layout.Plain(), x.opt.IO == NCHW || v.Type.Rank() != 4
}

var errCount = errors.New("TensorFlow Lite counts elements in 32 bits")

// countable says whether the extents, and what they are joined to, are int32.
func countable(dims []int) bool {
	n, ok := tensor.Count(dims)
	return ok && n <= math.MaxInt32 && !slices.ContainsFunc(dims, func(d int) bool { return d > math.MaxInt32 })
}

// fixed refuses parameters with open extents, or too many elements.
func fixed(p *ir.Value) *diag.Error {
	if !p.Type.Ranked() {
		return &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("input %q", p.Name), Err: errors.New("not a tensor of known rank")}
	}
	if d, ok := shape.Consts(p.Type.Dims); ok && countable(d) {
		return nil
	} else if ok {
		return &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("input %q", p.Name), Have: p.Type.String(), Want: "fewer elements", Err: errCount}
	}
	var open []string
	for _, d := range p.Type.Dims {
		open = d.Symbols(open)
	}
	hint := make([]string, len(open))
	for i, s := range open {
		hint[i] = "--dim " + s + "=1"
	}
	return &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("input %q", p.Name), Have: p.Type.String(), Want: "fixed extents",
		Err: fmt.Errorf("a TensorFlow Lite file is written for one shape, but for the batch: bind %s", strings.Join(hint, " "))}
}

// fail records a fault of a node.
func (x *exporter) fail(n *ir.Node, err error) {
	d, ok := diag.At(n.Label(), n.OpName(), diag.Unsupported, err).(*diag.Error)
	if ok && len(x.faults) < diag.MaxFaults {
		x.faults = append(x.faults, d)
	}
}

// emit writes parameters, nodes and results.
func (x *exporter) emit() error {
	for _, p := range x.f.Params {
		x.port = fmt.Sprintf("input %q", p.Name)
		id, err := x.enter(p)
		if err != nil {
			return diag.At(fmt.Sprintf("input %q", p.Name), "", diag.Unsupported, err)
		}
		x.inputs = append(x.inputs, id)
	}
	for _, n := range x.f.Nodes {
		if n.Const != nil || x.done[n] {
			continue
		}
		x.node = n
		if err := builtins[n.OpName()].emit(x, n); err != nil {
			x.fail(n, err)
			for _, v := range n.Out { // go on, for further faults
				if v != nil {
					if _, err := x.define(v); err != nil {
						return x.faults.Err()
					}
				}
			}
		}
	}
	x.node = nil
	if err := x.faults.Err(); err != nil {
		return err
	}
	seen := map[int]bool{}
	for _, id := range x.inputs {
		seen[id] = true
	}
	for i, r := range x.f.Results {
		x.port, x.made = fmt.Sprintf("output %q", r.Name), r.Value.Node
		x.why = fmt.Sprintf("output %q is stored as the model has it", r.Name)
		id, err := x.value(r.Value, x.a.Exit(i))
		if err != nil {
			return diag.At(fmt.Sprintf("output %q", r.Name), "", diag.Unsupported, err)
		}
		id = x.leave(r.Value, id)
		if seen[id] || r.Value.Const() != nil {
			t := x.tensors[id]
			id = x.reshape(id, t.dims)
		}
		seen[id] = true
		x.rename(id, r.Name)
		x.outputs = append(x.outputs, id)
	}
	return nil
}

// file is the whole container.
func (x *exporter) file() ([]byte, error) {
	total := 0
	for _, b := range x.buffers {
		total += len(b)
	}
	if total > maxPayload {
		return nil, diag.New(diag.Limit, "constants of %d bytes: a TensorFlow Lite file ends at 2 GB", total)
	}
	model := (&table{}).i32(0, 3).put(1, x.operatorCodes()).put(2, []*table{x.subgraph()}).put(3, "mlc")
	buffers := make([]*table, len(x.buffers))
	for i, b := range x.buffers {
		buffers[i] = &table{}
		if len(b) > 0 {
			buffers[i].put(0, b)
		}
	}
	model.put(4, buffers).put(7, []*table{x.signature()})
	return finish(model, "TFL3"), nil
}

func (x *exporter) operatorCodes() []*table {
	var out []*table
	for _, c := range x.codes {
		t := (&table{}).i8(0, min(int(c.code), placeholderForLarge)).i32d(2, c.version, 1).i32(3, int(c.code))
		out = append(out, t)
	}
	return out
}

func (x *exporter) subgraph() *table {
	g := &table{}
	ts := make([]*table, len(x.tensors))
	for i, t := range x.tensors {
		ts[i] = t.table()
	}
	ops := make([]*table, len(x.ops))
	for i, o := range x.ops {
		t := (&table{}).i32(0, o.index).put(1, int32s(o.in)).put(2, int32s(o.out))
		if o.opts.t != nil {
			t.i8(3, o.opts.kind).put(4, o.opts.t)
		}
		ops[i] = t
	}
	return g.put(0, ts).put(1, int32s(x.inputs)).put(2, int32s(x.outputs)).put(3, ops).put(4, "main")
}

func (x *exporter) signature() *table {
	ports := func(ids []int, name func(i int) string) []*table {
		out := make([]*table, len(ids))
		for i, id := range ids {
			out[i] = (&table{}).put(0, name(i)).i32(1, id)
		}
		return out
	}
	return (&table{}).put(0, ports(x.inputs, func(i int) string { return x.f.Params[i].Name })).
		put(1, ports(x.outputs, func(i int) string { return x.f.Results[i].Name })).put(2, "serving_default")
}

func (x *exporter) report() *Report {
	r := &Report{Transposes: x.moved, Batch: x.batch}
	n := make([]int, len(x.codes))
	for _, o := range x.ops {
		n[o.index]++
	}
	for i, c := range x.codes {
		r.Operators = append(r.Operators, Count{c.code.String(), c.version, n[i]})
	}
	for i, id := range x.inputs {
		p := x.f.Params[i]
		r.Inputs = append(r.Inputs, x.portOf(p.Name, id, x.a.Out(p).Perm))
	}
	for i, id := range x.outputs {
		r.Outputs = append(r.Outputs, x.portOf(x.f.Results[i].Name, id, x.a.Exit(i).Perm))
	}
	return r
}

func (x *exporter) portOf(name string, id int, perm []int) Port {
	t := x.tensors[id]
	p := Port{Name: name, Dims: t.dims, Perm: perm, Type: t.dt}
	if t.q != nil && len(t.q.scale) == 1 {
		p.Quant = &PortQuant{t.q.scale[0], int(t.q.zero[0])}
	}
	return p
}
