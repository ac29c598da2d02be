// Command release builds mlc as it is given away: static, stripped, and with the
// stubs of executables inside, so that --emit exe needs no Go toolchain.
//
//	go run ./tools/release -o mlc
//	go run ./tools/release -o mlc-arm64 -target linux/arm64
//
// It runs in the root of a clone. The stubs lie in codegen/exe/stubs, which git
// ignores.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/mlc-go/mlc/codegen/exe"
)

func main() {
	out := flag.String("o", "mlc", "write the command to `FILE`")
	target := flag.String("target", runtime.GOOS+"/"+runtime.GOARCH, "`OS/ARCH` that the command runs on")
	flag.Parse()
	if err := release(*out, *target); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func release(out, target string) error {
	goos, arch, ok := strings.Cut(target, "/")
	if !ok {
		return fmt.Errorf("-target %s: want OS/ARCH", target)
	}
	dir := filepath.Join("codegen", "exe", "stubs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	for _, p := range exe.Platforms() {
		b, err := exe.Build(context.Background(), ".", p)
		if err != nil {
			return err
		}
		z := enc.EncodeAll(b, nil)
		if err := os.WriteFile(filepath.Join(dir, exe.File(p)), z, 0o644); err != nil {
			return err
		}
		fmt.Printf("stub for %s: %d bytes, %d compressed\n", p, len(b), len(z))
	}
	c := exec.Command("go", "build", "-tags", "mlcstubs", "-trimpath", "-ldflags=-s -w", "-o", out, "./tools/mlc")
	c.Env = append(c.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c.Run()
}
