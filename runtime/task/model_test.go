package task_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
	"github.com/mlc-go/mlc/tools/corpus"
)

var update = flag.Bool("update", false, "draw testdata/tasks/faces.png anew")

var ctx = context.Background()

// build compiles text with an optional task inside.
func build(t *testing.T, mir, desc string) *runtime.Model {
	t.Helper()
	o := codegen.Options{}
	if desc != "" {
		d := parse(t, desc)
		o.Task = &d
	}
	return load(t, codegen.Bytes([]byte(mir)), o)
}

func load(t *testing.T, src codegen.Source, o codegen.Options) *runtime.Model {
	t.Helper()
	a, err := codegen.Build(ctx, src, o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func parse(t *testing.T, desc string) task.Task {
	t.Helper()
	d, err := task.Parse([]byte(desc))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// seen is a model whose scores are the numbers of its input, in order.
func seen(input string, n int) string {
	return fmt.Sprintf(`module "seen" opset {ai.onnx 28}
func main(%%x: %s) -> (%%y: f32[%d]) {
	%%f = Cast %%x {to=1} : f32%s
	%%s = const i64[1] [%d]
	%%y = Reshape %%f, %%s : f32[%d]
	return %%y
}
`, input, n, input[strings.IndexByte(input, '['):], n, n)
}

// scores are the numbers that a model of seen saw.
func scores(t *testing.T, m *task.Model, p image.Image) []float64 {
	t.Helper()
	got, err := m.Classify(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float64, len(got))
	for i, c := range got {
		out[c.Index] = c.Score
		if i > 0 && got[i-1].Score < c.Score {
			t.Errorf("scores rise: %v", got)
		}
	}
	return out
}

// The tensor, element by element: two pixels, (10, 20, 30) and (40, 50, 60).
func TestTensor(t *testing.T) {
	p := image.NewRGBA(image.Rect(0, 0, 2, 1))
	p.Set(0, 0, color.RGBA{10, 20, 30, 255})
	p.Set(1, 0, color.RGBA{40, 50, 60, 255})
	for _, c := range []struct {
		name, input, desc string
		n                 int
		want              []float64
	}{
		{"planes", "f32[1,3,1,2]", `{"classify": {"top": 0}}`, 6, []float64{10, 40, 20, 50, 30, 60}},
		{"interleaved", "f32[1,1,2,3]", `{"input": {"layout": "nhwc"}, "classify": {"top": 0}}`, 6, []float64{10, 20, 30, 40, 50, 60}},
		{"bgr", "u8[1,3,1,2]", `{"input": {"color": "bgr"}, "classify": {"top": 0}}`, 6, []float64{30, 60, 20, 50, 10, 40}},
		{"mean and std by channel", "f32[1,3,1,2]", `{"input": {"mean": [10, 20, 30], "std": [10, 5, 2]}, "classify": {"top": 0}}`, 6, []float64{0, 3, 0, 6, 0, 15}},
		{"bgr takes mean in its order", "f32[1,3,1,2]", `{"input": {"color": "bgr", "mean": [30, 20, 10]}, "classify": {"top": 0}}`, 6, []float64{0, 30, 0, 30, 0, 30}},
		// (19595·10 + 38470·20 + 7471·30 + 32768)/65536 = 18.65: 18; of the second pixel 48.6: 48
		{"gray", "u8[1,1,2]", `{"classify": {"top": 0}}`, 2, []float64{18, 48}},
		// r = 1: rows 0 and 2 are padding
		{"letterbox", "f32[1,1,3,2]", `{"input": {"fit": "letterbox", "pad": 7, "mean": [7]}, "classify": {"top": 0}}`, 6, []float64{0, 0, 11, 41, 0, 0}},
		{"crop", "u8[1,1,1]", `{"input": {"fit": "crop"}, "classify": {"top": 0}}`, 1, []float64{18}},
		{"sigmoid", "f32[1,1,1]", `{"input": {"fit": "crop", "mean": [18]}, "classify": {"activation": "sigmoid"}}`, 1, []float64{0.5}},
	} {
		m, err := task.Open(build(t, seen(c.input, c.n), c.desc))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := scores(t, m, p); !slices.Equal(got, c.want) {
			t.Errorf("%s: have %v, want %v", c.name, got, c.want)
		}
	}
}

// Extents that the model leaves open come from the description.
func TestOpenExtents(t *testing.T) {
	const open = `module "open" opset {ai.onnx 28}
dim N 1..*
dim H 1..*
dim W 1..*
func main(%x: u8[N,H,W,1]) -> (%y: f32[((H*N)*W)]) {
	%f = Cast %x {to=1} : f32[N,H,W,1]
	%s = const i64[1] [-1]
	%y = Reshape %f, %s : f32[((H*N)*W)]
	return %y
}
`
	p := image.NewGray(image.Rect(0, 0, 4, 1))
	copy(p.Pix, []uint8{0, 10, 20, 30})
	m, err := task.Open(build(t, open, `{"input": {"width": 2, "height": 1, "layout": "nhwc"}, "classify": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	if w, h := m.Size(); w != 2 || h != 1 {
		t.Errorf("size %d x %d, want 2 x 1", w, h)
	}
	if got, want := scores(t, m, p), []float64{5, 25}; !slices.Equal(got, want) {
		t.Errorf("have %v, want %v", got, want)
	}
	if _, err := task.Open(build(t, open, `{"input": {"layout": "nhwc"}, "classify": {}}`)); err == nil || !strings.Contains(err.Error(), "input.width and input.height") {
		t.Errorf("without extents: %v", err)
	}
}

// The part of a picture that SubImage gives counts from its own corner.
func TestSubImage(t *testing.T) {
	p := image.NewGray(image.Rect(0, 0, 4, 4))
	for i := range p.Pix {
		p.Pix[i] = uint8(i)
	}
	m, err := task.Open(build(t, seen("u8[1,2,2]", 4), ""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := scores(t, m, p.SubImage(image.Rect(1, 1, 3, 3))), []float64{5, 6, 9, 10}; !slices.Equal(got, want) {
		t.Errorf("have %v, want %v", got, want)
	}
	if m.Described() {
		t.Error("an assumed task is called described")
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, input, desc, says string
		kind                    diag.Kind
	}{
		{"floats without a task", "f32[1,1,2,2]", "", "says not how pictures become that", diag.Unsupported},
		{"mean of bytes", "u8[1,1,2,2]", `{"input": {"mean": [1]}, "classify": {}}`, "want no mean and std", diag.BadModel},
		{"means", "f32[1,1,2,2]", `{"input": {"mean": [1, 2]}, "classify": {}}`, "has 2 values, want 1 or 1", diag.BadModel},
		{"channels", "f32[1,2,1,2]", `{"classify": {}}`, "1 or 3 channels", diag.BadModel},
		{"color", "f32[1,1,2,2]", `{"input": {"color": "rgb"}, "classify": {}}`, "channels for color rgb", diag.BadModel},
		{"batch", "f32[2,1,1,2]", `{"classify": {}}`, "one picture a run", diag.BadModel},
		{"type", "i32[1,1,2,2]", `{"classify": {}}`, "a picture of u8 or f32", diag.BadModel},
		{"rank", "f32[2,2]", `{"classify": {}}`, "[N,H,W]", diag.BadModel},
		{"width", "f32[1,1,2,2]", `{"input": {"width": 3}, "classify": {}}`, "width 3", diag.BadModel},
		{"input", "f32[1,1,2,2]", `{"input": {"name": "z"}, "classify": {}}`, `input "z"`, diag.BadModel},
		{"output", "f32[1,1,2,2]", `{"classify": {"output": "z"}}`, `no output "z"`, diag.BadModel},
		{"layout", "f32[1,1,2,2]", `{"input": {"layout": "nhw"}, "classify": {}}`, "layout nhw", diag.BadModel},
		{"a side", "f32[1,1,1,20000]", `{"input": {"width": 100}, "classify": {}}`, "extents of at most 16384", diag.BadModel},
		{"channels beyond", "f32[1,20000,1,1]", `{"input": {"layout": "nchw"}, "classify": {}}`, "extents of at most 16384", diag.BadModel},
		{"an area", "f32[1,1,16384,16384]", `{"classify": {}}`, "at most 67108864 pixels, have 16384 x 16384", diag.BadModel},
	} {
		n := 1 // of the input's elements
		for _, d := range strings.Split(strings.Trim(c.input[strings.IndexByte(c.input, '['):], "[]"), ",") {
			k, err := strconv.Atoi(d)
			if err != nil {
				t.Fatal(err)
			}
			n *= k
		}
		_, err := task.Open(build(t, seen(c.input, n), c.desc))
		if err == nil || diag.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: have %v (%v), want %v with %q", c.name, err, diag.KindOf(err), c.kind, c.says)
		}
	}
	m, err := task.Open(build(t, seen("u8[1,1,2,2]", 4), ""))
	if err != nil {
		t.Fatal(err)
	}
	var e *diag.Error
	if _, err := m.Detect(ctx, image.NewGray(image.Rect(0, 0, 1, 1))); !errors.As(err, &e) || e.Kind != diag.Usage {
		t.Errorf("to detect with classes: %v", err)
	}
	if _, err := m.Classify(ctx, image.NewGray(image.Rect(0, 0, 0, 5))); !errors.As(err, &e) || e.Kind != diag.BadData {
		t.Errorf("an empty picture: %v", err)
	}
	bad := `module "bad" opset {ai.onnx 28} meta "mlc.task" = "{\"clasify\": {}}"` + strings.TrimPrefix(seen("u8[1,1,2,2]", 4), `module "seen" opset {ai.onnx 28}`)
	if _, err := task.Open(build(t, bad, "")); err == nil || diag.KindOf(err) != diag.BadModel {
		t.Errorf("metadata that do not hold: %v", err)
	}
}

// drawing is two people, by ellipses: testdata/tasks/faces.png.
func drawing() image.Image {
	p := image.NewRGBA(image.Rect(0, 0, 400, 300))
	for y := range 300 {
		for x := range 400 {
			c := color.RGBA{120, 150, 180, 255}
			person(&c, float64(x), float64(y), 120, 130, 60)
			person(&c, float64(x), float64(y), 290, 170, 40)
			p.SetRGBA(x, y, c)
		}
	}
	return p
}

// person paints what of a face of size s around (cx, cy) lies at (x, y).
func person(c *color.RGBA, x, y, cx, cy, s float64) {
	x, y = (x-cx)/s, (y-cy)/s
	in := func(ox, oy, rx, ry float64) bool { return math.Hypot((x-ox)/rx, (y-oy)/ry) < 1 }
	paint := func(r, g, b float64) { *c = color.RGBA{uint8(r), uint8(g), uint8(b), 255} }
	if in(0, -0.1, 0.85, 1.15) && y < 0.5 {
		paint(60, 40, 30) // hair
	}
	if in(0, 1.6, 1.4, 0.7) {
		paint(50, 60, 110) // shoulders
	}
	if math.Abs(x) < 0.3 && y > 0.6 && y < 1.2 {
		paint(190, 140, 115) // neck
	}
	if r := math.Hypot(x/0.7, (y-0.08)/0.95); r < 1 {
		k := 1 - 0.3*r*r
		paint(235*k, 185*k, 155*k) // face
	}
	for _, e := range []float64{-1, 1} {
		switch {
		case in(e*0.28, -0.15, 0.07, 0.075):
			paint(40, 25, 20) // iris
		case in(e*0.28, -0.15, 0.16, 0.075):
			paint(235, 230, 225) // eye
		case in(e*0.28, -0.33, 0.2, 0.04):
			paint(70, 45, 35) // brow
		case in(e*0.09, 0.27, 0.05, 0.03):
			paint(120, 75, 60) // nostril
		}
	}
	switch {
	case math.Abs(x-0.06) < 0.03 && y > -0.1 && y < 0.22:
		paint(175, 125, 100) // nose
	case in(0, 0.515, 0.24, 0.02):
		paint(90, 35, 35)
	case in(0, 0.52, 0.26, 0.09):
		paint(165, 70, 70) // lips
	}
}

// picture is testdata/tasks/faces.png, which drawing draws: the file is what
// counts, the last bits of a drawing may differ by machine.
func picture(t *testing.T) image.Image {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "tasks", "faces.png")
	if *update {
		var b bytes.Buffer
		if err := png.Encode(&b, drawing()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := task.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Boxes from anchors, by hand: cells of 2 x 2 pixels over 4 x 4, one anchor each.
// The third's is at (1, 3); (0.5, -0.5, 2, 1) from there is (0.5, 2) to (2.5, 3).
func TestHeads(t *testing.T) {
	const mir = `module "heads" opset {ai.onnx 28}
func main(%%x: f32[1,4,4,1]) -> (%%b: f32[1,4,5], %%s: f32[1,4,1]) {
	%%b = const f32[1,4,5] [0, 0, 1, 1, 9, 0, 0, 1, 1, 9, HERE, 9, 0, 0, 1, 1, 9]
	%%s = const f32[1,4,1] [0, 0.25, 1, 0]
	return %%b, %%s
}
`
	for unit, numbers := range map[string]string{"pixels": "0.5, -0.5, 2, 1", "relative": "0.125, -0.125, 0.5, 0.25"} {
		text := strings.ReplaceAll(strings.ReplaceAll(mir, "%%", "%"), "HERE", numbers)
		desc := `{"detect": {"heads": [{"boxes": "b", "scores": "s", "stride": 2, "anchors": 1}], "form": "cxcywh", "unit": "` + unit + `"}}`
		m, err := task.Open(build(t, text, desc))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Detect(ctx, image.NewGray(image.Rect(0, 0, 4, 4)))
		if want := (task.Box{Class: task.Class{Score: 1}, X0: 0.5, Y0: 2, X1: 2.5, Y1: 3}); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: have %v, %v, want %v", unit, got, err, want)
		}
		m, err = task.Open(build(t, text, strings.Replace(desc, `"anchors": 1`, `"anchors": 3`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Detect(ctx, image.NewGray(image.Rect(0, 0, 4, 4))); diag.KindOf(err) != diag.Unsupported || !strings.Contains(err.Error(), "want 12 boxes, 3 for each cell of 2 x 2 pixels") {
			t.Errorf("three anchors: %v", err)
		}
	}
}

// Detectors of the corpus on the drawing, against onnxruntime and numpy
// (tools/peers/faces.py).
func TestFaces(t *testing.T) {
	for name, want := range map[string][][5]float64{"ultraface-rfb-320": ultraFaces, "blazeface-front-128": blazeFaces} {
		t.Run(name, func(t *testing.T) { faces(t, name, want) })
	}
}

func faces(t *testing.T, name string, want [][5]float64) {
	found := corpus.Cases(t, name)[name]
	file, _, _ := strings.Cut(name, "-")
	desc, err := os.ReadFile("../../testdata/tasks/" + file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, string(desc))
	m, err := task.Open(load(t, codegen.FS(found.FS, found.Model), codegen.Options{Task: &d}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Detect(ctx, picture(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d faces, want %d: %v", len(got), len(want), got)
	}
	for i, b := range got {
		if b.Label != "face" || math.Abs(b.Score-want[i][0]) > 1e-5 {
			t.Errorf("face %d: %+v, want score %v", i, b, want[i][0])
		}
		for k, v := range []float64{b.X0, b.Y0, b.X1, b.Y1} {
			if math.Abs(v-want[i][k+1]) > 0.001 {
				t.Errorf("face %d: corner %d at %v, the peer has %v", i, k, v, want[i][k+1])
			}
		}
	}
	// As a JPEG, from several goroutines: both are still there.
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(t), nil); err != nil {
		t.Fatal(err)
	}
	p, err := task.Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if got, err := m.Detect(ctx, p); err != nil || len(got) != 2 {
				t.Errorf("JPEG: %v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// Score and corners, as tools/peers/faces.py prints them.
var (
	ultraFaces = [][5]float64{
		{0.9999961, 263.9088, 136.2294, 318.7996, 204.1935},
		{0.9992212, 83.8148, 86.4642, 158.0999, 183.9518},
	}
	blazeFaces = [][5]float64{
		{0.9422359, 265.8380, 155.0699, 315.6312, 204.8628},
		{0.9318273, 77.8249, 101.9507, 161.7240, 185.8497},
	}
)
