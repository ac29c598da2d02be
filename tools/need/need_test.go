package need

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that notes how it was ended.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, a ...any) {
	r.said = "failed: " + fmt.Sprintf(format, a...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, a ...any) {
	r.said = "skipped: " + fmt.Sprintf(format, a...)
	runtime.Goexit()
}

// said runs f in a goroutine of its own, which it may end.
func said(f func(t testing.TB)) string {
	r, done := &recorder{}, make(chan bool)
	go func() {
		defer close(done)
		f(r)
		r.said = "ran"
	}()
	<-done
	return r.said
}

// What lacks is named, and is a failure in continuous integration.
func TestLacking(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		name, want string
		f          func(t testing.TB)
	}{
		{"data", "test data: no corpus/x in " + empty, func(t testing.TB) { Shared(t, "corpus/x") }},
		{"command", "the command no-such-command: it is looked for", func(t testing.TB) { Command(t, "no-such-command", "it is looked for") }},
		{"system", "gravity on this system", func(t testing.TB) { System(t, false, "gravity") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("MLC_SHARED", empty)
			t.Setenv("CI", "")
			if s := said(c.f); !strings.HasPrefix(s, "skipped: lacks "+c.want) {
				t.Error(s)
			}
			t.Setenv("CI", "true")
			if s := said(c.f); !strings.HasPrefix(s, "failed: continuous integration lacks "+c.want) {
				t.Error(s)
			}
		})
	}
	t.Setenv("CI", "")
	if s := said(func(t testing.TB) { OnlyCI(t, "it is slow") }); s != "skipped: lacks CI=true, which runs it: it is slow" {
		t.Error(s)
	}
}

// What is there is used.
func TestThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "corpus"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MLC_SHARED", dir)
	t.Setenv("CI", "true")
	s := said(func(t testing.TB) {
		if p := Shared(t, "corpus"); p != filepath.Join(dir, "corpus") {
			panic(p)
		}
		System(t, true, "gravity")
		OnlyCI(t, "it is slow")
	})
	if s != "ran" {
		t.Error(s)
	}
	if root, err := Root(); err != nil || filepath.Base(filepath.Dir(filepath.Dir(mustWd(t)))) != filepath.Base(root) {
		t.Error(root, err)
	}
}

func mustWd(t *testing.T) string {
	t.Helper()
	d, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
