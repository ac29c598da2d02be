package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes"
)

// commandHint is the hint after an unknown command.
func commandHint(root *cobra.Command, name string) string {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return diag.DidYouMean(name, names, "`mlc help` lists the commands")
}

// flagError words pflag's complaint and adds near misses.
func flagError(c *cobra.Command, err error) error {
	if e, ok := err.(*pflag.InvalidValueError); ok {
		return usage("%s: --%s: have %q, want %s", c.CommandPath(), e.GetFlag().Name, e.GetValue(), valueText(e.GetFlag().Value.Type()))
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
	n := diag.Nearest(e.GetSpecifiedName(), names)
	for i := range n {
		n[i] = "--" + n[i]
	}
	hint := "`" + c.CommandPath() + " -h` lists the flags"
	if len(n) > 0 {
		hint = "did you mean " + strings.Join(n, ", ") + "?"
	}
	return usage("%s: unknown flag --%s (%s)", c.CommandPath(), e.GetSpecifiedName(), hint)
}

// valueText is what a flag of a type of pflag's takes, in words.
func valueText(typ string) string {
	switch typ {
	case "float64":
		return "a number"
	case "int", "int64":
		return "a whole number"
	case "uint64":
		return "a whole number of 0 or more"
	case "duration":
		return "a time such as 1.5s or 300ms"
	case "bool":
		return "true or false"
	}
	return typ
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
	return usage("%s: no %s %q%s", flag, what, name, diag.DidYouMean(name, names, "`mlc passes` lists them"))
}
