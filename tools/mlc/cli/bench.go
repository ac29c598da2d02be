package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/tools/bench"
)

// benchResult is one line of `mlc bench --json`.
type benchResult struct {
	Model       string       `json:"model"`
	Pipeline    string       `json:"pipeline"`
	Spec        string       `json:"spec,omitempty"` // of --pipeline
	Threads     int          `json:"threads"`
	Batch       int          `json:"batch"`
	Concurrency int          `json:"concurrency"`
	N           int          `json:"n"`
	Min         float64      `json:"min_ms"`
	Mean        float64      `json:"mean_ms"`
	P50         float64      `json:"p50_ms"`
	P90         float64      `json:"p90_ms"`
	P99         float64      `json:"p99_ms"`
	PerSecond   float64      `json:"inferences_per_s"`
	Load        float64      `json:"load_ms"`
	First       float64      `json:"first_ms"`
	PeakRSS     int64        `json:"peak_rss_bytes"` // of this process so far
	Artifact    int64        `json:"artifact_bytes"`
	Arena       int64        `json:"arena_bytes"`
	Consts      int64        `json:"constant_bytes"`
	Blocks      []float64    `json:"block_ms"`               // cost of a run in each block
	BlocksCPU   []float64    `json:"block_cpu_ms,omitempty"` // the same in CPU time, where it counts
	Ratio       *bench.Ratio `json:"ratio_to_first,omitempty"`
	ToBaseline  *bench.Ratio `json:"ratio_to_baseline,omitempty"`
	Quality     *quality     `json:"quality,omitempty"`
	Ops         []opTime     `json:"ops,omitempty"`
}

type benchFlags struct {
	compileFlags
	threads, runs, blocks int
	batches               []int
	concurrency           int
	seed                  uint64
	warmup, duration      time.Duration
	ops                   bool
	top                   int
	pipelines             []string
	data, svg             string
	baseline              string
	failIf                []string
}

func (a *app) bench() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench MODEL...",
		Short: "Time models on random inputs; several, or pipelines of one, run by turns, with the ratio to the first",
		Args:  cobra.MinimumNArgs(1),
	}
	f.register(c, "2")
	s := c.Flags()
	s.StringArrayVar(&f.pipelines, "pipeline", nil, "compile with `NAME=SPEC`: O2, O2{off=cse,target=amd64+avx2} or what --passes takes; several are compared")
	s.IntVar(&f.threads, "threads", 1, "`threads` a run may use")
	s.IntSliceVar(&f.batches, "batch", []int{1}, "`values` for the open dim of the first axis of every input: 1,8")
	s.Lookup("batch").DefValue = "1"
	s.IntVar(&f.concurrency, "concurrency", 1, "`N` sessions of a model run at the same time")
	s.IntVar(&f.runs, "runs", 0, "`N` timed runs instead of a duration")
	s.IntVar(&f.blocks, "blocks", bench.DefaultBlocks, "alternating blocks the time is split into")
	s.DurationVar(&f.warmup, "warmup", 500*time.Millisecond, "untimed `time` before")
	s.DurationVar(&f.duration, "duration", 5*time.Second, "timed `time` for each model")
	s.Uint64Var(&f.seed, "seed", 1, "`seed` of the order of turns and of the inputs")
	s.BoolVar(&f.ops, "ops", false, "print what each kernel call takes")
	s.IntVar(&f.top, "top", 20, "how many `calls` --ops prints")
	s.StringVar(&f.data, "data", "", "time and compare on `DATA` instead of random inputs, with the accuracy if it has a target")
	s.StringVar(&f.svg, "svg", "", "draw ratios and times to `FILE`")
	s.StringVar(&f.baseline, "baseline", "", "compare with what --json printed to `FILE` before")
	s.StringArrayVar(&f.failIf, "fail-if", nil, "exit 1 on `CONDITION` against the baseline, else against the first: slower>3%, larger>1%, memory>1%, drop>0.5pt")
	c.RunE = func(c *cobra.Command, args []string) error { return a.runBench(c, args, &f) }
	return c
}

// runBench measures one batch size after the other.
func (a *app) runBench(c *cobra.Command, models []string, f *benchFlags) error {
	gates, old, err := a.benchCheck(c, f)
	if err != nil {
		return err
	}
	if err := f.onlyForModels(c, models, "dim"); err != nil {
		return err
	}
	builds, err := a.benchBuilds(c, models, f)
	defer func() {
		for _, b := range builds {
			b.model.Close()
		}
	}()
	if err != nil {
		return err
	}
	var data *benchData
	if f.data != "" {
		if data, err = openBenchData(f, builds); err != nil {
			return err
		}
	}
	var list []benchResult
	var rows []bench.Row
	for _, n := range f.batches {
		rs, drawn, err := a.benchGroup(c.Context(), builds, n, data, f)
		if err != nil {
			return err
		}
		if old != nil {
			if err := old.compare(rs); err != nil {
				return err
			}
		}
		list, rows = append(list, rs...), append(rows, drawn...)
	}
	failures := a.judge(gates, list, old)
	if f.svg != "" {
		draw := func(w io.WriteSeeker) error {
			var b bytes.Buffer
			if err := bench.WriteSVG(&b, rows); err != nil {
				return err
			}
			_, err := w.Write(b.Bytes())
			return err
		}
		if _, err := atomicWrite(f.svg, draw); err != nil {
			return err
		}
	}
	return a.benchReport(list, failures, f)
}

// benchCheck refuses flags that make no sense, and reads what they name.
func (a *app) benchCheck(c *cobra.Command, f *benchFlags) ([]gate, *baseline, error) {
	switch {
	case f.threads < 1:
		return nil, nil, usage("--threads %d: want at least 1", f.threads)
	case f.concurrency < 1:
		return nil, nil, usage("--concurrency %d: want at least 1", f.concurrency)
	case f.runs < 0 || f.blocks < 1:
		return nil, nil, usage("--runs %d --blocks %d: want runs of 0 or more and at least 1 block", f.runs, f.blocks)
	case f.runs == 0 && f.duration <= 0:
		return nil, nil, usage("--duration %v: want a time above 0", f.duration)
	case len(f.batches) == 0 || slices.Min(f.batches) < 1:
		return nil, nil, usage("--batch %v: want numbers from 1", f.batches)
	case len(f.pipelines) > 0 && (typed(c.Flags(), "passes") || typed(c.Flags(), "opt")):
		return nil, nil, usage("--pipeline says how to compile: -O and --passes cannot stand beside it")
	}
	gates, err := parseGates(f.failIf)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range gates {
		if g.what == "drop" && f.data == "" {
			return nil, nil, usage("--fail-if %s: wants --data with a target", g.text)
		}
	}
	if f.baseline == "" {
		return gates, nil, nil
	}
	old, err := readBaseline(f.baseline)
	return gates, old, err
}

// benchGroup measures everything at one batch size, by turns.
func (a *app) benchGroup(ctx context.Context, builds []*benchBuild, batch int, data *benchData, f *benchFlags) ([]benchResult, []bench.Row, error) {
	var xs []*benchSubject
	defer func() {
		for _, x := range xs {
			x.close()
		}
	}()
	var subjects []bench.Subject
	for _, b := range builds {
		x, err := a.benchSubject(ctx, b, batch, data, f)
		if x != nil {
			xs = append(xs, x)
		}
		if err != nil {
			return nil, nil, err
		}
		subjects = append(subjects, bench.Subject{Name: b.label(), Run: x.run, Renew: x.renew})
	}
	if err := a.qualities(ctx, xs, data, f); err != nil {
		return nil, nil, err
	}
	bar := a.newProgress()
	series, err := bench.Measure(ctx, subjects, bench.Schedule{
		Warmup: f.warmup, Duration: f.duration, Runs: f.runs, Blocks: f.blocks, Workers: f.concurrency, Seed: f.seed,
		CPU:  f.threads == 1,
		Done: func(n, of int) { bar.count("measuring", "blocks", n, of) },
	})
	bar.done()
	if err != nil {
		return nil, nil, err
	}
	var list []benchResult
	var rows []bench.Row
	for i, x := range xs {
		x.measured(series[i], f.concurrency)
		if i > 0 {
			x.Ratio = bench.Compare(series[i], series[0], f.concurrency)
		}
		if f.ops {
			if err := x.profile(ctx); err != nil {
				return nil, nil, err
			}
		}
		list = append(list, x.benchResult)
		name := subjects[i].Name
		if len(f.batches) > 1 {
			name = fmt.Sprintf("%s, batch %d", name, batch)
		}
		rows = append(rows, bench.Row{Name: name, Ratio: x.Ratio, Times: series[i].Times()})
	}
	return list, rows, nil
}

// measured fills in what a series says.
func (x *benchSubject) measured(s bench.Series, workers int) {
	m := bench.Summarize(s)
	x.N, x.Min, x.Mean, x.P50, x.P90, x.P99 = m.N, m.Min, m.Mean, m.P50, m.P90, m.P99
	x.PerSecond = m.PerSecond * float64(x.Batch)
	x.Blocks, x.BlocksCPU = s.Costs(workers)
	x.PeakRSS = peakRSS()
}
