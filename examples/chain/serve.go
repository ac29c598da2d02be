package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	gonet "net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/serve"
)

// served is what the server said of the test pictures, which it got one after the
// other over one connection: as tensors and as PNG files.
type served struct {
	Net         string  `json:"net"`
	Samples     int     `json:"samples"`
	Top1        float64 `json:"top1"`
	Us          float64 `json:"us"` // median, from the request to the answer
	PictureTop1 float64 `json:"picture_top1"`
	PictureUs   float64 `json:"picture_us"`
}

// servedFile is what ask leaves in the folder.
type servedFile struct {
	Schema string   `json:"schema"`
	Nets   []served `json:"nets"`
}

// serve is `mlc serve` in this program: the four nets behind HTTP, asked, drained.
func (c *chain) serve(ctx context.Context) error {
	s, err := serve.New(serve.Options{Load: load})
	if err != nil {
		return err
	}
	defer s.Close()
	for _, step := range steps {
		if err := s.Add(ctx, step, c.path(step+".onnx")); err != nil {
			return err
		}
	}
	l, err := gonet.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.Serve(serving, l) }()
	err = c.ask(ctx, "http://"+l.Addr().String())
	stop()
	if e := <-done; err == nil {
		err = e
	}
	return err
}

// load compiles a model for the server.
func load(ctx context.Context, path string) (*runtime.Model, error) {
	art, err := codegen.Build(ctx, mlc.File(path), codegen.Options{})
	if err != nil {
		return nil, err
	}
	defer art.Close()
	b, err := art.Bytes()
	if err != nil {
		return nil, err
	}
	return runtime.Decode(b)
}

// ask sends the test pictures to the server at url and writes down how it did.
func (c *chain) ask(ctx context.Context, url string) error {
	at, err := data.Target(c.test)
	if err != nil {
		return err
	}
	f := servedFile{Schema: "mlc.chain.served/1"}
	for _, step := range steps {
		f.Nets = append(f.Nets, served{Net: step, Samples: c.test.Len()})
		n := &f.Nets[len(f.Nets)-1]
		var took, pictureTook []time.Duration
		for i := range c.test.Len() {
			x, err := data.Read(c.test, i)
			if err != nil {
				return err
			}
			label := int(x[at].Int(0))
			t0 := time.Now()
			class, err := askTensor(ctx, url, step, x[data.Index(c.test, "image")])
			if err != nil {
				return err
			}
			took = append(took, time.Since(t0))
			n.Top1 += hit(class, label)
			file, err := pngOf(x[data.Index(c.test, "image")])
			if err != nil {
				return err
			}
			t0 = time.Now()
			if class, err = askPicture(ctx, url, step, file); err != nil {
				return err
			}
			pictureTook = append(pictureTook, time.Since(t0))
			n.PictureTop1 += hit(class, label)
		}
		n.Top1 /= float64(n.Samples)
		n.PictureTop1 /= float64(n.Samples)
		n.Us, n.PictureUs = median(took), median(pictureTook)
	}
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.path("served.json"), append(b, '\n'), 0o644)
}

func hit(class, label int) float64 {
	if class == label {
		return 1
	}
	return 0
}

func median(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)/2].Nanoseconds()) / 1e3
}

// post sends one request over the connection that the client keeps.
func post(ctx context.Context, url string, header http.Header, body []byte) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header = header
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, a.Status, b)
	}
	return b, a.Header, err
}

// askTensor sends a picture as a binary tensor and gives the class of the largest
// score, which come back in binary form, too.
func askTensor(ctx context.Context, url, model string, x tensor.Tensor) (int, error) {
	d := x.Dims()
	dims := []int{1, d[len(d)-2], d[len(d)-1]}
	head, err := json.Marshal(map[string]any{
		"inputs":     []any{map[string]any{"name": "image", "datatype": "UINT8", "shape": dims, "parameters": map[string]int{"binary_data_size": x.Len()}}},
		"parameters": map[string]bool{"binary_data_output": true},
	})
	if err != nil {
		return 0, err
	}
	const length = "Inference-Header-Content-Length"
	b, h, err := post(ctx, url+"/v2/models/"+model+"/infer", http.Header{length: {strconv.Itoa(len(head))}}, append(head, x.Bytes()...))
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(h.Get(length))
	if err != nil || n > len(b) {
		return 0, fmt.Errorf("an answer of %d bytes, %s %q", len(b), length, h.Get(length))
	}
	best, most := 0, math.Inf(-1)
	for i := 0; n+4*i+4 <= len(b); i++ {
		if v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[n+4*i:]))); v > most {
			best, most = i, v
		}
	}
	return best, nil
}

// askPicture sends a picture file and gives its best class.
func askPicture(ctx context.Context, url, model string, file []byte) (int, error) {
	b, _, err := post(ctx, url+"/v2/models/"+model+"/picture", http.Header{"Content-Type": {"image/png"}}, file)
	if err != nil {
		return 0, err
	}
	var a struct{ Classes []struct{ Index int } }
	if err := json.Unmarshal(b, &a); err != nil || len(a.Classes) == 0 {
		return 0, fmt.Errorf("the answer is %s: %w", b, err)
	}
	return a.Classes[0].Index, nil
}

// pngOf is a picture of a data set as a file.
func pngOf(x tensor.Tensor) ([]byte, error) {
	d := x.Dims()
	w := d[len(d)-1]
	var b bytes.Buffer
	err := png.Encode(&b, &image.Gray{Pix: x.Bytes(), Stride: w, Rect: image.Rect(0, 0, w, x.Len()/w)})
	return b.Bytes(), err
}
