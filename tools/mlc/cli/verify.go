package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
)

func (a *app) verify() *cobra.Command {
	var f compileFlags
	var engine, tolFile, match string
	var rtol, atol float64
	var threads int
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Run recorded vectors (folders or .tar.zst of model.onnx and test_data_set_N) and compare",
		Args:  cobra.MinimumNArgs(1),
	}
	f.register(c, "2")
	s := c.Flags()
	s.StringVar(&engine, "engine", "cpu", "`engine`: "+engineHelp+", ref interprets the imported model")
	s.Float64Var(&rtol, "rtol", 1e-3, "relative `tolerance`")
	s.Float64Var(&atol, "atol", 1e-5, "absolute `tolerance`")
	s.StringVar(&tolFile, "tolerances", "", "`FILE.tsv` of case pattern, rtol, atol, reason")
	s.StringVar(&match, "match", "", "only cases whose folder matches `RE`")
	s.IntVar(&threads, "threads", 1, "`threads` a run may use")
	s.DurationVar(&timeout, "timeout", 0, "give up on a case after this `time`")
	c.RunE = func(c *cobra.Command, args []string) error {
		if !(rtol >= 0 && atol >= 0) {
			return usage("--rtol %v, --atol %v: want 0 or more", rtol, atol)
		}
		var err error
		if f.target, err = onEngine(engine, f.target, typed(c.Flags(), "target")); err != nil {
			return err
		}
		o := a.options()
		if err := f.fill(c, a, &o); err != nil {
			return err
		}
		co := conform.Options{Rtol: rtol, Atol: atol, Timeout: timeout}
		switch engine {
		case engineCPU, engineCUDA, engineSim:
			o.Device = a.deviceFor(engine)
			co.Engine = codegen.CPU(o, threads)
		case engineRef:
			co.Engine = codegen.Reference(o)
		default:
			return usage("--engine=%s: unknown engine (have cpu, ref, cuda, ptxsim)", engine)
		}
		if co.Filter, err = pattern("-match", match); err != nil {
			return err
		}
		if tolFile != "" {
			if co.Tolerances, err = conform.ReadTolerances(tolFile); err != nil {
				return err
			}
		}
		return a.verifyAll(c, args, co)
	}
	return c
}

// verifyCase is one case in `mlc verify --json`.
type verifyCase struct {
	conform.Result
	Seconds float64 `json:"seconds"`
}

func (a *app) verifyAll(c *cobra.Command, paths []string, co conform.Options) error {
	var list []verifyCase
	bar := a.newProgress()
	sum, err := conform.Run(c.Context(), paths, co, func(r conform.Result) {
		list = append(list, verifyCase{r, r.Took.Seconds()})
		if r.Status == conform.Failed || r.Status == conform.Note || a.verbose {
			bar.done()
		}
		switch {
		case a.json:
		case r.Status == conform.Failed:
			fmt.Fprintf(a.out, "FAIL %s: %s\n", r.Name, r.Msg)
		case r.Status == conform.Note:
			fmt.Fprintf(a.out, "NOTE %s: %s\n", r.Name, r.Msg)
		case a.verbose:
			fmt.Fprintf(a.out, "%-4s %s (%.2f s)\n", "ok", r.Name, r.Took.Seconds())
		}
		bar.count("verifying", "cases", len(list), 0)
	})
	bar.done()
	if err != nil {
		return err
	}
	a.failed = sum.Failed > 0
	if sum.Passed+sum.Failed+sum.Skipped+sum.Notes == 0 {
		return usage("no case matches")
	}
	if a.json {
		return a.emit("verify/1", map[string]any{"passed": sum.Passed, "failed": sum.Failed, "skipped": sum.Skipped, "notes": sum.Notes, "cases": list})
	}
	fmt.Fprintf(a.out, "%d passed, %d failed, %d skipped\n", sum.Passed, sum.Failed, sum.Skipped)
	return nil
}
