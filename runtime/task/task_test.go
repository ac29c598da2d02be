package task

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
)

// of gives the rows of interleaved pixels.
func of(pix []uint8, width int) func(y int) []uint8 {
	return func(y int) []uint8 { return pix[y*width : (y+1)*width] }
}

// Hand calculations: the centre of output pixel i lies at (i+0.5)·in/out - 0.5.
func TestResizeByHand(t *testing.T) {
	for _, c := range []struct {
		name       string
		in         []uint8
		w, h, W, H int
		want       []uint8
	}{
		{"up: -0.25 (held at 0), 0.25, 0.75, 1.25 (held at 1)", []uint8{0, 100}, 2, 1, 4, 1, []uint8{0, 25, 75, 100}},
		{"down by two: 0.5, 2.5", []uint8{10, 20, 30, 40}, 4, 1, 2, 1, []uint8{15, 35}},
		{"three to two: 0.25, 1.75", []uint8{0, 100, 200}, 3, 1, 2, 1, []uint8{25, 175}},
		{"the mean of four, 87.5, rounds up", []uint8{0, 100, 200, 50}, 2, 2, 1, 1, []uint8{88}},
		{"as it is", []uint8{3, 200, 7, 255}, 2, 2, 2, 2, []uint8{3, 200, 7, 255}},
		{"one pixel everywhere", []uint8{7}, 1, 1, 2, 2, []uint8{7, 7, 7, 7}},
		{"upright", []uint8{0, 100}, 1, 2, 1, 4, []uint8{0, 25, 75, 100}},
	} {
		if got := resize(of(c.in, c.w), 1, c.w, c.h, c.W, c.H); !slices.Equal(got, c.want) {
			t.Errorf("%s: have %v, want %v", c.name, got, c.want)
		}
	}
	if got, want := resize(of([]uint8{0, 10, 20, 100, 110, 120}, 6), 3, 2, 1, 4, 1), []uint8{0, 10, 20, 25, 35, 45, 75, 85, 95, 100, 110, 120}; !slices.Equal(got, want) {
		t.Errorf("three channels: have %v, want %v", got, want)
	}
}

// onnxruntime's Resize (linear, half_pixel), written by tools/peers/resize.py.
func TestResizePeer(t *testing.T) {
	b, err := os.ReadFile("testdata/resize.json")
	if err != nil {
		t.Fatal(err)
	}
	var peer struct {
		Cases []struct {
			W, H int
			ToW  int `json:"to_w"`
			ToH  int `json:"to_h"`
			In   []int
			Out  []float64
		}
	}
	if err := json.Unmarshal(b, &peer); err != nil {
		t.Fatal(err)
	}
	for _, c := range peer.Cases {
		in := make([]uint8, len(c.In))
		for i, v := range c.In {
			in[i] = uint8(v)
		}
		got := resize(of(in, c.W), 1, c.W, c.H, c.ToW, c.ToH)
		if len(got) != len(c.Out) {
			t.Fatalf("%d x %d to %d x %d: %d pixels, want %d", c.W, c.H, c.ToW, c.ToH, len(got), len(c.Out))
		}
		for i, v := range got {
			if math.Abs(float64(v)-c.Out[i]) > 0.5+1e-3 {
				t.Errorf("%d x %d to %d x %d: pixel %d is %d, the peer has %v", c.W, c.H, c.ToW, c.ToH, i, v, c.Out[i])
			}
		}
	}
	if len(peer.Cases) < 7 {
		t.Errorf("%d cases, want 7", len(peer.Cases))
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		fit        string
		w, h, W, H int
		from, to   image.Rectangle
	}{
		{"stretch", 100, 50, 64, 64, image.Rect(0, 0, 100, 50), image.Rect(0, 0, 64, 64)},
		{"letterbox", 400, 300, 320, 240, image.Rect(0, 0, 400, 300), image.Rect(0, 0, 320, 240)},
		{"letterbox", 100, 50, 64, 64, image.Rect(0, 0, 100, 50), image.Rect(0, 16, 64, 48)}, // r = 0.64
		{"letterbox", 50, 100, 33, 64, image.Rect(0, 0, 50, 100), image.Rect(0, 0, 32, 64)},  // r = min(0.66, 0.64); (33-32)/2 = 0
		{"letterbox", 3, 1000, 10, 10, image.Rect(0, 0, 3, 1000), image.Rect(4, 0, 5, 10)},   // 0.03 wide: 1
		{"letterbox", 5, 2, 7, 7, image.Rect(0, 0, 5, 2), image.Rect(0, 2, 7, 5)},            // r = 1.4, 2.8 high: 3; (7-3)/2 = 2
		{"crop", 100, 50, 32, 32, image.Rect(25, 0, 75, 50), image.Rect(0, 0, 32, 32)},
		{"crop", 50, 101, 20, 10, image.Rect(0, 38, 50, 63), image.Rect(0, 0, 20, 10)}, // 50·10/20 = 25 high; (101-25)/2 = 38
		{"crop", 1, 1000, 1000, 1, image.Rect(0, 499, 1, 500), image.Rect(0, 0, 1000, 1)},
	} {
		p := place(c.fit, c.w, c.h, c.W, c.H)
		if p.from != c.from || p.to != c.to {
			t.Errorf("%s %d x %d into %d x %d: have %v to %v, want %v to %v", c.fit, c.w, c.h, c.W, c.H, p.from, p.to, c.from, c.to)
		}
	}
	// 100 x 50 letterboxed into 64 x 64: the input's (32, 32) is the middle.
	p := place("letterbox", 100, 50, 64, 64)
	if x, y := p.back(32, 32); x != 50 || y != 25 {
		t.Errorf("the middle goes back to %v, %v", x, y)
	}
	if x, y := p.back(0, 16); x != 0 || y != 0 {
		t.Errorf("the corner goes back to %v, %v", x, y)
	}
	p = place("crop", 100, 50, 32, 32)
	if x, y := p.back(16, 32); x != 50 || y != 50 {
		t.Errorf("the lower edge goes back to %v, %v", x, y)
	}
}

// By hand: A and B share 50 of 150, A and C 81 of 119, B and C 54 of 146; D
// lies on A but is of another class.
func TestNMS(t *testing.T) {
	box := func(class int, score, x0, y0, x1, y1 float64) Box {
		return Box{Class{Index: class, Score: score}, x0, y0, x1, y1}
	}
	a, b, c, d := box(0, 0.9, 0, 0, 10, 10), box(0, 0.8, 5, 0, 15, 10), box(0, 0.7, 1, 1, 11, 11), box(1, 0.6, 0, 0, 10, 10)
	in := []Box{d, c, b, a}
	for _, x := range []struct {
		name  string
		limit float64
		top   int
		want  []Box
	}{
		{"half", 0.5, 0, []Box{a, b, d}},
		{"exactly a third is not more", 50.0 / 150, 0, []Box{a, b, d}},
		{"less", 0.33, 0, []Box{a, d}},
		{"nothing shared", 0, 0, []Box{a, d}},
		{"all", 1, 0, []Box{a, b, c, d}},
		{"the best two", 1, 2, []Box{a, b}},
		{"C goes by A although B is let go by nothing", 0.68, 0, []Box{a, b, d}},
		{"C stays", 0.69, 0, []Box{a, b, c, d}},
	} {
		if got := NMS(in, x.limit, x.top); !slices.Equal(got, x.want) {
			t.Errorf("%s: have %v, want %v", x.name, got, x.want)
		}
	}
	if in[0] != d {
		t.Error("the caller's boxes were sorted")
	}
	if v := iou(&a, &c); math.Abs(v-81.0/119) > 1e-15 {
		t.Errorf("iou %v, want 81/119", v)
	}
	empty := box(0, 1, 3, 3, 3, 3)
	if v := iou(&empty, &empty); v != 0 {
		t.Errorf("iou of nothing is %v", v)
	}
}

func TestCorners(t *testing.T) {
	for form, in := range map[string][4]float64{"xyxy": {1, 2, 5, 8}, "yxyx": {2, 1, 8, 5}, "xywh": {1, 2, 4, 6}, "cxcywh": {3, 5, 4, 6}} {
		if x0, y0, x1, y1 := corners(form, in); x0 != 1 || y0 != 2 || x1 != 5 || y1 != 8 {
			t.Errorf("%s: have %v %v %v %v", form, x0, y0, x1, y1)
		}
	}
}

func TestActivate(t *testing.T) {
	v := []float64{math.Log(1), math.Log(3)}
	activate("softmax", v)
	if math.Abs(v[0]-0.25) > 1e-15 || math.Abs(v[1]-0.75) > 1e-15 {
		t.Errorf("softmax of ln 1, ln 3: %v", v)
	}
	v = []float64{0, math.Log(3)}
	activate("sigmoid", v)
	if v[0] != 0.5 || math.Abs(v[1]-0.75) > 1e-15 {
		t.Errorf("sigmoid of 0, ln 3: %v", v)
	}
	v = []float64{1000, 1000}
	activate("softmax", v)
	if v[0] != 0.5 {
		t.Errorf("softmax of large values: %v", v)
	}
}

func TestRows(t *testing.T) {
	p := image.NewNRGBA(image.Rect(10, 10, 13, 11)) // its corner is not 0, 0
	p.Set(10, 10, color.NRGBA{255, 0, 0, 255})
	p.Set(11, 10, color.NRGBA{0, 255, 0, 255})
	p.Set(12, 10, color.NRGBA{0, 0, 255, 0}) // transparent: black
	if got, want := rows(p, image.Rect(0, 0, 3, 1), 3)(0), []uint8{255, 0, 0, 0, 255, 0, 0, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("rgb: have %v, want %v", got, want)
	}
	// 19595·65535 >> 16 >> 8 = 76; 38470·65535 >> 16 >> 8 = 150.
	if got, want := rows(p, image.Rect(0, 0, 3, 1), 1)(0), []uint8{76, 150, 0}; !slices.Equal(got, want) {
		t.Errorf("gray: have %v, want %v", got, want)
	}
	if got, want := rows(p, image.Rect(1, 0, 2, 1), 3)(0), []uint8{0, 255, 0}; !slices.Equal(got, want) {
		t.Errorf("a part: have %v, want %v", got, want)
	}
}

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`{"detect": {"iou": 0.25}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Detect{Boxes: "boxes", Scores: "scores", Form: "xyxy", Unit: "relative", Background: -1, Threshold: 0.5, IoU: 0.25, Top: 100}
	if !reflect.DeepEqual(*got.Detect, want) {
		t.Errorf("have %+v, want %+v", *got.Detect, want)
	}
	b, err := got.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(b); err != nil || !reflect.DeepEqual(*again.Detect, want) {
		t.Errorf("%s reads back as %+v, %v", b, again.Detect, err)
	}
	for in, says := range map[string]string{
		``:                                     "no JSON object",
		`{}`:                                   "want exactly one of classify and detect",
		`{"classify": {}, "detect": {}}`:       "want exactly one of classify and detect",
		`{"classify": {"topp": 1}}`:            `unknown field "topp"`,
		`{"classify": {}} x`:                   "no JSON object",
		`{"classify": {"top": -1}}`:            "want 0 (all) or more",
		`{"classify": {"activation": "soft"}}`: `unknown "soft"`,
		`{"classify": {}, "input": {"fit": "leterbox"}}`:                                    "did you mean letterbox?",
		`{"classify": {}, "input": {"std": [0]}}`:                                           "something to divide by",
		`{"classify": {}, "input": {"width": 100000}}`:                                      "at most 16384",
		`{"classify": {}, "input": {"pad": 256}}`:                                           "pad",
		`{"detect": {"threshold": 2}}`:                                                      "want 0 to 1",
		`{"detect": {"boxes": "a", "scores": "a"}}`:                                         "want two outputs",
		`{"detect": {"form": "xxyy"}}`:                                                      "detect.form",
		`{"detect": {"unit": "percent"}}`:                                                   "detect.unit",
		`{"detect": {"heads": []}}`:                                                         "want one at least",
		`{"detect": {"heads": [{"boxes": "b", "scores": "s", "stride": 8, "anchors": 2}]}}`: "have form xyxy, want cxcywh",
		`{"detect": {"form": "cxcywh", "scores": "t", "heads": [{"boxes": "b", "scores": "s", "stride": 8, "anchors": 2}]}}`: "no boxes and scores beside",
		`{"detect": {"form": "cxcywh", "heads": [{"boxes": "b", "scores": "b", "stride": 8, "anchors": 2}]}}`:                "heads[0]: boxes and scores are both",
		`{"detect": {"form": "cxcywh", "heads": [{"boxes": "b", "scores": "s", "stride": 8}]}}`:                              "anchors 0, want 1 to",
		`{"detect": {"form": "cxcywh", "heads": [{"boxes": "b", "scores": "s", "stride": 8, "anchors": 2, "aspect": [1]}]}}`: `unknown field "aspect"`,
	} {
		if _, err := Parse([]byte(in)); err == nil || diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: have %v, want BadData with %q", in, err, says)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	big := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00\x00\x00\x00\x00")
	for name, b := range map[string][]byte{"empty": nil, "text": []byte("GIF89a"), "cut PNG": []byte("\x89PNG\r\n\x1a\n\x00"), "cut JPEG": []byte("\xff\xd8\xff\xe0"), "huge": big} {
		if _, err := Decode(b); err == nil || diag.KindOf(err) != diag.BadData {
			t.Errorf("%s: have %v, want BadData", name, err)
		}
	}
	large := passes(65535, 65535, 1)
	if _, err := Decode(large); diag.KindOf(err) != diag.Limit || !strings.Contains(err.Error(), "65535 x 65535 pixels, want at most 67108864") {
		t.Errorf("large: have %v, want Limit", err)
	}
	if _, err := DecodeContext(context.Background(), passes(100, 100, 1), 9999); diag.KindOf(err) != diag.Limit {
		t.Errorf("100 x 100 of at most 9999: have %v, want Limit", err)
	}
	if p, err := DecodeContext(context.Background(), passes(100, 100, 1), 10000); err != nil || p.Bounds().Dx() != 100 {
		t.Errorf("100 x 100 of at most 10000: %v", err)
	}
}

// passes is a progressive JPEG of many scans over all its blocks, in few bytes: each
// says of 32767 blocks at a time that they are empty.
func passes(w, h, n int) []byte {
	b := []byte{0xff, 0xd8, 0xff, 0xdb, 0, 67, 0}
	b = append(b, bytes.Repeat([]byte{1}, 64)...)
	b = append(b, 0xff, 0xc2, 0, 11, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)
	b = append(b, 0xff, 0xc4, 0, 20, 0x10, 1) // AC table 0: the code 0 stands for a run of 2^14 and 14 more bits
	b = append(b, make([]byte, 15)...)
	b = append(b, 0xe0)
	runs := ((w+7)/8*((h+7)/8) + 32766) / 32767
	bits := strings.Repeat("0"+strings.Repeat("1", 14), runs)
	bits += strings.Repeat("1", (8-len(bits)%8)%8)
	var scan []byte
	for i := 0; i < len(bits); i += 8 {
		v := byte(0)
		for _, c := range bits[i : i+8] {
			v = v<<1 | byte(c-'0')
		}
		if scan = append(scan, v); v == 0xff {
			scan = append(scan, 0)
		}
	}
	for range n {
		b = append(b, 0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0)
		b = append(b, scan...)
	}
	return append(b, 0xff, 0xd9)
}

// TestDecodeEnds: what a small file makes of work ends with the context.
func TestDecodeEnds(t *testing.T) {
	b := passes(4000, 4000, 20000) // a minute's work
	if len(b) > 1<<20 {
		t.Fatalf("%d bytes", len(b))
	}
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	t0 := time.Now()
	_, err := DecodeContext(ctx, b, MaxPixels)
	if took := time.Since(t0); !errors.Is(err, context.DeadlineExceeded) || took > 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}
