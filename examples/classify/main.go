// Command classify says what is on a picture. From the repository's folder:
//
//	go run ./examples/classify examples/classify/testdata/seven.png
//
// runs the model that the repository ships. Its weights are random: it shows the
// way, not digits. With a trained one, for instance MNIST of the ONNX model zoo,
// and task.json saying what it wants of a picture (docs/tasks.md):
//
//	go run ./examples/classify -model mnist-8.onnx -task task.json picture.png
//
// What ships is an artifact that has the task inside:
//
//	go run ./tools/mlc build mnist-8.onnx --task task.json -o mnist.mlc
//	go run ./examples/classify -model mnist.mlc -top 3 picture.png photo.jpg
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// digits is what the shipped model does with pictures: a task, as mlc build
// --task puts it into an artifact.
//
//go:embed digits.json
var digits []byte

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "classify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	f := flag.NewFlagSet("classify", flag.ExitOnError)
	model := f.String("model", "", "model, .onnx or .mlc (default testdata/models/digits.onnx)")
	desc := f.String("task", "", "JSON file that says what the model wants of a picture (default: what stands in the model)")
	top := f.Int("top", 3, "classes to print, 0: all")
	f.Parse(args)
	if f.NArg() == 0 {
		return fmt.Errorf("want pictures, PNG or JPEG: classify [flags] PICTURE [PICTURE ...]")
	}

	var about []byte
	switch {
	case *desc != "":
		b, err := os.ReadFile(*desc)
		if err != nil {
			return err
		}
		about = b
	case *model == "":
		about = digits
	}
	if *model == "" {
		*model = filepath.FromSlash("testdata/models/digits.onnx")
	}
	m, err := load(ctx, *model)
	if err != nil {
		return err
	}
	defer m.Close()
	t, err := open(m, about, *top)
	if err != nil {
		return err
	}

	for _, name := range f.Args() {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		picture, err := task.Decode(b)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		classes, err := t.Classify(ctx, picture)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(w, "%s:\n", name)
		for _, c := range classes {
			fmt.Fprintf(w, "  %.4f  %d %s\n", c.Score, c.Index, c.Label)
		}
	}
	return nil
}

// load opens an artifact, or compiles a model. A program that ships an artifact
// needs the first half alone, and links no compiler.
func load(ctx context.Context, path string) (*runtime.Model, error) {
	if filepath.Ext(path) == ".mlc" {
		return runtime.Open(path)
	}
	return mlc.Load(ctx, mlc.File(path))
}

// open gives the model its task: from JSON, or where there is none the one that
// stands in the model.
func open(m *runtime.Model, about []byte, top int) (*task.Model, error) {
	var desc task.Task
	if about != nil {
		d, err := task.Parse(about)
		if err != nil {
			return nil, err
		}
		desc = d
	} else {
		t, err := task.Open(m)
		if err != nil {
			return nil, err
		}
		desc = t.Task()
	}
	if desc.Classify == nil {
		return nil, fmt.Errorf("the model finds objects, it does not classify: see examples/faces")
	}
	desc.Classify.Top = top
	return task.New(m, desc)
}
