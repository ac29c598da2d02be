package cli

import (
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/tools/bench"
)

// benchReport prints a table, or JSON, and fails where gates did.
func (a *app) benchReport(list []benchResult, failures []string, f *benchFlags) error {
	a.failed = len(failures) > 0
	for _, s := range failures {
		fmt.Fprintf(a.err, "mlc: %s\n", s)
	}
	if a.json {
		v := map[string]any{"results": list}
		if len(failures) > 0 {
			v["failures"] = failures
		}
		return a.emit("bench/1", v)
	}
	a.table(a.out, benchTable(list, f))
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

// benchColumn is one column of the table; it is shown where any line has
// something to say in it.
type benchColumn struct {
	head string
	cell func(r *benchResult) string
}

func benchTable(list []benchResult, f *benchFlags) [][]string {
	num := func(get func(r *benchResult) float64) func(*benchResult) string {
		return func(r *benchResult) string { return fmt.Sprintf("%.4g", get(r)) }
	}
	cols := []benchColumn{
		{"model", func(r *benchResult) string { return r.Model }},
		{"pipeline", func(r *benchResult) string {
			if r.Spec == "" {
				return ""
			}
			return r.Pipeline
		}},
		{"threads", func(r *benchResult) string { return fmt.Sprint(r.Threads) }},
		{"batch", func(r *benchResult) string { return fmt.Sprint(r.Batch) }},
		{"sessions", func(r *benchResult) string {
			if r.Concurrency == 1 {
				return ""
			}
			return fmt.Sprint(r.Concurrency)
		}},
		{"n", func(r *benchResult) string { return fmt.Sprint(r.N) }},
		{"min ms", num(func(r *benchResult) float64 { return r.Min })},
		{"p50", num(func(r *benchResult) float64 { return r.P50 })},
		{"p90", num(func(r *benchResult) float64 { return r.P90 })},
		{"p99", num(func(r *benchResult) float64 { return r.P99 })},
		{"inf/s", num(func(r *benchResult) float64 { return r.PerSecond })},
		{"load ms", num(func(r *benchResult) float64 { return r.Load })},
		{"first ms", num(func(r *benchResult) float64 { return r.First })},
		{"memory", func(r *benchResult) string { return bytesText(r.Arena + r.Consts) }},
		{"artifact", func(r *benchResult) string { return bytesText(r.Artifact) }},
		{"ratio", func(r *benchResult) string { return ratioText(r.Ratio) }},
		{"to baseline", func(r *benchResult) string { return ratioText(r.ToBaseline) }},
	}
	cols = append(cols, qualityColumns()...)
	rows := make([][]string, len(list)+1)
	for _, c := range cols {
		cells, any := []string{c.head}, false
		for i := range list {
			s := c.cell(&list[i])
			any = any || s != ""
			cells = append(cells, s)
		}
		if !any {
			continue
		}
		for i, s := range cells {
			rows[i] = append(rows[i], s)
		}
	}
	for i := range rows {
		rows[i] = []string{strings.TrimRight(strings.Join(rows[i], "\t"), "\t")}
	}
	return rows
}

func ratioText(r *bench.Ratio) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%.3f (%.3f..%.3f) %s", r.Median, r.Lo, r.Hi, r.Verdict)
}
