// Package pass declares what a pass is and what is told of its run. It runs
// nothing: passes.Run does, and every pass package fills in a Pass.
//
//	var p = pass.Pass{
//		Name: "dce", Doc: "remove what nobody reads", Level: 1,
//		Run: func(c *rewrite.Ctx, m *ir.Module) error { ... },
//	}
package pass

import (
	"time"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Manual is the Level of passes that run only by name.
const Manual = 99

// A Pass changes a Module in place and must leave it verifiable.
type Pass struct {
	Name     string         // "fuse-conv-bn": verb-noun, dashes, unique
	Doc      string         // one sentence, shown by `mlc passes`
	Level    int            // lowest -O that runs it; Manual = only by name
	Required bool           // lowering is wrong without it; cannot be switched off
	Tol      tensor.Tol     // largest output change allowed; Exact unless stated
	Rules    []rewrite.Rule // rule sets need no Run; rules without Make name what Run fires
	Run      func(*rewrite.Ctx, *ir.Module) error
}

// Apply runs the pass: Run if it has one, then its Rules until none matches.
func (p *Pass) Apply(c *rewrite.Ctx, m *ir.Module) error {
	if p.Run != nil {
		if err := p.Run(c, m); err != nil {
			return err
		}
	}
	if len(p.Rules) == 0 {
		return nil
	}
	return rewrite.Apply(c, m, p.Rules)
}

// RuleNames are the names that the pass fires, for switches.
func (p *Pass) RuleNames() []string {
	out := make([]string, len(p.Rules))
	for i := range p.Rules {
		out[i] = p.Rules[i].Name
	}
	return out
}

// PassStat is what one run of one pass did.
type PassStat struct {
	Name                    string
	Took                    time.Duration
	NodesBefore, NodesAfter int
	Changed                 bool
	Counts                  map[string]int // rewrites and statistics by name
}

// Report is what a pipeline did.
type Report struct {
	Passes  []PassStat
	Remarks []rewrite.Remark
	Fired   int64  // rewrites that took fuel
	Last    string // the newest of them, "pass/rule at node"
}
