package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/emit"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/plan"

	"io"
)

func (a *app) print() *cobra.Command {
	var f compileFlags
	var stage string
	var most int
	c := &cobra.Command{
		Use:   "print MODEL",
		Short: "Print a model as text at a stage of compilation; of an artifact, its plan",
		Args:  cobra.ExactArgs(1),
	}
	f.register(c, "2")
	c.Flags().StringVar(&stage, "stage", codegen.StageImport, "`STAGE`: "+strings.Join(codegen.Stages(), ", "))
	c.Flags().IntVar(&most, "max-elems", 0, "leave out the elements of constants with more than `N` (the text is then for reading only)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.onlyForModels(c, args); err != nil {
			return err
		}
		if isArtifactFile(args[0]) {
			if typed(c.Flags(), "stage") && stage != codegen.StagePlan {
				return usage("%s is compiled: only its plan is left", args[0])
			}
			b, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			file, err := artifact.Decode(b)
			if err != nil {
				return diag.In(args[0], diag.BadModel, err)
			}
			return a.printText("plan", plan.Format(file.Program))
		}
		o := a.options()
		if err := f.fill(c, a, &o); err != nil {
			return err
		}
		src, err := a.source(args[0])
		if err != nil {
			return err
		}
		return a.printStage(c, src, o, stage, most)
	}
	return c
}

// printStage builds up to a stage and prints its form, lists of more than most
// elements left out (0: none).
func (a *app) printStage(c *cobra.Command, src codegen.Source, o codegen.Options, stage string, most int) error {
	o.Stop = stage
	art, err := codegen.Build(c.Context(), src, o)
	if err != nil {
		return err
	}
	defer art.Close()
	if stage == codegen.StagePlan {
		return a.printText(stage, plan.Format(art.Program()))
	}
	p := text.Printer{MaxElems: most}
	if !a.json {
		return p.Print(a.out, art.Module())
	}
	var b strings.Builder
	if err := p.Print(&b, art.Module()); err != nil {
		return err
	}
	return a.printText(stage, b.String())
}

func (a *app) printText(stage, s string) error {
	if a.json {
		return a.emit("print/1", map[string]any{"stage": stage, "text": s})
	}
	_, err := io.WriteString(a.out, s)
	return err
}

func (a *app) opt() *cobra.Command {
	var f compileFlags
	var out string
	var stats bool
	var opset int
	c := &cobra.Command{
		Use:   "opt MODEL -o OUT",
		Short: "Run passes as a filter: model in, .onnx or .mir out; - for standard input or output",
		Args:  cobra.ExactArgs(1),
	}
	f.register(c, "2")
	c.Flags().StringVarP(&out, "output", "o", "-", "write to `OUT` (.onnx or .mir); - is .mir on standard output")
	c.Flags().BoolVar(&stats, "stats", false, "print what each pass did")
	c.Flags().IntVar(&opset, "opset", onnx.DefaultOpset, "`opset` of an ONNX export")
	c.RunE = func(c *cobra.Command, args []string) error {
		kind := "mir"
		if out != "-" {
			var err error
			if kind, err = emitKind("", out); err != nil {
				return err
			}
			if kind != "onnx" && kind != "mir" {
				return usage("-o %s: want .onnx or .mir", out)
			}
		}
		o := a.options()
		if err := f.fill(c, a, &o); err != nil {
			return err
		}
		o.Stop = passes.Optimized
		art, err := a.built(c.Context(), args[0], o)
		if err != nil {
			return err
		}
		defer art.Close()
		if _, err := a.write(out, func(w io.WriteSeeker) error {
			_, err := emit.Write(c.Context(), w, art, kind, emit.Options{Opset: opset})
			return err
		}); err != nil {
			return err
		}
		if a.json && out != "-" {
			return a.emit("opt/1", map[string]any{"output": out, "passes": passTimes(art.Report())})
		}
		if stats {
			a.passTimes(art.Report())
			for _, r := range art.Report().Remarks {
				fmt.Fprintf(a.err, "%s: %s: %s: %s\n", r.Kind, r.Pass, r.Node, r.Msg)
			}
		}
		return nil
	}
	return c
}
