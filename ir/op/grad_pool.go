package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

func maxPoolGradOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "MaxPoolGrad", Domain: "mlc", Since: []int{1},
		Doc: "MaxPoolGrad is the gradient of MaxPool: every window hands its dY to its first maximum.\n\n" +
			"\tdY  T[N, C, out...]  gradient of MaxPool's output\n" +
			"\tX   T[N, C, in...]   MaxPool's input\n" +
			"\tdX  T[N, C, in...]\n\n" +
			"The attributes are those of the MaxPool. Cost: |dY|*|k| FLOP.",
		Source: "the derivative of ONNX MaxPool-22",
		In:     []ir.Port{{Name: "dY", DTypes: floats, Var: "T"}, {Name: "X", DTypes: floats, Var: "T"}},
		Out:    []ir.Port{{Name: "dX", DTypes: floats, Var: "T"}},
		Attrs:  poolAttrs(),
		Constraints: append(poolConstraints(1), ir.C{ID: "C5", Text: "dims(dY) are those of MaxPool's output", Check: func(q *ir.Query) error {
			return gradientOf("dY", q.In[0].Type, inferPool(forwardQuery(q, q.In[1].Type)), false)
		}}),
		Infer: func(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: q.In[1].Type}}, nil },
		Eval:  ref.MaxPoolGrad, Ref: &ref.MaxPoolGradDesc,
		NoGrad: noSecondGrad,
		Cost: func(n *ir.Node) (int64, int64) {
			k := int64(1)
			for _, d := range n.Attrs.Ints("kernel_shape") {
				k *= d
			}
			return k * elements(n.In[0].Type), bytesOf(n)
		},
		Examples: []ir.Case{
			{Name: "one maximum of two windows", Attrs: attr.Map{"kernel_shape": attr.Ints(2)},
				In:     tensor.Vs(tensor.MustOf([]float32{10, 1}, 1, 1, 2), tensor.MustOf([]float32{0, 5, 3}, 1, 1, 3)),
				Out:    tensor.Vs(tensor.MustOf([]float32{0, 11, 0}, 1, 1, 3)),
				Source: "hand calculation"},
			{Name: "the first of equals", Attrs: attr.Map{"kernel_shape": attr.Ints(2), "strides": attr.Ints(2)},
				In:     tensor.Vs(tensor.MustOf([]float32{10, 1}, 1, 1, 2), tensor.MustOf([]float32{4, 4, 2, 3}, 1, 1, 4)),
				Out:    tensor.Vs(tensor.MustOf([]float32{10, 0, 0, 1}, 1, 1, 4)),
				Source: "hand calculation"},
		},
	}
}

func averagePoolGradOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "AveragePoolGrad", Domain: "mlc", Since: []int{1},
		Doc: "AveragePoolGrad is the gradient of AveragePool for an X of the shape given: every window shares its dY among its elements.\n\n" +
			"\tdY     T[N, C, out...]  gradient of AveragePool's output\n" +
			"\tshape  i64[rank]        N, C, in...\n" +
			"\tdX     T[N, C, in...]\n\n" +
			"The attributes are those of the AveragePool. Cost: |dX|*|k| FLOP.",
		Source: "the transpose of ONNX AveragePool-22",
		In:     []ir.Port{{Name: "dY", DTypes: floats, Var: "T"}, shapePort()},
		Out:    []ir.Port{{Name: "dX", DTypes: floats, Var: "T"}},
		Attrs: poolAttrs(ir.Attr{Name: "count_include_pad", Kind: attr.KindInt, Default: attr.Int(0), Check: flag,
			Doc: "1: padding counts as elements that are 0"}),
		Constraints: []ir.C{shapeLength(1), {ID: "C2", Text: "an AveragePool of such an X is legal and has the dims of dY", Check: func(q *ir.Query) error {
			f := forwardQuery(q, typeFromShape(q, 1))
			for _, c := range poolConstraints(0) {
				if err := c.Check(f); err != nil {
					return err
				}
			}
			return gradientOf("dY", q.In[0].Type, inferPool(f), false)
		}}},
		Infer: inferFromShape(1),
		Eval:  ref.AveragePoolGrad, Ref: &ref.AveragePoolGradDesc,
		NoGrad: noSecondGrad,
		Cost:   poolCost,
		Examples: []ir.Case{
			{Name: "overlapping windows", Attrs: attr.Map{"kernel_shape": attr.Ints(2)},
				In:     tensor.Vs(tensor.MustOf([]float32{2, 4}, 1, 1, 2), tensor.Int64s(1, 1, 3)),
				Out:    tensor.Vs(tensor.MustOf([]float32{1, 3, 2}, 1, 1, 3)),
				Source: "hand calculation"},
			{Name: "padding takes no share unless counted", Attrs: attr.Map{"kernel_shape": attr.Ints(2), "pads": attr.Ints(1, 0)},
				In:     tensor.Vs(tensor.MustOf([]float32{2, 4}, 1, 1, 2), tensor.Int64s(1, 1, 2)),
				Out:    tensor.Vs(tensor.MustOf([]float32{4, 2}, 1, 1, 2)),
				Source: "hand calculation"},
		},
	}
}

// spatialAxes are the axes from 2 on.
func spatialAxes(rank int) []int64 {
	var axes []int64
	for i := 2; i < rank; i++ {
		axes = append(axes, int64(i))
	}
	return axes
}

// extentProduct emits the number of elements that v has over the axes given,
// as a scalar of type d.
func extentProduct(e ir.Emitter, v *ir.Value, axes []int64, d dtype.DType) *ir.Value {
	n := shape.Int(1)
	for _, a := range axes {
		n = n.Mul(v.Type.Dims[a])
	}
	if c, ok := n.Const(); ok {
		return e.Scalar(d, float64(c))
	}
	ext := e.Op("Gather", nil, emitShape(e, v), e.Ints(axes...))
	ext = e.Op("ReduceProd", attr.Map{"keepdims": attr.Int(0)}, ext)
	return e.Op("Cast", attr.Map{"to": attr.Int(int64(d.ONNX()))}, ext)
}

func gradGlobalAverage(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	if dy[0] == nil {
		return make([]*ir.Value, 1)
	}
	x := n.In[0]
	share := e.Op("Div", nil, dy[0], extentProduct(e, x, spatialAxes(x.Type.Rank()), x.Type.DType))
	return []*ir.Value{e.Op("Expand", nil, share, emitShape(e, x))}
}

func gradGlobalMax(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	if dy[0] == nil {
		return make([]*ir.Value, 1)
	}
	x := n.In[0]
	hit := e.Op("Cast", attr.Map{"to": attr.Int(int64(x.Type.DType.ONNX()))}, e.Op("Equal", nil, x, n.Out[0]))
	if axes := spatialAxes(x.Type.Rank()); len(axes) > 0 {
		hits := e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(1)}, hit, e.Ints(axes...))
		return []*ir.Value{e.Op("Mul", nil, hit, e.Op("Div", nil, dy[0], hits))}
	}
	return []*ir.Value{dy[0]}
}
