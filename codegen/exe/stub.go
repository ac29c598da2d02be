package exe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/mlc-go/mlc/ir/diag"
)

// stubPackage is the program of the stubs, below the module's root.
const stubPackage = "runtime/stub"

// maxStub bounds a stub in memory.
const maxStub = 64 << 20

// Stubs finds stubs: those carried in the program, else those in the cache, else
// it builds them.
type Stubs struct {
	Cache string                        // folder for what is built; "" keeps nothing
	Note  func(format string, a ...any) // told before a build; nil: nobody
}

// Get gives the stub for a platform. Errors: no such platform (Usage); there is
// none and no way to build it (Unsupported, and what to do).
func (s Stubs) Get(ctx context.Context, platform string) ([]byte, error) {
	if !slices.Contains(Platforms(), platform) {
		return nil, diag.New(diag.Usage, "no executables for %s (have %s)", platform, strings.Join(Platforms(), ", "))
	}
	if b, err := carriedStub(platform); !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	root, err := source()
	if err != nil {
		return nil, err
	}
	key, err := keyOf(root)
	if err != nil {
		return nil, diag.New(diag.Internal, "%v", err)
	}
	cached := ""
	if s.Cache != "" {
		cached = filepath.Join(s.Cache, strings.ReplaceAll(platform, "/", "-")+"-"+key)
		if b, err := os.ReadFile(cached); err == nil {
			return b, nil
		}
	}
	if _, err := toolchain(platform); err != nil {
		return nil, err
	}
	if s.Note != nil {
		s.Note("building the stub for %s, once", platform)
	}
	b, err := Build(ctx, root, platform)
	if err != nil {
		return nil, err
	}
	if cached != "" {
		if err := keep(cached, b); err != nil {
			return nil, diag.In(cached, diag.Usage, err)
		}
	}
	return b, nil
}

// File is the name that a carried stub has among the embedded files.
func File(platform string) string { return strings.ReplaceAll(platform, "/", "-") + ".zst" }

// carriedStub is the stub in the program; fs.ErrNotExist: it carries none.
func carriedStub(platform string) ([]byte, error) {
	f, err := carried.Open("stubs/" + File(platform))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := zstd.NewReader(f, zstd.WithDecoderMaxMemory(maxStub))
	if err != nil {
		return nil, diag.New(diag.Internal, "stub for %s: %v", platform, err)
	}
	defer d.Close()
	b, err := io.ReadAll(d)
	if err != nil {
		return nil, diag.New(diag.Internal, "stub for %s: %v", platform, err)
	}
	return b, nil
}

// source is the root of the tree that this program was built from.
func source() (string, error) {
	_, file, _, _ := goruntime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if st, err := os.Stat(filepath.Join(root, stubPackage, "main.go")); filepath.IsAbs(file) && err == nil && st.Mode().IsRegular() {
		return root, nil
	}
	return "", diag.New(diag.Unsupported, "no stub: this mlc carries none and its source is not where it was built: use a release build (go run ./tools/release in a clone makes one)")
}

// keyOf is a digest of all that a stub is built from: another source, or another
// version of Go (that of this program stands for it), another stub.
func keyOf(root string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, goruntime.Version())
	add := func(p string) error {
		b, err := os.ReadFile(p)
		if err == nil {
			rel, _ := filepath.Rel(root, p)
			fmt.Fprintf(h, "%q %d\n", filepath.ToSlash(rel), len(b))
			h.Write(b)
		}
		return err
	}
	if err := add(filepath.Join(root, "go.mod")); err != nil {
		return "", err
	}
	for _, dir := range []string{"ir", "runtime"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(p, "_test.go") || filepath.Ext(p) != ".go" && filepath.Ext(p) != ".s" {
				return err
			}
			return add(p)
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:12]), nil
}

// toolchain is the go command.
func toolchain(platform string) (string, error) {
	gobin, err := exec.LookPath("go")
	if err != nil {
		return "", diag.New(diag.Unsupported, "no stub for %s: this mlc carries none, none is in the cache, and to build one the go command must be on the PATH: install Go, or use a release build of mlc (go run ./tools/release)", platform)
	}
	return gobin, nil
}

// Build builds the stub for a platform from the tree at root with the go command.
func Build(ctx context.Context, root, platform string) ([]byte, error) {
	gobin, err := toolchain(platform)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mlc-stub-*")
	if err != nil {
		return nil, diag.New(diag.Usage, "%v", err)
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "stub")
	goos, arch, _ := strings.Cut(platform, "/")
	c := exec.CommandContext(ctx, gobin, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, "./"+stubPackage)
	c.Dir = root
	// The baseline of each architecture, whatever the user's environment says:
	// the same source gives the same stub.
	c.Env = append(c.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOWORK=off")
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, diag.New(diag.Unsupported, "go build of the stub for %s fails: %v: %s", platform, err, strings.Join(strings.Fields(errs.String()), " "))
	}
	return os.ReadFile(out)
}

// keep writes a file of the cache whole or not at all.
func keep(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".stub-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already where all went well
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
