package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	_ "embed"

	"github.com/mlc-go/mlc"
)

// appMain scores the Go package; it is a program of the module around it.
//
//go:embed testdata/app/main.go
var appMain []byte

// ship writes what is made of the nets. The ONNX file is there already.
func (c *chain) ship(ctx context.Context) error {
	for _, step := range steps {
		if err := c.export(ctx, step, step+".tflite", "tflite", 0o644, mlc.Dim("N", 1, 1)); err != nil {
			return err
		}
	}
	if err := c.export(ctx, "int8", "classify-arm64", "exe", 0o755, mlc.Target("arm64")); err != nil {
		return err
	}
	return c.goPackage(ctx)
}

// export compiles the net of a step and writes it in a format.
func (c *chain) export(ctx context.Context, step, file, format string, mode os.FileMode, opts ...mlc.Option) error {
	a, err := mlc.Compile(ctx, mlc.File(c.path(step+".onnx")), opts...)
	if err != nil {
		return err
	}
	defer a.Close()
	var b bytes.Buffer
	if err := a.Export(ctx, &b, format); err != nil {
		return err
	}
	return os.WriteFile(c.path(file), b.Bytes(), mode)
}

// goPackage writes app, a module with the package classifier in it.
func (c *chain) goPackage(ctx context.Context) error {
	a, err := mlc.Compile(ctx, mlc.File(c.path("int8.onnx")), mlc.Dim("N", 1, 1))
	if err != nil {
		return err
	}
	defer a.Close()
	files, err := a.GoPackage(ctx, "classifier")
	if err != nil {
		return err
	}
	for i := range files {
		files[i].Name = "classifier/" + files[i].Name
	}
	around, err := module(ctx)
	if err != nil {
		return err
	}
	for _, f := range append(files, around...) {
		p := filepath.Join(c.out, "app", filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var sysLine = regexp.MustCompile(`golang\.org/x/sys v\S+`)

// module is what a module of one's own has around the package: it needs mlc,
// here the clone that this program was built from, and golang.org/x/sys.
func module(ctx context.Context) ([]mlc.GoFile, error) {
	b, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/mlc-go/mlc").Output()
	if err != nil {
		return nil, fmt.Errorf("want to be run in a folder of the clone: go list -m github.com/mlc-go/mlc: %w", err)
	}
	root := strings.TrimSpace(string(b))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("module example.com/app\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/mlc-go/mlc v0.0.0\n\t%s\n)\n\nreplace github.com/mlc-go/mlc => %s\n", sysLine.Find(mod), root)
	return []mlc.GoFile{{Name: "main.go", Data: appMain}, {Name: "go.mod", Data: []byte(text)}, {Name: "go.sum", Data: sum}}, nil
}
