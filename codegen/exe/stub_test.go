//go:build !mlcstubs

package exe

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
)

// TestGet: the cache is looked at before the toolchain; without either the error
// says what to do.
func TestGet(t *testing.T) {
	ctx := context.Background()
	if _, err := (Stubs{}).Get(ctx, "plan9/mips"); diag.KindOf(err) != diag.Usage || !strings.Contains(err.Error(), "linux/arm64") {
		t.Errorf("plan9: %v", err)
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
