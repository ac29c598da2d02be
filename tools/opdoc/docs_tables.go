package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/runtime/kernel/all"
)

// genPasses writes docs/passes.md: the pipeline, the reasons of its order, and
// every rule.
func genPasses(*op.Set) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(generated + "# Passes\n\n" +
		"The pipeline in running order, by stage; a stage marked *repeated* runs until nothing changes. " +
		"A pass runs from the level stated on; `-d NAME=off` switches off a pass or a rule, `--passes` replaces the pipeline.\n\n" +
		"| stage | pass | from | largest change | |\n|---|---|---|---|---|\n")
	for _, s := range passes.Pipeline() {
		name := s.Name
		if s.Repeat {
			name += ", *repeated*"
		}
		for _, p := range s.Passes {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", name, p.Name, level(&p), p.Tol, cell(p.Doc))
		}
	}
	b.WriteString("\n## Order\n\nEvery run of the first is followed by one of the second, because:\n\n| before | after | why |\n|---|---|---|\n")
	for _, c := range passes.Order() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", c.Before, c.After, cell(c.Why))
	}
	b.WriteString("\n## Rules\n")
	for _, p := range passes.All() {
		if len(p.Rules) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", p.Name)
		for _, r := range p.Rules {
			fmt.Fprintf(&b, "* `%s` %s\n", r.Name, cell(r.Doc))
		}
	}
	return b.Bytes(), nil
}

func level(p *pass.Pass) string {
	if p.Level == pass.Manual {
		return "by name"
	}
	return fmt.Sprint("-O", p.Level)
}

// genKernels writes docs/kernels.md: every kernel of every architecture.
func genKernels(*op.Set) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(generated + "# Kernels\n\n" +
		"Every kernel, best first within an operation. A plan's call names the operation and lists kernels of one constant format as alternatives; " +
		"the machine takes the first whose features it has. All alternatives of one call give the same bits. " +
		"*Fast* is any kernel that is neither a reference function nor a generic twin.\n\n" +
		"| kernel | operation | architecture | needs | fast | format of constants |\n|---|---|---|---|---|---|\n")
	refs := 0
	for _, d := range all.Set().All() {
		if strings.HasPrefix(d.ID, "ref.") {
			refs++
			continue
		}
		arch, needs, fast, format := "any", "", "", d.Format
		if d.Arch != "" {
			arch = d.Arch
		}
		if d.Needs != 0 {
			needs = d.Needs.String()
		}
		if d.Fast {
			fast = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", d.ID, d.Op, arch, needs, fast, format)
	}
	fmt.Fprintf(&b, "\nBeside them stand %d reference functions, `ref.NAME`, one for each operator that has a meaning of its own: "+
		"they run on every architecture wherever nothing above fits.\n", refs)
	return b.Bytes(), nil
}
