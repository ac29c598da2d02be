package bench

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// Recording anew, on a machine that is busy with other work as well:
//
//	go test ./tools/bench -run TestReplay -record short,batch,threads,long -timeout 1h
var record = flag.String("record", "", "traces to record anew, out of short, batch, threads, long")

const traces = "../../testdata/bench"

// comparisons is how many of a thing with itself a trace holds.
const comparisons = 100

// recordTraces records what -record names.
func recordTraces(t *testing.T) {
	t.Helper()
	if *record == "" {
		return
	}
	digits := "../../testdata/models/digits.onnx"
	jobs := map[string]func() (*trace, error){
		// Runs of some 30 µs, few of them.
		"short": func() (*trace, error) { return recordTrace(digits, 1, 1, Schedule{Runs: 600}) },
		// Runs of some 0.5 ms, several turns a block.
		"batch": func() (*trace, error) { return recordTrace(digits, 16, 1, Schedule{Duration: 600 * time.Millisecond}) },
		// The same on two threads: wall time counts.
		"threads": func() (*trace, error) { return recordTrace(digits, 16, 2, Schedule{Runs: 400}) },
		// Runs longer than a scheduler's slice.
		"long": func() (*trace, error) { return recordTrace(digits, 160, 1, Schedule{Duration: 600 * time.Millisecond}) },
	}
	for _, name := range strings.Split(*record, ",") {
		job := jobs[name]
		if job == nil {
			t.Fatalf("no trace %q", name)
		}
		tr, err := job()
		if err == nil {
			err = os.MkdirAll(traces, 0o755)
		}
		if err == nil {
			err = tr.write(filepath.Join(traces, name+".trace.gz"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func recordTrace(path string, batch, threads int, s Schedule) (*trace, error) {
	before := loadAverage()
	var both []Subject
	for range 2 {
		x, err := modelSubject(path, batch, threads)
		if err != nil {
			return nil, err
		}
		both = append(both, x)
	}
	t := &trace{Model: filepath.Base(path), Threads: threads}
	s.Warmup, s.CPU = 20*time.Millisecond, threads == 1
	for i := range comparisons {
		s.Seed = uint64(i)
		x, err := Measure(context.Background(), both, s)
		if err != nil {
			return nil, err
		}
		t.Runs = append(t.Runs, x)
	}
	t.Machine = fmt.Sprintf("%d CPUs, load average %s before, %s after", goruntime.NumCPU(), before, loadAverage())
	return t, nil
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// modelSubject runs a model on random inputs.
func modelSubject(path string, batch, threads int) (Subject, error) {
	ctx := context.Background()
	art, err := codegen.Build(ctx, codegen.File(path), codegen.Options{})
	if err != nil {
		return Subject{}, err
	}
	defer art.Close()
	b, err := art.Bytes()
	if err != nil {
		return Subject{}, err
	}
	var m *runtime.Model
	var s *runtime.Session
	renew := func(context.Context) error {
		if s != nil {
			s.Close()
			m.Close()
		}
		var err error
		if m, err = runtime.Decode(slices.Clone(b)); err != nil {
			return err
		}
		if s, err = m.NewSession(runtime.Threads(threads)); err != nil {
			return err
		}
		for i, in := range m.Inputs() {
			var dims []int
			for _, d := range in.Type.Dims {
				v, err := d.Eval(func(string) (int64, bool) { return int64(batch), true })
				if err != nil {
					return err
				}
				dims = append(dims, int(v))
			}
			x, err := tensor.Random(in.Type.DType, uint64(i+1), dims...)
			if err != nil {
				return err
			}
			if err := s.Bind(in.Name, x); err != nil {
				return err
			}
		}
		return nil
	}
	if err := renew(ctx); err != nil {
		return Subject{}, err
	}
	return Subject{Name: path, Renew: renew, Run: func(ctx context.Context, _ int) error { return s.Run(ctx) }}, nil
}
