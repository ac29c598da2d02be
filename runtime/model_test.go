package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/tools/corpus"
)

var ctx = context.Background()

// compile builds a case's model into an artifact.
func compile(t testing.TB, c *conform.Case, target string) []byte {
	t.Helper()
	a, err := codegen.Build(ctx, codegen.FS(c.FS, c.Model), codegen.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, b []byte) *runtime.Model {
	t.Helper()
	m, err := runtime.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// bind gives a session the inputs of a case's first set.
func bind(t testing.TB, s *runtime.Session, m *runtime.Model, c *conform.Case) {
	t.Helper()
	var ports []conform.Port
	for _, i := range m.Inputs() {
		ports = append(ports, conform.Port{Name: i.Name, Type: i.Type})
	}
	vals, _, err := conform.Bind(c.Sets[0].Inputs, ports)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range ports {
		if err := s.BindValue(p.Name, vals[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoAllocation: a warm session makes no garbage, on one thread or two.
func TestNoAllocation(t *testing.T) {
	for name, c := range corpus.Cases(t, "mnist-cntk-8", "squeezenet-fp16", "ultraface-rfb-320", "blazeface-front-128", "oww-hello-deepa", "dtln-1") {
		m := open(t, compile(t, c, "native"))
		for _, threads := range []int{1, 2} {
			s, err := m.NewSession(runtime.Threads(threads))
			if err != nil {
				t.Fatal(err)
			}
			bind(t, s, m, c)
			n := kerneltest.Allocations(3, func() {
				if err := s.Run(ctx); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%s on %d threads: %v allocations per run", name, threads, n)
			}
			s.Close()
		}
	}
}

// TestBits: the same artifact gives the same bits on 1, 2 and 3 threads and
// with the kernels of every level that this machine has.
func TestBits(t *testing.T) {
	names := []string{"mnist-cntk-8", "ultraface-rfb-320", "yunet-n-dynamic", "blazeface-front-128", "orographic-drag",
		"oww-hello-deepa", "oww-embedding", "byte-bidi-lstm", "dtln-1", "squeezenet-fp16", "cyclone-unet"}
	if testing.Short() {
		names = names[:1]
	}
	for name, c := range corpus.Cases(t, names...) {
		f, err := artifact.Decode(compile(t, c, arch(t)))
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		for _, l := range cpu.Levels(f.Program.Arch) {
			if l.Features&^cpu.Detect() != 0 {
				t.Logf("%s: this machine lacks %s", name, l.Name)
				continue
			}
			x, err := exec.New(f.Program, all.Set(), l.Features)
			if err != nil {
				t.Fatal(err)
			}
			for threads := 1; threads <= 3; threads++ {
				got := outputs(t, x, f, c, threads)
				if want == nil {
					want = got
				}
				for i := range got {
					if !bytes.Equal(got[i], want[i]) {
						t.Errorf("%s: output %d differs at %s on %d threads", name, i, l.Name, threads)
					}
				}
				if l.Name == cpu.Generic && name == "cyclone-unet" {
					break // 3 GMACs in plain Go: once is enough
				}
			}
		}
	}
}

// arch is this host's architecture with every feature as an alternative.
func arch(t *testing.T) string {
	for _, l := range []string{"amd64", "arm64"} {
		if cpu.Detect()&cpu.All(l) != 0 {
			return l
		}
	}
	return "generic"
}

func outputs(t *testing.T, x *exec.Model, f *artifact.File, c *conform.Case, threads int) [][]byte {
	t.Helper()
	main := f.Program.Main()
	var ports []conform.Port
	for i, p := range main.Params {
		ports = append(ports, conform.Port{Name: main.Names[i], Type: main.Slots[p].Type})
	}
	in, _, err := conform.Bind(c.Sets[0].Inputs, ports)
	if err != nil {
		t.Fatal(err)
	}
	s := x.NewSession(threads, 0)
	defer s.Close()
	out := make([]tensor.Value, len(main.Results))
	if err := s.Run(ctx, in, out); err != nil {
		t.Fatal(err)
	}
	var bs [][]byte
	for i := range out {
		bs = append(bs, bytes.Clone(out[i].Tensor.Bytes()))
	}
	return bs
}

// TestConcurrent: one Model serves 16 goroutines.
func TestConcurrent(t *testing.T) {
	c := corpus.Cases(t, "mnist-cntk-8")["mnist-cntk-8"]
	m := open(t, compile(t, c, "native"))
	in := tensor.New(dtype.F32, 1, 1, 28, 28)
	for i := range 784 {
		tensor.Slice[float32](&in)[i] = float32(i % 7)
	}
	name, out := m.Inputs()[0].Name, m.Outputs()[0].Name
	want, err := m.Run(ctx, map[string]tensor.Tensor{name: in})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				got, err := m.Run(ctx, map[string]tensor.Tensor{name: in})
				if err != nil {
					t.Error(err)
					return
				}
				g, w := got[out], want[out]
				if !bytes.Equal(g.Bytes(), w.Bytes()) {
					t.Error("concurrent runs differ")
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestOpenExtents: one artifact serves several extents; those that the model
// cannot take are Shape errors.
func TestOpenExtents(t *testing.T) {
	cs := corpus.Cases(t, "yunet-n-dynamic", "byte-bidi-lstm")
	m := open(t, compile(t, cs["yunet-n-dynamic"], "native"))
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(h, w int) (int, error) {
		x, err := tensor.Random(dtype.F32, 3, 1, 3, h, w)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Bind(m.Inputs()[0].Name, x); err != nil {
			t.Fatal(err)
		}
		if err := s.Run(ctx); err != nil {
			return 0, err
		}
		y, err := s.Output("cls_8")
		if err != nil {
			t.Fatal(err)
		}
		return y.Dim(1), nil
	}
	for _, hw := range [][2]int{{96, 128}, {160, 160}, {320, 256}, {96, 128}} {
		n, err := run(hw[0], hw[1])
		if err != nil || n != hw[0]/8*(hw[1]/8) { // one anchor for each 8x8 cell
			t.Errorf("%v: %d anchors, %v", hw, n, err)
		}
	}
	// onnxruntime refuses these extents too: a 13-wide map is halved to 6 and
	// doubled to 12 before it is added.
	if _, err := run(104, 136); diag.KindOf(err) != diag.Shape {
		t.Errorf("104x136: %v, want a Shape error", err)
	}
	b := open(t, compile(t, cs["byte-bidi-lstm"], "native"))
	for _, n := range []int{1, 7, 30} {
		x := tensor.New(dtype.U8, 2, n)
		out, err := b.Run(ctx, map[string]tensor.Tensor{b.Inputs()[0].Name: x})
		if err != nil {
			t.Fatal(err)
		}
		for _, y := range out {
			if fmt.Sprint(y.Dims()) != fmt.Sprintf("[2 %d 2]", n) {
				t.Errorf("length %d gives %v", n, y.Dims())
			}
		}
	}
}

// TestDamaged: a shortened or changed artifact is an error, at Open or in the
// first run, never a panic or a wrong answer.
func TestDamaged(t *testing.T) {
	c := corpus.Cases(t, "mnist-cntk-8")["mnist-cntk-8"]
	good := compile(t, c, "native")
	for n := 0; n < len(good); n += 1 + n/3 {
		if m, err := runtime.Decode(good[:n]); err == nil {
			m.Close()
			t.Fatalf("%d of %d bytes were taken", n, len(good))
		} else if k := diag.KindOf(err); k != diag.BadModel {
			t.Fatalf("%d bytes: %v: %v", n, k, err)
		}
	}
	for at := 0; at < len(good); at += 37 {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		m, err := runtime.Decode(bad)
		if err != nil {
			continue
		}
		// Only padding is not covered by a checksum.
		if at >= 48 && at < 64 || good[at] == 0 {
			m.Close()
			continue
		}
		t.Fatalf("a flipped bit in byte %d went unseen", at)
	}
}

func TestErrors(t *testing.T) {
	c := corpus.Cases(t, "mnist-cntk-8")["mnist-cntk-8"]
	m := open(t, compile(t, c, "native"))
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := func(what string, err error, k diag.Kind) {
		t.Helper()
		var e *diag.Error
		if !errors.As(err, &e) || e.Kind != k {
			t.Errorf("%s: %v, want kind %v", what, err, k)
		}
	}
	want("no input", s.Run(ctx), diag.BadData)
	_, err = s.Output("Plus214_Output_0")
	want("output before a run", err, diag.Usage)
	want("unknown name", s.Bind("nope", tensor.New(dtype.F32, 1)), diag.BadData)
	bindErr := func(x tensor.Tensor) error {
		if err := s.Bind("Input3", x); err != nil {
			return err
		}
		return s.Run(ctx)
	}
	want("element type", bindErr(tensor.New(dtype.F64, 1, 1, 28, 28)), diag.BadData)
	want("rank", bindErr(tensor.New(dtype.F32, 28, 28)), diag.BadData)
	want("extent", bindErr(tensor.New(dtype.F32, 1, 1, 28, 27)), diag.Shape)
	if err := bindErr(tensor.New(dtype.F32, 1, 1, 28, 28)); err != nil {
		t.Error(err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Run(done); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_, err = runtime.Open(filepath.Join(t.TempDir(), "none.mlc"))
	want("no file", err, diag.BadModel)
}
