package cli_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/tools/mlc/cli"
)

// spiral writes two classes of points as a CSV of n rows.
func spiral(t *testing.T, file string, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("x,y,class\n")
	for i := range n {
		c := i % 2
		x, y := rng.Float64()*2-1, rng.Float64()*2-1
		fmt.Fprintf(&b, "%.4f,%.4f,%d\n", x+float64(c), y*x-float64(c), c)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A run that is killed again and again at random moments, and resumed each
// time, ends with the bytes of a run that was not, on one thread and on two.
func TestKilledTrainingResumes(t *testing.T) {
	dir := t.TempDir()
	csv := filepath.Join(dir, "spiral.csv")
	spiral(t, csv, 2000)
	args := func(threads int, more ...string) []string {
		return append([]string{"train", "-q", "--model", "mlp", "--data", csv, "--epochs", "6", "--batch", "8", "--optimizer", "adam",
			"--schedule", "cosine", "--early-stop", "5", "--seed", "3", "--threads", fmt.Sprint(threads)}, more...)
	}
	t0 := time.Now()
	if out, err := mlcCmd(t, dir, args(1, "-o", "whole.mir")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(t0)
	want, err := os.ReadFile(filepath.Join(dir, "whole.mir"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for threads := 1; threads <= 2; threads++ {
		ck := fmt.Sprintf("ck%d", threads)
		out := filepath.Join(dir, fmt.Sprintf("out%d.mir", threads))
		killed := 0
		for try := 0; ; try++ {
			if try == 60 {
				t.Fatalf("%d threads: never done", threads)
			}
			c := mlcCmd(t, dir, args(threads, "--checkpoint", ck, "--checkpoint-steps", "20", "--resume", "-o", out)...)
			var errs bytes.Buffer
			c.Stderr = &errs
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if killed < 4 {
				time.AfterFunc(took/10+time.Duration(rng.Int64N(int64(took)/2)), func() { c.Process.Kill() })
			}
			err := c.Wait()
			if err == nil {
				break
			}
			if errs.Len() > 0 {
				t.Fatalf("%d threads: %s", threads, &errs)
			}
			killed++
			if _, err := os.Stat(out); err == nil {
				t.Fatal("a killed run left an output")
			}
		}
		if killed == 0 {
			t.Errorf("%d threads: no run was killed in time: the test tests nothing", threads)
		}
		have, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%d threads: killed %d times and resumed, the result differs", threads, killed)
		}
	}
}

// writeNPZ writes arrays as numpy.savez does.
func writeNPZ(t *testing.T, file string, arrays ...tensor.Named) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, a := range arrays {
		w, err := z.Create(a.Name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if err := tensor.WriteNPY(w, a.Tensor); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Sequences whose class is told by their first step alone, noise behind it:
// an LSTM by name learns to remember, and the model that is written scores as
// the training said.
func TestTrainLSTM(t *testing.T) {
	const n, steps = 600, 8
	rng := rand.New(rand.NewPCG(5, 6))
	x, y := tensor.New(dtype.F32, n, steps, 2), tensor.New(dtype.I64, n)
	for i := range n {
		class := i % 3
		y.SetInt(i, int64(class))
		for k := range steps * 2 {
			x.SetFloat(i*steps*2+k, rng.NormFloat64())
		}
		x.SetFloat(i*steps*2, float64(3*class-3))
	}
	dir := t.TempDir()
	file, model := filepath.Join(dir, "seq.npz"), filepath.Join(dir, "lstm.onnx")
	writeNPZ(t, file, tensor.Named{Name: "x", Tensor: x}, tensor.Named{Name: "y", Tensor: y})
	for _, spec := range []string{"lstm:16", "lstm:12,8"} {
		var out, errs bytes.Buffer
		args := []string{"train", "--model", spec, "--data", "npz:" + file, "--val-split", "0.2", "--epochs", "15", "--batch", "16",
			"--optimizer", "adam", "--lr", "0.02", "--metrics", "top1", "--progress", "none", "--json", "-o", model}
		if code := cli.Main(cli.Registry{}, args, nil, &out, &errs); code != 0 {
			t.Fatalf("%s: exit code %d: %s", spec, code, &errs)
		}
		var r struct{ Metrics struct{ Top1 float64 } }
		if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Metrics.Top1 < 0.9 {
			t.Errorf("%s: top1 %v, want 0.9 (%v)", spec, r.Metrics.Top1, err)
		}
		if code := cli.Main(cli.Registry{}, []string{"eval", model, "--data", "npz:" + file}, nil, &out, &errs); code != 0 {
			t.Errorf("%s: eval: %s", spec, &errs)
		}
	}
}

// The curves are well-formed, for any numbers.
func TestCurves(t *testing.T) {
	dir := t.TempDir()
	csv := filepath.Join(dir, "spiral.csv")
	spiral(t, csv, 100)
	for _, more := range [][]string{{"--epochs", "1"}, {"--epochs", "12", "--val-split", "0"}, {"--epochs", "2", "--loss", "squared-error"}} {
		log := filepath.Join(dir, "log")
		var out, errs bytes.Buffer
		args := append([]string{"train", "--model", "mlp", "--data", csv, "--batch", "20", "--log", log, "--json", "-o", filepath.Join(dir, "m.onnx")}, more...)
		if code := cli.Main(cli.Registry{}, args, nil, &out, &errs); code != 0 {
			t.Fatalf("%v: exit code %d: %s", more, code, &errs)
		}
		svg, err := os.ReadFile(filepath.Join(log, "curves.svg"))
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v: %v in\n%s", more, err, svg)
			}
			if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "polyline" {
				lines++
			}
		}
		if lines == 0 || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%v: %d curves in\n%s", more, lines, svg)
		}
		b, err := os.ReadFile(filepath.Join(log, "history.json"))
		if err != nil {
			t.Fatal(err)
		}
		var h struct{ Epochs []struct{ Loss float64 } }
		if err := json.Unmarshal(b, &h); err != nil || len(h.Epochs) == 0 || !(h.Epochs[0].Loss > 0) {
			t.Errorf("%v: %v in\n%s", more, err, b)
		}
	}
}
