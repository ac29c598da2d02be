package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/serve"
	"github.com/mlc-go/mlc/runtime/task"
)

// BenchmarkOverhead measures, by turns, a run in this process and the same run
// as a request over a kept connection of the loopback, answer read. It reports
// the medians in µs and their difference, of which a picture's decoding is part.
func BenchmarkOverhead(b *testing.B) {
	model, err := os.ReadFile("../../testdata/models/digits.onnx")
	if err != nil {
		b.Fatal(err)
	}
	art := compiled(b, model)
	m, err := runtime.Decode(art)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	x, err := tensor.Random(dtype.F32, 1, 1, 1, 28, 28)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Bind("image", x); err != nil {
		b.Fatal(err)
	}
	_, h := server(b, serve.Options{}, map[string][]byte{"m": art})

	head := `{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"parameters":{"binary_data_size":3136}}],"parameters":{"binary_data_output":true}}`
	data := []byte{}
	for i := range x.Len() {
		if i > 0 {
			data = append(data, ',')
		}
		data = strconv.AppendFloat(data, x.Float(i), 'g', -1, 32)
	}
	// The floor: net/http alone around the same run, no protocol.
	b.Run("bare", func(b *testing.B) {
		own, err := m.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		defer own.Close()
		if err := own.Bind("image", x); err != nil {
			b.Fatal(err)
		}
		bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				b.Error(err)
			}
			if err := own.Run(r.Context()); err != nil {
				b.Error(err)
			}
			w.Write(make([]byte, 40)) // of ten classes
		}))
		defer bare.Close()
		overhead(b, s, bare.URL, "infer", x.Bytes(), 0)
	})
	b.Run("binary", func(b *testing.B) { overhead(b, s, h.URL, "infer", append([]byte(head), x.Bytes()...), len(head)) })
	b.Run("picture", func(b *testing.B) {
		p := image.NewGray(image.Rect(0, 0, 28, 28))
		for i := range p.Pix {
			p.Pix[i] = uint8(i * i / 7) // not one run of zeros
		}
		var body bytes.Buffer
		if err := png.Encode(&body, p); err != nil {
			b.Fatal(err)
		}
		_, h := server(b, serve.Options{}, map[string][]byte{"m": compiled(b, model, task.Task{Input: task.Input{Std: []float64{255}}, Classify: &task.Classify{Top: 5}})})
		overhead(b, s, h.URL, "picture", body.Bytes(), 0)
	})
	b.Run("json", func(b *testing.B) {
		overhead(b, s, h.URL, "infer", fmt.Appendf(nil, `{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"data":[%s]}]}`, data), 0)
	})
}

func overhead(b *testing.B, s *runtime.Session, url, verb string, body []byte, header int) {
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var req bytes.Buffer
	fmt.Fprintf(&req, "POST /v2/models/m/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", verb, len(body))
	if header > 0 {
		fmt.Fprintf(&req, "Inference-Header-Content-Length: %d\r\n", header)
	}
	req.WriteString("\r\n")
	req.Write(body)
	r := bufio.NewReader(c)
	var direct, served []time.Duration
	for b.Loop() {
		t0 := time.Now()
		if err := s.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		if _, err := c.Write(req.Bytes()); err != nil {
			b.Fatal(err)
		}
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != 200 {
			b.Fatal(a.StatusCode, err)
		}
		direct, served = append(direct, t1.Sub(t0)), append(served, time.Since(t1))
	}
	d, v := median(direct), median(served)
	b.ReportMetric(d, "run-µs")
	b.ReportMetric(v, "request-µs")
	b.ReportMetric(v-d, "overhead-µs")
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Nanoseconds()) / 1000
}
