package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/exe"
	"github.com/mlc-go/mlc/ir/diag"
)

// platform is the system that an executable for o's target runs on.
func platform(o *codegen.Options) (string, error) {
	t, err := target.Parse(o.Target)
	if err != nil {
		return "", err
	}
	sys := t.OS
	if sys == "" && strings.HasPrefix(o.Target, "native") {
		sys = goruntime.GOOS
	} else if sys == "" {
		sys = "linux"
	}
	p := sys + "/" + t.Arch
	if !slices.Contains(exe.Platforms(), p) {
		return "", &diag.Error{Kind: diag.Unsupported, Port: "--emit=exe --target=" + o.Target, Have: p, Want: "one of " + strings.Join(exe.Platforms(), ", ")}
	}
	return p, nil
}

// executable builds src and writes it as a program to out.
func (a *app) executable(ctx context.Context, src codegen.Source, o codegen.Options, out string, times bool) error {
	p, err := platform(&o)
	if err != nil {
		return err
	}
	t0 := time.Now()
	art, err := codegen.Build(ctx, src, o)
	if err != nil {
		return err
	}
	defer art.Close()
	if times {
		a.passTimes(art.Report())
	}
	b, err := art.Bytes()
	if err != nil {
		return err
	}
	stubs := exe.Stubs{Note: a.note}
	if dir, err := os.UserCacheDir(); err == nil { // else each build builds its own
		stubs.Cache = filepath.Join(dir, "mlc", "stubs")
	}
	stub, err := stubs.Get(ctx, p)
	if err != nil {
		return err
	}
	emit := func(w io.WriteSeeker) error { _, err := exe.Write(w, stub, b); return err }
	size := int64(0)
	if out == "-" {
		_, err = copyOut(a.out, emit)
		return err
	}
	if size, err = atomicWriteMode(out, 0o755, emit); err != nil {
		return err
	}
	return a.summary(art, out, "exe", size, time.Since(t0), nil)
}
