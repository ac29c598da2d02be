package cli_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/tools/mlc/cli"
	"github.com/mlc-go/mlc/tools/need"
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

// Ctrl-C and SIGTERM stop training after saying what is kept, and a resumed
// run ends with the bits of one that was never stopped.
func TestInterruptedTraining(t *testing.T) {
	need.System(t, goruntime.GOOS != "windows" && goruntime.GOOS != "js" && goruntime.GOOS != "wasip1", "interrupts")
	dir := t.TempDir()
	spiral(t, filepath.Join(dir, "spiral.csv"), 2000)
	args := func(more ...string) []string {
		return append([]string{"train", "-q", "--model", "mlp:64", "--data", "spiral.csv", "--epochs", "100", "--batch", "8", "--seed", "3", "--threads", "1"}, more...)
	}
	if out, err := mlcCmd(t, dir, args("-o", "whole.mir")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// stop interrupts a run once it has written its first epoch, and gives the
	// last line that it says.
	stop := func(sig os.Signal, args ...string) string {
		c := mlcCmd(t, dir, append(args, "--log", "log")...)
		var errs bytes.Buffer
		c.Stderr = &errs
		os.RemoveAll(filepath.Join(dir, "log"))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for range 6000 {
			if _, err := os.Stat(filepath.Join(dir, "log", "history.json")); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		c.Process.Signal(sig)
		c.Wait()
		if code := c.ProcessState.ExitCode(); code != 130 {
			t.Errorf("%v: exit code %d, want 130: %s", sig, code, &errs)
		}
		for _, out := range []string{"out.mir", "no.mir"} {
			if _, err := os.Stat(filepath.Join(dir, out)); err == nil {
				t.Errorf("%v: %s was written", sig, out)
			}
		}
		return errs.String()
	}
	const where = `^mlc: interrupted (after epoch \d+|in epoch \d+ after step \d+ of 225); `
	for _, c := range []struct {
		sig  os.Signal
		args []string
		want string
	}{
		{os.Interrupt, args("-o", "no.mir"), where + `nothing is kept \(--checkpoint DIR would\)\n$`},
		{syscall.SIGTERM, args("-o", "out.mir", "--checkpoint", "ck"), where + `ck/train.ckpt keeps it, the same command with --resume goes on from there\n$`},
		{os.Interrupt, args("-o", "out.mir", "--checkpoint", "ck", "--resume"), where + `ck/train.ckpt keeps it, the same command goes on from there\n$`},
		{syscall.SIGTERM, args("-o", "out.mir", "--checkpoint", "ck", "--resume"), where + `ck/train.ckpt keeps it, the same command goes on from there\n$`},
	} {
		if have := stop(c.sig, c.args...); !regexp.MustCompile(c.want).MatchString(have) {
			t.Errorf("%v says %q, want %s", c.sig, have, c.want)
		}
	}
	if out, err := mlcCmd(t, dir, args("-o", "out.mir", "--checkpoint", "ck", "--resume")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(filepath.Join(dir, "whole.mir"))
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join(dir, "out.mir"))
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("interrupted and resumed, the result differs (%v)", err)
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
	b, err := npzBytes([]tensor.Named{{Name: "x", Tensor: x}, {Name: "y", Tensor: y}})
	if err == nil {
		err = os.WriteFile(file, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
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
