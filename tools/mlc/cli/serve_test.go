package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server as a process: it serves a model that it compiles and an artifact,
// takes a replacement, survives a file that is overwritten in place, and on
// SIGTERM answers what is in flight before it ends with 0.
func TestServeProcess(t *testing.T) {
	dir := t.TempDir()
	model, err := os.ReadFile("../../../testdata/models/digits.onnx")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "digits.onnx")
	if err := os.WriteFile(file, model, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := mlcCmd(t, dir, "build", "digits.onnx").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := mlcCmd(t, dir, "serve", "digits.onnx", "compiled=digits.mlc", "--http", "127.0.0.1:0", "--poll", "5ms", "--json")
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Process.Kill()
	first, err := bufio.NewReader(out).ReadBytes('\n')
	var report struct {
		Schema, Address string
		Models          []struct{ Name, File string }
	}
	if err != nil || json.Unmarshal(first, &report) != nil || report.Schema != "mlc.serve/1" || len(report.Models) != 2 || report.Models[1].Name != "compiled" {
		t.Fatalf("%v: %s\n%s", err, first, log.String())
	}
	url := "http://" + report.Address
	body := `{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"data":[` + strings.Repeat("0,", 783) + `0]}]}`
	infer := func(name string, r io.Reader) (string, error) {
		a, err := http.Post(url+"/v2/models/"+name+"/infer", "application/json", r)
		if err != nil {
			return "", err
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err == nil && a.StatusCode != http.StatusOK {
			err = fmt.Errorf("%d %s", a.StatusCode, b)
		}
		return string(b), err
	}
	// One model in two forms: the same data.
	var data []string
	for _, name := range []string{"digits", "compiled"} {
		b, err := infer(name, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_, b, _ = strings.Cut(b, `"outputs"`)
		data = append(data, b)
	}
	if data[0] != data[1] || !strings.Contains(data[0], `"shape":[1,10]`) {
		t.Errorf("have %s and %s", data[0], data[1])
	}
	version := func(name, want string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			b, err := infer(name, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b, `"model_version":"`+want+`"`) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("no version %s: %s", want, b)
			}
		}
	}
	// In place: the file is empty, then whole again.
	for _, f := range []string{file, filepath.Join(dir, "digits.mlc")} {
		whole, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(f, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
		if err := os.WriteFile(f, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	version("digits", "2")
	version("compiled", "2")

	drain(t, c, url, body, infer)
	if t.Failed() {
		t.Log(log.String())
	}
}

// drain sends half a request, then SIGTERM, then the rest.
func drain(t *testing.T, c *exec.Cmd, url, body string, infer func(string, io.Reader) (string, error)) {
	t.Helper()
	r, w := io.Pipe()
	got := make(chan error, 1)
	go func() {
		_, err := infer("digits", r)
		got <- err
	}()
	io.WriteString(w, body[:100])
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	flying := func() (string, error) {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
		if err != nil {
			return "", err
		}
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			return "", err
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		return string(b), err
	}
	for {
		b, err := flying()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b, "mlc_requests_in_flight 1\n") {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil { // until the listener is closed
		if _, err := flying(); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	io.WriteString(w, body[100:])
	w.Close()
	if err := <-got; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("the server: %v", err)
	}
}
