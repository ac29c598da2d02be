package op

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// matmulOps are the matrix products.
func matmulOps() []*ir.OpDef {
	return []*ir.OpDef{matMulOp(), gemmOp()}
}

// multiplied are the element types of matrix products.
var multiplied = append(append([]dtype.DType{}, floats...), dtype.I32, dtype.I64, dtype.U32, dtype.U64)

func matMulOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "MatMul", Since: []int{1, 9, 13},
		Doc: "MatMul is Y = A*B over the last two axes, as numpy.matmul. Integers wrap.\n\n" +
			"\tA  T[batch..., m, k]  or T[k], a row\n" +
			"\tB  T[batch..., k, n]  or T[k], a column\n" +
			"\tY  T[batch..., m, n]  batches broadcast; the axis that a vector lacks is missing here too\n\n" +
			"Cost: 2*|Y|*k FLOP.  Grad: dA = dY*B', dB = A'*dY, summed over broadcast batches.",
		Source: "ONNX MatMul-13",
		In:     []ir.Port{{Name: "A", DTypes: multiplied, Var: "T"}, {Name: "B", DTypes: multiplied, Var: "T"}},
		Out:    []ir.Port{{Name: "Y", DTypes: multiplied, Var: "T"}},
		Constraints: []ir.C{
			{ID: "C1", Text: "ranks of A and B are 1 or more", Check: func(q *ir.Query) error {
				for i, name := range []string{"A", "B"} {
					if t := q.In[i].Type; t.Ranked() && t.Rank() == 0 {
						return ir.Fault("rank of "+name, "0", "1 or more")
					}
				}
				return nil
			}},
			{ID: "C2", Text: "columns of A = rows of B", Check: func(q *ir.Query) error {
				a, b := q.In[0].Type, q.In[1].Type
				if !a.Ranked() || !b.Ranked() {
					return nil
				}
				k := a.Dims[a.Rank()-1]
				if r := b.Dims[max(0, b.Rank()-2)]; differ(k, r) {
					return ir.Fault("rows of B", r.String(), fmt.Sprintf("%v (columns of A)", k))
				}
				return nil
			}},
			{ID: "C3", Text: "the axes before the last two broadcast", Check: func(q *ir.Query) error {
				a, b := q.In[0].Type, q.In[1].Type
				if !a.Ranked() || !b.Ranked() {
					return nil
				}
				if _, err := shape.BcastAll(batchOf(a), batchOf(b)); err != nil {
					return ir.Fault("batch of B", shape.Format(batchOf(b)), "broadcastable to "+shape.Format(batchOf(a))+" (batch of A)")
				}
				return nil
			}},
		},
		Infer: inferMatMul,
		Eval:  ref.MatMul, Ref: &ref.MatMulDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			9: withoutBF16(9, nil), 1: floatsOnly(1),
		},
		Grad: gradMatMul,
		Cost: func(n *ir.Node) (int64, int64) {
			k := int64(1)
			if a := n.In[0].Type; a.Rank() > 0 {
				k = elements(tensor.T(a.DType, a.Dims[a.Rank()-1]))
			}
			return 2 * k * elements(n.Out[0].Type), bytesOf(n)
		},
		Examples: []ir.Case{
			{Name: "2x3 by 3x2",
				In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4, 5, 6}, 2, 3), tensor.MustOf([]float32{1, 0, 0, 1, 1, 1}, 3, 2)),
				Out:    tensor.Vs(tensor.MustOf([]float32{4, 5, 10, 11}, 2, 2)),
				Source: "hand calculation"},
			{Name: "a row by a batch of two",
				In:     tensor.Vs(tensor.MustOf([]float32{1, 10}, 2), tensor.MustOf([]float32{1, 2, 3, 4}, 2, 2, 1)),
				Out:    tensor.Vs(tensor.MustOf([]float32{21, 43}, 2, 1)),
				Source: "hand calculation"},
			{Name: "two vectors of integers",
				In:     tensor.Vs(tensor.MustOf([]int32{1, 2, 3}, 3), tensor.MustOf([]int32{4, -5, 6}, 3)),
				Out:    tensor.Vs(tensor.MustOf([]int32{12})),
				Source: "hand calculation"},
		},
	}
}

// batchOf are the axes before the matrix.
func batchOf(t ir.Type) []shape.Dim { return t.Dims[:max(0, t.Rank()-2)] }

func inferMatMul(q *ir.Query) ([]ir.Fact, error) {
	a, b := q.In[0].Type, q.In[1].Type
	if !a.Ranked() || !b.Ranked() {
		return []ir.Fact{{Type: tensor.TUnranked(a.DType)}}, nil
	}
	dims, err := shape.BcastAll(batchOf(a), batchOf(b))
	if err != nil {
		return nil, err
	}
	if a.Rank() > 1 {
		dims = append(dims, a.Dims[a.Rank()-2])
	}
	if b.Rank() > 1 {
		dims = append(dims, b.Dims[b.Rank()-1])
	}
	return tt(a.DType, dims...), nil
}

// floatsOnly refuses to write integers and bf16 in an old schema.
func floatsOnly(v int) func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error) {
	return func(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
		if d := n.In[0].Type.DType; !d.IsFloat() || d == dtype.BF16 {
			return nil, nil, diag.New(diag.Unsupported, "%v in %s-%d (supported: f32, f64, f16)", d, n.Def.Name, v)
		}
		return n.In, n.Attrs, nil
	}
}

func gemmOp() *ir.OpDef {
	down := func(v int) func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error) {
		return func(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
			check := withoutBF16(v, nil)
			if v < 9 {
				check = floatsOnly(v)
			}
			in, a, err := check(e, n)
			if err == nil && v < 11 && (len(in) < 3 || in[2] == nil) {
				in = append(append([]*ir.Value{}, in[:2]...), e.Scalar(in[0].Type.DType, 0))
			}
			return in, a, err
		}
	}
	return &ir.OpDef{
		Name: "Gemm", Since: []int{1, 6, 7, 9, 11, 13},
		Doc: "Gemm is Y = alpha*A'*B' + beta*C, where ' transposes if transA, transB say so. Integers wrap.\n\n" +
			"\tA  T[m, k]  or T[k, m] with transA\n" +
			"\tB  T[k, n]  or T[n, k] with transB\n" +
			"\tC  T        optional, broadcast to Y\n" +
			"\tY  T[m, n]\n\n" +
			"Cost: 2*m*n*k FLOP.  Grad: products of dY with B and A, alpha kept; dC = beta*dY summed to the shape of C.",
		Source: "ONNX Gemm-13",
		In: []ir.Port{{Name: "A", DTypes: multiplied, Var: "T"}, {Name: "B", DTypes: multiplied, Var: "T"},
			{Name: "C", DTypes: multiplied, Var: "T", Optional: true}},
		Out: []ir.Port{{Name: "Y", DTypes: multiplied, Var: "T"}},
		Attrs: []ir.Attr{
			{Name: "alpha", Kind: attr.KindFloat, Default: attr.Float(1), Doc: "factor of A'*B'"},
			{Name: "beta", Kind: attr.KindFloat, Default: attr.Float(1), Doc: "factor of C"},
			{Name: "transA", Kind: attr.KindInt, Default: attr.Int(0), Doc: "A is given transposed unless 0"},
			{Name: "transB", Kind: attr.KindInt, Default: attr.Int(0), Doc: "B is given transposed unless 0"},
		},
		Constraints: gemmConstraints(),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			m, _ := gemmDim(q, 0, 0)
			n, _ := gemmDim(q, 1, 1)
			for i, d := range []*shape.Dim{&m, &n} {
				if !q.In[i].Type.Ranked() {
					*d = q.NewDim(0, i)
				}
			}
			return tt(q.In[0].Type.DType, m, n), nil
		},
		Eval: ref.Gemm, Ref: &ref.GemmDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){1: upgradeGemm, 6: upgradeGemm},
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			7: down(7), 9: down(9), 11: down(11),
		},
		Grad: gradGemm,
		Cost: func(n *ir.Node) (int64, int64) {
			a := n.In[0].Type
			k := int64(1)
			if a.Rank() == 2 && n.Attrs.Bool("transA") {
				k = elements(tensor.T(a.DType, a.Dims[0]))
			} else if a.Rank() == 2 {
				k = elements(tensor.T(a.DType, a.Dims[1]))
			}
			return 2 * k * elements(n.Out[0].Type), bytesOf(n)
		},
		Examples: []ir.Case{
			{Name: "a row of biases",
				In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4}, 2, 2), tensor.MustOf([]float32{1, 0, 1, 1}, 2, 2), tensor.MustOf([]float32{10, 20}, 2)),
				Out:    tensor.Vs(tensor.MustOf([]float32{13, 22, 17, 24}, 2, 2)),
				Source: "hand calculation"},
			{Name: "all attributes", Attrs: attr.Map{"alpha": attr.Float(2), "beta": attr.Float(0.5), "transA": attr.Int(1), "transB": attr.Int(1)},
				In:     tensor.Vs(tensor.MustOf([]float32{1, 2, 3, 4}, 2, 2), tensor.MustOf([]float32{1, 0, 1, 1}, 2, 2), tensor.MustOf([]float32{10, 20}, 2, 1)),
				Out:    tensor.Vs(tensor.MustOf([]float32{7, 13, 14, 22}, 2, 2)),
				Source: "hand calculation"},
			{Name: "without C",
				In:     tensor.Vs(tensor.MustOf([]float64{1, 2}, 1, 2), tensor.MustOf([]float64{3, 4}, 2, 1)),
				Out:    tensor.Vs(tensor.MustOf([]float64{11}, 1, 1)),
				Source: "hand calculation"},
		},
	}
}

// gemmDim is axis i of operand op as multiplied, after its transposition.
func gemmDim(q *ir.Query, op, i int) (shape.Dim, bool) {
	if q.Attrs.Bool([]string{"transA", "transB"}[op]) {
		i = 1 - i
	}
	return dimAt(q.In[op].Type, i)
}

func gemmConstraints() []ir.C {
	return []ir.C{
		{ID: "C1", Text: "ranks of A and B are 2", Check: func(q *ir.Query) error {
			for i, name := range []string{"A", "B"} {
				if t := q.In[i].Type; t.Ranked() && t.Rank() != 2 {
					return ir.Fault("rank of "+name, fmt.Sprint(t.Rank()), "2")
				}
			}
			return nil
		}},
		{ID: "C2", Text: "columns of A' = rows of B'", Check: func(q *ir.Query) error {
			a, ok := gemmDim(q, 0, 1)
			b, ok2 := gemmDim(q, 1, 0)
			if ok && ok2 && differ(a, b) {
				return ir.Fault("rows of B", b.String(), fmt.Sprintf("%v (columns of A)", a))
			}
			return nil
		}},
		{ID: "C3", Text: "C broadcasts to [m, n]", Check: func(q *ir.Query) error {
			c := q.Input(2)
			if !c.Present() || !c.Type.Ranked() {
				return nil
			}
			r := c.Type.Rank()
			ok := r <= 2
			for i := range min(r, 2) {
				// Axis -1-i of C is n, then m.
				d := c.Type.Dims[r-1-i]
				want, known := gemmDim(q, 1-i, 1-i)
				ok = ok && (d.Is(1) || !known || !differ(d, want))
			}
			if !ok {
				m, _ := gemmDim(q, 0, 0)
				n, _ := gemmDim(q, 1, 1)
				return ir.Fault("C", shape.Format(c.Type.Dims), fmt.Sprintf("broadcastable to [%v,%v]", m, n))
			}
			return nil
		}},
		{ID: "C4", Text: "alpha and beta are whole numbers for integers", Check: func(q *ir.Query) error {
			if !q.In[0].Type.DType.IsInt() {
				return nil
			}
			for _, name := range []string{"alpha", "beta"} {
				if f := float64(q.Attrs.Float(name)); f != math.Trunc(f) || math.Abs(f) >= 1<<62 {
					return ir.Fault("attribute "+name, fmt.Sprint(f), "a whole number for "+q.In[0].Type.DType.String())
				}
			}
			return nil
		}},
	}
}

// upgradeGemm drops broadcast, which the later schemas take for granted.
func upgradeGemm(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	a := r.Attrs.Clone()
	delete(a, "broadcast")
	return []*ir.Value{e.Op("Gemm", a, r.In...)}, e.Err()
}

// swapLast emits the transpose of the last two axes.
func swapLast(e ir.Emitter, v *ir.Value) *ir.Value {
	r := v.Type.Rank()
	if r < 2 {
		return v // an error sticks already
	}
	perm := make([]int64, r)
	for i := range perm {
		perm[i] = int64(i)
	}
	perm[r-1], perm[r-2] = perm[r-2], perm[r-1]
	return e.Op("Transpose", attr.Map{"perm": attr.Ints(perm...)}, v)
}

func gradMatMul(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	if dy[0] == nil {
		return make([]*ir.Value, 2)
	}
	a, b, d := n.In[0], n.In[1], dy[0]
	ra, rb := a.Type.Rank(), b.Type.Rank()
	if ra < 1 || rb < 1 {
		e.Fail(diag.New(diag.Unsupported, "gradient of MatMul with operands of unknown rank"))
		return make([]*ir.Value, 2)
	}
	// A vector becomes the matrix that it stands for, and dY gets its axis back.
	ma, mb := a, b
	if rb == 1 {
		mb = e.Op("Unsqueeze", nil, b, e.Ints(1))
		d = e.Op("Unsqueeze", nil, d, e.Ints(-1))
	}
	if ra == 1 {
		ma = e.Op("Unsqueeze", nil, a, e.Ints(0))
		d = e.Op("Unsqueeze", nil, d, e.Ints(-2))
	}
	da := sumTo(e, e.Op("MatMul", nil, d, swapLast(e, mb)), ma)
	db := sumTo(e, e.Op("MatMul", nil, swapLast(e, ma), d), mb)
	if ra == 1 {
		da = e.Op("Squeeze", nil, da, e.Ints(0))
	}
	if rb == 1 {
		db = e.Op("Squeeze", nil, db, e.Ints(1))
	}
	return []*ir.Value{da, db}
}

func gradGemm(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := make([]*ir.Value, len(n.In))
	if dy[0] == nil {
		return dx
	}
	a, b, d := n.In[0], n.In[1], dy[0]
	ta, tb := n.Attrs.Bool("transA"), n.Attrs.Bool("transB")
	product := func(x, y *ir.Value, tx, ty bool) *ir.Value {
		return e.Op("Gemm", attr.Map{"alpha": n.Attrs["alpha"], "transA": attr.Bool(tx), "transB": attr.Bool(ty)}, x, y)
	}
	if ta {
		dx[0] = product(b, d, tb, true)
	} else {
		dx[0] = product(d, b, false, !tb)
	}
	if tb {
		dx[1] = product(d, a, true, ta)
	} else {
		dx[1] = product(a, d, !ta, false)
	}
	if len(n.In) > 2 && n.In[2] != nil {
		if beta := n.Attrs.Float("beta"); beta != 1 {
			d = e.Op("Mul", nil, d, e.Scalar(d.Type.DType, float64(beta)))
		}
		dx[2] = sumTo(e, d, n.In[2])
	}
	return dx
}
