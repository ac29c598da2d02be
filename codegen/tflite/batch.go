package tflite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/layout"
)

// A module whose one open extent is the first of its inputs is written for a
// batch of 1 that the runtime can resize. What a file for any batch holds is found
// by writing two, for batches of prime numbers that nothing else has for an
// extent, and comparing: extents that grow with the batch are its, and constants
// must be equal, but for those that have a way to say "as many as there are".

// batchSizes are tried from the right, as far as the module's bounds let them.
var batchSizes = []int64{2, 3, 5, 7, 11, 13}

// otherBatches are those that values must agree for with the two that are written.
var otherBatches = []int64{1, 2, 3, 1000003}

// openBatch is the declaration of the batch, nil if the module has none or more
// than that open.
func openBatch(f *ir.Func, dims []ir.DimDecl) *ir.DimDecl {
	name := ""
	for _, p := range f.Params {
		if !p.Type.Ranked() {
			return nil
		}
		for i, d := range p.Type.Dims {
			if d.IsConst() {
				continue
			}
			s, ok := d.Symbol()
			if !ok || i > 0 || name != "" && s != name {
				return nil
			}
			name = s
		}
	}
	for i := range dims {
		if name != "" && dims[i].Name == name {
			return &dims[i]
		}
	}
	return nil
}

// exportBatch is the exporter of a file for any batch.
func exportBatch(m *ir.Module, d *ir.DimDecl, opt Options) (*exporter, error) {
	var sizes []int64
	for _, n := range slices.Backward(batchSizes) {
		if d.Lo <= n && n <= d.Hi && len(sizes) < 2 {
			sizes = append(sizes, n)
		}
	}
	if len(sizes) < 2 || d.Lo > 1 {
		return nil, &diag.Error{Kind: diag.Unsupported, Have: fmt.Sprintf("%s of %d to %d", d.Name, d.Lo, d.Hi), Want: fmt.Sprintf("--dim %s=1", d.Name),
			Err: errors.New("an open batch must hold 1 and more than one of 2, 3, 5, 7, 11, 13")}
	}
	var both [2]*exporter
	for i, n := range sizes {
		c, err := boundTo(m, d.Name, n)
		if err != nil {
			return nil, err
		}
		// What the model computes of its extents is known now.
		o := passes.Options{Ops: op.Builtin(), Exec: eval.New(), Spec: "repeat(fold,canon,cse,dce)"}
		o.Level = 2
		if _, err := passes.Run(context.Background(), c, o); err != nil {
			return nil, unbound(d.Name, n, err)
		}
		both[i] = newExporter(c, opt)
		if err := both[i].write(); err != nil {
			return nil, err
		}
	}
	x := both[0]
	b := &batches{x: x, y: both[1], name: d.Name, of: [2]int{int(sizes[0]), int(sizes[1])}}
	x.batch = d.Name
	if err := b.holds(m, d); err != nil {
		return nil, err
	}
	return x, b.merge()
}

// boundTo is m for a batch of n.
func boundTo(m *ir.Module, name string, n int64) (*ir.Module, error) {
	c := m.Clone()
	if err := bindshape.Bind(c, bindshape.Binding{Dims: []bindshape.Dim{{Name: name, Lo: n, Hi: n}}}); err != nil {
		return nil, unbound(name, n, err)
	}
	return c, nil
}

func unbound(name string, n int64, err error) error {
	return diag.New(diag.Unsupported, "for %s of %d the model does not hold (%v): bind --dim %s=1", name, n, err, name)
}

// holds compares the extents of the module's values for other batches with those
// for the two that are written: a bound that a batch meets is in neither file.
func (b *batches) holds(m *ir.Module, d *ir.DimDecl) error {
	one, err := boundTo(m, d.Name, int64(b.of[0]))
	if err != nil {
		return err
	}
	two, err := boundTo(m, d.Name, int64(b.of[1]))
	if err != nil {
		return err
	}
	most := otherBatches[len(otherBatches)-1]
	for _, n := range append([]int64{min(d.Hi, most)}, otherBatches...) {
		if n < d.Lo || n > d.Hi {
			continue
		}
		other, err := boundTo(m, d.Name, n)
		if err != nil {
			return err
		}
		for i, node := range one.Main().Nodes {
			for k, v := range node.Out {
				if v == nil {
					continue
				}
				p, ok1 := layout.Extents(v)
				q, ok2 := layout.Extents(two.Main().Nodes[i].Out[k])
				have, ok3 := layout.Extents(other.Main().Nodes[i].Out[k])
				if !ok1 || !ok2 || !ok3 || len(p) != len(q) || len(p) != len(have) {
					b.x.fail(node, b.wrap(errors.New("makes extents that are not known beforehand")))
					continue
				}
				for a, want := range p {
					if want != q[a] {
						each, _ := b.grows(want, q[a])
						want = each * int(n)
					}
					if have[a] != want {
						b.x.fail(node, b.wrap(fmt.Errorf("makes axis %d of %d elements for %d, but %d for %d", a, p[a], b.of[0], have[a], n)))
					}
				}
			}
		}
		if err := b.x.faults.Err(); err != nil {
			return err
		}
	}
	return nil
}

// batches compares two files, and makes the first that of any batch.
type batches struct {
	x, y *exporter
	name string
	of   [2]int
}

// grows says whether extents p of x and q of y are n for each of the batch.
func (b *batches) grows(p, q int) (n int, ok bool) {
	n = p / b.of[0]
	return n, p == n*b.of[0] && q == n*b.of[1]
}

func (b *batches) merge() error {
	x, y := b.x, b.y
	if len(x.tensors) != len(y.tensors) || len(x.ops) != len(y.ops) || !slices.Equal(x.inputs, y.inputs) || !slices.Equal(x.outputs, y.outputs) {
		return diag.New(diag.Unsupported, "the operators depend on %s: bind --dim %s=1", b.name, b.name)
	}
	for i := range x.ops {
		p, q := &x.ops[i], &y.ops[i]
		if p.code != q.code || !slices.Equal(p.in, q.in) || !slices.Equal(p.out, q.out) || p.code != opReshape && !reflect.DeepEqual(p.opts, q.opts) {
			b.fail(p, errors.New("is written otherwise"))
			continue
		}
		if err := b.constants(p); err != nil {
			b.fail(p, err)
		}
		for _, id := range p.out {
			if err := b.variable(id); err != nil {
				b.fail(p, err)
			}
		}
	}
	for _, id := range x.inputs {
		if err := b.variable(id); err != nil {
			x.faults = append(x.faults, &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("input %q", x.tensors[id].name), Err: b.wrap(err)})
		}
	}
	if err := x.faults.Err(); err != nil {
		return err
	}
	for _, t := range x.tensors {
		for i, d := range t.sig {
			if d < 0 {
				t.dims[i] /= b.of[0]
			}
		}
	}
	for i := range x.moved {
		x.moved[i].Dims = slices.Clone(x.moved[i].Dims)
		for k, d := range x.moved[i].Dims {
			if n, ok := b.grows(d, y.moved[i].Dims[k]); ok {
				x.moved[i].Dims[k] = n
			}
		}
	}
	x.sweep()
	return nil
}

func (b *batches) wrap(err error) error {
	return fmt.Errorf("for another %s it %w: bind --dim %s=1", b.name, err, b.name)
}

func (b *batches) fail(o *oper, err error) {
	if o.node == nil {
		b.x.faults = append(b.x.faults, &diag.Error{Kind: diag.Unsupported, Node: o.port, Err: b.wrap(err)})
		return
	}
	b.x.fail(o.node, b.wrap(err))
}

// variable notes which extents of a computed tensor are the batch's.
func (b *batches) variable(id int) error {
	t, u := b.x.tensors[id], b.y.tensors[id]
	if t.dt != u.dt || len(t.dims) != len(u.dims) || !reflect.DeepEqual(t.q, u.q) {
		return errors.New("is written otherwise")
	}
	for i, d := range t.dims {
		if d == u.dims[i] {
			continue
		}
		if _, ok := b.grows(d, u.dims[i]); !ok {
			return fmt.Errorf("makes axis %d of %d elements for %d and %d for %d", i, d, b.of[0], u.dims[i], b.of[1])
		}
		if t.sig == nil {
			t.sig = slices.Clone(t.dims)
		}
		t.sig[i] = -1
	}
	return nil
}

// constants looks at the operands of o that are not computed. Those that name
// extents say "all" where these are the batch's.
func (b *batches) constants(o *oper) error {
	in := slices.Clone(o.in)
	for k, id := range o.in {
		if id < 0 || slices.Contains(b.x.inputs, id) {
			continue
		}
		t, u := b.x.tensors[id], b.y.tensors[id]
		if t.state && !slices.Equal(t.dims, u.dims) {
			return errors.New("keeps another state")
		}
		if t.buffer == 0 || slices.Equal(t.dims, u.dims) && slices.Equal(b.x.buffers[t.buffer], b.y.buffers[u.buffer]) {
			continue
		}
		if !slices.Equal(t.dims, u.dims) || t.dt != dtype.I32 {
			return errors.New("reads another constant")
		}
		p, q := b.values(b.x, t), b.values(b.y, u)
		switch {
		case o.code == opReshape && k == 1:
		case o.code == opSlice && k == 2:
		case o.code == opStridedSlice && k == 2:
		default:
			return fmt.Errorf("wants %s of %v", o.code, p)
		}
		for i := range p {
			if p[i] == q[i] {
				continue
			}
			if err := b.all(o, p, q, i); err != nil {
				return err
			}
		}
		in[k] = b.x.int32s(t.name, t.dims, p...)
		if o.code == opReshape {
			o.opts = reshapeOptions(p)
		}
	}
	o.in = in
	return nil
}

// all lets element i of p, which names the batch's extent, say so.
func (b *batches) all(o *oper, p, q []int, i int) error {
	n, ok := b.grows(p[i], q[i])
	if !ok || o.code != opReshape && (p[i] != b.x.tensors[o.in[0]].dims[i] || b.values(b.x, b.x.tensors[o.in[1]])[i] != 0) {
		return fmt.Errorf("wants %s of %v", o.code, p)
	}
	switch o.code {
	case opReshape, opSlice:
		if o.code == opReshape && slices.Contains(p, -1) {
			return errors.New("makes two axes of it")
		}
		p[i] = -1
	case opStridedSlice:
		p[i] = n
		ends := opts(32)
		ends.t.i32(1, o.opts.t.num(1, 0)|1<<i)
		o.opts = ends
	}
	return nil
}

// values are the elements of a constant of int32.
func (b *batches) values(x *exporter, t *tens) []int {
	var out []int
	for raw := x.buffers[t.buffer]; len(raw) >= 4; raw = raw[4:] {
		out = append(out, int(int32(binary.LittleEndian.Uint32(raw))))
	}
	return out
}
