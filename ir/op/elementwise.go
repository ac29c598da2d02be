package op

import (
	"slices"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// More lists of element types.
var (
	// wide are the types of arithmetic before opset 14 and of reductions.
	wide   = []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16, dtype.I32, dtype.I64, dtype.U32, dtype.U64}
	signed = []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16, dtype.I8, dtype.I16, dtype.I32, dtype.I64}
)

// lower is an entry of OpDef.Downgrade.
type lower = func(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error)

// onlyTypes writes a node in schema version v, which takes fewer element types
// for input i. Error: the node's is none of them.
func onlyTypes(v, i int, types []dtype.DType) lower {
	return func(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
		if d := n.In[i].Type.DType; !slices.Contains(types, d) {
			s := make([]string, len(types))
			for k, t := range types {
				s[k] = t.String()
			}
			return nil, nil, diag.New(diag.Unsupported, "%v in %s-%d (supported: %s)", d, n.Def.Name, v, strings.Join(s, ", "))
		}
		return n.In, n.Attrs, nil
	}
}

// less leaves types out of a list.
func less(types []dtype.DType, out ...dtype.DType) []dtype.DType {
	return slices.DeleteFunc(slices.Clone(types), func(d dtype.DType) bool { return slices.Contains(out, d) })
}

// broadcastC is the constraint that all inputs broadcast.
func broadcastC(id string) ir.C {
	return ir.C{ID: id, Text: "the inputs' shapes broadcast", Check: func(q *ir.Query) error {
		_, err := broadcast(q, dtype.F32)
		return err
	}}
}

// pointwise is the frame of a unary elementwise operator.
func pointwise(d ir.OpDef, types []dtype.DType, in, out string) *ir.OpDef {
	d.In = []ir.Port{{Name: in, DTypes: types, Var: "T"}}
	d.Out = []ir.Port{{Name: out, DTypes: types, Var: "T"}}
	if d.Infer == nil {
		d.Infer = sameAs
	}
	d.Traits |= ir.Elementwise
	if d.Cost == nil {
		d.Cost = perElement(1)
	}
	return &d
}

// intsOf1 maps the known elements of a small integer tensor; ok false gives
// them up.
func intsOf1(q *ir.Query, f func(x shape.Dim) (y shape.Dim, ok bool)) ([]ir.Fact, error) {
	fs, err := sameAs(q)
	if err != nil || q.In[0].Ints == nil || q.In[0].Type.Rank() > 1 {
		return fs, err
	}
	out := make([]shape.Dim, len(q.In[0].Ints))
	for i, d := range q.In[0].Ints {
		y, ok := f(d)
		if !ok || !moderate(d) || !fitsType(q, q.In[0].Type.DType, y) {
			return fs, nil
		}
		out[i] = y
	}
	fs[0].Ints = out
	return fs, nil
}

// moderate says whether an element is no number near the ends of 64 bits,
// where Dim saturates and elements wrap.
func moderate(d shape.Dim) bool {
	n, known := d.Const()
	return !known || n > -1<<62 && n < 1<<62
}

// fitsType says whether an element provably does not wrap in d. Extents that
// have no stated bound are taken to fit 64 bits.
func fitsType(q *ir.Query, d dtype.DType, v shape.Dim) bool {
	if d == dtype.I64 {
		return moderate(v)
	}
	lo, hi := dimRange(q, v)
	a, b := d.IntRange()
	return lo >= a && (hi <= b || hi >= shape.Unbounded && d.Bits() >= 32)
}

// infer2 is the inference of a broadcasting binary operator of type d whose
// small integers are tracked by f (nil: not tracked).
func infer2(q *ir.Query, d dtype.DType, f func(q *ir.Query, a, b shape.Dim) (shape.Dim, bool)) ([]ir.Fact, error) {
	fs, err := broadcast(q, d)
	if err != nil || f == nil || !fs[0].Type.Ranked() || len(fs[0].Type.Dims) > 1 {
		return fs, err
	}
	ok := true
	ints := intsOf2(q.In[0], q.In[1], func(a, b shape.Dim) shape.Dim {
		y, good := f(q, a, b)
		ok = ok && good && moderate(a) && moderate(b) && (d == dtype.Bool || fitsType(q, d, y))
		return y
	})
	if ok {
		fs[0].Ints = ints
	}
	return fs, nil
}

// always makes a tracker of a Dim method that holds for every value.
func always(f func(a, b shape.Dim) shape.Dim) func(q *ir.Query, a, b shape.Dim) (shape.Dim, bool) {
	return func(_ *ir.Query, a, b shape.Dim) (shape.Dim, bool) { return f(a, b), true }
}

// calc writes arithmetic through an Emitter: gradients read like formulas.
type calc struct{ e ir.Emitter }

func (c calc) add(a, b *ir.Value) *ir.Value      { return c.e.Op("Add", nil, a, b) }
func (c calc) sub(a, b *ir.Value) *ir.Value      { return c.e.Op("Sub", nil, a, b) }
func (c calc) mul(a, b *ir.Value) *ir.Value      { return c.e.Op("Mul", nil, a, b) }
func (c calc) div(a, b *ir.Value) *ir.Value      { return c.e.Op("Div", nil, a, b) }
func (c calc) neg(a *ir.Value) *ir.Value         { return c.e.Op("Neg", nil, a) }
func (c calc) where(k, a, b *ir.Value) *ir.Value { return c.e.Op("Where", nil, k, a, b) }
func (c calc) less(a, b *ir.Value) *ir.Value     { return c.e.Op("Less", nil, a, b) }
func (c calc) equal(a, b *ir.Value) *ir.Value    { return c.e.Op("Equal", nil, a, b) }

// num is a constant of like's element type.
func (c calc) num(like *ir.Value, v float64) *ir.Value { return c.e.Scalar(like.Type.DType, v) }

// ramp is the gradient of max(x, 0): dy where x is above 0.
func (c calc) ramp(dy, x *ir.Value) *ir.Value {
	zero := c.num(x, 0)
	return c.where(c.less(zero, x), dy, zero)
}

// floatGrad gives gradients to floats only: integers have none.
func floatGrad(f func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value) func(ir.Emitter, *ir.Node, []*ir.Value) []*ir.Value {
	return func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
		if dy[0] == nil || !n.In[0].Type.DType.IsFloat() {
			return make([]*ir.Value, len(n.In))
		}
		return f(calc{e}, n, dy[0])
	}
}

// unaryGrad is the gradient of y = f(x) from dy, x and y.
func unaryGrad(f func(c calc, dy, x, y *ir.Value) *ir.Value) func(ir.Emitter, *ir.Node, []*ir.Value) []*ir.Value {
	return floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
		return []*ir.Value{f(c, dy, n.In[0], n.Out[0])}
	})
}

// vec is an f32 vector of examples.
func vec(v ...float32) tensor.Tensor { return tensor.MustOf(v, len(v)) }

// i32s, u8s, i8s and truths are vectors of examples.
func i32s(v ...int32) tensor.Tensor  { return tensor.MustOf(v, len(v)) }
func u8s(v ...uint8) tensor.Tensor   { return tensor.MustOf(v, len(v)) }
func i8s(v ...int8) tensor.Tensor    { return tensor.MustOf(v, len(v)) }
func truths(v ...bool) tensor.Tensor { return tensor.MustOf(v, len(v)) }

// num32 is an f32 scalar of examples.
func num32(v float32) tensor.Tensor { return tensor.MustOf([]float32{v}) }
