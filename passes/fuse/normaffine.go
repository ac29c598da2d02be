package fuse

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// NormAffine is the pass fuse-norm-affine.
func NormAffine() pass.Pass {
	return pass.Pass{
		Name: "fuse-norm-affine", Level: 2, Tol: tensor.Close,
		Doc: "turn an inference BatchNormalization that no weights took in into a product and a sum",
		Rules: []rewrite.Rule{{
			Name: "bn-affine", Doc: "BatchNormalization with constant parameters is Mul and Add of a constant per channel.",
			Match: batchNorm(rewrite.Any("x")), Tol: tensor.Close,
			If: func(m *rewrite.Match) bool {
				x := m.Value("x").Type
				g, known := rewrite.Extent(m.Value("g"), 0)
				t := x.DType
				for _, p := range []string{"g", "e", "m", "v"} {
					if m.Value(p).Type.DType != t {
						return false
					}
				}
				// A batch without channels has no place to put the parameters.
				return known && g > 0 && x.Rank() >= 2 && x.Dims[1].Is(g)
			},
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				e, r := m.Emit(), m.Value("x").Type.Rank()
				s := scale(m)
				b := shift(m, s, nil)
				s = narrow(e, s, m.Value("x"))
				y := e.Op("Mul", nil, m.Value("x"), column(e, s, r))
				return []*ir.Value{e.Op("Add", nil, y, column(e, b, r))}
			},
		}},
	}
}

// column writes a vector over channels so that it broadcasts against [N, C,
// ...]: [C, 1, ...], and as it is for rank 2.
func column(e ir.Emitter, v *ir.Value, rank int) *ir.Value {
	if rank == 2 {
		return v
	}
	return along(e, v, rank-1, 0)
}
