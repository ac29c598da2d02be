package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlc-go/mlc/passes"
)

// nearest are the candidates that a mistyped name may have meant, best first:
// those within two edits (one for short names) or that it begins.
func nearest(name string, candidates []string) []string {
	type near struct {
		name string
		d    int
	}
	limit := min(2, max(1, len(name)/3))
	var list []near
	low := strings.ToLower(name)
	for _, c := range candidates {
		cl := strings.ToLower(c)
		d := edits(low, cl)
		if d > limit && len(name) >= 3 && strings.HasPrefix(cl, low) {
			d = limit
		}
		if d <= limit {
			list = append(list, near{c, d})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return a.d - b.d })
	var out []string
	for _, n := range list[:min(3, len(list))] {
		out = append(out, n.name)
	}
	return out
}

// didYouMean is the hint after an unknown name: near misses, else what lists
// the names.
func didYouMean(name string, candidates []string, lists string) string {
	if n := nearest(name, candidates); len(n) > 0 {
		return " (did you mean " + strings.Join(n, ", ") + "?)"
	}
	return " (" + lists + ")"
}

// edits counts insertions, deletions, substitutions and swaps of neighbours
// between a and b (optimal string alignment).
func edits(a, b string) int {
	prev2, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur := make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, cur
	}
	return prev[len(b)]
}

// commandHint is the hint after an unknown command.
func commandHint(root *cobra.Command, name string) string {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return didYouMean(name, names, "`mlc help` lists the commands")
}

// flagError words pflag's complaint and adds near misses.
func flagError(c *cobra.Command, err error) error {
	if e, ok := err.(*pflag.InvalidValueError); ok {
		return usage("%s: --%s: have %q, want %s", c.CommandPath(), e.GetFlag().Name, e.GetValue(), e.GetFlag().Value.Type())
	}
	e, ok := err.(*pflag.NotExistError)
	if !ok {
		return usage("%s: %v", c.CommandPath(), err)
	}
	if n := e.GetSpecifiedShortnames(); n != "" {
		return usage("%s: unknown flag -%s (`%s -h` lists the flags)", c.CommandPath(), n, c.CommandPath())
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	n := nearest(e.GetSpecifiedName(), names)
	for i := range n {
		n[i] = "--" + n[i]
	}
	hint := "`" + c.CommandPath() + " -h` lists the flags"
	if len(n) > 0 {
		hint = "did you mean " + strings.Join(n, ", ") + "?"
	}
	return usage("%s: unknown flag --%s (%s)", c.CommandPath(), e.GetSpecifiedName(), hint)
}

// knownPass checks the name of a pass, or of a rule where rules are allowed.
func (a *app) knownPass(flag, name string, rules bool) error {
	var names []string
	for _, p := range append(passes.All(), a.reg.Passes...) {
		names = append(names, p.Name)
		if rules {
			names = append(names, p.RuleNames()...)
		}
	}
	if slices.Contains(names, name) {
		return nil
	}
	what := "pass"
	if rules {
		what = "pass or rule"
	}
	return usage("%s: no %s %q%s", flag, what, name, didYouMean(name, names, "`mlc passes` lists them"))
}
