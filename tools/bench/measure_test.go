package bench

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
)

// recorder makes subjects that note when they run.
func recorder(n int, log *[]int) []Subject {
	var out []Subject
	for i := range n {
		out = append(out, Subject{Run: func(context.Context, int) error {
			*log = append(*log, i)
			for t := time.Now(); time.Since(t) < 3*time.Millisecond; { // one run fills a turn
			}
			return nil
		}})
	}
	return out
}

// Rounds come in pairs, the second through the first's order backwards, and
// every subject has as many turns as every other.
func TestOrder(t *testing.T) {
	var log []int
	series, err := Measure(context.Background(), recorder(3, &log), Schedule{Runs: 8, Blocks: 2, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	log = log[3:] // the warm-up
	if len(log) != 24 {
		t.Fatalf("%d runs, want 24", len(log))
	}
	orders := map[[3]int]bool{}
	for ; len(log) > 0; log = log[6:] {
		back := slices.Clone(log[3:6])
		slices.Reverse(back)
		if !slices.Equal(log[:3], back) {
			t.Errorf("rounds %v and %v: want the second backwards", log[:3], log[3:6])
		}
		orders[[3]int(log[:3])] = true
	}
	if len(orders) < 2 {
		t.Error("the order is always the same")
	}
	for i, s := range series {
		for b := range s {
			if len(s[b]) != 4 {
				t.Errorf("subject %d, block %d: %d turns, want 4", i, b, len(s[b]))
			}
		}
	}
}

// Subjects of unequal speed run equally often in a turn.
func TestEqualRuns(t *testing.T) {
	wait := func(d time.Duration) func(context.Context, int) error {
		return func(context.Context, int) error {
			for t := time.Now(); time.Since(t) < d; {
			}
			return nil
		}
	}
	s, err := Measure(context.Background(), []Subject{{Run: wait(20 * time.Microsecond)}, {Run: wait(200 * time.Microsecond)}},
		Schedule{Duration: 20 * time.Millisecond, Blocks: 4, Warmup: time.Millisecond, CPU: true})
	if err != nil {
		t.Fatal(err)
	}
	for b := range s[0] {
		if len(s[0][b]) != len(s[1][b]) || len(s[0][b])%2 != 0 {
			t.Fatalf("block %d: %d and %d turns", b, len(s[0][b]), len(s[1][b]))
		}
		for k := range s[0][b] {
			x, y := s[0][b][k], s[1][b][k]
			if len(x.Times) != len(y.Times) || len(x.CPU) != len(y.CPU) {
				t.Fatalf("block %d, turn %d: %d and %d runs", b, k, len(x.Times), len(y.Times))
			}
		}
	}
	if r := Compare(s[1], s[0], 1); r.Verdict != Slower || r.Median < 3 {
		t.Errorf("ten times the time: %+v", r)
	}
}

func TestRenewAndErrors(t *testing.T) {
	ctx := context.Background()
	renewed := 0
	ok := func(context.Context, int) error { return nil }
	_, err := Measure(ctx, []Subject{{Run: ok, Renew: func(context.Context) error { renewed++; return nil }}}, Schedule{Runs: 10, Blocks: 5})
	if err != nil || renewed != 4 {
		t.Errorf("renewed %d times between 5 blocks: %v", renewed, err)
	}
	boom := errors.New("boom")
	for name, s := range map[string]Subject{
		"run":   {Run: func(context.Context, int) error { return boom }},
		"renew": {Run: ok, Renew: func(context.Context) error { return boom }},
	} {
		if _, err := Measure(ctx, []Subject{s}, Schedule{Runs: 4, Blocks: 2}); !errors.Is(err, boom) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []Schedule{{}, {Runs: -1}, {Runs: 1, Blocks: -1}} {
		if _, err := Measure(ctx, []Subject{{Run: ok}}, s); diag.KindOf(err) != diag.Usage {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := Measure(ctx, nil, Schedule{Runs: 1}); diag.KindOf(err) != diag.Usage {
		t.Errorf("no subjects: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Measure(gone, []Subject{{Run: ok}}, Schedule{Duration: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Workers run at the same time; what counts is the time of a turn over all of
// its runs.
func TestWorkers(t *testing.T) {
	var now, most atomic.Int32
	s, err := Measure(context.Background(), []Subject{{Run: func(_ context.Context, w int) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(2 * time.Millisecond)
		now.Add(-1)
		return nil
	}}}, Schedule{Runs: 6, Blocks: 2, Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	if most.Load() != 3 {
		t.Errorf("%d at the same time, want 3", most.Load())
	}
	if x := Summarize(s[0]); x.N != 18 || x.PerSecond <= 0 {
		t.Errorf("%+v", x)
	}
	costs, cpu := s[0].Costs(3)
	if cpu != nil || len(costs) != 2 || costs[0] > 0.8*Median(s[0].Times()) {
		t.Errorf("costs %v and %v, runs take %v", costs, cpu, Median(s[0].Times()))
	}
}

// Quantiles of 1..4 by hand: position p*3, so 0.5 lies halfway between 2 and
// 3, and 0.9 at 0.7 between 3 and 4.
func TestQuantile(t *testing.T) {
	v := []float64{3, 1, 4, 2}
	for p, want := range map[float64]float64{0: 1, .5: 2.5, .9: 3.7, 1: 4} {
		if got := Quantile(v, p); math.Abs(got-want) > 1e-12 {
			t.Errorf("quantile %v: have %v, want %v", p, got, want)
		}
	}
	if !math.IsNaN(Quantile(nil, .5)) {
		t.Error("a quantile of nothing")
	}
}

func series(costs ...float64) Series {
	var s Series
	for _, c := range costs {
		s = append(s, Block{{Times: []float64{c}, Wall: c}})
	}
	return s
}

func TestVerdicts(t *testing.T) {
	a := series(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	for _, c := range []struct {
		x    Series
		want Verdict
	}{
		{a, Equal},
		{scaled(a, 1.009), Equal}, // less than MinEffect
		{scaled(a, 1.02), Slower},
		{scaled(a, 1/1.02), Faster},
		{series(2, 1, 6, 2, 10, 3, 14, 4, 18, 5), Unclear},
	} {
		r := Compare(c.x, a, 1)
		if r.Verdict != c.want || r.Lo > r.Median || r.Hi < r.Median {
			t.Errorf("have %+v, want %s", r, c.want)
		}
		back := Compare(a, c.x, 1)
		if math.Abs(back.Median*r.Median-1) > 1e-9 {
			t.Errorf("%v and back %v", r.Median, back.Median)
		}
	}
	if Compare(nil, a, 1) != nil || CompareApart(nil, []float64{1}, "cpu") != nil {
		t.Error("a ratio of nothing")
	}
	apart := CompareApart([]float64{1.05, 1.05, 1.06, 1.05}, []float64{1, 1, 1, 1.01}, "cpu")
	if apart.Verdict != Slower || math.Abs(apart.Median-1.05) > 0.001 {
		t.Errorf("apart: %+v", apart)
	}
}

// The picture is XML, whatever names say, and the same every time.
func TestSVG(t *testing.T) {
	a := series(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	rows := []Row{
		{Name: `a<b>&"c" ` + strings.Repeat("long", 20), Times: a.Times()},
		{Name: "slow", Ratio: Compare(scaled(a, 30), a, 1), Times: scaled(a, 30).Times()},
		{Name: "none", Ratio: Compare(a, a, 1)},
	}
	var one, two strings.Builder
	if err := errors.Join(WriteSVG(&one, rows), WriteSVG(&two, rows), WriteSVG(io.Discard, nil)); err != nil {
		t.Fatal(err)
	}
	if one.String() != two.String() {
		t.Error("two drawings differ")
	}
	for d := xml.NewDecoder(strings.NewReader(one.String())); ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			for _, at := range e.Attr {
				if strings.Contains(at.Value, "NaN") || strings.Contains(at.Value, "Inf") {
					t.Errorf("<%s %s=%q>", e.Name.Local, at.Name.Local, at.Value)
				}
			}
		}
	}
	for _, want := range []string{"slower", "slow", "first", "median"} {
		if !strings.Contains(one.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}
