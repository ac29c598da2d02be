package bench

import (
	"os"
	"path/filepath"
	"testing"
)

// scaled is s as if every run had taken f times as long.
func scaled(s Series, f float64) Series {
	out := make(Series, len(s))
	for i, b := range s {
		for _, t := range b {
			u := Turn{Wall: t.Wall * f}
			for _, v := range t.Times {
				u.Times = append(u.Times, v*f)
			}
			for _, v := range t.CPU {
				u.CPU = append(u.CPU, v*f)
			}
			out[i] = append(out[i], u)
		}
	}
	return out
}

// Of 100 recorded comparisons of a thing with itself at most 7 alarm; a
// slowdown by 5 % planted into either side is found in at least 90.
func TestReplay(t *testing.T) {
	recordTraces(t)
	files, err := filepath.Glob(filepath.Join(traces, "*.trace.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			if st, err := os.Stat(f); err != nil || st.Size() > 200<<10 {
				t.Errorf("a trace is at most 200 KiB: %v, %v", st.Size(), err)
			}
			tr, err := readTrace(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(tr.Runs) != comparisons {
				t.Fatalf("%d comparisons", len(tr.Runs))
			}
			alarms, found, turned := 0, 0, 0
			width := 0.0
			for _, both := range tr.Runs {
				r := Compare(both[1], both[0], 1)
				if r.Differs() {
					alarms++
				}
				width += r.Hi - r.Lo
				if Compare(scaled(both[1], 1.05), both[0], 1).Verdict == Slower {
					found++
				}
				if Compare(both[1], scaled(both[0], 1.05), 1).Verdict == Faster {
					turned++
				}
			}
			t.Logf("%s on %d threads (%s): %d alarms, slowdown found in %d, speedup in %d, interval %.2f %% wide", tr.Model, tr.Threads, tr.Machine, alarms, found, turned, width)
			if alarms > 7 || found < 90 || turned < 90 {
				t.Errorf("%d alarms (at most 7), %d and %d found (at least 90)", alarms, found, turned)
			}
		})
	}
}
