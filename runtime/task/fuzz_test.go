package task_test

import (
	"bytes"
	"image"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// anything has outputs that are its pixels, as boxes and scores.
const anything = `module "anything" opset {ai.onnx 28}
dim H 1..*
dim W 1..*
func main(%x: f32[1,H,W,1]) -> (%boxes: f32[1,2,4], %scores: f32[1,2,2]) {
	%s = const i64[4] [1, 1, 4, 4]
	%r = Resize %x, _, _, %s {mode="nearest"} : f32[1,1,4,4]
	%n = const i64[3] [1, 4, 4]
	%f = Reshape %r, %n : f32[1,4,4]
	%b, %t = Split %f {axis=1, num_outputs=2} : f32[1,2,4], f32[1,2,4]
	%boxes = Identity %b : f32[1,2,4]
	%u, %v = Split %t {axis=2, num_outputs=2} : f32[1,2,2], f32[1,2,2]
	%scores = Identity %u : f32[1,2,2]
	return %boxes, %scores
}
`

// FuzzTask: no description and no picture brings it down; what is refused is
// refused by an error of a kind that is not Internal; boxes lie in the picture.
func FuzzTask(f *testing.F) {
	var models []*runtime.Model
	for _, mir := range []string{anything, seen("u8[1,3,4,5]", 60), seen("f32[1,2,2]", 4)} {
		a, err := codegen.Build(ctx, codegen.Bytes([]byte(mir)), codegen.Options{})
		if err != nil {
			f.Fatal(err)
		}
		b, err := a.Bytes()
		a.Close()
		if err != nil {
			f.Fatal(err)
		}
		m, err := runtime.Decode(b)
		if err != nil {
			f.Fatal(err)
		}
		defer m.Close()
		models = append(models, m)
	}
	f.Add([]byte(`{"detect": {"unit": "pixels", "threshold": 0, "form": "cxcywh", "activation": "softmax"}, "input": {"layout": "nhwc", "width": 4, "height": 4, "fit": "crop"}}`), uint8(5), uint8(7), []byte{1, 2, 3})
	f.Add([]byte(`{"classify": {"activation": "softmax", "output": "y"}, "input": {"fit": "letterbox", "std": [1e-308]}, "labels": ["a"]}`), uint8(255), uint8(1), []byte{255, 0})
	f.Add([]byte(`{"detect": {"iou": 0, "threshold": 0.1}, "input": {"layout": "nhwc", "width": 9, "height": 1, "std": [255], "color": "gray"}}`), uint8(1), uint8(200), []byte{9})
	f.Add([]byte(`{"detect": {"heads": [{"boxes": "boxes", "scores": "scores", "stride": 4, "anchors": 2}], "form": "cxcywh", "unit": "pixels", "threshold": 0}, "input": {"layout": "nhwc", "width": 4, "height": 4}}`), uint8(9), uint8(5), []byte{9, 1})
	f.Fuzz(func(t *testing.T, desc []byte, w, h uint8, pix []byte) {
		d, err := task.Parse(desc)
		if err != nil {
			refused(t, err)
			return
		}
		b, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := task.Parse(b)
		if err != nil {
			t.Fatalf("%s is written and not read: %v", b, err)
		}
		if c, _ := again.JSON(); !bytes.Equal(b, c) {
			t.Fatalf("%s reads back as %s", b, c)
		}
		if d.Input.Width > 64 || d.Input.Height > 64 {
			return // a matter of time, not of meaning
		}
		p := image.NewGray(image.Rect(3, -2, 3+int(w), -2+int(h)))
		copy(p.Pix, pix)
		for _, m := range models {
			x, err := task.New(m, d)
			if err != nil {
				refused(t, err)
				continue
			}
			if d.Classify != nil {
				_, err = x.Classify(ctx, p)
			} else {
				var boxes []task.Box
				boxes, err = x.Detect(ctx, p)
				for _, b := range boxes {
					for _, v := range []float64{b.X0, b.X1} {
						if !(v >= 0 && v <= float64(w)) {
							t.Errorf("%+v lies outside of %d x %d", b, w, h)
						}
					}
					for _, v := range []float64{b.Y0, b.Y1} {
						if !(v >= 0 && v <= float64(h)) {
							t.Errorf("%+v lies outside of %d x %d", b, w, h)
						}
					}
				}
			}
			if err != nil {
				refused(t, err)
			}
		}
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	if diag.KindOf(err) == diag.Internal {
		t.Errorf("an internal error: %v", err)
	}
}
