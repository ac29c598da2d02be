package canon

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// padRules remove explicit padding.
func padRules() []rewrite.Rule {
	pad := func() rewrite.Pat {
		return rewrite.Op("Pad", rewrite.Any("x"), rewrite.Any("pads"), rewrite.Opt("value"), rewrite.Opt("axes")).As("pad")
	}
	return []rewrite.Rule{
		{Name: "pad-nothing", Doc: "Pad by nothing is its input.",
			Match: pad(),
			If: func(m *rewrite.Match) bool {
				p, ok := rewrite.Ints(m.Value("pads"))
				return ok && !slices.ContainsFunc(p, func(n int64) bool { return n != 0 }) && rewrite.Same(m.Root.Out[0], m.Value("x"))
			}, Make: to("x")},
		{Name: "pad-conv", Doc: "Zero padding of the spatial axes before a convolution becomes its own.",
			Match: rewrite.Op("Conv", pad().Once(), rewrite.Any("w"), rewrite.Opt("b")).As("conv"),
			If:    func(m *rewrite.Match) bool { return convPads(m) != nil },
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				a := m.Node("conv").Attrs.Clone()
				a["pads"] = attr.Ints(convPads(m)...)
				return []*ir.Value{m.Emit().Op("Conv", a, m.Value("x"), m.Value("w"), m.Value("b"))}
			}},
	}
}

// convPads adds the padding of the Pad before a Conv to the Conv's own, nil
// where it is not zeros around the spatial axes.
func convPads(m *rewrite.Match) []int64 {
	pad, conv := m.Node("pad"), m.Node("conv")
	r := m.Value("x").Type.Rank()
	all := padAmounts(m, r)
	if all == nil || pad.Attrs.Str("mode") != "constant" || conv.Attrs.Str("auto_pad") != "NOTSET" {
		return nil
	}
	if v := m.Value("value"); v != nil && !rewrite.AllEqual(v, 0) {
		return nil
	}
	out := make([]int64, 2*(r-2))
	copy(out, conv.Attrs.Ints("pads"))
	for side := range 2 {
		for i := range r {
			n := all[side*r+i]
			switch {
			case n < 0 || i < 2 && n != 0:
				return nil
			case i >= 2:
				out[side*(r-2)+i-2] += n
			}
		}
	}
	return out
}

// padAmounts gives begin and end amounts for every axis of a value of rank r,
// nil where they are not known.
func padAmounts(m *rewrite.Match, r int) []int64 {
	p, ok := rewrite.Ints(m.Value("pads"))
	if !ok || r < 3 {
		return nil
	}
	axes := m.Value("axes")
	if axes == nil {
		if len(p) != 2*r {
			return nil
		}
		return p
	}
	as, ok := rewrite.Ints(axes)
	if !ok || len(p) != 2*len(as) {
		return nil
	}
	out := make([]int64, 2*r)
	for i, a := range as {
		if a < 0 {
			a += int64(r)
		}
		if a < 0 || a >= int64(r) {
			return nil
		}
		out[a], out[int64(r)+a] = p[i], p[len(as)+i]
	}
	return out
}
