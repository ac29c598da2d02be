package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/runtime/plan"
)

// selector lowers one node to fast kernels; false leaves it to the reference
// function (or, for a fused group, to its operators one by one).
type selector func(fl *funcLowerer, n *ir.Node) (bool, error)

// selectors has an entry per operator that some kernel computes.
var selectors = map[string]selector{
	"mlc.Fused": selectFused,

	"Conv": single, "ConvTranspose": single, "MatMul": single, "Gemm": single,
	"LSTM": selectLSTM, "mlc.LSTMGrad": selectLSTM,
	"MaxPool": selectPoolBytes, "AveragePool": selectPool, "GlobalAveragePool": selectPool,
	"Softmax":   selectSoftmax,
	"ReduceSum": selectReduce, "ReduceMean": selectReduce, "ReduceMax": selectReduce, "ReduceMin": selectReduce, "ReduceProd": selectReduce,
	"ReduceSumSquare": selectReduce, "ReduceL1": selectReduce, "ReduceL2": selectReduce,
	"Transpose": selectMove, "Concat": selectMove, "Slice": selectMove, "Pad": selectMove,

	"Add": elementwise, "Sub": elementwise, "Mul": elementwise, "Div": elementwise, "Min": elementwise, "Max": elementwise,
	"Sum": elementwise, "Pow": elementwise, "Sqrt": elementwise, "Reciprocal": elementwise, "Exp": elementwise, "Log": elementwise,
	"Neg": elementwise, "Abs": elementwise, "Floor": elementwise, "Ceil": elementwise, "Round": elementwise, "Erf": elementwise,
	"Relu": elementwise, "LeakyRelu": elementwise, "PRelu": elementwise, "Clip": elementwise, "Sigmoid": elementwise, "Tanh": elementwise,
	"Gelu": elementwise, "Elu": elementwise, "Selu": elementwise, "HardSigmoid": elementwise, "HardSwish": elementwise,
	"Softplus": elementwise, "Softsign": elementwise, "Mish": elementwise, "Swish": elementwise,
	"Cast": selectCast, "LayerNormalization": selectLayerNorm,

	"mlc.ConvGradX": selectConvGrad, "mlc.ConvGradW": selectConvGrad, "mlc.MaxPoolGrad": selectPoolGrad, "mlc.AveragePoolGrad": selectPoolGrad,
	"Where": selectWhere, "Less": selectLess, "BatchNormalization": selectNorm, "mlc.BatchNormGrad": selectNorm,

	"mlc.DropoutMask": selectMask,

	"mlc.FakeQuantize": selectFake, "mlc.FakeQuantizeGrad": selectFake,

	"QuantizeLinear": selectQuantize, "DequantizeLinear": selectDequantize,
	"DynamicQuantizeLinear": selectDynamic, "MatMulInteger": selectMatMulInteger, "ConvInteger": selectConvInteger,
}

// alts lists the kernels for an op and constant format, best first; nil if
// there is none for the target.
func (l *lowerer) alts(op, format string) []plan.Alt {
	var out []plan.Alt
	for _, d := range l.opt.Set.Pick(op, format, l.opt.Target.Arch, l.opt.Target.Features) {
		out = append(out, plan.Alt{Kernel: d.ID})
	}
	return out
}

// sized says whether the extents of all outputs are known when n is reached:
// kernels are given their outputs, only reference functions can make them.
func (fl *funcLowerer) sized(n *ir.Node) bool {
	for _, v := range n.Out {
		if v == nil {
			continue
		}
		if !v.Type.Ranked() {
			return false
		}
		for _, d := range v.Type.Dims {
			for _, s := range d.Symbols(nil) {
				if i, ok := fl.syms[s]; !ok || !fl.p.Syms[i].Entry && !fl.bound[s] {
					return false
				}
			}
		}
	}
	return true
}

// single lowers a product or convolution that stands alone.
func single(fl *funcLowerer, n *ir.Node) (bool, error) { return fl.anchor(n, n, nil) }

// selectFused lowers a group whose kind some kernel computes at once.
func selectFused(fl *funcLowerer, n *ir.Node) (bool, error) {
	body := n.Regions[0]
	for i, p := range body.Params {
		fl.same[p] = n.In[i]
	}
	var nodes []*ir.Node
	for _, c := range body.Nodes {
		if c.Const == nil {
			nodes = append(nodes, c)
		}
	}
	if len(nodes) == 0 || len(body.Results) != 1 || body.Results[0].Value.Node != nodes[len(nodes)-1] {
		return false, nil
	}
	switch n.Attrs.Str("kind") {
	case "epilogue":
		return fl.anchor(n, nodes[0], nodes[1:])
	case "eltwise":
		return fl.eltwise(n, nodes)
	case "qgroup":
		return fl.qgroup(n, nodes)
	}
	return false, nil
}

// anchor lowers product or convolution a and the nodes after it, its epilogue,
// which together are n.
func (fl *funcLowerer) anchor(n, a *ir.Node, rest []*ir.Node) (bool, error) {
	t := a.Out[0].Type
	if !computed(t.DType) || !t.Ranked() {
		return false, nil
	}
	switch a.OpName() {
	case "Conv":
		return fl.conv(n, a, rest)
	case "ConvTranspose":
		return fl.convTranspose(n, a, rest)
	case "MatMul":
		return fl.matmul(n, a, rest)
	case "Gemm":
		return fl.gemm(n, a, rest)
	}
	return false, nil
}
