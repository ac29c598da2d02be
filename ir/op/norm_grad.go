package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

func batchNormGradOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "BatchNormGrad", Domain: "mlc", Since: []int{1},
		Doc: "BatchNormGrad is the gradient of BatchNormalization in training mode, where mean and variance follow X.\n\n" +
			"\tdY      T[N, C, ...]  gradient of Y\n\tX       T[N, C, ...]\n\tscale   T1[C]\n" +
			"\tdX      T[N, C, ...]  scale/dev*(dY - mean(dY) - xhat*mean(dY*xhat)), xhat = (X - mean)/dev\n" +
			"\tdscale  T1[C]         dY*xhat, summed\n\tdB      T1[C]         dY, summed\n\n" +
			"Cost: 12*|X| FLOP.  Errors: C1, C2.",
		Source: "the derivative of ONNX BatchNormalization-15",
		In:     []ir.Port{{Name: "dY", DTypes: floats, Var: "T"}, {Name: "X", DTypes: floats, Var: "T"}, {Name: "scale", DTypes: floats, Var: "T1"}},
		Out: []ir.Port{{Name: "dX", DTypes: floats, Var: "T"}, {Name: "dscale", DTypes: floats, Var: "T1", Optional: true},
			{Name: "dB", DTypes: floats, Var: "T1", Optional: true}},
		Attrs: []ir.Attr{{Name: "epsilon", Kind: attr.KindFloat, Default: attr.Float(1e-5), Doc: "added to the variance"}},
		Constraints: []ir.C{
			{ID: "C1", Text: "rank(X) >= 1; dims(dY) are those of X", Check: func(q *ir.Query) error {
				if t := q.In[1].Type; t.Ranked() && t.Rank() == 0 {
					return ir.Fault("rank of X", "0", "1 or more")
				}
				return gradientOf("dY", q.In[0].Type, q.In[1].Type, false)
			}},
			{ID: "C2", Text: "scale is a vector of dim(X,1)", Check: func(q *ir.Query) error {
				t := q.In[2].Type
				if t.Ranked() && t.Rank() != 1 {
					return ir.Fault("rank of scale", fmt.Sprint(t.Rank()), "1")
				}
				c, known := dimAt(q.In[1].Type, 1)
				if q.In[1].Type.Rank() == 1 {
					c, known = shape.Int(1), true
				}
				if d, ok := dimAt(t, 0); ok && known && differ(d, c) {
					return ir.Fault("scale", d.String(), fmt.Sprintf("%v (X channels)", c))
				}
				return nil
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			v := ir.Fact{Type: q.In[2].Type}
			return []ir.Fact{{Type: q.In[1].Type}, v, v}, nil
		},
		Eval: ref.BatchNormGrad, Ref: &ref.BatchNormGradDesc,
		NoGrad: noSecondGrad,
		Cost:   func(n *ir.Node) (int64, int64) { return 12 * elements(n.In[1].Type), bytesOf(n) },
		Examples: []ir.Case{
			{Name: "four samples", Attrs: attr.Map{"epsilon": attr.Float(3)},
				Source: "hand calculation: dev = sqrt(1+3), xhat = -1/2, -1/2, 1/2, 1/2; mean(dY) = 1, mean(dY*xhat) = -1/2; dX = dY - 1 + xhat/2",
				In:     tensor.Vs(f32s([]int{4, 1}, 4, 0, 0, 0), f32s([]int{4, 1}, 0, 0, 2, 2), vec(2)),
				Out:    tensor.Vs(f32s([]int{4, 1}, 2.75, -1.25, -0.75, -0.75), vec(-2), vec(4))},
			{Name: "planes of two samples", Attrs: attr.Map{"epsilon": attr.Float(3)},
				Source: "the same numbers and a second channel, hand calculation: mean(dY) = 0, mean(dY*xhat) = 1/2; dX = 2*(dY - xhat/2)",
				In:     tensor.Vs(f32s([]int{2, 2, 2}, 4, 0, -1, -1, 0, 0, 1, 1), f32s([]int{2, 2, 2}, 0, 0, 2, 2, 2, 2, 4, 4), vec(2, 4)),
				Out:    tensor.Vs(f32s([]int{2, 2, 2}, 2.75, -1.25, -1.5, -1.5, -0.75, -0.75, 1.5, 1.5), vec(-2, 2), vec(4, 0))},
		},
	}
}
