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

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/exe"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/bindshape"
)

// appMain scores the Go package; it is a program of the module around it.
//
//go:embed testdata/app/main.go
var appMain []byte

// single binds the number of pictures to 1.
func single() bindshape.Binding {
	return bindshape.Binding{Dims: []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}}
}

// ship writes what is made of the nets. The ONNX file is there already.
func (c *chain) ship(ctx context.Context) error {
	for _, step := range steps {
		if err := c.tflite(ctx, step); err != nil {
			return err
		}
	}
	if err := c.executable(ctx); err != nil {
		return err
	}
	return c.goPackage(ctx)
}

func (c *chain) tflite(ctx context.Context, step string) error {
	art, err := c.load(ctx, step, codegen.Options{Bind: single(), Stop: passes.Optimized, Off: tflite.Unwanted()})
	if err != nil {
		return err
	}
	defer art.Close()
	var b bytes.Buffer
	if _, err := tflite.Export(&b, art.Module(), tflite.Options{}); err != nil {
		return err
	}
	return os.WriteFile(c.path(step+".tflite"), b.Bytes(), 0o644)
}

// executable writes classify-arm64: a stub with the artifact behind it.
func (c *chain) executable(ctx context.Context) error {
	art, err := c.load(ctx, "int8", codegen.Options{Target: "arm64"})
	if err != nil {
		return err
	}
	defer art.Close()
	b, err := art.Bytes()
	if err != nil {
		return err
	}
	stubs := exe.Stubs{Note: func(f string, a ...any) { fmt.Fprintf(os.Stderr, f+"\n", a...) }}
	if dir, err := os.UserCacheDir(); err == nil {
		stubs.Cache = filepath.Join(dir, "mlc", "stubs")
	}
	stub, err := stubs.Get(ctx, "linux/arm64")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if _, err := exe.Write(&out, stub, b); err != nil {
		return err
	}
	return os.WriteFile(c.path("classify-arm64"), out.Bytes(), 0o755)
}

// goPackage writes app, a module with the package classifier in it.
func (c *chain) goPackage(ctx context.Context) error {
	imported, err := c.load(ctx, "int8", codegen.Options{Bind: single(), Stop: codegen.StageImport})
	if err != nil {
		return err
	}
	defer imported.Close()
	vectors, err := gosrc.Record(ctx, imported.Module(), 1)
	if err != nil {
		return err
	}
	art, err := c.load(ctx, "int8", codegen.Options{Bind: single()})
	if err != nil {
		return err
	}
	defer art.Close()
	b, err := art.Bytes()
	if err != nil {
		return err
	}
	files, err := gosrc.Files(art.Program(), b, gosrc.Options{Package: "classifier", Vectors: vectors})
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
func module(ctx context.Context) ([]gosrc.File, error) {
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
	return []gosrc.File{{Name: "main.go", Data: appMain}, {Name: "go.mod", Data: []byte(text)}, {Name: "go.sum", Data: sum}}, nil
}
