package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	kcopy "github.com/mlc-go/mlc/runtime/kernel/copy"
	"github.com/mlc-go/mlc/runtime/plan"
)

// movers are the operators that move elements of any type, with what computes
// them.
var movers = map[string]string{
	"Transpose": kcopy.OpTranspose, "Concat": kcopy.OpConcat, "Slice": kcopy.OpSlice, "Pad": kcopy.OpPad,
}

// selectMove lowers them where the operands that decide shapes are constant.
func selectMove(fl *funcLowerer, n *ir.Node) (bool, error) {
	name := n.OpName()
	if t := n.Out[0].Type; !t.Ranked() || t.DType == dtype.String || t.DType.Bits()%8 != 0 {
		return false, nil
	}
	for i, v := range n.In {
		if v == nil {
			continue
		}
		shapes := name == "Slice" && i > 0 || name == "Pad" && i > 0 && i != 2
		if !v.Type.Ranked() || shapes && !fl.isConst(v) {
			return false, nil
		}
	}
	if name == "Pad" && n.Attrs.Str("mode") != "constant" {
		return false, nil
	}
	alts := fl.alts(movers[name], "")
	if alts == nil {
		return false, nil
	}
	in, err := fl.operands(n.In)
	if err != nil {
		return false, err
	}
	fl.emit(plan.Instr{Op: plan.Call, Name: movers[name], Alts: alts, Attrs: n.Attrs, In: in, Out: fl.results(n), Source: n.Source})
	return true, nil
}
