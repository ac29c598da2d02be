package cpu

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/grad"
	"github.com/mlc-go/mlc/runtime/plan"
)

// convOpen lowers a convolution over one or two axes whose filters are known
// at run time only: states under training, and what follows from them.
func (fl *funcLowerer) convOpen(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	x, w, y := a.In[0].Type, a.In[1].Type, a.Out[0]
	if r := x.Rank(); !x.Ranked() || !w.Ranked() || r != w.Rank() || r != 3 && r != 4 {
		return false, nil
	}
	p := fl.epilogue(y)
	at := pick(a.Attrs, "auto_pad", "dilations", "group", "pads", "strides")
	if len(a.In) > 2 && a.In[2] != nil {
		b, ok, err := fl.channels(a.In[2], y.Type)
		if !ok {
			return false, err
		}
		v, ok := p.read(b)
		if !ok {
			return false, nil
		}
		p.vals[y] = p.do2(eltwise.Add, p.vals[y], v)
	}
	if !p.follow(rest, at) || !p.fits(y.Type.Dims, 1, 2, y.Type.Rank()) {
		return false, nil
	}
	call := plan.Instr{Op: plan.Call, Name: grad.OpConv, Alts: fl.alts(grad.OpConv, ""), MACs: macs(a)}
	return fl.anchored(n, p, []*ir.Value{a.In[0], a.In[1]}, at, call)
}

// channels gives vector v the axes of a result of type y, as a value that only
// the plan knows: [M, 1, ...].
func (fl *funcLowerer) channels(v *ir.Value, y ir.Type) (*ir.Value, bool, error) {
	if v = fl.resolve(v); !v.Type.Ranked() || v.Type.Rank() != 1 || !fl.placed(v.Type) {
		return nil, false, nil
	}
	s, err := fl.slot(v)
	if err != nil || fl.f.Slots[fl.f.Root(s)].Kind == plan.Obj {
		return nil, false, err
	}
	dims := []shape.Dim{y.Dims[1]}
	for range y.Dims[2:] {
		dims = append(dims, shape.Int(1))
	}
	view := &ir.Value{Name: v.Name, Type: tensor.T(v.Type.DType, dims...)}
	fl.bind(view, plan.Slot{Kind: plan.Buf, Type: view.Type, Name: v.Name, Alias: s})
	return view, true, nil
}

// selectConvGrad lowers the gradients of a convolution over one or two axes.
func selectConvGrad(fl *funcLowerer, n *ir.Node) (bool, error) {
	if r := n.Out[0].Type.Rank(); r != 3 && r != 4 || n.In[0].Type.Rank() != r || n.In[1].Type.Rank() != r {
		return false, nil
	}
	op := grad.OpGradX
	if n.Is("mlc.ConvGradW") {
		op = grad.OpGradW
	}
	return fl.direct(n, op, n.Attrs, n.In[0], n.In[1])
}

// selectPoolGrad lowers the gradients of pools over one or two axes.
func selectPoolGrad(fl *funcLowerer, n *ir.Node) (bool, error) {
	if r := n.Out[0].Type.Rank(); r != 3 && r != 4 {
		return false, nil
	}
	if n.Is("mlc.AveragePoolGrad") {
		return fl.direct(n, grad.OpAvgPool, n.Attrs, n.In[0])
	}
	return fl.direct(n, grad.OpMaxPool, n.Attrs, n.In[0], n.In[1])
}

// gated finds, in a Where, the gradient of max(x, 0): dy where 0 < x, else 0.
func (fl *funcLowerer) gated(n *ir.Node) (x, dy *ir.Value, ok bool) {
	c := n.In[0].Node
	if c == nil || !c.Is("Less") || !fl.zero(c.In[0]) || !fl.zero(n.In[2]) {
		return nil, nil, false
	}
	x, dy = c.In[1], n.In[1]
	t := n.Out[0].Type
	return x, dy, computed(t.DType) && x.Type.Equal(t) && dy.Type.Equal(t)
}

func (fl *funcLowerer) zero(v *ir.Value) bool {
	if v == nil || !v.Type.Ranked() {
		return false
	}
	z, ok := fl.scalar(v)
	return ok && math.Float32bits(z) == 0
}

// selectWhere lowers the gradient of max(x, 0).
func selectWhere(fl *funcLowerer, n *ir.Node) (bool, error) {
	x, dy, ok := fl.gated(n)
	if !ok {
		return false, nil
	}
	return fl.direct(n, grad.OpGate, attr.Map{}, x, dy)
}

// selectLess leaves out a comparison that only such gradients read.
func selectLess(fl *funcLowerer, n *ir.Node) (bool, error) {
	if fl.alts(grad.OpGate, "") == nil {
		return false, nil
	}
	for _, u := range n.Out[0].Uses() {
		if u.Node == nil || !u.Node.Is("Where") || u.Index != 0 || !fl.sized(u.Node) {
			return false, nil
		}
		if _, _, ok := fl.gated(u.Node); !ok {
			return false, nil
		}
	}
	return true, nil
}

// selectNorm lowers BatchNormalization in training mode, and its gradient. In
// inference it is folded or expanded before.
func selectNorm(fl *funcLowerer, n *ir.Node) (bool, error) {
	for _, v := range n.In {
		if v.Type.DType != dtype.F32 {
			return false, nil
		}
	}
	switch {
	case n.Is("mlc.BatchNormGrad"):
		return fl.direct(n, grad.OpNormGrad, n.Attrs, n.In...)
	case n.Attrs.Bool("training_mode"):
		return fl.direct(n, grad.OpNorm, n.Attrs, n.In...)
	}
	return false, nil
}

// selectFake lowers fake quantization and what stands for its gradient.
func selectFake(fl *funcLowerer, n *ir.Node) (bool, error) {
	op := grad.OpFake
	if n.Is("mlc.FakeQuantizeGrad") {
		op = grad.OpFakeGrad
	}
	return fl.direct(n, op, n.Attrs, n.In...)
}

// selectMask lowers masks of dropout; the extents are those of the result.
func selectMask(fl *funcLowerer, n *ir.Node) (bool, error) {
	if n.Out[0].Type.DType != dtype.F32 {
		return false, nil // rounding 1/(1-ratio) twice is not rounding it once
	}
	return fl.direct(n, grad.OpMask, pick(n.Attrs, "ratio"), n.In[0])
}
