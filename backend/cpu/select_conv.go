package cpu

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/plan"
)

// conv lowers a convolution over one or two axes with constant filters.
func (fl *funcLowerer) conv(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	w, err := fl.filters(a)
	if w == nil {
		if err == nil && !fl.isConst(a.In[1]) {
			return fl.convOpen(n, a, rest)
		}
		return false, err
	}
	m := w.c.Dims[0]
	p, at, ok, err := fl.convEpilogue(a, w, m, rest)
	if !ok {
		return false, err
	}
	group := a.Attrs.Int("group")
	call := plan.Instr{Op: plan.Call, MACs: macs(a)}
	reads := []*ir.Value{a.In[0]}
	if len(w.c.Dims) == 4 && w.c.Dims[1] == 1 && group > 1 {
		if call.Alts = fl.alts(dwconv.OpF32, dwconv.FormatPlain); call.Alts != nil {
			call.Name, reads = dwconv.OpF32, append(reads, nil)
			call.Consts = []int{fl.pack(w, dwconv.FormatPlain, "", w.c.Dims, func(dst, src []float32) { copy(dst, src) })}
			return fl.anchored(n, p, reads, at, call)
		}
	}
	call.Name, call.Alts = conv.OpConv, fl.alts(conv.OpConv, gemm.FormatA)
	mg, k := m/group, shapeCount(w.c.Dims[1:])
	call.Consts = []int{fl.pack(w, gemm.FormatA, fmt.Sprintf("conv/%d", group), []int{m * k}, func(dst, src []float32) {
		for g := range group {
			gemm.PackRows(dst[g*mg*k:(g+1)*mg*k], src[g*mg*k:], mg, k, k, false)
		}
	})}
	return fl.anchored(n, p, reads, at, call)
}

// convTranspose lowers a transposed convolution over one or two axes with
// constant filters.
func (fl *funcLowerer) convTranspose(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	w, err := fl.filters(a)
	if w == nil {
		return false, err
	}
	group := a.Attrs.Int("group")
	c, mg := w.c.Dims[0], w.c.Dims[1]
	p, at, ok, err := fl.convEpilogue(a, w, mg*group, rest)
	if !ok {
		return false, err
	}
	call := plan.Instr{Op: plan.Call, Name: conv.OpTranspose, Alts: fl.alts(conv.OpTranspose, conv.FormatTranspose), MACs: macs(a)}
	call.Consts = []int{fl.pack(w, conv.FormatTranspose, fmt.Sprint(group), []int{w.c.Len()}, func(dst, src []float32) {
		conv.PackTranspose(dst, src, c, mg, shapeCount(w.c.Dims[2:]), group)
	})}
	return fl.anchored(n, p, []*ir.Value{a.In[0]}, at, call)
}

// filters gives the weights of a convolution that kernels take, nil else.
func (fl *funcLowerer) filters(a *ir.Node) (*weight, error) {
	w, err := fl.weight(a.In[1])
	if w == nil || len(w.c.Dims) < 3 || len(w.c.Dims) > 4 || w.c.Len() == 0 || !a.In[0].Type.Ranked() {
		return nil, err
	}
	return w, nil
}

// convEpilogue makes the epilogue of a convolution to m channels, which begins
// with its bias, and the attributes of the call. ok is false where no kernel
// takes it.
func (fl *funcLowerer) convEpilogue(a *ir.Node, w *weight, m int, rest []*ir.Node) (p *program, at attr.Map, ok bool, err error) {
	y := a.Out[0]
	p = fl.epilogue(y)
	at = pick(a.Attrs, "auto_pad", "dilations", "group", "output_padding", "output_shape", "pads", "strides")
	var k []int64
	for _, d := range w.c.Dims[2:] {
		k = append(k, int64(d))
	}
	at["kernel_shape"] = attr.Ints(k...)
	if len(a.In) > 2 && a.In[2] != nil {
		b, err := fl.weight(a.In[2])
		if b == nil || b.c.Len() != m {
			return nil, nil, false, err
		}
		dims := []int{m}
		for range w.c.Dims[2:] {
			dims = append(dims, 1)
		}
		p.vals[y] = p.do2(eltwise.Add, p.vals[y], p.constant(b, dims...))
	}
	ok = p.follow(rest, at) && p.fits(y.Type.Dims, 1, 2, y.Type.Rank())
	return p, at, ok, nil
}
