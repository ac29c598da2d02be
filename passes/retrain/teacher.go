package retrain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
)

// TeacherOptions say how a model becomes a teacher.
type TeacherOptions struct {
	Name   string    // in messages; "": "teacher"
	Output string    // the output whose logits count; "": the first
	Ops    *ir.OpSet // nil: the built-in table
}

// Teacher is a compiled, frozen model that gives logits. It is safe for
// concurrent use; runs wait for each other.
type Teacher struct {
	name   string
	m      *ir.Module // cut off at the logits
	inputs []*ir.Value
	batch  int // samples that it takes at a time; 0: any up to most
	most   int
	field  data.Field
	meets  bool // samples of a batch depend on each other

	mu sync.Mutex
	x  ir.Exec
}

// fieldLogits is the field of the data that holds what the teacher says, and
// the input of the step that takes it.
const fieldLogits = "teacher.logits"

// NewTeacher compiles m, which is not changed. A Softmax or LogSoftmax over
// the classes at its end is looked through: the logits before it count.
// Errors: Usage where there is no such output; Unsupported where m has states
// or a node that is random, or where the output is no [N, classes, ...] of
// floats with a known number of classes.
func NewTeacher(ctx context.Context, exec ir.Executor, m *ir.Module, o TeacherOptions) (*Teacher, error) {
	if o.Ops == nil {
		o.Ops = op.Builtin()
	}
	if o.Name == "" {
		o.Name = "teacher"
	}
	t := &Teacher{name: o.Name}
	var err error
	if t.m, err = cut(m, o); err == nil {
		err = t.look()
	}
	if err == nil {
		t.x, err = exec.Compile(ctx, t.m)
	}
	if err != nil {
		return nil, diag.In(o.Name, diag.BadModel, err)
	}
	return t, nil
}

// Close lets go of the compiled model.
func (t *Teacher) Close() error { return t.x.Close() }

// Classes is the number of classes that it tells apart.
func (t *Teacher) Classes() int { return t.field.Dims[0] }

// cut is m without what the logits do not need.
func cut(m *ir.Module, o TeacherOptions) (*ir.Module, error) {
	if m.Main() == nil || len(m.Main().Results) == 0 {
		return nil, diag.New(diag.BadModel, "module %q has no result", m.Name)
	}
	c := m.Clone()
	old := c.Main()
	at := slices.IndexFunc(old.Results, func(r ir.Result) bool { return r.State == nil && (o.Output == "" || r.Name == o.Output) })
	if at < 0 {
		return nil, diag.New(diag.Usage, "no output %q in module %q", o.Output, m.Name)
	}
	y := logits(old.Results[at].Value)
	if d := y.Type.DType; y.Type.IsTensor() && d.IsFloat() && d != dtype.F32 && d != dtype.F64 {
		b := ir.NewBuilder(old, -1, o.Ops, y.Node.Source...)
		y = b.Op("Cast", attr.Map{"to": attr.Int(int64(dtype.F32.ONNX()))}, y)
		if err := b.Err(); err != nil {
			return nil, err
		}
	}
	f := &ir.Func{Name: old.Name, Module: c}
	cl := &ir.Cloner{Values: map[*ir.Value]*ir.Value{}}
	for _, p := range old.Params {
		if p.State != nil {
			return nil, diag.New(diag.Unsupported, "state %q: a teacher that remembers its last run", p.State.Name)
		}
		q := f.AddParam(p.Name, p.Type)
		q.Ints = p.Ints
		cl.Values[p] = q
	}
	for _, n := range old.Nodes {
		cl.Node(f, len(f.Nodes), n)
	}
	f.AddResult(old.Results[at].Name, cl.Value(y))
	c.Funcs[0], c.States = f, nil
	f.RemoveNodes(func(n *ir.Node) bool {
		return !slices.ContainsFunc(n.Out, func(v *ir.Value) bool { return v != nil && len(v.Uses()) > 0 })
	})
	return c, nil
}

// logits looks through what stands between v and the scores that a softmax at
// the end was taken of: copies, and the quantization of its result.
func logits(v *ir.Value) *ir.Value {
	for x := v; x.Node != nil && len(x.Node.In) > 0; {
		n := x.Node
		switch {
		case n.Is("Identity"), n.Is("DequantizeLinear") && n.In[0].Node.Is("QuantizeLinear"), n.Is("QuantizeLinear"):
			x = n.In[0]
		case n.Is("Softmax") || n.Is("LogSoftmax"):
			if r, axis := x.Type.Rank(), n.Attrs.Int("axis"); axis == 1 || axis+r == 1 {
				return n.In[0]
			}
			return v
		default:
			return v
		}
	}
	return v
}

// look finds out what the teacher takes and gives, and whether it can be one.
func (t *Teacher) look() error {
	f := t.m.Main()
	var err error
	f.Walk(func(n *ir.Node) {
		switch {
		case n.Def.Has(ir.Stateful), n.Def.Has(ir.Random) && !idle(n):
			if err == nil {
				err = &diag.Error{Kind: diag.Unsupported, Node: n.Label(), Op: n.Def.VersionedName(), Err: fmt.Errorf("a teacher whose answers are not always the same")}
			}
		case n.Is("DynamicQuantizeLinear"), n.Is("BatchNormalization") && n.Attrs.Bool("training_mode"):
			t.meets = true
		}
	})
	if err != nil {
		return err
	}
	r := f.Results[0]
	y := r.Value.Type
	dims, known := []int(nil), y.IsTensor() && y.Ranked() && y.DType.IsFloat() && y.Rank() >= 2
	if known {
		dims, known = shape.Consts(y.Dims[1:])
	}
	if !known || dims[0] < 1 {
		return &diag.Error{Kind: diag.Unsupported, Port: fmt.Sprintf("output %q", r.Name), Have: y.String(), Want: "a score per class: [N, classes]"}
	}
	t.field = data.Field{Name: fieldLogits, DType: y.DType, Dims: dims}
	t.inputs = f.Params
	return t.batches()
}

// batches finds out how many samples a run takes.
func (t *Teacher) batches() error {
	t.most = math.MaxInt32
	for i, p := range t.inputs {
		if !p.Type.IsTensor() || !p.Type.Ranked() || p.Type.Rank() == 0 {
			return &diag.Error{Kind: diag.Unsupported, Port: fmt.Sprintf("input %q", p.Name), Have: p.Type.String(), Want: "a tensor with a batch axis"}
		}
		n, fixed := p.Type.Dims[0].Const()
		if !fixed {
			_, hi := p.Type.Dims[0].Range(t.m.DimBounds)
			t.most = int(min(int64(t.most), hi))
			continue
		}
		if n < 1 || n > math.MaxInt32 || i > 0 && int(n) != t.batch {
			return &diag.Error{Kind: diag.Unsupported, Port: fmt.Sprintf("input %q", p.Name), Have: p.Type.String(), Want: "as many samples as the other inputs, at least 1"}
		}
		t.batch = int(n)
	}
	return nil
}

// idle says whether a Dropout drops nothing.
func idle(n *ir.Node) bool {
	if !n.Is("Dropout") || len(n.In) < 3 || n.In[2] == nil {
		return n.Is("Dropout")
	}
	c := ir.FactOf(n.In[2]).Const
	return c != nil && c.Len() == 1 && c.Int(0) == 0
}

// Digest is the same for teachers that compute the same.
func (t *Teacher) Digest() (string, error) {
	h := sha256.New()
	err := ir.Fingerprint(h, t.m.Main())
	return hex.EncodeToString(h.Sum(nil)), err
}
