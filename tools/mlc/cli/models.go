package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/ir/diag"
)

// modelNames are the models by name.
func modelNames() []string {
	var names []string
	for _, m := range nn.Models() {
		names = append(names, m.Name)
	}
	return names
}

// namedModel reads the value of a flag that takes a model by name, NAME or
// NAME:ARGUMENTS, or a model file: named tells which it is.
func namedModel(flag, value string) (s nn.Spec, named bool, err error) {
	name, _, _ := strings.Cut(value, ":")
	if slices.Contains(modelNames(), name) {
		s, err = nn.ParseSpec(value)
		return s, true, err
	}
	if fileExists(value) {
		return s, false, nil
	}
	return s, false, usage("%s %s: no such model or file%s", flag, value,
		diag.DidYouMean(name, modelNames(), "models by name are "+strings.Join(modelNames(), ", ")))
}

func (a *app) models() *cobra.Command {
	return &cobra.Command{
		Use:   "models",
		Short: "List the models by name that `mlc train` makes, and their arguments",
		Long:  modelsHelp,
		RunE: func(c *cobra.Command, args []string) error {
			if a.json {
				return a.emitModels()
			}
			for _, m := range nn.Models() {
				fmt.Fprintf(a.out, "%s\n  %s\n", m.Spec(), m.Doc)
				rows := [][]string{{"  samples", m.Takes}, {"  widths", m.WidthsDoc}}
				for _, g := range m.Args {
					rows = append(rows, []string{"  " + g.Name, fmt.Sprintf("%s (%v..%v)", g.Doc, g.Min, g.Max)})
				}
				a.table(a.out, rows)
			}
			return nil
		},
	}
}

const modelsHelp = "List the models by name that `mlc train` makes: what each bare name stands for, and\n" +
	"what its arguments mean. NAME:ARGUMENTS sets others, joined by commas: numbers take\n" +
	"the place of all the widths, NAME=VALUE sets one argument: mlp:128,64,dropout=0.1"

func (a *app) emitModels() error {
	type arg struct {
		Name    string  `json:"name"`
		Doc     string  `json:"doc"`
		Default float64 `json:"default"`
		Min     float64 `json:"min"`
		Max     float64 `json:"max"`
	}
	type model struct {
		Name      string `json:"name"`
		Spec      string `json:"spec"`
		Doc       string `json:"doc"`
		Samples   string `json:"samples"`
		Widths    []int  `json:"widths"`
		WidthsDoc string `json:"widths_doc"`
		Args      []arg  `json:"arguments"`
	}
	list := []model{}
	for _, m := range nn.Models() {
		e := model{Name: m.Name, Spec: m.Spec(), Doc: m.Doc, Samples: m.Takes, Widths: m.Widths, WidthsDoc: m.WidthsDoc, Args: []arg{}}
		for _, g := range m.Args {
			e.Args = append(e.Args, arg{g.Name, g.Doc, g.Default, g.Min, g.Max})
		}
		list = append(list, e)
	}
	return a.emit("models/1", map[string]any{"models": list})
}
