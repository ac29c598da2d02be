// Command faces finds faces on a picture and draws boxes around them. The model
// is Ultra-Light-Fast-Generic-Face-Detector's RFB-320, which its author gives
// away as version-RFB-320.onnx (1.2 MB, MIT); one by one, or once compiled:
//
//	go run ./examples/faces -model version-RFB-320.onnx -o boxes.png photo.jpg
//	go run ./tools/mlc build version-RFB-320.onnx --task examples/faces/ultraface.json -o faces.mlc
//	go run ./examples/faces -model faces.mlc -o boxes.png photo.jpg
//
// Another detector needs another task: docs/tasks.md says what can stand in
// ultraface.json. A model that carries a task of its own is run by that.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// ultraface is what the model wants of a picture and what its outputs mean.
//
//go:embed ultraface.json
var ultraface []byte

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "faces:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	f := flag.NewFlagSet("faces", flag.ExitOnError)
	model := f.String("model", "", "detector, .onnx or .mlc")
	out := f.String("o", "", "write the picture with boxes here, as PNG")
	least := f.Float64("least", 0, "least score of a box, 0 to 1 (default what the task says)")
	f.Parse(args)
	if *model == "" || f.NArg() != 1 {
		return fmt.Errorf("want a model and a picture: faces -model FILE [-o BOXES.png] PICTURE")
	}
	m, err := load(ctx, *model)
	if err != nil {
		return err
	}
	defer m.Close()
	t, err := open(m, *least)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(f.Arg(0))
	if err != nil {
		return err
	}
	picture, err := task.Decode(b)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Arg(0), err)
	}

	boxes, err := t.Detect(ctx, picture) // fitted, run, filtered; in the picture's own pixels
	if err != nil {
		return err
	}
	for _, x := range boxes {
		fmt.Fprintf(w, "%.4f  %.1f %.1f %.1f %.1f  %s\n", x.Score, x.X0, x.Y0, x.X1, x.Y1, x.Label)
	}
	fmt.Fprintf(w, "%d found\n", len(boxes))
	if *out == "" {
		return nil
	}
	var file bytes.Buffer
	if err := png.Encode(&file, drawn(picture, boxes)); err != nil {
		return err
	}
	return os.WriteFile(*out, file.Bytes(), 0o644)
}

// load opens an artifact, or compiles a model with the task in it.
func load(ctx context.Context, path string) (*runtime.Model, error) {
	if filepath.Ext(path) == ".mlc" {
		return runtime.Open(path)
	}
	return mlc.Load(ctx, mlc.File(path))
}

// open takes the task that stands in the model, or else that of this program.
func open(m *runtime.Model, least float64) (*task.Model, error) {
	desc, err := task.Parse(ultraface)
	if err != nil {
		return nil, err
	}
	if t, err := task.Open(m); err == nil && t.Described() {
		desc = t.Task()
	}
	if desc.Detect == nil {
		return nil, fmt.Errorf("the model classifies, it finds no objects: see examples/classify")
	}
	if least != 0 {
		desc.Detect.Threshold = least
	}
	return task.New(m, desc)
}

// drawn is a copy of the picture with boxes and their scores in percent.
func drawn(p image.Image, boxes []task.Box) *image.RGBA {
	b := p.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy())) // a box's (0, 0) is the picture's first pixel
	draw.Draw(out, out.Rect, p, b.Min, draw.Src)
	unit := max(1, min(b.Dx(), b.Dy())/200) // thickness of lines
	for _, x := range boxes {
		r := image.Rect(int(x.X0), int(x.Y0), int(x.X1), int(x.Y1))
		frame(out, r, unit)
		number(out, r.Min.Add(image.Pt(2*unit, 2*unit)), int(100*x.Score+0.5), unit)
	}
	return out
}
