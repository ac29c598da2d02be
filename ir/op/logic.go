package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// logicOps are the operators on bools, and the choice by them.
func logicOps() []*ir.OpDef { return []*ir.OpDef{andOp(), orOp(), xorOp(), notOp(), whereOp()} }

// logical is the frame of And and Or; f combines known elements.
func logical(d ir.OpDef, what string, f func(a, b shape.Dim) (shape.Dim, bool)) *ir.OpDef {
	d.Doc = d.Name + " is C = " + what + ", elementwise with broadcasting.\n\n" +
		"\tA  bool[...]  first operand\n\tB  bool[...]  second operand\n\tC  bool[...]  the broadcast shape\n\n" +
		"Cost: |C| FLOP.  Errors: C1.  Grad: none, the result is bool."
	d.In = []ir.Port{{Name: "A", DTypes: bools}, {Name: "B", DTypes: bools}}
	d.Out = []ir.Port{{Name: "C", DTypes: bools}}
	d.Constraints = []ir.C{broadcastC("C1")}
	d.Infer = func(q *ir.Query) ([]ir.Fact, error) {
		return infer2(q, dtype.Bool, func(_ *ir.Query, a, b shape.Dim) (shape.Dim, bool) { return f(a, b) })
	}
	d.NoGrad = noGradBool
	d.Traits |= ir.Elementwise
	d.Cost = perElement(1)
	return &d
}

func andOp() *ir.OpDef {
	return logical(ir.OpDef{
		Name: "And", Since: []int{1, 7}, Source: "ONNX And-7", Eval: ref.And, Ref: &ref.AndDesc,
		Traits: ir.Commutative,
		Examples: []ir.Case{
			tensorCase("truth table", "hand calculation", nil, truths(false, false, false, true), truths(false, false, true, true), truths(false, true, false, true)),
			tensorCase("with a scalar", "hand calculation", nil, truths(true, false), truths(true, false), tensor.MustOf([]bool{true})),
		},
	}, "A and B", func(a, b shape.Dim) (shape.Dim, bool) { return a.Mul(b), true })
}

func orOp() *ir.OpDef {
	return logical(ir.OpDef{
		Name: "Or", Since: []int{1, 7}, Source: "ONNX Or-7", Eval: ref.Or, Ref: &ref.OrDesc,
		Traits: ir.Commutative,
		Examples: []ir.Case{
			tensorCase("truth table", "hand calculation", nil, truths(false, true, true, true), truths(false, false, true, true), truths(false, true, false, true)),
			tensorCase("row and column", "hand calculation", nil, tensor.MustOf([]bool{true, false, true, true}, 2, 2),
				tensor.MustOf([]bool{true, false}, 1, 2), tensor.MustOf([]bool{false, true}, 2, 1)),
		},
	}, "A or B", func(a, b shape.Dim) (shape.Dim, bool) { return a.Add(b).Sub(a.Mul(b)), true })
}

func xorOp() *ir.OpDef {
	return logical(ir.OpDef{
		Name: "Xor", Since: []int{1, 7}, Source: "ONNX Xor-7", Eval: ref.Xor, Ref: &ref.XorDesc,
		Traits: ir.Commutative,
		Examples: []ir.Case{
			tensorCase("truth table", "hand calculation", nil, truths(false, true, true, false), truths(false, false, true, true), truths(false, true, false, true)),
			tensorCase("with a scalar", "hand calculation", nil, truths(false, true), truths(true, false), tensor.MustOf([]bool{true})),
		},
	}, "A or B but not both", func(a, b shape.Dim) (shape.Dim, bool) {
		return a.Add(b).Sub(a.Mul(b).Mul(shape.Int(2))), true
	})
}

func notOp() *ir.OpDef {
	return pointwise(ir.OpDef{
		Name: "Not", Since: []int{1}, Source: "ONNX Not-1",
		Doc: "Not is true where x is false.\n\n\tX  bool[...]\n\tY  bool[...]   the same shape\n\nCost: |Y| FLOP.  Grad: none, the result is bool.",
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return intsOf1(q, func(x shape.Dim) (shape.Dim, bool) { return shape.Int(1).Sub(x), true })
		},
		Eval: ref.Not, Ref: &ref.NotDesc, NoGrad: noGradBool,
		Examples: []ir.Case{
			tensorCase("both", "hand calculation", nil, truths(false, true), truths(true, false)),
			tensorCase("scalar", "hand calculation", nil, tensor.MustOf([]bool{true}), tensor.MustOf([]bool{false})),
		},
	}, bools, "X", "Y")
}

func whereOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Where", Since: []int{9, 16}, Source: "ONNX Where-16",
		Doc: "Where is X where the condition holds, else Y, with broadcasting of all three.\n\n" +
			"\tcondition  bool[...]\n\tX          T[...]\n\tY          T[...]\n\toutput     T[...]   the broadcast shape\n\n" +
			"Cost: |output| FLOP.  Errors: C1.  Grad: doutput to X where the condition holds, else to Y, summed to their shapes.",
		In:          []ir.Port{{Name: "condition", DTypes: bools}, {Name: "X", DTypes: classic, Var: "T"}, {Name: "Y", DTypes: classic, Var: "T"}},
		Out:         []ir.Port{{Name: "output", DTypes: classic, Var: "T"}},
		Constraints: []ir.C{broadcastC("C1")},
		Infer:       inferWhere,
		Eval:        ref.Where, Ref: &ref.WhereDesc,
		Downgrade: map[int]lower{9: onlyTypes(9, 1, less(classic, dtype.BF16))},
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			out := make([]*ir.Value, 3)
			if dy[0] == nil || !n.In[1].Type.DType.IsFloat() {
				return out
			}
			c := calc{e}
			zero := c.num(dy[0], 0)
			out[1] = sumTo(e, c.where(n.In[0], dy[0], zero), n.In[1])
			out[2] = sumTo(e, c.where(n.In[0], zero, dy[0]), n.In[2])
			return out
		},
		Traits: ir.Elementwise,
		Cost:   perElement(1),
		Examples: []ir.Case{
			tensorCase("choose", "ONNX test_where_example", nil, f32s([]int{2, 2}, 1, 8, 3, 4),
				tensor.MustOf([]bool{true, false, true, true}, 2, 2), f32s([]int{2, 2}, 1, 2, 3, 4), f32s([]int{2, 2}, 9, 8, 7, 6)),
			tensorCase("condition alone has the shape", "hand calculation", nil, i64s(5, 7), truths(true, false), i64s(5), i64s(7)),
		},
	}
}

// inferWhere tracks known elements where the condition is known, too, or where
// both sides agree.
func inferWhere(q *ir.Query) ([]ir.Fact, error) {
	fs, err := broadcast(q, q.In[1].Type.DType)
	if err != nil || !fs[0].Type.Ranked() || len(fs[0].Type.Dims) > 1 || q.In[1].Ints == nil || q.In[2].Ints == nil {
		return fs, err
	}
	n := int64(1)
	if len(fs[0].Type.Dims) == 1 {
		c, ok := fs[0].Type.Dims[0].Const()
		if !ok || c > knownInts {
			return fs, nil
		}
		n = c
	}
	at := func(f ir.Fact, i int) (shape.Dim, bool) {
		if len(f.Ints) == 0 || len(f.Ints) != 1 && i >= len(f.Ints) {
			return shape.Dim{}, false
		}
		return f.Ints[min(i, len(f.Ints)-1)], true
	}
	out := make([]shape.Dim, n)
	for i := range out {
		x, ok1 := at(q.In[1], i)
		y, ok2 := at(q.In[2], i)
		k, known := chosen(q.In[0], i)
		switch {
		case !ok1 || !ok2:
			return fs, nil
		case x.Equal(y) || known && k:
			out[i] = x
		case known:
			out[i] = y
		default:
			return fs, nil
		}
	}
	fs[0].Ints = out
	return fs, nil
}

// chosen is element i of a condition where it is known.
func chosen(f ir.Fact, i int) (yes, known bool) {
	if c := f.Const; c != nil && c.Len() > 0 && c.Rank() <= 1 {
		return c.Int(min(i, c.Len()-1)) != 0, true
	}
	if len(f.Ints) == 0 {
		return false, false
	}
	c, ok := f.Ints[min(i, len(f.Ints)-1)].Const()
	return c != 0, ok
}
