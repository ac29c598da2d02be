package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/runtime/plan"
)

// selector lowers one node to fast kernels; false leaves it to the reference
// function (or, for a fused group, to its operators one by one).
type selector func(fl *funcLowerer, n *ir.Node) (bool, error)

// selectors has an entry per operator that some kernel computes.
var selectors = map[string]selector{}

// alts lists the kernels for an op and constant format, best first; nil if
// there is none for the target.
func (l *lowerer) alts(op, format string) []plan.Alt {
	var out []plan.Alt
	for _, d := range l.opt.Set.Pick(op, format, l.opt.Target.Arch, l.opt.Target.Features) {
		out = append(out, plan.Alt{Kernel: d.ID})
	}
	return out
}
