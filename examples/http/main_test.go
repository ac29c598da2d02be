package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/runtime/task"
)

const picture = "../classify/testdata/seven.png"

// artifact is what mlc build --task writes.
func artifact(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../classify/digits.json")
	if err != nil {
		t.Fatal(err)
	}
	desc, err := task.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	a, err := mlc.Compile(context.Background(), mlc.File("../../testdata/models/digits.onnx"), mlc.Task(desc))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var out bytes.Buffer
	if err := a.Export(t.Context(), &out, "mlc"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "digits.mlc")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// started runs the program; end is its end.
func started(t *testing.T) (url string, stop func(), end chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	end = make(chan error, 1)
	model := artifact(t)
	go func() {
		err := run(ctx, []string{"-model", model, "-http", "127.0.0.1:0"}, w)
		w.CloseWithError(err)
		end <- err
	}()
	t.Cleanup(cancel)
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), cancel, end
}

func ask(t *testing.T, method, url, kind string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

// The scores are onnxruntime's, as in examples/classify (tools/peers/demos.py).
func seven(t *testing.T, code int, body string) {
	t.Helper()
	var a struct{ Classes []task.Class }
	if err := json.Unmarshal([]byte(body), &a); code != 200 || err != nil || len(a.Classes) != 10 {
		t.Fatalf("%d %s: %v", code, body, err)
	}
	for i, want := range []task.Class{{Index: 7, Label: "seven", Score: 0.41801}, {Index: 0, Label: "zero", Score: 0.15677954}, {Index: 3, Label: "three", Score: 0.13130225}} {
		if c := a.Classes[i]; c.Index != want.Index || c.Label != want.Label || math.Abs(c.Score-want.Score) > 1e-5 {
			t.Errorf("class %d: have %+v, want %+v", i, c, want)
		}
	}
}

func TestService(t *testing.T) {
	url, stop, end := started(t)
	png7, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	code, body := ask(t, "POST", url+"/classify", "image/png", bytes.NewReader(png7))
	seven(t, code, body)

	formOf := func(field string) (string, io.Reader) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		f, err := w.CreateFormFile(field, "seven.png")
		if err != nil {
			t.Fatal(err)
		}
		f.Write(png7)
		w.Close()
		return w.FormDataContentType(), &b
	}
	kind, b := formOf("picture")
	code, body = ask(t, "POST", url+"/classify", kind, b)
	seven(t, code, body)

	kind, b = formOf("photo")
	var large bytes.Buffer // black pixels in few bytes
	if err := png.Encode(&large, image.NewGray(image.Rect(0, 0, 4097, 4096))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, path, kind string
		body                     io.Reader
		code                     int
		says                     string
	}{
		{"the form", "GET", "/", "", nil, 200, `name="picture"`},
		{"no picture", "POST", "/classify", "", strings.NewReader("GIF89a"), 400, `{"error":"is no picture`},
		{"nothing", "POST", "/classify", "", nil, 400, `{"error":`},
		{"a form without the field", "POST", "/classify", kind, b, 400, "want a file named picture"},
		{"half a form", "POST", "/classify", "multipart/form-data; boundary=x", strings.NewReader("--x"), 400, "want a file named picture"},
		{"too many bytes", "POST", "/classify", "", io.LimitReader(zeros{}, maxBody+1), 413, "too large"},
		{"too many pixels", "POST", "/classify", "", &large, 413, "4097 x 4096 pixels"},
		{"another method", "GET", "/classify", "", nil, 405, ""},
		{"another path", "GET", "/nowhere", "", nil, 404, ""},
		{"the protocol's metadata", "GET", "/oip/v2/models/digits", "", nil, 200, `"shape":[-1,1,28,28]`},
		{"the protocol's metrics", "GET", "/oip/metrics", "", nil, 200, "mlc_model_version"},
		{"ready", "GET", "/oip/v2/health/ready", "", nil, 200, "true"},
		{"no prefix", "GET", "/v2/models/digits", "", nil, 404, ""},
		{"a tensor", "POST", "/oip/v2/models/digits/infer", "application/json",
			strings.NewReader(`{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"data":[` + strings.Repeat("0,", 783) + `0]}]}`), 200, `"shape":[1,10]`},
	} {
		if code, body := ask(t, c.method, url+c.path, c.kind, c.body); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s: have %d %.200s, want %d %s", c.name, code, body, c.code, c.says)
		}
	}

	// A picture on its way when the service is to end is still answered. The body
	// is asked for by the handler alone, with 100 Continue.
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: timeout}}
	r, w := io.Pipe()
	last, err := http.NewRequest("POST", url+"/classify", r)
	if err != nil {
		t.Fatal(err)
	}
	last.Header.Set("Expect", "100-continue")
	go func() {
		w.Write(png7[:100])
		stop()
		w.Write(png7[100:])
		w.Close()
	}()
	answer, err := client.Do(last)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	seven(t, answer.StatusCode, string(text))
	if err := <-end; err != nil {
		t.Error(err)
	}
}

// TestNoCompiler: the service links the runtime alone, and no third-party module
// but golang.org/x/sys.
func TestNoCompiler(t *testing.T) {
	b, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(b)) {
		own, inside := strings.CutPrefix(p, "github.com/mlc-go/mlc/")
		top, _, _ := strings.Cut(own, "/")
		host, _, _ := strings.Cut(p, "/") // of the standard library it has no dot
		switch {
		case inside && (top == "codegen" || top == "passes" || top == "backend" || top == "frontend"):
			t.Errorf("it links %s", p)
		case !inside && strings.Contains(host, ".") && !strings.HasPrefix(p, "golang.org/x/sys/"):
			t.Errorf("it links %s", p)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "want a model"},
		{[]string{"-model", "nowhere.mlc"}, "nowhere.mlc"},
		{[]string{"-model", "../../testdata/models/digits.onnx"}, "digits.onnx"},
	} {
		err := run(context.Background(), c.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.args, err, c.says)
		}
	}
}
