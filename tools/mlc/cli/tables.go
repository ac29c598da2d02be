package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/runtime/cpu"
)

func (a *app) table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	t.Flush()
}

func (a *app) targets() *cobra.Command {
	return &cobra.Command{
		Use:   "targets",
		Short: "List the machines to compile for and their features",
		RunE: func(c *cobra.Command, args []string) error {
			type entry struct {
				Name     string `json:"name"`
				Doc      string `json:"doc"`
				Features string `json:"features"`
			}
			var list []entry
			for _, k := range target.Known() {
				e := entry{Name: k[0], Doc: k[1]}
				if k[0] == "native" {
					e.Features = cpu.Host().String()
				} else {
					e.Features = cpu.All(k[0]).String()
				}
				list = append(list, e)
			}
			if a.json {
				return a.emit("targets/1", map[string]any{"targets": list})
			}
			var rows [][]string
			for _, e := range list {
				rows = append(rows, []string{e.Name, e.Features, e.Doc})
			}
			a.table(a.out, rows)
			return nil
		},
	}
}

func (a *app) passes() *cobra.Command {
	return &cobra.Command{
		Use:   "passes",
		Short: "List the passes in running order",
		RunE: func(c *cobra.Command, args []string) error {
			type entry struct {
				Name  string   `json:"name"`
				Doc   string   `json:"doc"`
				Level int      `json:"level"`
				Tol   string   `json:"tolerance"`
				Rules []string `json:"rules,omitempty"`
			}
			var list []entry
			for _, p := range append(passes.All(), a.reg.Passes...) {
				e := entry{Name: p.Name, Doc: p.Doc, Level: p.Level, Tol: p.Tol.String()}
				for _, r := range p.Rules {
					e.Rules = append(e.Rules, r.Name)
				}
				list = append(list, e)
			}
			if a.json {
				return a.emit("passes/1", map[string]any{"passes": list})
			}
			rows := [][]string{{"pass", "level", "tolerance", ""}}
			for _, e := range list {
				l := fmt.Sprint("-O", e.Level)
				if e.Level == pass.Manual {
					l = "by name"
				}
				rows = append(rows, []string{e.Name, l, e.Tol, e.Doc})
			}
			a.table(a.out, rows)
			return nil
		},
	}
}

func (a *app) ops() *cobra.Command {
	var status bool
	c := &cobra.Command{
		Use:   "ops [NAME]",
		Short: "List the operators, or document one",
		Args:  cobra.MaximumNArgs(1),
	}
	c.Flags().BoolVar(&status, "status", false, "print what each operator has: upgrades, gradient, fast kernel")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			return a.opDoc(args[0])
		}
		var list []opStatus
		for _, d := range a.reg.Ops.All() {
			list = append(list, statusOf(d))
		}
		if a.json {
			return a.emit("ops/1", map[string]any{"operators": list})
		}
		var rows [][]string
		if status {
			rows = append(rows, []string{"operator", "since", "gradient", "examples", "reference"})
		}
		for i, d := range a.reg.Ops.All() {
			s := list[i]
			if status {
				rows = append(rows, []string{s.Name, fmt.Sprint(s.Since), s.Gradient, fmt.Sprint(s.Examples), s.Reference})
			} else {
				rows = append(rows, []string{s.Name, fmt.Sprintf("%d", d.Version()), firstSentence(d.Doc)})
			}
		}
		a.table(a.out, rows)
		return nil
	}
	return c
}

type opStatus struct {
	Name      string `json:"name"`
	Since     []int  `json:"since"`
	Gradient  string `json:"gradient"`
	Examples  int    `json:"examples"`
	Reference string `json:"reference"`
	Doc       string `json:"doc"`
}

func statusOf(d *ir.OpDef) opStatus {
	s := opStatus{Name: d.FullName(), Since: d.Since, Gradient: "yes", Examples: len(d.Examples), Doc: d.Doc}
	if d.Grad == nil {
		s.Gradient = "none: " + d.NoGrad
	}
	if d.Ref != nil {
		s.Reference = d.Ref.ID
	}
	return s
}

func firstSentence(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if i := strings.Index(s, ". "); i >= 0 {
		s = s[:i+1]
	}
	return s
}

func (a *app) opDoc(name string) error {
	d := a.reg.Ops.Lookup(name)
	if d == nil {
		var names []string
		for _, o := range a.reg.Ops.All() {
			names = append(names, o.FullName())
		}
		return usage("no operator %q%s", name, diag.DidYouMean(name, names, "`mlc ops` lists them"))
	}
	if a.json {
		return a.emit("op/1", statusOf(d))
	}
	fmt.Fprintf(a.out, "%s\n\n%s\n", d.VersionedName(), d.Doc)
	if len(d.Attrs) > 0 {
		fmt.Fprintln(a.out, "\nAttributes:")
		var rows [][]string
		for _, x := range d.Attrs {
			rows = append(rows, []string{"  " + x.Name, x.Kind.String(), x.Doc})
		}
		a.table(a.out, rows)
	}
	for _, x := range d.Constraints {
		fmt.Fprintf(a.out, "\n%s: %s", x.ID, x.Text)
	}
	if len(d.Constraints) > 0 {
		fmt.Fprintln(a.out)
	}
	s := statusOf(d)
	fmt.Fprintf(a.out, "\nSource: %s. Gradient: %s.\n", d.Source, s.Gradient)
	return nil
}

func (a *app) kernels() *cobra.Command {
	return &cobra.Command{
		Use:   "kernels [NAME]",
		Short: "List the kernels, best first within an operation; NAME is a prefix",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			type entry struct {
				ID     string `json:"id"`
				Op     string `json:"op"`
				Format string `json:"format,omitempty"`
				Arch   string `json:"arch,omitempty"`
				Needs  string `json:"needs,omitempty"`
				Fast   bool   `json:"fast"`
				Here   bool   `json:"runs_here"`
			}
			var list []entry
			for _, d := range a.reg.Kernels.All() {
				if len(args) == 1 && !strings.HasPrefix(d.ID, args[0]) {
					continue
				}
				e := entry{ID: d.ID, Op: d.Op, Format: d.Format, Arch: d.Arch, Fast: d.Fast, Here: d.Runnable(cpu.Host())}
				if d.Needs != 0 {
					e.Needs = d.Needs.String()
				}
				list = append(list, e)
			}
			if len(list) == 0 {
				var ids []string
				for _, d := range a.reg.Kernels.All() {
					ids = append(ids, d.ID)
				}
				return usage("no kernel begins with %q%s", args[0], diag.DidYouMean(args[0], ids, "`mlc kernels` lists them"))
			}
			if a.json {
				return a.emit("kernels/1", map[string]any{"kernels": list})
			}
			rows := [][]string{{"kernel", "architecture", "needs", "fast", "runs here", "format"}}
			for _, e := range list {
				arch := e.Arch
				if arch == "" {
					arch = "any"
				}
				rows = append(rows, []string{e.ID, arch, e.Needs, fmt.Sprint(e.Fast), fmt.Sprint(e.Here), e.Format})
			}
			a.table(a.out, rows)
			return nil
		},
	}
}
