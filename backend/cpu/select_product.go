package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Names of what the kernels of package gemm compute.
const (
	opProduct = "gemm.f32"
	opMatMul  = "matmul.f32"
)

// matmul lowers a MatMul: a constant matrix B is packed, other operands are
// multiplied as they come.
func (fl *funcLowerer) matmul(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	return fl.product(n, a, fl.epilogue(a.Out[0]), rest)
}

// gemm lowers a Gemm: alpha, beta and C go to the front of the epilogue.
func (fl *funcLowerer) gemm(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	y := a.Out[0]
	p := fl.epilogue(y)
	if alpha := a.Attrs.Float("alpha"); alpha != 1 {
		p.vals[y] = p.do2(eltwise.Mul, p.vals[y], number(alpha))
	}
	if len(a.In) > 2 && a.In[2] != nil {
		c, ok := p.read(a.In[2])
		if !ok {
			return false, nil
		}
		if beta := a.Attrs.Float("beta"); beta != 1 && c.kind == argNumber {
			c.v *= beta
		} else if beta != 1 {
			c = p.do2(eltwise.Mul, c, number(beta))
		}
		p.vals[y] = p.do2(eltwise.Add, p.vals[y], c)
	}
	return fl.product(n, a, p, rest)
}

// product multiplies the first two operands of a; p is the epilogue so far.
func (fl *funcLowerer) product(n, a *ir.Node, p *program, rest []*ir.Node) (bool, error) {
	x, y, out := a.In[0], a.In[1], a.Out[0].Type
	if !x.Type.Ranked() || !y.Type.Ranked() || x.Type.Rank() == 0 || y.Type.Rank() == 0 {
		return false, nil
	}
	at := attr.Map{}
	call := plan.Instr{Op: plan.Call, Name: opMatMul, MACs: macs(a)}
	if !p.follow(rest, at) || !p.fits(out.Dims, max(0, out.Rank()-1), out.Rank()) {
		return false, nil
	}
	w, err := fl.weight(y)
	if err != nil {
		return false, err
	}
	reads := []*ir.Value{x, y}
	transA, transB := a.Attrs.Bool("transA"), a.Attrs.Bool("transB")
	if w != nil && len(w.c.Dims) == 2 && !transA && !fl.isConst(x) {
		call.Name, reads = opProduct, reads[:1]
		call.Alts = fl.alts(opProduct, gemm.FormatB)
		call.Consts = []int{fl.packB(w, transB)}
	} else {
		call.Alts = fl.alts(opMatMul, "")
		if transA {
			at["transA"] = attr.Int(1)
		}
		if transB {
			at["transB"] = attr.Int(1)
		}
	}
	return fl.anchored(n, p, reads, at, call)
}

// packB packs a matrix B.
func (fl *funcLowerer) packB(w *weight, trans bool) int {
	k, n, ld, how := w.c.Dims[0], w.c.Dims[1], w.c.Dims[1], "kn"
	if trans {
		k, n, how = n, k, "nk"
	}
	return fl.pack(w, gemm.FormatB, how, []int{gemm.PackedB(k, n)}, func(dst, src []float32) { gemm.PackB(dst, src, k, n, ld, trans) })
}

// follow adds the nodes after an anchor to its epilogue, and the epilogue to
// the call's attributes; false where no kernel takes them.
func (p *program) follow(rest []*ir.Node, at attr.Map) bool {
	for _, c := range rest {
		if !p.node(c) {
			return false
		}
	}
	if len(rest) > 0 && !p.result(rest[len(rest)-1].Out[0]) {
		return false
	}
	if len(p.steps) == 0 {
		return true
	}
	prog, ok := p.prog()
	if ok {
		at[eltwise.AttrProg] = prog.Attrs()[eltwise.AttrProg]
	}
	return ok
}

// anchored emits a call that reads the given values as float32, then the
// operands of its epilogue.
func (fl *funcLowerer) anchored(n *ir.Node, p *program, reads []*ir.Value, at attr.Map, call plan.Instr) (bool, error) {
	if call.Alts == nil {
		return false, nil
	}
	for _, v := range reads {
		s, err := fl.f32(v)
		if err != nil {
			return false, err
		}
		call.In = append(call.In, s)
	}
	more, err := p.slots(1)
	if err != nil {
		return false, err
	}
	call.In, call.Attrs = append(call.In, more...), at
	fl.emitF32(n, call)
	return true, nil
}
