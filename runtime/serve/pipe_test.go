//go:build unix

package serve_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/serve"
)

// TestPipe: a pipe in the place of a model's file, which nobody writes to, is
// refused and not waited for: other models are still watched, and the server ends.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, adder(100)))
	var log lockedBuffer
	url, end := started(t, serve.Options{Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))}, path)
	pipes := 0
	pipe := func() {
		t.Helper()
		if err := unix.Mkfifo(path+".pipe", 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".pipe", path); err != nil {
			t.Fatal(err)
		}
		pipes++
		await(t, "refusal", func() bool { return strings.Count(log.String(), "want a regular file") == pipes })
	}
	pipe()
	if code, b, _ := post(t, url+"/v2/models/m/infer", []byte(oneRequest)); code != 200 {
		t.Errorf("%d %s", code, b)
	}
	write(t, path, compiled(t, adder(200)))
	await(t, "version 2", func() bool {
		_, b := get(t, url+"/v2/models/m")
		return strings.Contains(string(b), `["2"]`)
	})
	pipe()
	done := make(chan error, 1)
	go func() { done <- end() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not end")
	}
	s, err := serve.New(serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(context.Background(), "m", path); diag.KindOf(err) != diag.BadModel {
		t.Errorf("Add of a pipe: %v", err)
	}
}
