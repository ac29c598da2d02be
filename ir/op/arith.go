package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// arithOps are the binary and variadic arithmetic operators.
func arithOps() []*ir.OpDef {
	return []*ir.OpDef{addOp(), subOp(), mulOp(), divOp(), powOp(), minOp(), maxOp()}
}

// binaryArith is the frame of Add, Sub, Mul and Div.
func binaryArith(d ir.OpDef, f func(q *ir.Query, a, b shape.Dim) (shape.Dim, bool)) *ir.OpDef {
	d.Since = []int{1, 6, 7, 13, 14}
	d.Source = "ONNX " + d.Name + "-14"
	d.In = []ir.Port{{Name: "A", DTypes: numerics, Var: "T"}, {Name: "B", DTypes: numerics, Var: "T"}}
	d.Out = []ir.Port{{Name: "C", DTypes: numerics, Var: "T"}}
	d.Constraints = []ir.C{broadcastC("C1")}
	d.Infer = func(q *ir.Query) ([]ir.Fact, error) { return infer2(q, q.In[0].Type.DType, f) }
	d.Downgrade = map[int]lower{13: onlyTypes(13, 0, wide)}
	d.Traits |= ir.Elementwise
	d.Cost = perElement(1)
	return &d
}

func arithDoc(what, grad string) string {
	return what + "\n\n" +
		"\tA  T[...]   first operand\n" +
		"\tB  T[...]   second operand\n" +
		"\tC  T[...]   the broadcast shape\n\n" +
		"Cost: |C| FLOP.  Errors: C1.  Grad: " + grad + ", summed to the shapes of A and B."
}

func addOp() *ir.OpDef {
	return binaryArith(ir.OpDef{
		Name: "Add",
		Doc:  arithDoc("Add is C = A + B, elementwise with broadcasting. Integers wrap.", "dC"),
		Eval: ref.Add, Ref: &ref.AddDesc,
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			return []*ir.Value{sumTo(c.e, dy, n.In[0]), sumTo(c.e, dy, n.In[1])}
		}),
		Traits: ir.Commutative,
		Examples: []ir.Case{
			tensorCase("row plus column", "hand calculation", nil,
				f32s([]int{2, 3}, 11, 12, 13, 21, 22, 23), f32s([]int{1, 3}, 1, 2, 3), f32s([]int{2, 1}, 10, 20)),
			tensorCase("bytes wrap", "hand calculation: 250 + 10 = 260 = 4 modulo 256", nil, u8s(4, 3), u8s(250, 1), u8s(10, 2)),
		},
	}, always(shape.Dim.Add))
}

func subOp() *ir.OpDef {
	return binaryArith(ir.OpDef{
		Name: "Sub",
		Doc:  arithDoc("Sub is C = A - B, elementwise with broadcasting. Integers wrap.", "dC and -dC"),
		Eval: ref.Sub, Ref: &ref.SubDesc,
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			return []*ir.Value{sumTo(c.e, dy, n.In[0]), sumTo(c.e, c.neg(dy), n.In[1])}
		}),
		Examples: []ir.Case{
			tensorCase("equal shapes", "ONNX test_sub_example", nil, vec(-2, 0, 2), vec(1, 2, 3), vec(3, 2, 1)),
			tensorCase("bytes wrap", "hand calculation: 0 - 1 = 255 modulo 256", nil, u8s(255), u8s(0), u8s(1)),
		},
	}, always(shape.Dim.Sub))
}

func mulOp() *ir.OpDef {
	return binaryArith(ir.OpDef{
		Name: "Mul",
		Doc:  arithDoc("Mul is C = A * B, elementwise with broadcasting. Integers wrap.", "dC*B and dC*A"),
		Eval: ref.Mul, Ref: &ref.MulDesc,
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			a, b := n.In[0], n.In[1]
			return []*ir.Value{sumTo(c.e, c.mul(dy, b), a), sumTo(c.e, c.mul(dy, a), b)}
		}),
		Traits: ir.Commutative,
		Examples: []ir.Case{
			tensorCase("equal shapes", "ONNX test_mul_example", nil, vec(4, 10, 18), vec(1, 2, 3), vec(4, 5, 6)),
			tensorCase("by a scalar", "hand calculation", nil, f32s([]int{2, 2}, 2, 4, 6, 8), f32s([]int{2, 2}, 1, 2, 3, 4), num32(2)),
		},
	}, always(shape.Dim.Mul))
}

func divOp() *ir.OpDef {
	return binaryArith(ir.OpDef{
		Name: "Div",
		Doc: arithDoc("Div is C = A / B, elementwise with broadcasting. Integers truncate toward zero; an integer divided by "+
			"zero is an error of kind bad data; the smallest integer by -1 wraps.", "dC/B and -dC*C/B"),
		Eval: ref.Div, Ref: &ref.DivDesc,
		Grad: floatGrad(func(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
			a, b := n.In[0], n.In[1]
			da := c.div(dy, b)
			return []*ir.Value{sumTo(c.e, da, a), sumTo(c.e, c.neg(c.mul(da, n.Out[0])), b)}
		}),
		Examples: []ir.Case{
			tensorCase("equal shapes", "ONNX test_div_example", nil, vec(3, 2), vec(3, 4), vec(1, 2)),
			tensorCase("integers truncate", "ONNX Div-14: integer division truncates", nil, i32s(-3, 3, -3), i32s(-7, 7, 7), i32s(2, 2, -2)),
		},
	}, func(q *ir.Query, a, b shape.Dim) (shape.Dim, bool) {
		lo, _ := dimRange(q, b)
		// Dim.Div floors, which is truncation for what is not negative.
		return a.Div(b), lo > 0 && notNegative(q, a)
	})
}

func powOp() *ir.OpDef {
	bases := []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.BF16, dtype.I32, dtype.I64}
	return &ir.OpDef{
		Name: "Pow", Since: []int{1, 7, 12, 13, 15},
		Doc: "Pow is Z = X to the Y, elementwise with broadcasting, in X's type. Integers to integers wrap; a negative " +
			"exponent truncates toward zero, and 0 to it is an error of kind bad data. An integer to a float truncates and saturates.\n\n" +
			"\tX  T[...]    base\n\tY  T1[...]   exponent\n\tZ  T[...]    the broadcast shape\n\n" +
			"Cost: 20*|Z| FLOP.  Errors: C1.  Grad: dX = dZ*Y*X^(Y-1), dY = dZ*Z*log(X) where X > 0, else 0.",
		Source:      "ONNX Pow-15",
		In:          []ir.Port{{Name: "X", DTypes: bases, Var: "T"}, {Name: "Y", DTypes: numerics, Var: "T1"}},
		Out:         []ir.Port{{Name: "Z", DTypes: bases, Var: "T"}},
		Constraints: []ir.C{broadcastC("C1")},
		Infer:       func(q *ir.Query) ([]ir.Fact, error) { return broadcast(q, q.In[0].Type.DType) },
		Eval:        ref.Pow, Ref: &ref.PowDesc,
		Downgrade: map[int]lower{13: onlyTypes(13, 1, less(numerics, dtype.BF16))},
		Grad:      floatGrad(gradPow),
		Traits:    ir.Elementwise,
		Cost:      perElement(20),
		Examples: []ir.Case{
			tensorCase("equal shapes", "ONNX test_pow_example", nil, vec(1, 32, 729), vec(1, 2, 3), vec(4, 5, 6)),
			tensorCase("integers to floats", "ONNX test_pow_types_int64_float32", nil, i64s(1, 32, 729), i64s(1, 2, 3), vec(4, 5, 6)),
			tensorCase("a root", "hand calculation", nil, vec(3, 2), vec(9, 4), num32(0.5)),
		},
	}
}

func gradPow(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
	x, y, z := n.In[0], n.In[1], n.Out[0]
	out := make([]*ir.Value, 2)
	d := x.Type.DType
	yx := y
	if y.Type.DType != d {
		yx = castTo(c.e, y, d)
	}
	out[0] = sumTo(c.e, c.mul(dy, c.mul(yx, c.e.Op("Pow", nil, x, c.sub(yx, c.num(x, 1))))), x)
	if y.Type.DType.IsFloat() && y.Const() == nil {
		// log is taken of 1 where X has none, so that no NaN arises in what
		// is then left out.
		pos := c.less(c.num(x, 0), x)
		lg := c.e.Op("Log", nil, c.where(pos, x, c.num(x, 1)))
		dyy := c.where(pos, c.mul(dy, c.mul(z, lg)), c.num(x, 0))
		if y.Type.DType != d {
			dyy = castTo(c.e, dyy, y.Type.DType)
		}
		out[1] = sumTo(c.e, dyy, y)
	}
	return out
}

// castTo emits a Cast.
func castTo(e ir.Emitter, v *ir.Value, d dtype.DType) *ir.Value {
	return e.Op("Cast", castAttrs(d), v)
}

// extremum is the frame of Min and Max.
func extremum(d ir.OpDef, pick func(alo, ahi, blo, bhi int64) (first, second bool)) *ir.OpDef {
	d.Since = []int{1, 6, 8, 12, 13}
	d.Source = "ONNX " + d.Name + "-13"
	d.In = []ir.Port{{Name: "data_0", DTypes: numerics, Var: "T", Variadic: true, MinCount: 1}}
	d.Out = []ir.Port{{Name: "result", DTypes: numerics, Var: "T"}}
	d.Constraints = []ir.C{broadcastC("C1")}
	d.Infer = func(q *ir.Query) ([]ir.Fact, error) {
		if len(q.In) == 1 {
			return keepInts(q, []ir.Fact{{Type: q.In[0].Type}}), nil
		}
		if len(q.In) != 2 {
			return broadcast(q, q.In[0].Type.DType)
		}
		return infer2(q, q.In[0].Type.DType, func(q *ir.Query, a, b shape.Dim) (shape.Dim, bool) {
			alo, ahi := dimRange(q, a)
			blo, bhi := dimRange(q, b)
			first, second := pick(alo, ahi, blo, bhi)
			if first || a.Equal(b) {
				return a, true
			}
			return b, second
		})
	}
	d.Grad = floatGrad(gradExtremum)
	d.Traits = ir.Elementwise | ir.Commutative | ir.Monotone
	d.Cost = func(n *ir.Node) (int64, int64) {
		return int64(max(1, len(n.In)-1)) * elements(n.Out[0].Type), bytesOf(n)
	}
	return &d
}

func extremumDoc(name, word string) string {
	return name + " is the elementwise " + word + " of one or more inputs, with broadcasting. NaN wins.\n\n" +
		"\tdata_0  T[...]...   one or more\n\tresult  T[...]      the broadcast shape\n\n" +
		"Cost: (inputs-1)*|result| FLOP.  Errors: C1.  Grad: to the first input that equals the result."
}

func maxOp() *ir.OpDef {
	return extremum(ir.OpDef{
		Name: "Max", Doc: extremumDoc("Max", "largest"), Eval: ref.Max, Ref: &ref.MaxDesc,
		Examples: []ir.Case{
			tensorCase("three inputs", "ONNX test_max_example", nil, vec(3, 5, 4), vec(3, 2, 1), vec(1, 4, 4), vec(2, 5, 3)),
			tensorCase("unsigned order", "hand calculation", nil, tensor.MustOf([]uint64{1 << 63, 7}, 2),
				tensor.MustOf([]uint64{1 << 63, 3}, 2), tensor.MustOf([]uint64{1, 7}, 2)),
		},
	}, func(alo, ahi, blo, bhi int64) (bool, bool) { return alo >= bhi, blo >= ahi })
}

func minOp() *ir.OpDef {
	return extremum(ir.OpDef{
		Name: "Min", Doc: extremumDoc("Min", "smallest"), Eval: ref.Min, Ref: &ref.MinDesc,
		Examples: []ir.Case{
			tensorCase("three inputs", "ONNX test_min_example", nil, vec(1, 2, 1), vec(3, 2, 1), vec(1, 4, 4), vec(2, 5, 3)),
			tensorCase("one input", "ONNX test_min_one_input", nil, vec(3, 2, 1), vec(3, 2, 1)),
		},
	}, func(alo, ahi, blo, bhi int64) (bool, bool) { return ahi <= blo, bhi <= alo })
}

// gradExtremum hands dy to the first input that equals the result.
func gradExtremum(c calc, n *ir.Node, dy *ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(n.In))
	zero := c.num(dy, 0)
	rest := dy
	for i, x := range n.In {
		if i == len(n.In)-1 {
			out[i] = sumTo(c.e, rest, x)
			break
		}
		hit := c.equal(x, n.Out[0])
		out[i] = sumTo(c.e, c.where(hit, rest, zero), x)
		rest = c.where(hit, zero, rest)
	}
	return out
}
