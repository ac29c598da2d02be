package fuse

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// ConvBias is the pass fuse-conv-bias. (The bias of a MatMul stays an Add for
// the epilogue.)
func ConvBias() pass.Pass {
	conv := rewrite.Op("Conv", rewrite.Any("x"), rewrite.Any("w"), rewrite.OptWeight("b")).As("op").Once()
	c := rewrite.Weight("c")
	return pass.Pass{
		Name: "fuse-conv-bias", Level: 2, Tol: tensor.Close,
		Doc: "make a constant added to each channel of a convolution its bias",
		Rules: []rewrite.Rule{{
			Name: "conv-add", Doc: "Conv, then Add of a constant per channel, is Conv with that bias.",
			Match: rewrite.Or(rewrite.Op("Add", conv, c).As("aff"), rewrite.Op("Add", c, conv).As("aff")),
			If:    perChannel, Tol: tensor.Close,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value { return biased(m, vector(m)) },
		}, {
			Name: "conv-sub", Doc: "Conv, then Sub of a constant per channel, is Conv with the negative of it as bias.",
			Match: rewrite.Op("Sub", conv, c).As("aff"), If: perChannel, Tol: tensor.Close,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				return biased(m, m.Emit("aff").Op("Neg", nil, vector(m)))
			},
		}},
	}
}

// ConvScale is the pass fuse-conv-scale.
func ConvScale() pass.Pass {
	conv := rewrite.Op("Conv", rewrite.Any("x"), rewrite.Weight("w"), rewrite.OptWeight("b")).As("op").Once()
	c := rewrite.Weight("c")
	return pass.Pass{
		Name: "fuse-conv-scale", Level: 2, Tol: tensor.Close,
		Doc: "fold a constant that multiplies each channel of a convolution into its filters",
		Rules: []rewrite.Rule{{
			Name: "conv-mul", Doc: "Conv, then Mul by a constant per channel, is Conv with scaled filters and bias.",
			Match: rewrite.Or(rewrite.Op("Mul", conv, c).As("aff"), rewrite.Op("Mul", c, conv).As("aff")),
			If:    perChannel, Tol: tensor.Close,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value { return scaled(m, "Mul") },
		}, {
			Name: "conv-div", Doc: "Conv, then Div by a constant per channel, is Conv with divided filters and bias.",
			Match: rewrite.Op("Div", conv, c).As("aff"), If: dividesPerChannel, Tol: tensor.Close,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value { return scaled(m, "Div") },
		}, {
			Name: "conv-neg", Doc: "Neg of Conv is Conv with negative filters and bias.",
			Match: rewrite.Op("Neg", conv), Tol: tensor.Close,
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				e, b := m.Emit(), m.Value("b")
				if b != nil {
					b = e.Op("Neg", nil, b)
				}
				return []*ir.Value{e.Op("Conv", m.Node("op").Attrs, m.Value("x"), e.Op("Neg", nil, m.Value("w")), b)}
			},
		}},
	}
}

// dividesPerChannel is perChannel for a divisor without zeros: 0/0 in place of
// x/0 would be another value.
func dividesPerChannel(m *rewrite.Match) bool {
	es, ok := rewrite.Elems(m.Value("c"))
	return ok && !slices.Contains(es, 0) && perChannel(m)
}

// perChannel says whether the constant varies along the channels of the
// convolution only and does not change its shape.
func perChannel(m *rewrite.Match) bool {
	y := m.Value("op")
	if !rewrite.Same(m.Root.Out[0], y) || m.Value("c").Type.DType != y.Type.DType || !y.Type.DType.IsFloat() {
		return false
	}
	_, known := rewrite.Extent(y, 1)
	return known && rewrite.PerAxis(m.Value("c").Type, y.Type.Dims, 1)
}

// vector writes the constant as one element per channel.
func vector(m *rewrite.Match) *ir.Value {
	e, c := m.Emit("aff"), m.Value("c")
	n, _ := rewrite.Extent(m.Value("op"), 1)
	count := int64(1)
	for _, d := range c.Type.Dims {
		k, _ := d.Const()
		count *= k
	}
	if c.Type.Rank() != 1 {
		c = e.Op("Reshape", nil, c, e.Ints(count))
	}
	if count != n {
		c = e.Op("Expand", nil, c, e.Ints(n))
	}
	return c
}

func biased(m *rewrite.Match, c *ir.Value) []*ir.Value {
	if b := m.Value("b"); b != nil {
		c = m.Emit().Op("Add", nil, b, c)
	}
	return []*ir.Value{m.Emit().Op("Conv", m.Node("op").Attrs, m.Value("x"), m.Value("w"), c)}
}

func scaled(m *rewrite.Match, op string) []*ir.Value {
	c, w, b := vector(m), m.Value("w"), m.Value("b")
	w = m.Emit().Op(op, nil, w, along(m.Emit("aff"), c, w.Type.Rank(), 0))
	if b != nil {
		b = m.Emit().Op(op, nil, b, c)
	}
	return []*ir.Value{m.Emit().Op("Conv", m.Node("op").Attrs, m.Value("x"), w, b)}
}
