package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/tools/need"
)

// writeIDX writes n pictures of 28 x 28 whose class is where they are bright, and
// their labels, as idx files.
func writeIDX(t *testing.T, dir, part string, n int) {
	t.Helper()
	images := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 3}, uint32(n))
	images = append(images, 0, 0, 0, 28, 0, 0, 0, 28)
	labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, uint32(n))
	noise := data.Permutation(n*28*28, 7, uint64(n))
	for i := range n {
		class := i % 10
		labels = append(labels, byte(class))
		for p := range 28 * 28 {
			v := noise[i*28*28+p] % 64
			if row := p / 28; row/3 == class {
				v += 150
			}
			images = append(images, byte(v))
		}
	}
	for name, b := range map[string][]byte{"images-idx3": images, "labels-idx1": labels} {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(b)
		w.Close()
		if err := os.WriteFile(filepath.Join(dir, part+"-"+name+"-ubyte.gz"), z.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// python makes TestChain a check against other runtimes, which no test of the
// repository needs: tools/peers/run.sh gives it.
var python = flag.String("runtimes", "", "python with numpy, onnxruntime and ai-edge-litert that runs what the chain makes")

// TestChain runs the script and the program on a few generated pictures: they
// make the same files and their servers answer the same; with -runtimes each file
// runs in its own runtime.
func TestChain(t *testing.T) {
	need.Time(t, "eight nets are trained")
	dir, sh, prog := t.TempDir(), t.TempDir(), t.TempDir()
	writeIDX(t, dir, "train", 256)
	writeIDX(t, dir, "t10k", 64)
	const teacher, student, epochs = "resnet8:16,16,stem=2,pool=2", "resnet8:16,16,stem=2,pool=2,stride=2", "1 1 1 1"
	c := exec.Command("sh", "chain.sh", dir, sh)
	c.Env = append(os.Environ(), "TEACHER="+teacher, "STUDENT="+student, "EPOCHS="+epochs)
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("chain.sh: %v\n%s", err, b)
	}
	if err := run(context.Background(), []string{"-data", dir, "-out", prog, "-teacher", teacher, "-student", student, "-epochs", epochs}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"teacher.onnx", "student.onnx", "pruned.onnx", "int8.onnx", "teacher.tflite", "student.tflite", "pruned.tflite", "int8.tflite",
		"classify-arm64", "app/go.mod", "app/go.sum", "app/main.go", "app/classifier/model.go", "app/classifier/model_test.go"} {
		a, err := os.ReadFile(filepath.Join(sh, f))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(prog, f))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s: script and program write different bytes (%d and %d)", f, len(a), len(b))
		}
	}
	asked := func(dir string) (f servedFile) {
		b, err := os.ReadFile(filepath.Join(dir, "served.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &f); err != nil || len(f.Nets) != len(steps) {
			t.Fatalf("%v: %s", err, b)
		}
		return f
	}
	for i, a := range asked(sh).Nets {
		b := asked(prog).Nets[i]
		if a.Net != steps[i] || a.Samples != 64 || a.Top1 != b.Top1 || a.PictureTop1 != b.Top1 || a.Us <= 0 || a.PictureUs <= 0 {
			t.Errorf("the script's server: %+v, the program's: %+v", a, b)
		}
	}
	if b, err := os.ReadFile(filepath.Join(prog, "chain.html")); err != nil || !strings.Contains(string(b), "right as PNG files") {
		t.Errorf("the page does not have the server: %v", err)
	}
	if *python == "" {
		return
	}
	b, err := exec.Command(*python, "check.py", filepath.Join(sh, "mlc"), dir, sh).CombinedOutput()
	t.Logf("check.py:\n%s", b)
	if err != nil {
		t.Fatalf("check.py: %v", err)
	}
	file := filepath.Join(sh, "page.html")
	if err := run(context.Background(), []string{"-data", dir, "-out", sh, "-measure", "-page", file}); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	if s := string(b); !(strings.Contains(s, "int8.tflite") && strings.Contains(s, "int8.onnx, served")) && !strings.Contains(s, "skipped") || strings.Contains(s, "FAILED") {
		t.Errorf("the page does not have what check.py found:\n%s", s)
	}
}

// TestPage: the committed page is one file that loads nothing, and has every
// artifact in its own runtime.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/chain.html")
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 1<<20 {
		t.Errorf("%d bytes, want at most 1 MiB", len(b))
	}
	for _, want := range []string{"int8.onnx</td><td class=\"text\">onnxruntime", "int8.tflite</td><td class=\"text\">LiteRT", "classify-arm64</td><td class=\"text\">qemu-aarch64",
		"app/classifier</td><td class=\"text\">go test, go run", "int8.onnx, served</td><td class=\"text\">mlc serve, tritonclient", "<h2>Served</h2>\n<table>"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"http://", "https://", "<script", "src=", "FAILED", "skipped", "ZgotmplZ"} {
		if strings.Contains(string(b), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}
