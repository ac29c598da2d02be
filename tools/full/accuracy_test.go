package main

import (
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every study comes after those that it needs, every bar knows its studies,
// and the estimates leave room in the time that all may take.
func TestStudies(t *testing.T) {
	total := 0.0
	for i := range studies {
		s := &studies[i]
		total += float64(s.seeds) * s.guess
		for _, line := range append(slices.Clone(s.run), s.score) {
			for _, m := range placeholder.FindAllStringSubmatch(line, -1) {
				name, model := strings.CutSuffix(m[1], "-model")
				switch {
				case model:
					at := slices.IndexFunc(studies[:i], func(o study) bool { return o.name == name })
					if at < 0 || m[2] == "" && studies[at].seeds < s.seeds {
						t.Errorf("%s: %s: no study before it makes that for %d seeds", s.name, m[0], s.seeds)
					}
				case !slices.Contains([]string{"seed", "out", "mnist", "mnist-test", "fashion", "fashion-test", "iris", "wine"}, name):
					t.Errorf("%s: %s stands for nothing", s.name, m[0])
				}
			}
			if strings.Contains(placeholder.ReplaceAllString(line, ""), "{") {
				t.Errorf("%s: braces that stand for nothing in %s", s.name, line)
			}
		}
		if !s.ratio && !strings.Contains(s.run[len(s.run)-1], " -o {out}") {
			t.Errorf("%s makes no {out}", s.name)
		}
	}
	for _, b := range bars {
		of := studyNamed(b.of)
		if of == nil || b.than != "" && (studyNamed(b.than) == nil || studyNamed(b.than).seeds != of.seeds) {
			t.Errorf("%s: no such studies, or of unequal seeds", b.name)
		}
	}
	if total > accuracyMinutes*60 {
		t.Errorf("the estimates come to %.0f minutes, want at most %d", total/60, accuracyMinutes)
	}
}

// docs/training.md shows the commands that are measured.
func TestStudiesInDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/training.md")
	if err != nil {
		t.Fatal(err)
	}
	sets := strings.NewReplacer(
		"{mnist}", "idx:$MNIST/train-images-idx3-ubyte.gz,$MNIST/train-labels-idx1-ubyte.gz",
		"{mnist-test}", "idx:$MNIST/t10k-images-idx3-ubyte.gz,$MNIST/t10k-labels-idx1-ubyte.gz",
		"{fashion}", "idx:$FASHION/train-images-idx3-ubyte.gz,$FASHION/train-labels-idx1-ubyte.gz",
		"{fashion-test}", "idx:$FASHION/t10k-images-idx3-ubyte.gz,$FASHION/t10k-labels-idx1-ubyte.gz",
		"{iris}", `"$TABLES/iris.csv?skip=1&header=no"`, "{wine}", `"$TABLES/wine_data.csv?skip=1&header=no"`,
		" --seed {seed}", "")
	for _, s := range studies {
		if s.doc == "" {
			continue
		}
		want := "\nmlc " + strings.ReplaceAll(sets.Replace(s.run[0]), "{out}", s.doc) + "\n"
		if !strings.Contains(string(b), want) {
			t.Errorf("docs/training.md does not show what %s measures:%s", s.name, want)
		}
	}
}

// Intervals and verdicts, calculated by hand: of 1, 2, 3 the mean is 2, the
// deviation 1, so that the 95 % interval is 2 ± 4.303/√3; of the five gains the
// mean is 0.3, the deviation √0.025, the 90 % interval 0.3 ± 2.132·√0.005.
func TestInterval(t *testing.T) {
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-3 }
	if m, h := interval([]float64{1, 2, 3}, 0.95); !near(m, 2) || !near(h, 2.4843) {
		t.Errorf("%v ± %v", m, h)
	}
	gains := []float64{0.1, 0.2, 0.3, 0.4, 0.5}
	if m, h := interval(gains, 0.9); !near(m, 0.3) || !near(h, 0.1508) {
		t.Errorf("%v ± %v", m, h)
	}
	if _, h := interval([]float64{1}, 0.95); !math.IsInf(h, 1) {
		t.Errorf("one value: ± %v", h)
	}
	for _, c := range []struct {
		b  bar
		v  []float64
		ok bool
	}{
		{bar{kind: gainAtLeast, bar: 0.2}, gains, true},
		{bar{kind: gainAtLeast, bar: 0.4}, gains, false},
		{bar{kind: gainAtLeast, bar: 0.2}, []float64{-1, 0, 1, 2, 3}, false}, // 1 ± 1.5
		{bar{kind: atLeast, bar: 2}, []float64{1, 2, 3}, true},
		{bar{kind: dropAtMost, bar: 1.9}, []float64{1, 2, 3}, false},
		{bar{kind: shown}, []float64{1}, true},
	} {
		if ok, note := c.b.judge(c.v); ok != c.ok || !strings.Contains(note, "interval") {
			t.Errorf("%+v of %v: %v, %s", c.b, c.v, ok, note)
		}
	}
}

// A study waits for what it needs, and bars read what studies measured.
func TestStudyNeeds(t *testing.T) {
	v := 91.5
	r := &runner{st: &state{Jobs: map[string]result{"accuracy/fashion/1": {Status: "ok", Value: &v}}}, now: &result{}}
	s := studyNamed("fashion-int8")
	args, err := r.fill(io.Discard, s, "quantize {fashion-model} --seed {seed} -o {out}", 1)
	if err != nil || strings.Join(args, " ") != "quantize .full/accuracy/fashion-1.onnx --seed 1 -o .full/accuracy/fashion-int8-1.onnx" {
		t.Errorf("%v, %v", args, err)
	}
	if _, err := r.fill(io.Discard, s, "quantize {fashion-model}", 2); err == nil || err.Error() != "needs accuracy/fashion/2" {
		t.Errorf("%v", err)
	}
	if err := r.bar(bars[slices.IndexFunc(bars, func(b bar) bool { return b.name == "fashion-bar" })]); err == nil || err.Error() != "needs accuracy/fashion/2" {
		t.Errorf("%v", err)
	}
	for seed, x := range []float64{91, 91.2, 91.4} {
		r.st.Jobs[s.job(seed+1)] = result{Status: "ok", Value: &x}
	}
	if err := r.bar(bar{of: "fashion-int8", kind: atLeast, bar: 91.3}); err == nil || *r.now.Value != 91.2 {
		t.Errorf("%v, %v", err, *r.now.Value)
	}
	if err := r.bar(bar{of: "fashion-int8", kind: atLeast, bar: 91.1}); err != nil {
		t.Error(err)
	}
	// By hand: 91.5, 91.2 and 91.6 fall to 91, 91.2, 91.4: by 0.5, 0, 0.2.
	for seed, x := range []float64{91.5, 91.2, 91.6} {
		r.st.Jobs[studyNamed("fashion").job(seed+1)] = result{Status: "ok", Value: &x}
	}
	drop := bar{of: "fashion-int8", than: "fashion", kind: dropAtMost, bar: 0.3}
	if err := r.bar(drop); err != nil || !strings.Contains(r.now.Note, "mean 0.233") || !strings.Contains(r.now.Note, " of 0.5 0 0.2;") {
		t.Errorf("%v, %s", err, r.now.Note)
	}
	if drop.bar = 0.2; r.bar(drop) == nil {
		t.Errorf("a drop of 0.233 passes a bar of 0.2")
	}
	gain := bar{of: "fashion", than: "fashion-int8", kind: gainAtLeast, bar: 0.2}
	if err := r.bar(gain); err == nil || !strings.Contains(err.Error(), "mean 0.233") { // the interval holds 0
		t.Errorf("%v", err)
	}
}
