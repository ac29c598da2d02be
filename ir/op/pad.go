package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// padOps grow or trim tensors at their edges.
func padOps() []*ir.OpDef { return []*ir.OpDef{padOp()} }

func padOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Pad", Since: []int{1, 2, 11, 13, 18, 19, 21, 23, 24, 25},
		Doc: "Pad adds elements before and after along the axes named; negative amounts remove them.\n\n" +
			"\tdata            T[...]\n\tpads            i64[2n]   n amounts before, then n after\n\tconstant_value  T         optional: of mode constant, default 0\n" +
			"\taxes            I[n]      optional: absent, all\n\toutput          T[...]\n\n" +
			"Mode reflect mirrors at the edge element, edge repeats it, wrap goes on at the other end.\n\n" +
			"Cost: |Y| moves.  Errors: C1..C6.  Grad: dY trimmed; other modes add up what was copied.",
		Source: "ONNX Pad-25",
		In: []ir.Port{{Name: "data", Var: "T"}, {Name: "pads", DTypes: []dtype.DType{dtype.I64}},
			{Name: "constant_value", Var: "T", Optional: true}, {Name: "axes", DTypes: indices, Optional: true}},
		Out: []ir.Port{{Name: "output", Var: "T"}},
		Attrs: []ir.Attr{{Name: "mode", Kind: attr.KindString, Default: attr.Str("constant"),
			Check: oneOf("constant", "reflect", "edge", "wrap"), Doc: "what is added"}},
		Constraints: []ir.C{
			vectorC("C1", "pads", 1),
			{ID: "C2", Text: "pads: two per axis", Check: func(q *ir.Query) error {
				n, have := lengthOf(q.In[1]), q.In[0].Type.Rank()
				if f := q.Input(3); f.Present() {
					have = lengthOf(f)
				}
				if n >= 0 && have >= 0 && n != 2*have {
					return ir.Fault("pads", fmt.Sprint(n), fmt.Sprint(2*have))
				}
				return nil
			}},
			{ID: "C3", Text: "axes: distinct and within the rank of data", Check: func(q *ir.Query) error {
				if r := q.In[0].Type.Rank(); r >= 0 && q.Input(3).Ints != nil {
					_, _, err := axesOperand(q.Input(3), -1, r)
					return err
				}
				return nil
			}},
			{ID: "C4", Text: "constant_value: one element", Check: func(q *ir.Query) error {
				if n := lengthOf(q.Input(2)); n > 1 {
					return ir.Fault("constant_value", q.Input(2).Type.String(), "one element")
				}
				return nil
			}},
			{ID: "C5", Text: "pads: in modes other than constant, an axis that grows keeps an element; extents stay 0 or more", Check: padC5},
			vectorC("C6", "axes", 3),
		},
		Infer: inferPad,
		Eval:  ref.Pad, Ref: &ref.PadDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){
			2: func(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
				v := e.Scalar(r.Type(0).DType, float64(r.Attrs.Float("value")))
				return e.OpN("Pad", 1, without(r.Attrs, "pads", "value"), nil, rawIn(&r, 0), attrToInput(e, &r, "pads"), v), nil
			},
		},
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){13: padTo13, 18: padNoWrap},
		Grad:      padGrad,
		Cost:      moveCost,
		Examples: []ir.Case{
			tensorCase("constant", "ONNX Pad, its first example, made small", attr.Map{"mode": attr.Str("constant")},
				f32s([]int{2, 3}, 0, 1, 1.2, 0, 2.3, 3.4), f32s([]int{2, 2}, 1, 1.2, 2.3, 3.4), i64s(0, 1, 0, 0), f32s(nil, 0)),
			tensorCase("reflect", "ONNX Pad, its second example", attr.Map{"mode": attr.Str("reflect")},
				f32s([]int{3, 4}, 1, 1.2, 1, 1.2, 2.3, 3.4, 2.3, 3.4, 4.5, 5.7, 4.5, 5.7), f32s([]int{3, 2}, 1, 1.2, 2.3, 3.4, 4.5, 5.7), i64s(0, 2, 0, 0)),
			tensorCase("wrap", "numpy.pad", attr.Map{"mode": attr.Str("wrap")},
				f32s([]int{6}, 2, 3, 1, 2, 3, 1), f32s([]int{3}, 1, 2, 3), i64s(2, 1)),
			tensorCase("trim", "hand calculation", nil, f32s([]int{2}, 2, 3), f32s([]int{3}, 1, 2, 3), i64s(-1, 0)),
		},
	}
}

// padC5 checks what is known of the extents.
func padC5(q *ir.Query) error {
	x := q.In[0].Type
	pads, ok := constInts(q.In[1])
	axes, known, _ := axesOperand(q.Input(3), x.Rank(), max(x.Rank(), 0))
	if !x.Ranked() || !ok || !known || len(pads) != 2*len(axes) {
		return nil
	}
	for i, a := range axes {
		before, after := pads[i], pads[len(axes)+i]
		n, known := x.Dims[a].Const()
		kept := n + min(before, 0) + min(after, 0)
		if known && (n+before+after < 0 || max(before, after) > 0 && kept <= 0 && q.Attrs.Str("mode") != "constant") {
			return ir.Fault(fmt.Sprintf("axis %d of extent %d", a, n), fmt.Sprintf("pads %d and %d", before, after), "an extent of 0 or more, and in mode "+q.Attrs.Str("mode")+" something to add")
		}
	}
	return nil
}

func inferPad(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	if !x.Ranked() {
		return unranked(x.DType), nil
	}
	r := len(x.Dims)
	axes, ok, err := axesOperand(q.Input(3), r, r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return tt(x.DType, newDims(q, 0, r)...), nil
	}
	dims := append([]shape.Dim{}, x.Dims...)
	pads := q.In[1].Ints
	for i, a := range axes {
		if pads == nil || len(pads) != 2*len(axes) {
			dims[a] = q.NewDim(0, a)
			continue
		}
		dims[a] = dims[a].Add(pads[i]).Add(pads[len(axes)+i])
	}
	return tt(x.DType, dims...), nil
}

// padTo13 names no axes: amounts for all of them.
func padTo13(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
	if len(n.In) < 4 || n.In[3] == nil {
		return padNoWrap(e, n)
	}
	r := n.In[0].Type.Rank()
	list, ok := constInts(ir.FactOf(n.In[3]))
	pads, known := constInts(ir.FactOf(n.In[1]))
	if r < 0 || !ok || !known {
		return nil, nil, diag.New(diag.Unsupported, "axes or pads that are not constant (Pad-13 pads all axes)")
	}
	axes, err := axesFrom(list, r)
	if err != nil {
		return nil, nil, err
	}
	all := make([]int64, 2*r)
	for i, a := range axes {
		all[a], all[r+a] = pads[i], pads[len(axes)+i]
	}
	in := []*ir.Value{n.In[0], e.Ints(all...), n.In[2]}
	_, a, err := padNoWrap(e, n)
	return in, a, err
}

func padNoWrap(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
	if n.Attrs.Str("mode") == "wrap" {
		return nil, nil, diag.New(diag.Unsupported, "mode wrap (before Pad-19: constant, reflect, edge)")
	}
	return n.In, n.Attrs, nil
}

// padGrad trims dY in mode constant; what was cut off is the gradient of the
// constant. In the other modes the positions copied are the same padding of
// 0, 1, 2, ..., axis by axis, and GatherGrad adds dY up there.
func padGrad(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(n.In))
	x := n.In[0]
	var axesIn *ir.Value
	if len(n.In) > 3 {
		axesIn = n.In[3]
	}
	if n.Attrs.Str("mode") == "constant" {
		out[0] = e.Op("Pad", nil, dy[0], e.Op("Neg", nil, n.In[1]), nil, axesIn)
		if len(n.In) > 2 && n.In[2] != nil {
			none := attr.Map{"keepdims": attr.Int(0)}
			cut := e.Op("Sub", nil, e.Op("ReduceSum", none, dy[0]), e.Op("ReduceSum", none, out[0]))
			out[2] = reshapeLike(e, cut, n.In[2])
		}
		return out
	}
	axes, ok, err := axesOperand(ir.FactOf(axesIn), x.Type.Rank(), x.Type.Rank())
	if err != nil || !ok {
		e.Fail(ir.Fault("axes", x.Type.String(), "known axes"))
		return out
	}
	out[0] = dy[0]
	for i, a := range axes {
		at := e.Op("Gather", nil, n.In[1], e.Ints(int64(i), int64(len(axes)+i)))
		pos := e.Op("Pad", attr.Map{"mode": n.Attrs["mode"]}, positions(e, x, a), at)
		out[0] = e.Op("mlc.GatherGrad", attr.Map{"axis": attr.Int(a)}, out[0], pos, dimVec(e, x, a))
	}
	return out
}
