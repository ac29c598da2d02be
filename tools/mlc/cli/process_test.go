package cli_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/tools/mlc/cli"
	"github.com/mlc-go/mlc/tools/need"
)

// mlcCmd is the command as a process of its own: this test binary under
// another name (see TestMain).
func mlcCmd(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(context.Background(), self, args...)
	c.Args[0] = "mlc"
	c.Dir = dir
	return c
}

// big takes a while to build and to write: 16 MiB of weights.
const big = `module "big" opset {ai.onnx 28}
func main(%x: f32[1,2048]) -> (%y: f32[1,2048]) {
	%w = const f32[2048,2048] random(seed=1)
	%y = MatMul %x, %w : f32[1,2048]
	return %y
}
`

// A build that is killed leaves no output file, or the whole one; what was
// there before stays whole.
func TestKilledBuildLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "big.mir")
	if err := os.WriteFile(model, []byte(big), 0o644); err != nil {
		t.Fatal(err)
	}
	whole := t.TempDir()
	t0 := time.Now()
	if out, err := mlcCmd(t, whole, "build", model).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(t0)
	want, err := os.ReadFile(filepath.Join(whole, "big.mlc"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	killed := 0
	for i := range 16 {
		dir := t.TempDir()
		out := filepath.Join(dir, "big.mlc")
		before := i%4 == 3
		if before {
			if err := os.WriteFile(out, []byte("before"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c := mlcCmd(t, dir, "build", model)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// Every second one dies in the last third, where the file is written.
		at := took * time.Duration(rng.IntN(1000)) / 1000
		if i%2 == 1 {
			at = took*2/3 + at/3
		}
		time.Sleep(at)
		c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		have, err := os.ReadFile(out)
		switch {
		case err != nil && !before && os.IsNotExist(err):
		case err == nil && bytes.Equal(have, want):
		case err == nil && before && string(have) == "before":
		default:
			t.Errorf("killed after %v: output is neither absent nor whole (%d bytes of %d, %v)", at, len(have), len(want), err)
		}
		if goruntime.GOOS != "linux" {
			continue
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Name() != "big.mlc" {
				t.Errorf("killed after %v: %s is left over", at, f.Name())
			}
		}
	}
	if killed == 0 {
		t.Error("no build was killed in time: the test tests nothing")
	}
}

// Ctrl-C and SIGTERM end any command cleanly with exit code 130.
func TestInterrupted(t *testing.T) {
	need.System(t, goruntime.GOOS != "windows" && goruntime.GOOS != "js" && goruntime.GOOS != "wasip1", "interrupts")
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) { interrupt(t, sig) })
	}
}

func interrupt(t *testing.T, sig os.Signal) {
	models, err := filepath.Abs("../../../testdata/models")
	if err != nil {
		t.Fatal(err)
	}
	// A loaded machine may take its time to start the process: one that died of
	// the signal had not begun to listen, and gets longer next time.
	for delay := time.Second; ; delay *= 3 {
		c := mlcCmd(t, t.TempDir(), "bench", filepath.Join(models, "digits.onnx"), "--duration", "60s")
		var errs bytes.Buffer
		c.Stderr = &errs
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		t0 := time.Now()
		c.Process.Signal(sig)
		c.Wait()
		if ws, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() && delay < 10*time.Second {
			continue
		}
		if code := c.ProcessState.ExitCode(); code != 130 {
			t.Errorf("exit code is %d, want 130; standard error: %s", code, &errs)
		}
		if strings.TrimSpace(errs.String()) != "mlc: interrupted" {
			t.Errorf("standard error: %q", &errs)
		}
		if d := time.Since(t0); d > 10*time.Second {
			t.Errorf("took %v to stop", d)
		}
		return
	}
}

// A panic in a pass is our fault: exit code 5, one line that names the pass
// and the folder with the reproducer.
func TestInternalError(t *testing.T) {
	models, err := filepath.Abs("../../../testdata/models")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	boom := pass.Pass{Name: "boom", Doc: "panic", Level: pass.Manual, Run: func(*rewrite.Ctx, *ir.Module) error { panic("kaboom") }}
	var out, errs bytes.Buffer
	code := cli.Main(cli.Registry{Passes: []pass.Pass{boom}}, []string{"build", filepath.Join(models, "digits.onnx"), "--passes", "fold,boom"}, nil, &out, &errs)
	if code != 5 {
		t.Errorf("exit code is %d, want 5", code)
	}
	line := strings.TrimSuffix(errs.String(), "\n")
	if strings.Contains(line, "\n") || !strings.Contains(line, "pass boom") || !strings.Contains(line, "kaboom") {
		t.Errorf("standard error: %q", line)
	}
	_, dir, ok := strings.Cut(strings.TrimSuffix(line, " (-v shows the stack)"), "reproducer written to ")
	if !ok {
		t.Fatalf("no reproducer is named: %q", line)
	}
	files, err := os.ReadDir(strings.TrimSuffix(dir, "/"))
	if err != nil || len(files) == 0 {
		t.Errorf("the reproducer's folder %q: %v, %d files", dir, err, len(files))
	}
	if _, err := os.Stat("digits.mlc"); err == nil {
		t.Error("an output was written")
	}
}

// A program's own passes are part of its command.
func TestRegistry(t *testing.T) {
	mine := pass.Pass{Name: "my-pass", Doc: "do nothing", Level: pass.Manual, Run: func(*rewrite.Ctx, *ir.Module) error { return nil }}
	var out, errs bytes.Buffer
	if code := cli.Main(cli.Registry{Passes: []pass.Pass{mine}}, []string{"passes"}, nil, &out, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	if !strings.Contains(out.String(), "my-pass") {
		t.Error("the pass is not listed")
	}
}

// lostOutput is a standard output that is full.
type lostOutput struct{}

func (lostOutput) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestOutputLost: a command whose results could not be printed fails.
func TestOutputLost(t *testing.T) {
	model := "../../../testdata/models/digits.onnx"
	for _, args := range []string{"version", "ops", "targets --json", "help", "build --help", "inspect " + model, "run --dim N=1 --random " + model} {
		var errs bytes.Buffer
		code := cli.Main(cli.Registry{}, strings.Fields(args), nil, lostOutput{}, &errs)
		if code != 2 || !strings.Contains(errs.String(), "standard output: no space left") {
			t.Errorf("mlc %s: exit code %d, %q", args, code, errs.String())
		}
	}
}
