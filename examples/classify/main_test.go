package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/runtime/task"
	"github.com/mlc-go/mlc/tools/corpus"
)

var update = flag.Bool("update", false, "draw testdata/seven.png")

// seven is the sample picture: white strokes on black, 140 x 140.
func seven() *image.Gray {
	p := image.NewGray(image.Rect(0, 0, 140, 140))
	dot := func(x, y int) {
		for dy := -6; dy <= 6; dy++ {
			for dx := -6; dx <= 6; dx++ {
				if dx*dx+dy*dy <= 36 {
					p.SetGray(x+dx, y+dy, color.Gray{255})
				}
			}
		}
	}
	for i := range 61 {
		dot(40+i, 32)          // the bar
		dot(100-i*40/60, 32+i) // the stem, its upper part
		dot(60-i/6, 92+i*20/60)
	}
	return p
}

// TestPicture: the sample picture is drawn by us.
func TestPicture(t *testing.T) {
	const name = "testdata/seven.png"
	want := seven()
	if *update {
		var b bytes.Buffer
		if err := png.Encode(&b, want); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := task.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	have, ok := p.(*image.Gray)
	if !ok || !bytes.Equal(have.Pix, want.Pix) || have.Rect != want.Rect {
		t.Errorf("%s is another picture than the test draws", name)
	}
}

func classify(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run(context.Background(), args, &out)
	return out.String(), err
}

// TestDigits: the shipped model on the sample picture, and the same from an
// artifact with the task inside. The scores are onnxruntime's on every fifth
// pixel, the centres of 140 pixels brought to 28 (tools/peers/demos.py).
func TestDigits(t *testing.T) {
	t.Chdir("../..")
	const picture = "examples/classify/testdata/seven.png"
	have, err := classify(t, picture)
	if err != nil {
		t.Fatal(err)
	}
	if want := picture + ":\n" + peerSeven; have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}

	desc, err := task.Parse(digits)
	if err != nil {
		t.Fatal(err)
	}
	a, err := mlc.Compile(context.Background(), mlc.File("testdata/models/digits.onnx"), mlc.Task(desc))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	path := filepath.Join(t.TempDir(), "digits.mlc")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Export(t.Context(), f, "mlc"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	shipped, err := classify(t, "-model", path, picture)
	if err != nil {
		t.Fatal(err)
	}
	if shipped != have {
		t.Errorf("the artifact says\n%s", shipped)
	}
	if one, err := classify(t, "-model", path, "-top", "1", picture, picture); err != nil || strings.Count(one, "\n") != 4 {
		t.Errorf("two pictures, a class each: %v\n%s", err, one)
	}
}

const peerSeven = `  0.4180  7 seven
  0.1568  0 zero
  0.1313  3 three
`

// TestMNIST: a trained model knows the ten digits of data/vision, as it does in
// onnxruntime.
func TestMNIST(t *testing.T) {
	model := corpus.Cases(t, "mnist-cntk-8")["mnist-cntk-8"]
	pictures := corpus.Open(t, "data/vision.tar.zst")
	dir := t.TempDir()
	keep := func(name string, b []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	b, err := fs.ReadFile(model.FS, model.Model)
	args := []string{"-top", "1", "-model", keep("mnist.onnx", b, err), "-task", keep("task.json", []byte(`{"classify": {"activation": "softmax"}}`), nil)}
	want := ""
	for i := range 10 {
		b, err := fs.ReadFile(pictures, fmt.Sprintf("vision/digits/sample%d.png", i))
		args = append(args, keep(fmt.Sprintf("%d.png", i), b, err))
		want += fmt.Sprintf("%s:\n  1.0000  %d \n", args[len(args)-1], i)
	}
	have, err := classify(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	if have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
}

func TestRefused(t *testing.T) {
	t.Chdir("../..")
	bad := filepath.Join(t.TempDir(), "bad.png")
	if err := os.WriteFile(bad, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "want pictures"},
		{[]string{bad}, "bad.png: is no picture: want PNG or JPEG"},
		{[]string{"nowhere.png"}, "nowhere.png"},
		{[]string{"-model", "nowhere.onnx", bad}, "nowhere.onnx"},
		{[]string{"-model", "testdata/models/digits.onnx", bad}, "says not how pictures become that"},
		{[]string{"-task", "testdata/tasks/ultraface.json", bad}, "see examples/faces"},
	} {
		_, err := classify(t, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.args, err, c.says)
		}
	}
}
