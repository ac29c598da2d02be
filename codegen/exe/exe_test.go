package exe

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/program"
)

// TestWrite: the parts lie where the reader looks, and the same input gives the
// same bytes.
func TestWrite(t *testing.T) {
	art := []byte("\x7fMLC\r\n\x1a\n and more")
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if n, err := Write(w, make([]byte, program.Align+1), art); err != nil || n != int64(w.Len()) {
			t.Fatal(n, err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two executables of the same parts differ")
	}
	have, tr, err := program.Artifact(a.Bytes())
	if err != nil || !bytes.Equal(have, art) || tr.Offset != 2*program.Align {
		t.Errorf("have %q at %v, %v", have, tr, err)
	}
	if _, err := Write(&a, nil, []byte("no artifact")); diag.KindOf(err) != diag.Internal {
		t.Errorf("no artifact: %v", err)
	}
}

// TestGet: the cache is looked at before the toolchain; without either the error
// says what to do.
func TestGet(t *testing.T) {
	ctx := context.Background()
	if _, err := (Stubs{}).Get(ctx, "plan9/mips"); diag.KindOf(err) != diag.Usage || !strings.Contains(err.Error(), "linux/arm64") {
		t.Errorf("plan9: %v", err)
	}
	if _, err := carriedStub("linux/amd64"); err == nil {
		t.Skip("this build carries stubs")
	}
	t.Setenv("PATH", "")
	dir := t.TempDir()
	_, err := Stubs{Cache: dir}.Get(ctx, "linux/arm64")
	if diag.KindOf(err) != diag.Unsupported || !strings.Contains(err.Error(), "install Go, or use a release build") {
		t.Errorf("no toolchain: %v", err)
	}
	root, err := source()
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyOf(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := keep(filepath.Join(dir, "new", "linux-arm64-"+key), []byte("stub")); err != nil {
		t.Fatal(err)
	}
	if b, err := (Stubs{Cache: filepath.Join(dir, "new")}).Get(ctx, "linux/arm64"); err != nil || string(b) != "stub" {
		t.Errorf("have %q, %v", b, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "new")); err != nil || len(left) != 1 {
		t.Errorf("the cache holds %v, %v", left, err)
	}
}
