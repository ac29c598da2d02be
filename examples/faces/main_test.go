package main

import (
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/runtime/task"
	"github.com/mlc-go/mlc/tools/corpus"
)

var update = flag.Bool("update", false, "rewrite boxes.png")

func faces(args ...string) (string, error) {
	var out strings.Builder
	err := run(context.Background(), args, &out)
	return out.String(), err
}

// files copies the detector of the corpus and pictures of data/vision to a
// folder.
func files(t *testing.T, pictures ...string) string {
	t.Helper()
	dir := t.TempDir()
	keep := func(name string, b []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c := corpus.Cases(t, "ultraface-rfb-320")["ultraface-rfb-320"]
	b, err := fs.ReadFile(c.FS, c.Model)
	keep("model.onnx", b, err)
	vision := corpus.Open(t, "data/vision.tar.zst")
	for _, p := range pictures {
		b, err := fs.ReadFile(vision, "vision/images/"+p)
		keep(p, b, err)
	}
	return dir
}

// The corners are those that onnxruntime and numpy find (tools/peers/faces.py
// on the pictures that Go decodes), to the printed tenth of a pixel. The data's
// README has fractions from another way of shrinking, which lie within 3
// pixels.
func TestFaces(t *testing.T) {
	dir := files(t, "astronaut.jpg", "camera.jpg", "coffee.jpg")
	at := func(name string) string { return filepath.Join(dir, name) }
	desc, err := task.Parse(ultraface)
	if err != nil {
		t.Fatal(err)
	}
	a, err := mlc.Compile(context.Background(), mlc.File(at("model.onnx")), mlc.Task(desc))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	f, err := os.Create(at("faces.mlc"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Export(t.Context(), f, "mlc"); err != nil {
		t.Fatal(err)
	}
	f.Close()

	for _, c := range []struct {
		model, picture, want string
		readme               [4]float64
	}{
		{"model.onnx", "astronaut.jpg", "1.0000  178.9 62.4 269.6 173.4  face\n1 found\n", [4]float64{0.351, 0.120, 0.524, 0.339}},
		{"faces.mlc", "camera.jpg", "0.9996  197.4 109.1 260.6 195.1  face\n1 found\n", [4]float64{0.387, 0.212, 0.509, 0.381}},
		{"faces.mlc", "coffee.jpg", "0 found\n", [4]float64{}},
	} {
		have, err := faces("-model", at(c.model), "-o", at("out.png"), at(c.picture))
		if err != nil {
			t.Fatal(err)
		}
		var score float64
		var p [4]float64
		if _, err := fmt.Sscan(have, &score, &p[0], &p[1], &p[2], &p[3]); err != nil && c.want != "0 found\n" {
			t.Fatalf("%s: %v\n%s", c.picture, err, have)
		}
		if !near(have, c.want) || strings.Count(have, "\n") != strings.Count(c.want, "\n") {
			t.Errorf("%s: have\n%s\nwant\n%s", c.picture, have, c.want)
		}
		for i, v := range c.readme {
			if c.want != "0 found\n" && math.Abs(p[i]-512*v) > 3 {
				t.Errorf("%s: corner %d at %v, the README has %v", c.picture, i, p[i], 512*v)
			}
		}
		b, err := os.ReadFile(at("out.png"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := task.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if corner := out.At(int(p[0]), int(p[3])-1); c.want != "0 found\n" && !same(corner, ink.C) {
			t.Errorf("%s: no frame at the lower left corner: %v", c.picture, corner)
		}
	}
	if have, err := faces("-model", at("model.onnx"), "-least", "1", at("camera.jpg")); err != nil || have != "0 found\n" {
		t.Errorf("at a least score of 1: %v\n%s", err, have)
	}
}

// TestPicture: boxes.png, which the README shows, is what comes of the drawing;
// the two faces are those of runtime/task's own test.
func TestPicture(t *testing.T) {
	dir := files(t)
	out := filepath.Join(dir, "boxes.png")
	have, err := faces("-model", filepath.Join(dir, "model.onnx"), "-o", out, "../../testdata/tasks/faces.png")
	if err != nil {
		t.Fatal(err)
	}
	if want := "1.0000  263.9 136.2 318.8 204.2  face\n0.9992  83.8 86.5 158.1 184.0  face\n2 found\n"; !near(have, want) {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
	decode := func(name string) image.Image {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := task.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if *update {
		b, err := os.ReadFile(out)
		if err == nil {
			err = os.WriteFile("boxes.png", b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p, q := decode(out), decode("boxes.png")
	for y := range p.Bounds().Dy() {
		for x := range p.Bounds().Dx() {
			if p.Bounds() != q.Bounds() || !same(p.At(x, y), q.At(x, y)) {
				t.Fatalf("boxes.png is stale: go test ./examples/faces -update")
			}
		}
	}
}

// near compares texts word by word, numbers to one of the last digit: it may be
// rounded either way.
func near(have, want string) bool {
	h, w := strings.Fields(have), strings.Fields(want)
	if len(h) != len(w) {
		return false
	}
	for i := range w {
		a, errA := strconv.ParseFloat(h[i], 64)
		b, errB := strconv.ParseFloat(w[i], 64)
		_, digits, _ := strings.Cut(w[i], ".")
		if errA != nil || errB != nil {
			if h[i] != w[i] {
				return false
			}
		} else if math.Abs(a-b) > 1.1*math.Pow10(-len(digits)) {
			return false
		}
	}
	return true
}

func same(a, b color.Color) bool {
	r, g, bl, x := a.RGBA()
	r2, g2, b2, x2 := b.RGBA()
	return r == r2 && g == g2 && bl == b2 && x == x2
}

// TestDrawn: a frame, and "70" in it, dot by dot.
func TestDrawn(t *testing.T) {
	p := image.NewGray(image.Rect(5, 5, 35, 25)) // black, its corner is not 0, 0
	box := task.Box{Class: task.Class{Score: 0.7}, X0: 2, Y0: 3, X1: 20, Y1: 17}
	have := drawn(p, []task.Box{box})
	want := []string{
		"..............................",
		"..............................",
		"..............................",
		"..##################..........",
		"..#................#..........",
		"..#................#..........",
		"..#..###.###.......#..........",
		"..#....#.#.#.......#..........",
		"..#....#.#.#.......#..........",
		"..#....#.#.#.......#..........",
		"..#....#.###.......#..........",
		"..#................#..........",
		"..#................#..........",
		"..#................#..........",
		"..#................#..........",
		"..#................#..........",
		"..##################..........",
		"..............................",
		"..............................",
		"..............................",
	}
	for y, row := range want {
		line := ""
		for x := range len(row) {
			if same(have.At(x, y), ink.C) {
				line += "#"
			} else {
				line += "."
			}
		}
		if line != row {
			t.Errorf("row %2d: have %s, want %s", y, line, row)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Chdir("../..")
	const digits, picture = "testdata/models/digits.onnx", "testdata/tasks/faces.png"
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "want a model and a picture"},
		{[]string{"-model", digits}, "want a model and a picture"},
		{[]string{"-model", digits, picture}, "channels for color rgb"},
		{[]string{"-model", "nowhere.onnx", picture}, "nowhere.onnx"},
	} {
		_, err := faces(c.args...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.args, err, c.says)
		}
	}
}
