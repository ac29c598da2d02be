package tflite

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// exporter holds one run of Export.
type exporter struct {
	opt    Options
	m      *ir.Module
	f      *ir.Func
	a      *layout.Assignment
	faults diag.List

	tensors []*tens
	buffers [][]byte
	ops     []oper
	codes   []opcode
	inputs  []int
	outputs []int

	written map[*ir.Value]int // tensor of a value, in the order it is written in
	copies  map[string]int    // tensors made of others or of constants, by what was done
	data    map[[32]byte]int  // buffers by content
	names   map[string]bool   // of tensors
	done    map[*ir.Node]bool // written with another node
	source  map[int]int       // tensor a RESHAPE was made of
	node    *ir.Node          // being written
	made    *ir.Node          // that makes the output being written
	port    string            // the input or output being written
	why     string            // reason of transposes outside nodes
	moved   []Transpose
	q8      map[*ir.Value]*quant // values that are bytes
	batch   string               // the open extent
}

// tens is one tensor of the file.
type tens struct {
	name   string
	dims   []int
	sig    []int // dims with -1 for the batch's; nil: all are fixed
	dt     dtype.DType
	buffer int
	state  bool // a variable, zero at first
	q      *quant
}

// quant is how a tensor's integers mean numbers.
type quant struct {
	scale []float32
	zero  []int64
	axis  int
}

type oper struct {
	code    code
	index   int // of its code and version, once obey has been
	in, out []int
	opts    options
	node    *ir.Node // that it is written for, nil at an input,
	port    string   // which this names
}

type opcode struct {
	code    code
	version int
}

func newExporter(m *ir.Module, opt Options) *exporter {
	return &exporter{opt: opt, m: m, f: m.Main(), buffers: [][]byte{nil}, written: map[*ir.Value]int{}, copies: map[string]int{},
		data: map[[32]byte]int{}, names: map[string]bool{}, done: map[*ir.Node]bool{}, source: map[int]int{}, q8: map[*ir.Value]*quant{}}
}

func (t *tens) table() *table {
	n, _ := typeOf(t.dt)
	out := (&table{}).put(0, int32s(t.dims)).i8(1, n).i32(2, t.buffer).put(3, t.name).flag(5, t.state).flag(8, true)
	if t.sig != nil {
		out.put(7, int32s(t.sig))
	}
	if t.q != nil {
		out.put(4, (&table{}).put(2, t.q.scale).put(3, t.q.zero).i32(6, t.q.axis))
	}
	return out
}

// unique is a name that no tensor has.
func (x *exporter) unique(name string) string {
	s := name
	for i := 1; x.names[s]; i++ {
		s = name + "_" + strconv.Itoa(i)
	}
	x.names[s] = true
	return s
}

// rename gives an output its public name.
func (x *exporter) rename(id int, name string) {
	t := x.tensors[id]
	if t.name == name {
		return
	}
	for _, o := range x.tensors {
		if o.name == name {
			o.name = x.unique(name + "_inner")
		}
	}
	x.names[name] = true
	t.name = name
}

// tensor makes a tensor without data.
func (x *exporter) tensor(name string, d dtype.DType, dims []int) int {
	x.tensors = append(x.tensors, &tens{name: x.unique(name), dims: slices.Clone(dims), dt: d})
	return len(x.tensors) - 1
}

// define makes the tensor of a value, in the order it is written in.
func (x *exporter) define(v *ir.Value) (int, error) {
	id, _, err := x.defineAs(v, x.a.Out(v))
	return id, err
}

// defineAs is define for an operator that writes in order o; close is called
// when that has been written.
func (x *exporter) defineAs(v *ir.Value, o layout.Order) (id int, close func(), err error) {
	dims, ok := layout.Extents(v)
	if !ok {
		return 0, nil, fmt.Errorf("%q has extents that are not fixed: %s", v.Name, v.Type)
	}
	dt := v.Type.DType
	if x.q8[v] != nil {
		dt = dtype.I8
	}
	if _, ok := typeOf(dt); !ok {
		return 0, nil, fmt.Errorf("%q is of type %s, which TensorFlow Lite does not have", v.Name, v.Type.DType)
	}
	id = x.tensor(v.Name, dt, o.Dims(dims))
	x.tensors[id].q = x.q8[v]
	x.written[v] = id
	if want := x.a.Out(v); !o.Equal(want, len(dims)) {
		return id, func() { x.written[v] = x.arranged(id, v, dims, o, want) }, nil
	}
	return id, func() {}, nil
}

// like makes a tensor for something between two operators.
func (x *exporter) like(id int, suffix string, dims []int) int {
	t := x.tensors[id]
	n := x.tensor(t.name+suffix, t.dt, dims)
	x.tensors[n].q = t.q
	return n
}

// op writes one operator; outputs exist already.
func (x *exporter) op(c code, o options, in []int, out ...int) {
	n := x.node
	if n == nil {
		n = x.made
	}
	x.ops = append(x.ops, oper{code: c, in: in, out: out, opts: o, node: n, port: x.port})
}

// buffer is the number of a payload; equal ones are kept once.
func (x *exporter) buffer(b []byte) int {
	k := sha256.Sum256(b)
	if i, ok := x.data[k]; ok {
		return i
	}
	x.buffers = append(x.buffers, b)
	x.data[k] = len(x.buffers) - 1
	return len(x.buffers) - 1
}

// constant makes a tensor of data.
func (x *exporter) constant(name string, d dtype.DType, dims []int, b []byte) int {
	key := fmt.Sprintf("const %d %v %d", d, dims, x.buffer(b))
	if id, ok := x.copies[key]; ok {
		return id
	}
	id := x.tensor(name, d, dims)
	x.tensors[id].buffer = x.buffer(b)
	x.copies[key] = id
	return id
}

// ints is a constant vector of int32.
func (x *exporter) ints(name string, v ...int) int { return x.int32s(name, []int{len(v)}, v...) }

// int32s is a constant of int32.
func (x *exporter) int32s(name string, dims []int, v ...int) int {
	var b []byte
	for _, n := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(int32(n)))
	}
	return x.constant(name, dtype.I32, dims, b)
}

// numbers is a constant of any element type.
func (x *exporter) numbers(name string, d dtype.DType, dims []int, v ...float64) int {
	t := tensor.New(d, dims...)
	for i, f := range v {
		if d.IsFloat() {
			t.SetFloat(i, f)
		} else {
			t.SetInt(i, int64(f))
		}
	}
	return x.constant(name, d, dims, t.Bytes())
}

// floats is a constant of float32.
func (x *exporter) floats(name string, dims []int, v ...float32) int {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return x.constant(name, dtype.F32, dims, b)
}

// in is the tensor of n's input i in the order in which n reads it, -1 if it
// is absent.
func (x *exporter) in(n *ir.Node, i int) (int, error) {
	if i >= len(n.In) || n.In[i] == nil {
		return -1, nil
	}
	// uint8 is stored shifted by 128, and CONCATENATION wants to know what bytes mean.
	if v := n.In[i]; x.q8[v] != nil && x.q8[n.Out[0]] == nil && (v.Type.DType == dtype.U8 || n.Is("Concat")) {
		return -1, fmt.Errorf("operand %q, the bytes of a quantized value, read as numbers (supported: by DequantizeLinear, MaxPool, and what changes extents or the order of axes)", v.Name)
	}
	return x.value(n.In[i], x.a.In(n, i))
}

// value is v stored as o says.
func (x *exporter) value(v *ir.Value, o layout.Order) (int, error) {
	if c := known(v); c != nil {
		return x.payload(v, c, o)
	}
	dims, _ := layout.Extents(v)
	id, ok := x.written[v]
	if d := v.Node; !ok && d.Is("DequantizeLinear") {
		in, err := x.value8(d.Out[0], x.a.In(d, 0))
		if err != nil {
			return 0, err
		}
		if id, err = x.define(v); err != nil {
			return 0, err
		}
		x.op(opDequantize, opts(38), []int{in}, id)
		ok = true
	}
	if !ok {
		return 0, diag.New(diag.Internal, "%q is read before it is written", v.Name)
	}
	have := x.a.Out(v)
	if have.Equal(o, len(dims)) {
		return id, nil
	}
	return x.arranged(id, v, dims, have, o), nil
}

// arranged changes the order in which a tensor is stored.
func (x *exporter) arranged(id int, v *ir.Value, dims []int, have, want layout.Order) int {
	if layout.SameMemory(have, want, dims) {
		return x.reshape(id, want.Dims(dims))
	}
	if have.Inner == nil && want.Inner == nil {
		r := len(dims)
		perm := make([]int, r)
		for i, a := range want.Axes(r) {
			perm[i] = have.Stored(r, a)
		}
		return x.transpose(id, perm, v)
	}
	stored, perm, ok := layout.Between(have, want, dims)
	if !ok { // over ONNX's order, from and to which there always is a way
		return x.arranged(x.arranged(id, v, dims, have, layout.Plain()), v, dims, layout.Plain(), want)
	}
	id = x.transpose(x.reshape(id, stored), perm, v)
	return x.reshape(id, want.Dims(dims))
}

// reshape gives a tensor other extents.
func (x *exporter) reshape(id int, dims []int) int {
	if s, ok := x.source[id]; ok {
		id = s
	}
	key := fmt.Sprintf("reshape %d %v", id, dims)
	if out, ok := x.copies[key]; ok {
		return out
	}
	out := x.like(id, "_shape", dims)
	x.op(opReshape, reshapeOptions(dims), []int{id, x.ints("shape", dims...)}, out)
	x.copies[key] = out
	x.source[out] = id
	return out
}

// transpose moves axes, and says so in the report.
func (x *exporter) transpose(id int, perm []int, v *ir.Value) int {
	key := fmt.Sprintf("transpose %d %v", id, perm)
	if out, ok := x.copies[key]; ok {
		return out
	}
	t := x.tensors[id]
	dims := make([]int, len(perm))
	for i, a := range perm {
		dims[i] = t.dims[a]
	}
	out := x.like(id, "_"+strings.Trim(strings.ReplaceAll(fmt.Sprint(perm), " ", ""), "[]"), dims)
	x.op(opTranspose, opts(26), []int{id, x.ints("perm", perm...)}, out)
	x.copies[key] = out
	x.moved = append(x.moved, Transpose{Tensor: t.name, Dims: t.dims, Perm: perm, Reason: x.reason(v)})
	return out
}

// reason says why v is transposed where the exporter stands.
func (x *exporter) reason(v *ir.Value) string {
	if x.node == nil {
		return x.why
	}
	if v != nil && v.Node == nil {
		return fmt.Sprintf("input %q is stored as the model has it, %s %q reads it otherwise", v.Name, x.node.OpName(), x.node.Label())
	}
	return fmt.Sprintf("%s %q needs another order of axes than its operand is made in", x.node.OpName(), x.node.Label())
}

// payload is a constant, stored as o says.
func (x *exporter) payload(v *ir.Value, c *ir.Const, o layout.Order) (int, error) {
	t, err := c.Tensor()
	if err != nil {
		return 0, err
	}
	if _, ok := typeOf(t.DType()); !ok {
		return 0, fmt.Errorf("constant %q is of type %s, which TensorFlow Lite does not have", v.Name, t.DType())
	}
	b, err := rearrange(t, o)
	if err != nil {
		return 0, err
	}
	return x.constant(v.Name, t.DType(), o.Dims(t.Dims()), b), nil
}

// rearrange is the elements of t stored as o says.
func rearrange(t tensor.Tensor, o layout.Order) ([]byte, error) {
	f, p := o.Factors(t.Dims())
	size := t.DType().Size()
	if size == 0 {
		return nil, fmt.Errorf("constants of type %s cannot be written", t.DType())
	}
	if slices.IsSorted(p) {
		return t.Bytes(), nil
	}
	stride := make([]int, len(f)) // of factor i in elements
	n := 1
	for i := len(f) - 1; i >= 0; i-- {
		stride[i] = n
		n *= f[i]
	}
	src, out := t.Bytes(), make([]byte, 0, n*size)
	at := make([]int, len(p))
	off := 0
	for range n {
		out = append(out, src[off*size:off*size+size]...)
		for k := len(p) - 1; k >= 0; k-- {
			at[k]++
			off += stride[p[k]]
			if at[k] < f[p[k]] {
				break
			}
			off -= stride[p[k]] * f[p[k]]
			at[k] = 0
		}
	}
	return out, nil
}
