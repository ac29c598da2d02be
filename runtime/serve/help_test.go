package serve_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/runtime/serve"
	"github.com/mlc-go/mlc/runtime/task"
	"github.com/mlc-go/mlc/tools/corpus"
)

// fixture is a file of shared/data/serving.tar.zst.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := fs.ReadFile(corpus.Open(t, "data/serving.tar.zst"), "serving/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// compiled is the artifact of a model in .onnx or .mir form, with a task or none.
func compiled(t testing.TB, model []byte, tasks ...task.Task) []byte {
	t.Helper()
	var o codegen.Options
	for i := range tasks {
		o.Task = &tasks[i]
	}
	a, err := codegen.Build(context.Background(), codegen.Bytes(model), o)
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

// write puts b at path in one step.
func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// server serves models by name on a listener of the test's.
func server(t testing.TB, o serve.Options, models map[string][]byte) (*serve.Server, *httptest.Server) {
	t.Helper()
	s, err := serve.New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range models {
		path := filepath.Join(dir, name+".mlc")
		write(t, path, b)
		if err := s.Add(context.Background(), name, path); err != nil {
			t.Fatal(err)
		}
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() { h.Close(); s.Close() })
	return s, h
}

// post sends a request and gives the status, the body and the header.
func post(t testing.TB, url string, body []byte, header ...string) (int, []byte, http.Header) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) (int, []byte, http.Header) {
	t.Helper()
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, b, a.Header
}

// zipped is b in gzip's form.
func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func get(t testing.TB, url string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	code, b, _ := do(t, r)
	return code, b
}

// adder is a model that adds k to four numbers.
func adder(k int) []byte {
	return fmt.Appendf(nil, `module "adder" opset {ai.onnx 21}
func main(%%x: f32[4]) -> (%%y: f32[4]) {
	%%k = const f32[1] [%d]
	%%y = Add %%x, %%k : f32[4]
	return %%y
}
`, k)
}

// newSlowBody is a body that stops after its first bytes until end is called.
func newSlowBody(first string) (r io.Reader, end func()) {
	pr, pw := io.Pipe()
	go io.WriteString(pw, first)
	return pr, func() { pw.Close() }
}
