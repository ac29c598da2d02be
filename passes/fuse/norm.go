package fuse

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// ConvBN is the pass fuse-conv-bn.
func ConvBN() pass.Pass {
	return pass.Pass{
		Name: "fuse-conv-bn", Level: 2, Tol: tensor.Close,
		Doc: "fold inference BatchNormalization into the convolution before it",
		Rules: []rewrite.Rule{{
			Name: "conv-bn", Doc: "Conv, then BatchNormalization over its channels, is Conv with scaled filters and another bias.",
			Match: norm(rewrite.Op("Conv", rewrite.Any("x"), rewrite.Weight("w"), rewrite.OptWeight("b"))),
			If:    plainNorm, Make: convNorm, Tol: tensor.Close,
		}, {
			Name: "convtranspose-bn", Doc: "The same for ConvTranspose.",
			Match: norm(rewrite.Op("ConvTranspose", rewrite.Any("x"), rewrite.Weight("w"), rewrite.OptWeight("b"))),
			If:    func(m *rewrite.Match) bool { return plainNorm(m) && deconvShape(m) != nil },
			Make:  deconvNorm, Tol: tensor.Close,
		}},
	}
}

// GemmBN is the pass fuse-gemm-bn.
func GemmBN() pass.Pass {
	return pass.Pass{
		Name: "fuse-gemm-bn", Level: 2, Tol: tensor.Close,
		Doc: "fold inference BatchNormalization into the Gemm before it",
		Rules: []rewrite.Rule{{
			Name: "gemm-bn", Doc: "Gemm, then BatchNormalization over its columns, is Gemm with a scaled second factor.",
			Match: norm(rewrite.Op("Gemm", rewrite.Any("x"), rewrite.Weight("w"), rewrite.OptWeight("b"))),
			If: func(m *rewrite.Match) bool {
				b := m.Value("b")
				return plainNorm(m) && (b == nil || rowVector(b.Type))
			}, Make: gemmNorm, Tol: tensor.Close,
		}},
	}
}

// MatMulBN is the pass fuse-matmul-bn.
func MatMulBN() pass.Pass {
	mul := func() rewrite.Pat { return rewrite.Op("MatMul", rewrite.Any("x"), rewrite.Weight("w")).As("op") }
	if2 := func(m *rewrite.Match) bool {
		b := m.Value("b")
		return plainNorm(m) && m.Value("w").Type.Rank() == 2 && m.Root.Out[0].Type.Rank() == 2 && (b == nil || rowVector(b.Type))
	}
	bias := rewrite.Weight("b")
	return pass.Pass{
		Name: "fuse-matmul-bn", Level: 2, Tol: tensor.Close,
		Doc: "fold inference BatchNormalization into the MatMul, or MatMul and Add, before it",
		Rules: []rewrite.Rule{{
			Name: "matmul-bn", Doc: "MatMul by a constant matrix, then BatchNormalization over its columns, is MatMul and Add.",
			Match: batchNorm(rewrite.Or(
				mul().Once(),
				rewrite.Op("Add", mul().Once(), bias).As("add").Once(),
				rewrite.Op("Add", bias, mul().Once()).As("add").Once())),
			If: if2, Make: matmulNorm, Tol: tensor.Close,
		}},
	}
}

// norm is batchNorm over op, captured as "op" and read by nothing else.
func norm(op rewrite.Pat) rewrite.Pat { return batchNorm(op.As("op").Once()) }

// batchNorm is an inference BatchNormalization with constant parameters.
func batchNorm(in rewrite.Pat) rewrite.Pat {
	return rewrite.Op("BatchNormalization", in, rewrite.Weight("g"), rewrite.Weight("e"), rewrite.Weight("m"), rewrite.Weight("v")).
		As("bn").Int("training_mode", 0)
}

// plainNorm says whether all parameters have one floating type and the number
// of channels is known.
func plainNorm(m *rewrite.Match) bool {
	t := m.Value("w").Type.DType
	for _, p := range []string{"g", "e", "m", "v"} {
		if m.Value(p).Type.DType != t {
			return false
		}
	}
	_, known := rewrite.Extent(m.Value("g"), 0)
	return known && t.IsFloat()
}

// wide writes a half precision constant as f32, so that what is computed from
// it is rounded once, at the end.
func wide(e ir.Emitter, v *ir.Value) *ir.Value {
	if v == nil || v.Type.DType != dtype.F16 && v.Type.DType != dtype.BF16 {
		return v
	}
	return cast(e, v, dtype.F32)
}

// narrow writes v in the type of like.
func narrow(e ir.Emitter, v, like *ir.Value) *ir.Value {
	if v.Type.DType == like.Type.DType {
		return v
	}
	return cast(e, v, like.Type.DType)
}

func cast(e ir.Emitter, v *ir.Value, d dtype.DType) *ir.Value {
	return e.Op("Cast", attr.Map{"to": attr.Int(d.ONNX())}, v)
}

// scale writes g/sqrt(v+eps).
func scale(m *rewrite.Match) *ir.Value {
	e, bn := m.Emit("bn"), m.Node("bn")
	v := wide(e, m.Value("v"))
	s := e.Op("Add", nil, v, e.Scalar(v.Type.DType, float64(bn.Attrs.Float("epsilon"))))
	s = e.Op("Sqrt", nil, s)
	return e.Op("Div", nil, wide(e, m.Value("g")), s)
}

// shift writes e - (m-b)*s, without b e - m*s, in the type of e.
func shift(m *rewrite.Match, s, b *ir.Value) *ir.Value {
	if b == nil {
		e := m.Emit("bn")
		d := e.Op("Mul", nil, wide(e, m.Value("m")), s)
		return narrow(e, e.Op("Sub", nil, wide(e, m.Value("e")), d), m.Value("e"))
	}
	e := m.Emit()
	d := e.Op("Mul", nil, e.Op("Sub", nil, wide(e, b), wide(e, m.Value("m"))), s)
	return narrow(e, e.Op("Add", nil, d, wide(e, m.Value("e"))), m.Value("e"))
}

// times writes w*s in the type of w.
func times(e ir.Emitter, w, s *ir.Value) *ir.Value {
	return narrow(e, e.Op("Mul", nil, wide(e, w), s), w)
}

// along writes v as a tensor of the given rank that varies along one axis.
func along(e ir.Emitter, v *ir.Value, rank, axis int) *ir.Value {
	n, _ := rewrite.Extent(v, 0)
	dims := make([]int64, rank)
	for i := range dims {
		dims[i] = 1
	}
	dims[axis] = n
	return e.Op("Reshape", nil, v, e.Ints(dims...))
}

func convNorm(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
	w := m.Value("w")
	s := scale(m)
	r := along(m.Emit("bn"), s, w.Type.Rank(), 0)
	w = times(m.Emit(), w, r)
	b := shift(m, s, m.Value("b"))
	return []*ir.Value{m.Emit().Op("Conv", m.Node("op").Attrs, m.Value("x"), w, b)}
}

// deconvShape gives ConvTranspose's filter shape [g, C/g, M/g, k...], which
// separates the groups; nil if it is not known.
func deconvShape(m *rewrite.Match) []int64 {
	dims, ok := m.Value("w").Type.Static()
	g := m.Node("op").Attrs.Int("group")
	if !ok || g < 1 || len(dims) < 3 || dims[0]%g != 0 {
		return nil
	}
	out := []int64{int64(g), int64(dims[0] / g)}
	for _, d := range dims[1:] {
		out = append(out, int64(d))
	}
	return out
}

// deconvNorm scales filters [C, M/g, k...]: output channel j of group i is
// filter column j of the rows of group i.
func deconvNorm(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
	w, sh := m.Value("w"), deconvShape(m)
	s := scale(m)
	dims, _ := w.Type.Static()
	if sh[0] == 1 {
		r := along(m.Emit("bn"), s, len(dims), 1)
		w = times(m.Emit(), w, r)
	} else {
		e := m.Emit("bn")
		per := make([]int64, len(sh))
		for i := range per {
			per[i] = 1
		}
		per[0], per[2] = sh[0], sh[2]
		r := e.Op("Reshape", nil, s, e.Ints(per...))
		all := m.Emit()
		back := make([]int64, len(dims))
		for i, d := range dims {
			back[i] = int64(d)
		}
		w = times(all, all.Op("Reshape", nil, w, all.Ints(sh...)), r)
		w = all.Op("Reshape", nil, w, all.Ints(back...))
	}
	b := shift(m, s, m.Value("b"))
	return []*ir.Value{m.Emit().Op("ConvTranspose", m.Node("op").Attrs, m.Value("x"), w, b)}
}

// rowVector says whether a bias is the same for every row: N, 1xN or one
// element.
func rowVector(t ir.Type) bool {
	return t.Ranked() && (t.Rank() < 2 || t.Rank() == 2 && t.Dims[0].Is(1))
}

func gemmNorm(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
	op, w, b := m.Node("op"), m.Value("w"), m.Value("b")
	s := scale(m)
	a := op.Attrs.Clone()
	if a.Bool("transB") {
		w = times(m.Emit(), w, along(m.Emit("bn"), s, 2, 0))
	} else {
		w = times(m.Emit(), w, s)
	}
	if beta := a.Float("beta"); b != nil && beta != 1 {
		e := m.Emit("op")
		b = e.Op("Mul", nil, b, e.Scalar(b.Type.DType, float64(beta)))
	}
	a["beta"] = attr.Float(1)
	return []*ir.Value{m.Emit().Op("Gemm", a, m.Value("x"), w, shift(m, s, b))}
}

func matmulNorm(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
	s := scale(m)
	w := times(m.Emit("op", "bn"), m.Value("w"), s)
	b := shift(m, s, m.Value("b"))
	y := m.Emit("op", "bn").Op("MatMul", nil, m.Value("x"), w)
	return []*ir.Value{m.Emit("add", "bn").Op("Add", nil, y, b)}
}
