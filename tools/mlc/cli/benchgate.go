package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/tools/bench"
)

// baseline is what an earlier `mlc bench --json` printed.
type baseline struct {
	file    string
	results []benchResult
}

func readBaseline(file string) (*baseline, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, diag.In(file, diag.BadData, err)
	}
	var v struct {
		Schema  string        `json:"schema"`
		Results []benchResult `json:"results"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, diag.In(file, diag.BadData, fmt.Errorf("no result of mlc bench --json: %w", err))
	}
	if v.Schema != "mlc.bench/1" || len(v.Results) == 0 {
		return nil, &diag.Error{Kind: diag.BadData, File: file, Have: fmt.Sprintf("schema %q with %d results", v.Schema, len(v.Results)), Want: "mlc.bench/1 with results"}
	}
	for _, r := range v.Results {
		for _, t := range append(slices.Clone(r.Blocks), r.BlocksCPU...) {
			if !(t > 0) {
				return nil, &diag.Error{Kind: diag.BadData, File: file, Port: "block_ms", Have: fmt.Sprint(t), Want: "times above 0"}
			}
		}
	}
	return &baseline{file, v.Results}, nil
}

// of finds the result of the same model, pipeline and way of running, nil if
// there is none.
func (b *baseline) of(r *benchResult) *benchResult {
	for i := range b.results {
		o := &b.results[i]
		if o.Model == r.Model && o.Pipeline == r.Pipeline && o.Threads == r.Threads && o.Batch == r.Batch && max(1, o.Concurrency) == r.Concurrency {
			return o
		}
	}
	return nil
}

// compare sets the ratios of list to the baseline. Error: it lacks one.
func (b *baseline) compare(list []benchResult) error {
	for i := range list {
		r := &list[i]
		o := b.of(r)
		if o == nil {
			return diag.In(b.file, diag.BadData, fmt.Errorf("no result for %s", r.title()))
		}
		now, then, clock := r.BlocksCPU, o.BlocksCPU, bench.CPU
		if len(now) == 0 || len(then) == 0 {
			now, then, clock = r.Blocks, o.Blocks, bench.Wall
		}
		if len(then) == 0 {
			return &diag.Error{Kind: diag.BadData, File: b.file, Node: r.title(), Have: "no block_ms", Want: "times of blocks"}
		}
		r.ToBaseline = bench.CompareApart(now, then, clock)
	}
	return nil
}

func (r *benchResult) title() string {
	s := r.Model
	if r.Pipeline != "" {
		s += " " + r.Pipeline
	}
	s += fmt.Sprintf(", threads %d, batch %d", r.Threads, r.Batch)
	if r.Concurrency > 1 {
		s += fmt.Sprintf(", %d sessions", r.Concurrency)
	}
	return s
}

// gate is one --fail-if.
type gate struct {
	text, what string
	limit      float64 // a share, of drop points
}

// gateUnits are what --fail-if knows, with the unit of the limit.
var gateUnits = map[string]string{"slower": "%", "larger": "%", "memory": "%", "drop": "pt"}

func parseGates(list []string) ([]gate, error) {
	var out []gate
	for _, s := range list {
		what, val, ok := strings.Cut(s, ">")
		unit, known := gateUnits[what]
		if !ok || !known {
			return nil, usage("--fail-if %s: want slower>N%%, larger>N%%, memory>N%% or drop>Npt", s)
		}
		num, hasUnit := strings.CutSuffix(val, unit)
		n, err := strconv.ParseFloat(num, 64)
		if err != nil || !hasUnit || !(n >= 0 && n <= 1e6) {
			return nil, usage("--fail-if %s: want a number of 0 or more and %s after >", s, unit)
		}
		out = append(out, gate{s, what, n / 100})
	}
	return out, nil
}

// judge says what fails: against the baseline where there is one, else
// against the first result of the same batch size.
func (a *app) judge(gates []gate, list []benchResult, old *baseline) []string {
	var out []string
	for i := range list {
		r := &list[i]
		ratio, ref, than := r.ToBaseline, (*benchResult)(nil), "the baseline"
		if old != nil {
			ref = old.of(r)
		} else {
			ratio, than = r.Ratio, "the first"
			for k := range list[:i] {
				if list[k].Batch == r.Batch {
					ref = &list[k]
					break
				}
			}
		}
		if ref == nil {
			continue
		}
		for _, g := range gates {
			if s := g.check(r, ref, ratio); s != "" {
				out = append(out, fmt.Sprintf("%s: %s than %s (--fail-if %s)", r.title(), s, than, g.text))
			}
		}
	}
	return out
}

// check says how r is worse than ref, "" if it is not, or not surely.
func (g *gate) check(r, ref *benchResult, ratio *bench.Ratio) string {
	grown := func(now, then int64) string {
		if x := float64(now)/float64(then) - 1; then > 0 && x > g.limit {
			return fmt.Sprintf("%.1f %%", 100*x)
		}
		return ""
	}
	switch g.what {
	case "slower":
		if ratio != nil && ratio.Median > 1+g.limit && ratio.Lo > 1 {
			return fmt.Sprintf("%.1f %% slower (%.1f..%.1f)", 100*(ratio.Median-1), 100*(ratio.Lo-1), 100*(ratio.Hi-1))
		}
	case "larger":
		if s := grown(r.Artifact, ref.Artifact); s != "" {
			return s + " larger"
		}
	case "memory":
		if s := grown(r.Arena+r.Consts, ref.Arena+ref.Consts); s != "" {
			return s + " more memory"
		}
	case "drop":
		if r.Quality != nil && ref.Quality != nil && r.Quality.Accuracy != nil && ref.Quality.Accuracy != nil {
			if x := *ref.Quality.Accuracy - *r.Quality.Accuracy; x > g.limit {
				return fmt.Sprintf("%.2f points less accurate", 100*x)
			}
		}
	}
	return ""
}
