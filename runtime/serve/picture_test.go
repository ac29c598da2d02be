package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/serve"
	"github.com/mlc-go/mlc/tools/need"
)

// lamp scores its one pixel, plus k.
func lamp(k int) []byte {
	return fmt.Appendf(nil, `module "lamp" opset {ai.onnx 28} meta "mlc.classes" = "[\"light\"]"
func main(%%x: u8[1,1,1]) -> (%%y: f32[1]) {
	%%f = Cast %%x {to=1} : f32[1,1,1]
	%%s = const i64[1] [1]
	%%r = Reshape %%f, %%s : f32[1]
	%%k = const f32[1] [%d]
	%%y = Add %%r, %%k : f32[1]
	return %%y
}
`, k)
}

// frame finds two boxes in every picture, of which the second overlaps the first.
const frame = `module "frame" opset {ai.onnx 28} meta "mlc.task" = "{\"detect\": {\"background\": 0, \"iou\": 0.4}, \"labels\": [\"none\", \"thing\"]}"
func main(%x: f32[1,4,4,3]) -> (%boxes: f32[1,2,4], %scores: f32[1,2,2]) {
	%k = const f32[1,2,4] [0.25, 0.25, 0.75, 2, 0.25, 0.25, 0.75, 1.5]
	%l = const f32[1,2,2] [0.25, 0.75, 0.4, 0.6]
	%z = const f32[] [0]
	%m = Mul %x, %z : f32[1,4,4,3]
	%t = ReduceSum %m {keepdims=0} : f32[]
	%boxes = Add %k, %t : f32[1,2,4]
	%scores = Add %l, %t : f32[1,2,2]
	return %boxes, %scores
}
`

// grey is a PNG of w x h pixels of one brightness.
func grey(t testing.TB, w, h int, v uint8) []byte {
	t.Helper()
	p := image.NewGray(image.Rect(0, 0, w, h))
	for i := range p.Pix {
		p.Pix[i] = v
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// seen is the answer to a picture.
type seen struct {
	Name    string `json:"model_name"`
	Version string `json:"model_version"`
	Width   int
	Height  int
	Seconds float64
	Classes []struct {
		Index int
		Label string
		Score float64
	}
	Boxes []struct {
		Index int
		Label string
		Score float64
		Box   [4]float64
	}
}

// A picture becomes classes or boxes, with the version that said so.
func TestPicture(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"lamp": compiled(t, lamp(100)), "frame": compiled(t, []byte(frame)), "adder": compiled(t, adder(1))})
	ask := func(path string, body []byte, header ...string) seen {
		t.Helper()
		code, b, head := post(t, h.URL+"/v2/models/"+path, body, header...)
		var a seen
		if err := json.Unmarshal(b, &a); code != 200 || err != nil || head.Get("Content-Type") != "application/json" || !(a.Seconds > 0) {
			t.Errorf("%s: %d %s %v", path, code, b, err)
		}
		return a
	}
	var jpg bytes.Buffer
	white := image.NewUniform(color.Gray{Y: 255})
	if err := jpeg.Encode(&jpg, sub{white, image.Rect(0, 0, 17, 9)}, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		body   []byte
		header []string
		w, h   int
		score  float64
	}{
		{"lamp/picture", grey(t, 5, 3, 40), []string{"Content-Type", "image/png"}, 5, 3, 140},
		{"lamp/versions/1/picture", grey(t, 1, 1, 7), nil, 1, 1, 107},
		{"lamp/picture", jpg.Bytes(), []string{"Content-Type", "image/jpeg; q=1"}, 17, 9, 355},
		{"lamp/picture", jpg.Bytes(), []string{"Content-Type", "application/octet-stream"}, 17, 9, 355},
		{"lamp/picture", zipped(t, grey(t, 2, 2, 9)), []string{"Content-Encoding", "gzip"}, 2, 2, 109},
	} {
		a := ask(c.path, c.body, c.header...)
		if a.Name != "lamp" || a.Version != "1" || a.Width != c.w || a.Height != c.h || a.Boxes != nil || len(a.Classes) != 1 || a.Classes[0].Label != "light" || a.Classes[0].Score != c.score {
			t.Errorf("%s %v: have %+v, want score %v", c.path, c.header, a, c.score)
		}
	}
	// (0.25, 0.25, 0.75, 1) of 40 x 20, cut at the edge.
	a := ask("frame/picture", grey(t, 40, 20, 1))
	if len(a.Boxes) != 1 || a.Boxes[0].Label != "thing" || a.Boxes[0].Score != 0.75 || a.Boxes[0].Box != [4]float64{10, 5, 30, 20} {
		t.Errorf("have %+v", a)
	}
	for name, want := range map[string]string{"lamp": `,"parameters":{"task":"classify"}}`, "frame": `,"parameters":{"task":"detect"}}`, "adder": `"shape":[4]}]}`} {
		if code, b := get(t, h.URL+"/v2/models/"+name); code != 200 || !strings.HasSuffix(string(b), want) {
			t.Errorf("metadata of %s: %d %s", name, code, b)
		}
	}
	if _, b := get(t, h.URL+"/metrics"); !strings.Contains(string(b), `mlc_requests_total{model="lamp",code="200"} 5`+"\n") {
		t.Errorf("metrics: %s", b)
	}
}

// sub gives a picture without end an extent.
type sub struct {
	image.Image
	r image.Rectangle
}

// Bounds is the extent.
func (s sub) Bounds() image.Rectangle { return s.r }

// Pictures that are wrong in a way of their own each.
func TestMalformedPictures(t *testing.T) {
	_, h := server(t, serve.Options{MaxBody: 10_000, MaxElems: 1000}, map[string][]byte{"m": compiled(t, lamp(0)), "adder": compiled(t, adder(1))})
	good := grey(t, 10, 10, 1)
	var g bytes.Buffer
	if err := gif.Encode(&g, image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black}), nil); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[45] ^= 1
	const url = "/v2/models/m/picture"
	for _, c := range []struct {
		name, path string
		body       []byte
		code       int
		says       string
		header     []string
	}{
		{"empty", url, nil, 400, "body: is no picture: want PNG or JPEG", nil},
		{"text", url, []byte("hello"), 400, "is no picture", nil},
		{"a tensor", url, []byte(oneRequest), 415, "want image/png or image/jpeg", []string{"Content-Type", "application/json"}},
		{"a form", url, good, 415, "x-www-form-urlencoded", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"no type", url, good, 415, `"/;"`, []string{"Content-Type", "/;"}},
		{"GIF", url, g.Bytes(), 400, "is no picture", []string{"Content-Type", "image/gif"}},
		{"magic alone", url, good[:8], 400, "damaged", nil},
		{"cut header", url, good[:20], 400, "damaged", nil},
		{"cut", url, good[:len(good)-20], 400, "damaged", nil},
		{"flipped", url, flipped, 400, "damaged", nil},
		{"JPEG, cut", url, []byte("\xff\xd8\xff\xe0"), 400, "damaged", nil},
		{"too many pixels", url, grey(t, 100, 11, 1), 413, "100 x 11 pixels, want at most 1000", nil},
		{"huge extents", url, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x00\x00\x00\x00\x93\x6e\x86\x8c"), 413, "65535 x 65535 pixels", nil},
		{"extents beyond int", url, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00\x00\x00\x00\x00"), 400, "damaged", nil},
		{"body too long", url, make([]byte, 10_001), 413, "10001 bytes", nil},
		{"bomb", url, zipped(t, make([]byte, 100_000)), 413, "more than 10000 bytes", []string{"Content-Encoding", "gzip"}},
		{"unknown compression", url, good, 415, "br", []string{"Content-Encoding", "br"}},
		{"no task", "/v2/models/adder/picture", good, 404, `model "adder": unsupported: pictures: have a model that takes f32[4] and says not how`, nil},
		{"no model", "/v2/models/none/picture", good, 404, `no model "none"`, nil},
		{"no version", "/v2/models/m/versions/2/picture", good, 404, "have version 1", nil},
		{"no path", url + "/x", good, 404, "no such path", nil},
	} {
		code, b, _ := post(t, h.URL+c.path, c.body, c.header...)
		wantError(t, c.name, code, b, c.code, c.says)
	}
	code, b := get(t, h.URL+url)
	wantError(t, "GET", code, b, 405, "want POST")
	if code, b, _ := post(t, h.URL+url, good); code != 200 {
		t.Errorf("afterwards: %d %s", code, b)
	}
}

// What a model says of pictures must hold: else it is not served, and does not
// replace one that is.
func TestTaskRefused(t *testing.T) {
	s, err := serve.New(serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, c := range map[string]struct{ was, now, says string }{
		"no task":    {`{\"detect\"`, `{\"detekt\"`, "metadata mlc.task"},
		"no output":  {`\"iou\"`, `\"boxes\": \"b\", \"iou\"`, `no output "b"`},
		"other form": {`\"iou\"`, `\"boxes\": \"scores\", \"scores\": \"boxes\", \"iou\"`, `output "scores"`},
	} {
		path := filepath.Join(t.TempDir(), "m.mlc")
		write(t, path, compiled(t, []byte(strings.Replace(frame, c.was, c.now, 1))))
		if err := s.Add(context.Background(), "m", path); diag.KindOf(err) == diag.Internal || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: have %v, want %q", name, err, c.says)
		}
	}
}

// A small file that is much work ends with the request's time, and so does its
// turn to run.
func TestPictureTime(t *testing.T) {
	_, h := server(t, serve.Options{Timeout: 100 * time.Millisecond, Concurrency: 1}, map[string][]byte{"m": compiled(t, lamp(0))})
	t0 := time.Now()
	code, b, _ := post(t, h.URL+"/v2/models/m/picture", passes())
	wantError(t, "passes", code, b, 504, "deadline")
	if code, b, _ := post(t, h.URL+"/v2/models/m/picture", grey(t, 2, 2, 1)); code != 200 {
		t.Errorf("afterwards: %d %s", code, b)
	}
	if took := time.Since(t0); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// passes is a progressive JPEG of 4000 x 4000 pixels whose 20,000 scans say that
// all blocks are empty: 8 times 32767 of them, in 15 bits each.
func passes() []byte {
	b := append([]byte("\xff\xd8\xff\xdb\x00\x43\x00"), bytes.Repeat([]byte{1}, 64)...)
	b = append(b, "\xff\xc2\x00\x0b\x08\x0f\xa0\x0f\xa0\x01\x01\x11\x00\xff\xc4\x00\x14\x10\x01"...)
	b = append(append(b, make([]byte, 15)...), 0xe0)
	scan := "\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + "\x7f\xfe\xff\x00\xfd\xff\x00\xfb\xff\x00\xf7\xff\x00\xef\xff\x00\xdf\xff\x00\xbf\xff\x00"
	return append(append(b, strings.Repeat(scan, 20000)...), 0xff, 0xd9)
}

// Pictures that wait are files in memory, not pixels.
func TestPictureMemory(t *testing.T) {
	need.Time(t, "large pictures are decoded")
	_, h := server(t, serve.Options{Concurrency: 1, Timeout: 10 * time.Minute}, map[string][]byte{"m": compiled(t, lamp(0))})
	body := grey(t, 4096, 4096, 1) // 16 MiB of pixels
	const requests = 64
	stop := make(chan bool)
	peak := make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			var m goruntime.MemStats
			goruntime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			if code, b, _ := post(t, h.URL+"/v2/models/m/picture", body); code != 200 {
				t.Errorf("%d %s", code, b)
			}
		})
	}
	wg.Wait()
	stop <- true
	most := <-peak
	t.Logf("%d pictures of 16 MiB: %d MiB of heap", requests, most>>20)
	if most > requests*16<<20/2 {
		t.Errorf("%d pictures of 16 MiB, one at a time, took %d MiB of heap", requests, most>>20)
	}
}

// Pictures while the model's file is replaced: each is answered, by exactly one
// version, the one that it names.
func TestPictureSwap(t *testing.T) {
	const swaps, clients = 10, 4
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, lamp(1000)))
	url, end := started(t, serve.Options{Poll: time.Millisecond}, path)
	var version, sent atomic.Int64
	version.Store(1)
	var perVersion [swaps + 2]atomic.Int64
	done := make(chan bool)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				v := uint8(sent.Add(1))
				before := version.Load()
				code, b, _ := post(t, url+"/v2/models/m/picture", grey(t, 3, 3, v))
				var a seen
				if err := json.Unmarshal(b, &a); code != 200 || err != nil || len(a.Classes) != 1 {
					t.Errorf("%d %s %v", code, b, err)
					return
				}
				k := int64(a.Classes[0].Score-float64(v)) / 1000
				if a.Version != fmt.Sprint(k) || k < before || a.Classes[0].Score != float64(1000*k+int64(v)) {
					t.Errorf("version %s by name, score %v of pixel %d, at least version %d was awaited", a.Version, a.Classes[0].Score, v, before)
				}
				perVersion[k].Add(1)
			}
		})
	}
	for k := 2; k <= swaps+1; k++ {
		await(t, "load", func() bool { return perVersion[k-1].Load() > 20 })
		write(t, path, compiled(t, lamp(1000*k)))
		await(t, "swap", func() bool {
			_, b := get(t, url+"/v2/models/m")
			return strings.Contains(string(b), fmt.Sprintf(`"versions":["%d"]`, k))
		})
		version.Store(int64(k))
	}
	await(t, "the last", func() bool { return perVersion[swaps+1].Load() > 0 })
	close(done)
	wg.Wait()
	if err := end(); err != nil {
		t.Error(err)
	}
}

// FuzzPicture: no picture and no type of it makes an answer that is not 200 or the
// client's fault, or not JSON.
func FuzzPicture(f *testing.F) {
	s, err := serve.New(serve.Options{MaxElems: 1 << 16, Timeout: 10 * time.Second})
	if err != nil {
		f.Fatal(err)
	}
	for name, model := range map[string][]byte{"lamp": lamp(0), "frame": []byte(frame)} {
		path := filepath.Join(f.TempDir(), name+".mlc")
		write(f, path, compiled(f, model))
		if err := s.Add(context.Background(), name, path); err != nil {
			f.Fatal(err)
		}
	}
	f.Cleanup(s.Close)
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 9, 9)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add("image/png", grey(f, 3, 2, 1))
	f.Add("image/jpeg", jpg.Bytes())
	f.Add("", passes()[:300])
	h := s.Handler()
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		for _, name := range []string{"lamp", "frame"} {
			r, err := http.NewRequest(http.MethodPost, "/v2/models/"+name+"/picture", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header["Content-Type"] = []string{contentType}
			var w recorder
			h.ServeHTTP(&w, r)
			if w.code >= 500 || !json.Valid(w.Bytes()) {
				t.Errorf("%q: %d %s", contentType, w.code, w.Bytes())
			}
		}
	})
}

// recorder keeps an answer.
type recorder struct {
	bytes.Buffer
	head http.Header
	code int
}

// Header is that of http.ResponseWriter.
func (r *recorder) Header() http.Header {
	if r.head == nil {
		r.head = http.Header{}
	}
	return r.head
}

// WriteHeader is that of http.ResponseWriter.
func (r *recorder) WriteHeader(code int) { r.code = code }
