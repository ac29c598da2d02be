package main

import (
	"fmt"
	"os"
	"regexp"
	goruntime "runtime"
	"strings"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/runtime/cpu"
)

// writeSummary writes what became of every job that re matches, which was
// given as match.
func writeSummary(file string, jobs []job, re *regexp.Regexp, match string, st *state) error {
	var b strings.Builder
	call := "go run ./tools/full"
	if match != "" {
		call += " -job '" + match + "' -summary " + file
	}
	fmt.Fprintf(&b, "# The long checks\n\nWritten by `%s`: the newest complete run.\n\n", call)
	fmt.Fprintf(&b, "mlc %s, sources %.12s, %s on %s/%s with %s, %d cores.\n\n", codegen.Version, st.Source,
		goruntime.Version(), goruntime.GOOS, goruntime.GOARCH, cpu.Detect(), goruntime.NumCPU())
	count := map[string]int{}
	total := 0.0
	var rows strings.Builder
	for _, j := range jobs {
		if !re.MatchString(j.name) {
			continue
		}
		r, ok := st.Jobs[j.name]
		if !ok {
			r.Status = "not run"
		}
		count[r.Status]++
		total += r.Seconds
		fmt.Fprintf(&rows, "| %s | %s | %.0f | %s |\n", j.name, r.Status, r.Seconds, strings.ReplaceAll(firstLine(r.Note), "|", "\\|"))
	}
	fmt.Fprintf(&b, "%d ok, %d failed, %d skipped, %d not run; %.0f minutes.\n\n| job | result | s | |\n|---|---|---|---|\n%s",
		count["ok"], count["failed"], count["skipped"], count["not run"], total/60, &rows)
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
