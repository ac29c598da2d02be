package op

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// constantOps make tensors out of attributes and shapes, or none of it:
// Dropout is here because it is nothing outside training.
func constantOps() []*ir.OpDef { return []*ir.OpDef{constantOp(), constantOfShapeOp(), dropoutOp()} }

func constantOp() *ir.OpDef {
	// Whatever the schema version, a const node takes the place of the node, so
	// that a Module knows one kind of constant only.
	fold := func(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
		t, err := ref.ConstantValue(r.Attrs)
		if err != nil {
			return nil, err
		}
		return []*ir.Value{e.Const(t)}, nil
	}
	versions := []int{1, 9, 11, 12, 13, 19, 21, 23, 24, 25}
	up := map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){}
	for _, v := range versions {
		up[v] = fold
	}
	return &ir.OpDef{
		Name: "Constant", Since: versions,
		Doc: "Constant gives the tensor that its one attribute holds; importing turns it into a const.\n\n" +
			"\toutput  T[...]\n\nCost: none.  Errors: C1; sparse_value is unsupported.",
		Source: "ONNX Constant-25",
		Out:    []ir.Port{{Name: "output"}},
		Attrs: []ir.Attr{
			{Name: "value", Kind: attr.KindTensor, Doc: "any tensor"},
			{Name: "value_float", Kind: attr.KindFloat, Doc: "f32 scalar"},
			{Name: "value_floats", Kind: attr.KindFloats, Doc: "f32 vector"},
			{Name: "value_int", Kind: attr.KindInt, Doc: "i64 scalar"},
			{Name: "value_ints", Kind: attr.KindInts, Doc: "i64 vector"},
			{Name: "value_string", Kind: attr.KindString, Doc: "string scalar"},
			{Name: "value_strings", Kind: attr.KindStrings, Doc: "string vector"},
		},
		Constraints: []ir.C{{ID: "C1", Text: "exactly one attribute is given", Check: func(q *ir.Query) error {
			_, err := ref.ConstantValue(q.Attrs)
			return err
		}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			t, err := ref.ConstantValue(q.Attrs)
			if err != nil {
				return nil, err
			}
			return []ir.Fact{{Type: t.Type(), Ints: ir.IntsOf(t)}}, nil
		},
		Eval: ref.Constant, Ref: &ref.ConstantDesc,
		Upgrade: up,
		NoGrad:  "a constant",
		Cost:    viewCost,
		Examples: []ir.Case{
			tensorCase("ints", "the definition", attr.Map{"value_ints": attr.Ints(1, 2)}, i64s(1, 2)),
			tensorCase("float", "the definition", attr.Map{"value_float": attr.Float(0.5)}, f32s(nil, 0.5)),
			tensorCase("tensor", "the definition", attr.Map{"value": attr.Tensor(f32s([]int{1, 2}, 1, 2))}, f32s([]int{1, 2}, 1, 2)),
		},
	}
}

func constantOfShapeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "ConstantOfShape", Since: []int{9, 20, 21, 23, 24, 25},
		Doc: "ConstantOfShape fills a shape with one value.\n\n" +
			"\tinput   i64[r]   the shape\n\toutput  T[...]   r axes, every element attribute value\n\n" +
			"Cost: |Y| moves.  Errors: C2, C3.",
		Source: "ONNX ConstantOfShape-25",
		In:     []ir.Port{{Name: "input", DTypes: []dtype.DType{dtype.I64}}},
		Out:    []ir.Port{{Name: "output"}},
		Attrs: []ir.Attr{{Name: "value", Kind: attr.KindTensor, Doc: "one element of any type but string and complex; absent: f32 0",
			Check: func(v attr.Value) error {
				if v.Tensor.Len() != 1 {
					return fmt.Errorf("have %v, want one element", v.Tensor.Type())
				}
				return nil
			}}},
		Constraints: []ir.C{
			vectorC("C1", "input", 0),
			{ID: "C2", Text: "input: extents of 0 or more", Check: func(q *ir.Query) error {
				for _, d := range q.In[0].Ints {
					if n, ok := d.Const(); ok && n < 0 {
						return ir.Fault("input", shape.Format(q.In[0].Ints), "extents of 0 or more")
					}
				}
				return nil
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			d := dtype.F32
			v := q.Attrs.Tensor("value")
			if v != nil {
				d = v.DType()
			}
			r := lengthOf(q.In[0])
			if r < 0 {
				return unranked(d), nil
			}
			dims := make([]shape.Dim, r)
			for i := range dims {
				if want := q.In[0].Ints; want != nil && notNegative(q, want[i]) {
					dims[i] = want[i]
				} else {
					dims[i] = q.NewDim(0, i)
				}
			}
			fs := tt(d, dims...)
			if n, ok := shape.Prod(dims).Const(); ok && r <= 1 && n <= knownInts && v != nil && d.IsInt() && d != dtype.U64 {
				fs[0].Ints = make([]shape.Dim, n)
				for i := range fs[0].Ints {
					fs[0].Ints[i] = shape.Int(v.Int(0))
				}
			}
			return fs, nil
		},
		Eval: ref.ConstantOfShape, Ref: &ref.ConstantOfShapeDesc,
		NoGrad: "reads a shape only",
		Cost:   moveCost,
		Examples: []ir.Case{
			tensorCase("zeros", "the definition", nil, f32s([]int{2, 1}, 0, 0), i64s(2, 1)),
			tensorCase("ones", "ONNX test_constantofshape_float_ones, made small", attr.Map{"value": attr.Tensor(f32s([]int{1}, 1))}, f32s([]int{2}, 1, 1), i64s(2)),
			tensorCase("empty", "ONNX test_constantofshape_int_shape_zero", attr.Map{"value": attr.Tensor(tensor.MustOf([]int32{0}, 1))}, tensor.MustOf([]int32{}, 0), i64s(0)),
		},
	}
}

func dropoutOp() *ir.OpDef {
	mask := func(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
		x := rawIn(&r, 0)
		vs := slices.Clone(e.OpN("Dropout", r.NOut, nil, nil, x)) // OpN gives the node's own list
		if r.Version < 10 && r.NOut > 1 {                         // the mask had the type of the data
			vs[1] = e.Op("Cast", attr.Map{"to": attr.Int(r.Type(0).DType.ONNX())}, vs[1])
		}
		return vs, nil
	}
	return &ir.OpDef{
		Name: "Dropout", Since: []int{1, 6, 7, 10, 12, 13, 22},
		Doc: "Dropout gives its input; in training it drops each element with probability ratio and scales the others by 1/(1-ratio).\n\n" +
			"\tdata           T[...]\n\tratio          T1     optional, default 0.5\n\ttraining_mode  bool   optional, default false\n" +
			"\toutput         T[...]\n\tmask           bool[...]   what was kept\n\n" +
			"Cost: |Y| FLOP.  Errors: C1.  Grad: dY where kept, scaled.",
		Source: "ONNX Dropout-22",
		In: []ir.Port{{Name: "data", DTypes: floats, Var: "T"}, {Name: "ratio", DTypes: floats, Optional: true},
			{Name: "training_mode", DTypes: bools, Optional: true}},
		Out:   []ir.Port{{Name: "output", DTypes: floats, Var: "T"}, {Name: "mask", DTypes: bools, Optional: true}},
		Attrs: []ir.Attr{{Name: "seed", Kind: attr.KindInt, Doc: "of the generator; absent: the run's"}},
		Constraints: []ir.C{{ID: "C1", Text: "ratio, training_mode: one element", Check: func(q *ir.Query) error {
			for i := 1; i < 3; i++ {
				if f := q.Input(i); f.Present() && lengthOf(f) >= 0 && lengthOf(f) != 1 {
					return ir.Fault(q.Def.In[i].Name, f.Type.String(), "one element")
				}
			}
			return nil
		}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x := q.In[0].Type
			m := x
			m.DType = dtype.Bool
			return []ir.Fact{{Type: x}, {Type: m}}, nil
		},
		Eval: ref.Dropout, Ref: &ref.DropoutDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){7: mask, 10: mask},
		Grad:    dropoutGrad,
		Traits:  ir.Random,
		Cost:    perElement(1),
		Examples: []ir.Case{
			{Name: "inference", Source: "the definition", In: tensor.Vs(f32s([]int{2}, 1, 2)),
				Out: tensor.Vs(f32s([]int{2}, 1, 2), tensor.MustOf([]bool{true, true}, 2))},
			{Name: "training that keeps all", Source: "ONNX test_training_dropout_zero_ratio, made small",
				In:  tensor.Vs(f32s([]int{2}, 1, 2), f32s(nil, 0), tensor.MustOf([]bool{true})),
				Out: tensor.Vs(f32s([]int{2}, 1, 2))},
		},
	}
}

// dropoutGrad passes dY through outside training, else through the mask,
// which the node must give.
func dropoutGrad(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(n.In))
	out[0] = dy[0]
	if len(n.In) < 3 || n.In[2] == nil || dy[0] == nil {
		return out
	}
	if t := ir.FactOf(n.In[2]).Const; t != nil && t.Len() == 1 && t.Int(0) == 0 {
		return out
	}
	if len(n.Out) < 2 || n.Out[1] == nil {
		e.Fail(diag.New(diag.Unsupported, "the gradient of a Dropout without its mask output"))
		return out
	}
	d := dy[0].Type.DType
	ratio := e.Scalar(d, 0.5)
	if n.In[1] != nil {
		ratio = e.Op("Cast", attr.Map{"to": attr.Int(d.ONNX())}, n.In[1])
	}
	scaled := e.Op("Div", nil, dy[0], e.Op("Sub", nil, e.Scalar(d, 1), ratio))
	kept := e.Op("Where", nil, n.Out[1], scaled, e.Scalar(d, 0))
	train := e.Op("Where", nil, n.In[2], kept, dy[0])
	out[0] = train
	return out
}
