package grad

import (
	"maps"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// OpConv is what the kernels of a convolution with filters given as an operand
// compute:
//
//	In[0]   f32[N, C, spatial...]   one or two spatial axes
//	In[1]   f32[M, C/group, k...]   filters
//	Out[0]  f32[N, M, spatial...]
//
// with the attributes of ONNX Conv. What the epilogue takes follows In[1].
const OpConv = "convopen.f32"

// OpGradX is what the kernels of a convolution's gradient in its input
// compute:
//
//	In[0]   f32[N, M, spatial...]   dY
//	In[1]   f32[M, C/group, k...]   filters
//	Out[0]  f32[N, C, spatial...]   dX
//
// with the attributes of the Conv. With strides of 1 it is the convolution of
// dY with the filters turned round, else a transposed convolution.
const OpGradX = "convgradx.f32"

// kernels are those of other packages that one instruction set uses here.
type kernels struct {
	conv, transpose, depthwise *kernel.Desc
}

func prepareConv(c *kernel.Call, k kernels) (any, error) {
	if err := checkCount(c, "convolution", 2, true); err != nil {
		return nil, err
	}
	g, err := geometryOf(c.Attrs, &c.In[0].Tensor, &c.In[1].Tensor, &c.Out[0].Tensor)
	if err != nil {
		return nil, err
	}
	a := attr.Map{}
	maps.Copy(a, c.Attrs)
	a["kernel_shape"] = attr.Ints(g.spatial(func(a *axis) int { return a.K })...)
	s := k.convolution(&g, g.m, g.c/g.group)
	if s.desc == k.conv {
		mg, kk := g.m/g.group, g.c/g.group*g.taps()
		s.pack = func(dst, w []float32) { packGroups(dst, w, g.group, mg, kk) }
	} else {
		s.pack = func(dst, w []float32) { copy(dst, w) }
	}
	return s, s.prepare(c, a)
}

// convolution chooses the kernel for filters [m, cg, taps], where pack is left
// to the caller.
func (k kernels) convolution(g *geometry, m, cg int) *inner {
	s := &inner{desc: k.conv, weights: m * cg * g.taps(), more: 2, lead: 1}
	s.dims = []int{s.weights}
	if cg == 1 && g.group > 1 && g.rank == 2 {
		s.desc, s.lead, s.dims = k.depthwise, 2, []int{m, 1, g.ax[0].K, g.ax[1].K}
	}
	return s
}

// packGroups writes the rows of each group to dst in gemm.FormatA.
func packGroups(dst, w []float32, groups, rows, k int) {
	for i := range groups {
		gemm.PackRows(dst[i*rows*k:(i+1)*rows*k], w[i*rows*k:], rows, k, k, false)
	}
}

func prepareGradX(c *kernel.Call, k kernels) (any, error) {
	if err := checkCount(c, "gradient of a convolution", 2, false); err != nil {
		return nil, err
	}
	g, err := geometryOf(c.Attrs, &c.Out[0].Tensor, &c.In[1].Tensor, &c.In[0].Tensor)
	if err != nil {
		return nil, err
	}
	if c.In[0].Tensor.Len() == 0 || c.In[1].Tensor.Len() == 0 || c.Out[0].Tensor.Len() == 0 {
		return &inner{}, nil // nothing adds to dX
	}
	cg, mg := g.c/g.group, g.m/g.group
	a := attr.Map{"group": attr.Int(int64(g.group)),
		"kernel_shape": attr.Ints(g.spatial(func(a *axis) int { return a.K })...),
		"dilations":    attr.Ints(g.spatial(func(a *axis) int { return a.Dil })...)}
	turned := g.turn(cg, mg)
	for _, v := range g.ax {
		turned = turned && v.Stride == 1 && v.Span()-1 >= v.Pad && v.In+v.Pad >= v.out
	}
	if turned {
		a["pads"] = attr.Ints(append(g.spatial(func(a *axis) int { return a.Span() - 1 - a.Pad }),
			g.spatial(func(a *axis) int { return a.In + a.Pad - a.out })...)...)
		s := k.convolution(&g, g.c, mg)
		flat := s.desc == k.depthwise
		s.pack = func(dst, w []float32) { turn(dst, w, &g, cg, mg, flat) }
		return s, s.prepare(c, a)
	}
	// A transposed convolution of dY; what it would leave short of dX, or make
	// beyond, is its output padding or its padding at the end.
	over := func(v *axis) int { return v.Stride*(v.out-1) + v.Span() - v.Pad - v.In }
	a["strides"] = attr.Ints(g.spatial(func(v *axis) int { return v.Stride })...)
	a["pads"] = attr.Ints(append(g.spatial(func(v *axis) int { return v.Pad }), g.spatial(func(v *axis) int { return max(0, over(v)) })...)...)
	a["output_padding"] = attr.Ints(g.spatial(func(v *axis) int { return max(0, -over(v)) })...)
	s := &inner{desc: k.transpose, weights: g.m * cg * g.taps(), more: 2, lead: 1}
	s.dims = []int{s.weights}
	s.pack = func(dst, w []float32) { conv.PackTranspose(dst, w, g.m, cg, g.taps(), g.group) }
	return s, s.prepare(c, a)
}

// turn says whether dX is cheaper as a convolution of dY with filters turned
// round than as a transposed one. By tap, the one copies dY's channels to
// every pixel of dX, the other adds dX's channels up from every place of dY,
// which costs about three times as much an element; a product's multiply-add
// is about a sixteenth of such a copy.
func (g *geometry) turn(cg, mg int) bool {
	return cg == 1 && mg == 1 || mg*g.pixels()*(16+cg) <= cg*g.places()*(48+mg)
}

// turn writes W[m, cg, taps] as the filters [c, mg, taps] of the convolution
// that takes dY to dX, taps turned round: plain, or in gemm.FormatA.
func turn(dst, w []float32, g *geometry, cg, mg int, plain bool) {
	taps := g.taps()
	k := mg * taps
	for i := range g.group {
		for x := range cg {
			row := (i*cg + x) * k
			for m := range mg {
				src := w[((i*mg+m)*cg+x)*taps:][:taps]
				for t, v := range src {
					at := m*taps + taps - 1 - t
					if plain {
						dst[row+at] = v
						continue
					}
					// FormatA: blocks of BlockK columns, each of all the group's rows.
					b := at / gemm.BlockK * gemm.BlockK
					kc := min(gemm.BlockK, k-b)
					dst[i*cg*k+b*cg+x*kc+at-b] = v
				}
			}
		}
	}
}

var generic = kernels{&conv.F32_generic, &conv.TransposeF32_generic, &dwconv.F32_generic}
