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
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/need"
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

// model is a real model and what was recorded of it: input_N.pb and output_N.pb.
type model struct {
	name   string
	source codegen.Source
	files  map[string][]byte
}

// models are the real models that the hosts run: three of the corpus with their
// first set of vectors, and the keyword net with ten of its samples, whose
// probabilities onnxruntime gave.
func models(t *testing.T) []model {
	t.Helper()
	names := []string{"mnist-cntk-8", "oww-hello-deepa", "orographic-drag"}
	cases := corpus.Cases(t, names...)
	var out []model
	for _, name := range names {
		c := cases[name]
		m := model{name, codegen.FS(c.FS, c.Model), map[string][]byte{}}
		files, err := fs.Glob(c.FS, "test_data_set_0/*.pb")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no vectors: %v", c.Name, err)
		}
		for _, f := range files {
			if m.files[path.Base(f)], err = fs.ReadFile(c.FS, f); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, m)
	}
	return append(out, keywords(t))
}

func keywords(t *testing.T) model {
	t.Helper()
	data := corpus.Open(t, "data/tinyml.tar.zst")
	read := func(name string) []byte {
		b, err := fs.ReadFile(data, "tinyml/kws/"+name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m := model{"kws_ds_cnn_float", codegen.Bytes(read("kws_ds_cnn_float.onnx")), map[string][]byte{}}
	npy := func(name string) tensor.Tensor {
		x, err := tensor.ReadNPY(bytes.NewReader(read(name)), 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	put := func(name string, x tensor.Tensor) {
		b, err := tensor.EncodePB(name, tensor.V(x))
		if err != nil {
			t.Fatal(err)
		}
		m.files[name] = b
	}
	mfcc, prob := npy("mfcc_i8.npy"), npy("prob_float_first100.npy")
	const samples = 10 // of a hundred, which take Node 20 s
	x := tensor.New(dtype.F32, samples, 49, 10, 1)
	for i := range x.Len() {
		tensor.Slice[float32](&x)[i] = float32(mfcc.Int(i)) * 0.336
	}
	put("input_0.pb", x)
	put("output_0.pb", tensor.MustOf(tensor.Slice[float32](&prob)[:samples*12], samples, 12))
	return m
}

// folder lays a model out: m.mlc, in, an empty out.
func folder(t *testing.T, m model) string {
	t.Helper()
	dir := t.TempDir()
	a, err := codegen.Build(ctx, m.source, codegen.Options{Target: "wasm"})
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
	for name, b := range m.files {
		put(filepath.Join("in", name), b)
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
	all := models(t)
	file := program(t)
	for name, start := range map[string]func(*testing.T, string) host{"wazero": wazeroHost, "node": nodeHost} {
		t.Run(name, func(t *testing.T) {
			run := start(t, file)
			for _, m := range all {
				dir := folder(t, m)
				t0 := time.Now()
				code, out, errs := run(t, dir, "/m.mlc", "/in", "/out")
				if code != 0 {
					t.Errorf("%s: exit code %d: %s", m.name, code, errs)
					continue
				}
				t.Logf("%s: %.0f ms with start: %s", m.name, 1000*time.Since(t0).Seconds(), strings.TrimSpace(out))
				compare(t, m.name, dir)
			}
			dir := folder(t, all[0])
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
