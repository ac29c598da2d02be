package cli

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/runtime"
)

// benchResult is one line of `mlc bench --json`.
type benchResult struct {
	Model    string    `json:"model"`
	Pipeline string    `json:"pipeline"`
	Threads  int       `json:"threads"`
	Batch    int       `json:"batch"`
	N        int       `json:"n"`
	Min      float64   `json:"min_ms"`
	Mean     float64   `json:"mean_ms"`
	P50      float64   `json:"p50_ms"`
	P90      float64   `json:"p90_ms"`
	P99      float64   `json:"p99_ms"`
	Load     float64   `json:"load_ms"`
	First    float64   `json:"first_ms"`
	PeakRSS  int64     `json:"peak_rss_bytes"`
	Artifact int64     `json:"artifact_bytes"`
	Ratio    *ratio    `json:"ratio_to_first,omitempty"`
	Ops      []opTime  `json:"ops,omitempty"`
	times    []float64 // ms
	blocks   []float64 // minimum of each block, ms
}

// ratio compares with the first model of the same call, block by block.
type ratio struct {
	Median float64 `json:"median"`
	Lo     float64 `json:"lo"` // bootstrap 90 % interval
	Hi     float64 `json:"hi"`
}

// opTime is what one instruction took, on average.
type opTime struct {
	Node   string  `json:"node"`
	Kernel string  `json:"kernel"`
	Ms     float64 `json:"mean_ms"`
	Share  float64 `json:"share"`
}

type benchFlags struct {
	compileFlags
	threads, batch, runs, blocks int
	warmup, duration             time.Duration
	ops                          bool
	top                          int
}

func (a *app) bench() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench MODEL...",
		Short: "Time models on random inputs; several run interleaved, with the ratio to the first",
		Args:  cobra.MinimumNArgs(1),
	}
	f.register(c, "2")
	s := c.Flags()
	s.IntVar(&f.threads, "threads", 1, "`threads` a run may use")
	s.IntVar(&f.batch, "batch", 1, "value for the open dim of the first axis of every input")
	s.IntVar(&f.runs, "runs", 0, "`N` timed runs instead of a duration")
	s.IntVar(&f.blocks, "blocks", 20, "alternating blocks the time is split into")
	s.DurationVar(&f.warmup, "warmup", 500*time.Millisecond, "untimed `time` before")
	s.DurationVar(&f.duration, "duration", 5*time.Second, "timed `time` for each model")
	s.BoolVar(&f.ops, "ops", false, "print what each kernel call takes")
	s.IntVar(&f.top, "top", 20, "how many `calls` --ops prints")
	c.RunE = func(c *cobra.Command, args []string) error {
		var subjects []*subject
		for _, m := range args {
			x, err := a.subject(c, m, &f)
			if err != nil {
				return err
			}
			defer x.close()
			subjects = append(subjects, x)
		}
		if err := measure(c.Context(), subjects, &f); err != nil {
			return err
		}
		return a.benchReport(c.Context(), subjects, &f)
	}
	return c
}

// subject is one model under measurement.
type subject struct {
	benchResult
	m *runtime.Model
	s *runtime.Session
}

func (x *subject) close() {
	x.s.Close()
	x.m.Close()
}

func (a *app) subject(c *cobra.Command, path string, f *benchFlags) (*subject, error) {
	o := a.options()
	if err := f.fill(c, a, &o); err != nil {
		return nil, err
	}
	x := &subject{benchResult: benchResult{Model: filepath.ToSlash(path), Pipeline: "O" + f.level, Threads: f.threads, Batch: f.batch}}
	if st, err := os.Stat(path); err == nil && isArtifactFile(path) {
		x.Artifact = st.Size()
		x.Pipeline = ""
	}
	t0 := time.Now()
	m, err := a.loadModel(c.Context(), path, o)
	if err != nil {
		return nil, err
	}
	x.Load = ms(time.Since(t0))
	x.m = m
	if x.s, err = m.NewSession(runtime.Threads(f.threads)); err != nil {
		return nil, err
	}
	dims, err := dimValues(f.dims)
	if err != nil {
		return nil, err
	}
	for _, in := range m.Inputs() {
		if in.Type.Ranked() && len(in.Type.Dims) > 0 {
			if name, ok := in.Type.Dims[0].Symbol(); ok && dims[name] == 0 {
				dims[name] = int64(f.batch)
			}
		}
	}
	vals, err := a.inputs(m, nil, true, 1, dims)
	if err != nil {
		return nil, err
	}
	for i, in := range m.Inputs() {
		if err := x.s.BindValue(in.Name, vals[i]); err != nil {
			return nil, err
		}
	}
	t0 = time.Now()
	if err := x.s.Run(c.Context()); err != nil {
		return nil, err
	}
	x.First = ms(time.Since(t0))
	return x, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// measure times the subjects in alternating blocks, so that a drift of the
// machine meets all of them.
func measure(ctx context.Context, xs []*subject, f *benchFlags) error {
	for _, x := range xs {
		for t0 := time.Now(); time.Since(t0) < f.warmup; {
			if err := x.s.Run(ctx); err != nil {
				return err
			}
		}
	}
	for b := range f.blocks {
		for _, x := range xs {
			best := math.Inf(1)
			t0 := time.Now()
			for n := 0; f.more(b, n, t0); n++ {
				t := time.Now()
				if err := x.s.Run(ctx); err != nil {
					return err
				}
				d := ms(time.Since(t))
				best = min(best, d)
				x.times = append(x.times, d)
			}
			if !math.IsInf(best, 1) {
				x.blocks = append(x.blocks, best)
			}
		}
	}
	return nil
}

// more says whether block b, begun at t0 with n runs done, goes on.
func (f *benchFlags) more(b, n int, t0 time.Time) bool {
	if f.runs > 0 {
		return n < (f.runs+f.blocks-1-b)/f.blocks
	}
	return n == 0 || time.Since(t0) < f.duration/time.Duration(f.blocks)
}

func (x *subject) statistics() {
	t := slices.Sorted(slices.Values(x.times))
	x.N = len(t)
	if x.N == 0 {
		return
	}
	sum := 0.0
	for _, v := range t {
		sum += v
	}
	at := func(p float64) float64 { return t[min(len(t)-1, int(p*float64(len(t))))] }
	x.Min, x.Mean, x.P50, x.P90, x.P99 = t[0], sum/float64(len(t)), at(.5), at(.9), at(.99)
	x.PeakRSS = peakRSS()
}

// compare is the median of the blocks' ratios of minima and its bootstrap
// interval (1,000 resamples with a fixed seed).
func compare(x, base *subject) *ratio {
	n := min(len(x.blocks), len(base.blocks))
	if n == 0 {
		return nil
	}
	rs := make([]float64, n)
	for i := range rs {
		rs[i] = x.blocks[i] / base.blocks[i]
	}
	rng := rand.New(rand.NewPCG(1, 2))
	meds := make([]float64, 1000)
	draw := make([]float64, n)
	for i := range meds {
		for j := range draw {
			draw[j] = rs[rng.IntN(n)]
		}
		meds[i] = median(draw)
	}
	slices.Sort(meds)
	return &ratio{median(rs), meds[50], meds[949]}
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func (a *app) benchReport(ctx context.Context, xs []*subject, f *benchFlags) error {
	var list []benchResult
	for i, x := range xs {
		x.statistics()
		if i > 0 {
			x.Ratio = compare(x, xs[0])
		}
		if f.ops {
			if err := x.profile(ctx); err != nil {
				return err
			}
		}
		list = append(list, x.benchResult)
	}
	if a.json {
		return a.emit("bench/1", map[string]any{"results": list})
	}
	rows := [][]string{{"model", "threads", "batch", "n", "min ms", "p50", "p90", "p99", "load ms", "first ms", "ratio"}}
	for _, r := range list {
		rt := ""
		if r.Ratio != nil {
			rt = fmt.Sprintf("%.3f (%.3f..%.3f)", r.Ratio.Median, r.Ratio.Lo, r.Ratio.Hi)
		}
		n := func(v float64) string { return fmt.Sprintf("%.4g", v) }
		rows = append(rows, []string{r.Model, fmt.Sprint(r.Threads), fmt.Sprint(r.Batch), fmt.Sprint(r.N), n(r.Min), n(r.P50), n(r.P90), n(r.P99), n(r.Load), n(r.First), rt})
	}
	a.table(a.out, rows)
	for _, r := range list {
		if len(r.Ops) == 0 {
			continue
		}
		rows := [][]string{{"", ""}, {"ms", "share", "kernel", "node"}}
		for _, o := range r.Ops[:min(f.top, len(r.Ops))] {
			rows = append(rows, []string{fmt.Sprintf("%.4f", o.Ms), fmt.Sprintf("%.1f %%", 100*o.Share), o.Kernel, o.Node})
		}
		a.table(a.out, rows)
	}
	return nil
}

// profile runs a little longer with a clock around every instruction.
func (x *subject) profile(ctx context.Context) error {
	prog := x.m.Artifact().Program
	kernels := x.m.Kernels()
	took := map[[2]int]time.Duration{}
	total := time.Duration(0)
	x.s.OnProfile(func(fn, i int, d time.Duration) {
		took[[2]int{fn, i}] += d
		total += d
	})
	defer x.s.OnProfile(nil)
	n := 0
	for t0 := time.Now(); n < 5 || time.Since(t0) < time.Second && n < 1000; n++ {
		if err := x.s.Run(ctx); err != nil {
			return err
		}
	}
	for k, d := range took {
		if kernels[k[0]][k[1]] == "" {
			continue
		}
		node := ""
		if s := prog.Funcs[k[0]].Body[k[1]].Source; len(s) > 0 {
			node = s[0]
		}
		x.Ops = append(x.Ops, opTime{node, kernels[k[0]][k[1]], ms(d) / float64(n), float64(d) / float64(total)})
	}
	slices.SortFunc(x.Ops, func(a, b opTime) int {
		switch {
		case a.Ms > b.Ms:
			return -1
		case a.Ms < b.Ms:
			return 1
		case a.Node < b.Node:
			return -1
		case a.Node > b.Node:
			return 1
		}
		return 0
	})
	return nil
}
