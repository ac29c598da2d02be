package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/internal/corpus"
	"github.com/mlc-go/mlc/internal/need"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

var ctx = context.Background()

// program builds the command for WASI.
func program(t *testing.T) string {
	t.Helper()
	need.Command(t, "go", "the program is built with it")
	out := filepath.Join(t.TempDir(), "wasi.wasm")
	c := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
	c.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, b)
	}
	return out
}

// models are the real models that the hosts run.
var models = []string{"mnist-cntk-8", "oww-hello-deepa", "orographic-drag"}

// folder lays a model out: m.mlc, test_data_set_0, an empty out.
func folder(t *testing.T, c *conform.Case) string {
	t.Helper()
	dir := t.TempDir()
	a, err := codegen.Build(ctx, codegen.FS(c.FS, c.Model), codegen.Options{Target: "wasm"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("m.mlc", b)
	for _, d := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files, err := fs.Glob(c.FS, "test_data_set_0/*.pb")
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no vectors: %v", c.Name, err)
	}
	for _, f := range files {
		b, err := fs.ReadFile(c.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		put(filepath.Join("in", filepath.Base(f)), b)
	}
	return dir
}

// host runs the program in a folder and gives the exit code and what it printed.
type host func(t *testing.T, dir string, args ...string) (code int, out, errs string)

// wazeroHost compiles the program once.
func wazeroHost(t *testing.T, file string) host {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	m, err := r.CompileModule(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, dir string, args ...string) (int, string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		cfg := wazero.NewModuleConfig().WithName("").WithArgs(append([]string{"wasi"}, args...)...).
			WithStdout(&out).WithStderr(&errs).WithSysWalltime().WithSysNanotime().
			WithFSConfig(wazero.NewFSConfig().WithDirMount(dir, "/"))
		_, err := r.InstantiateModule(ctx, m, cfg)
		var exit *sys.ExitError
		switch {
		case errors.As(err, &exit):
			return int(exit.ExitCode()), out.String(), errs.String()
		case err != nil:
			t.Fatal(err)
		}
		return 0, out.String(), errs.String()
	}
}

func nodeHost(t *testing.T, file string) host {
	t.Helper()
	node := need.Command(t, "node", "the program runs under it")
	if err := exec.Command(node, "--no-warnings", "-e", "require('node:wasi')").Run(); err != nil {
		need.Lacking(t, "a node with WASI: %v", err)
	}
	return func(t *testing.T, dir string, args ...string) (int, string, string) {
		t.Helper()
		c := exec.Command(node, append([]string{"--no-warnings", "testdata/host.mjs", file, dir}, args...)...)
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		err := c.Run()
		if c.ProcessState == nil {
			t.Fatal(err)
		}
		return c.ProcessState.ExitCode(), out.String(), errs.String()
	}
}

// TestHosts: real models give the recorded outputs under wazero and Node, and
// the bits that the same artifact gives here.
func TestHosts(t *testing.T) {
	need.Time(t, "a program is built and run in two hosts")
	cases := corpus.Cases(t, models...)
	file := program(t)
	for name, start := range map[string]func(*testing.T, string) host{"wazero": wazeroHost, "node": nodeHost} {
		t.Run(name, func(t *testing.T) {
			run := start(t, file)
			for _, name := range models {
				c := cases[name]
				dir := folder(t, c)
				t0 := time.Now()
				code, out, errs := run(t, dir, "/m.mlc", "/in", "/out")
				if code != 0 {
					t.Errorf("%s: exit code %d: %s", c.Name, code, errs)
					continue
				}
				t.Logf("%s: %.0f ms with start: %s", c.Name, 1000*time.Since(t0).Seconds(), strings.TrimSpace(out))
				compare(t, c.Name, dir)
			}
			dir := folder(t, cases[models[0]])
			refuses(t, run, dir)
		})
	}
}

// compare holds out against the recorded outputs and against a run here.
func compare(t *testing.T, name, dir string) {
	t.Helper()
	got := outputs(t, filepath.Join(dir, "out"))
	want := outputs(t, filepath.Join(dir, "in"))
	if len(got) != len(want) {
		t.Errorf("%s: %d outputs, want %d", name, len(got), len(want))
		return
	}
	for i := range got {
		if err := tensor.Custom(1e-4, 1e-5).CompareTensors(&got[i], &want[i]); err != nil {
			t.Errorf("%s: output %d: %v", name, i, err)
		}
	}
	here := filepath.Join(dir, "here")
	if err := os.Mkdir(here, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{filepath.Join(dir, "m.mlc"), filepath.Join(dir, "in"), here}, io.Discard); err != nil {
		t.Fatal(err)
	}
	for i, w := range outputs(t, here) {
		if !bytes.Equal(got[i].Bytes(), w.Bytes()) {
			t.Errorf("%s: output %d has other bits than the same artifact here", name, i)
		}
	}
}

func outputs(t *testing.T, dir string) []tensor.Tensor {
	t.Helper()
	var out []tensor.Tensor
	for i := 0; ; i++ {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("output_%d.pb", i)))
		if errors.Is(err, fs.ErrNotExist) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		_, v, err := tensor.ReadTensorPB(b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
}

// refuses: bad input ends with a message and the exit code of its kind.
func refuses(t *testing.T, run host, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "m.mlc"))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "bad.mlc"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"/m.mlc"}, 2, "want MODEL.mlc IN OUT"},
		{[]string{"/m.mlc", "/nosuch", "/out"}, 2, "input_0.pb"},
		{[]string{"/bad.mlc", "/in", "/out"}, 3, "bad.mlc"},
		{[]string{"/m.mlc", "/in", "/nosuch"}, 2, "nosuch"},
	} {
		code, _, errs := run(t, dir, c.args...)
		if code != c.code || !strings.HasPrefix(errs, "wasi: ") || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit code %d, %q; want %d, %q", c.args, code, errs, c.code, c.says)
		}
	}
}

// --target wasm makes artifacts that hold no assembly and run here too.
func TestTarget(t *testing.T) {
	a, err := codegen.Build(ctx, codegen.File("../../testdata/models/digits.onnx"), codegen.Options{Target: "wasm"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if got := a.Program().Arch; got != "generic" {
		t.Errorf("--target wasm makes an artifact for %q, want generic", got)
	}
	b, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
}
