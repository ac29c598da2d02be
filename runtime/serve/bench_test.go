package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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
//
// In this process first; then process/..., with the servers in one of their own,
// as mlc serve is. There the kernel hands each request and each answer from one
// process to the other, which on a virtual machine whose CPUs have halted costs
// more than all that a server does: tcp and bare tell how much.
func BenchmarkOverhead(b *testing.B) {
	f := newBenchServers(b)
	f.sub(b, "", f.urls)

	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), benchChild+"=1")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	defer c.Wait()
	defer in.Close()
	var urls map[string]string
	if err := json.NewDecoder(out).Decode(&urls); err != nil {
		b.Fatal(err)
	}
	f.sub(b, "process/", urls)
}

// benchChild in the environment makes this test binary the process of servers.
const benchChild = "MLC_TEST_SERVE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(benchChild) == "" {
		os.Exit(m.Run())
	}
	// Servers need a testing.TB to end with; a benchmark gives one without flags.
	testing.Init()
	testing.Benchmark(func(b *testing.B) {
		if err := json.NewEncoder(os.Stdout).Encode(newBenchServers(b).urls); err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, os.Stdin) // until the parent is gone
		os.Exit(0)                    // not another round with a larger b.N
	})
}

// benchServers answer for one net in several ways, each a floor of the next.
type benchServers struct {
	s    *runtime.Session
	x    tensor.Tensor
	urls map[string]string
}

func newBenchServers(b *testing.B) *benchServers {
	model, err := os.ReadFile("../../testdata/models/digits.onnx")
	if err != nil {
		b.Fatal(err)
	}
	art := compiled(b, model)
	m, err := runtime.Decode(art)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	x, err := tensor.Random(dtype.F32, 1, 1, 1, 28, 28)
	if err != nil {
		b.Fatal(err)
	}
	session := func() *runtime.Session {
		s, err := m.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		if err := s.Bind("image", x); err != nil {
			b.Fatal(err)
		}
		return s
	}
	f := &benchServers{s: session(), x: x, urls: map[string]string{"tcp": listen(b, session())}}

	// net/http alone around the same run, no protocol; and with as much work as the
	// protocol is, in its two forms, done by a loop.
	for name, work := range map[string]time.Duration{"bare": 0, "bare9": 9 * time.Microsecond, "bare28": 28 * time.Microsecond} {
		own := session()
		bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				b.Error(err)
			}
			for t := time.Now(); time.Since(t) < work; {
			}
			if err := own.Run(r.Context()); err != nil {
				b.Error(err)
			}
			w.Write(make([]byte, 40)) // of ten classes
		}))
		b.Cleanup(bare.Close)
		f.urls[name] = bare.URL
	}

	_, h := server(b, serve.Options{}, map[string][]byte{"m": art})
	f.urls["infer"] = h.URL
	_, h = server(b, serve.Options{}, map[string][]byte{"m": compiled(b, model, task.Task{Input: task.Input{Std: []float64{255}}, Classify: &task.Classify{Top: 5}})})
	f.urls["picture"] = h.URL
	return f
}

// listen answers each request with a run and what is no more than an answer: the
// least that a server can do.
func listen(b *testing.B, s *runtime.Session) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			for {
				q, err := http.ReadRequest(r)
				if err != nil {
					break
				}
				if _, err := io.Copy(io.Discard, q.Body); err != nil {
					break
				}
				if err := s.Run(context.Background()); err != nil {
					b.Error(err)
				}
				if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n%40d", 0); err != nil {
					break
				}
			}
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// sub measures what is at urls.
func (f *benchServers) sub(b *testing.B, prefix string, urls map[string]string) {
	x := f.x.Bytes()
	b.Run(prefix+"tcp", func(b *testing.B) { overhead(b, f.s, urls["tcp"], "infer", x, 0) })
	for _, name := range []string{"bare", "bare9", "bare28"} {
		b.Run(prefix+name, func(b *testing.B) { overhead(b, f.s, urls[name], "infer", x, 0) })
	}
	head := `{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"parameters":{"binary_data_size":3136}}],"parameters":{"binary_data_output":true}}`
	b.Run(prefix+"binary", func(b *testing.B) {
		overhead(b, f.s, urls["infer"], "infer", append([]byte(head), x...), len(head))
	})
	b.Run(prefix+"json", func(b *testing.B) {
		data := []byte{}
		for i := range f.x.Len() {
			if i > 0 {
				data = append(data, ',')
			}
			data = strconv.AppendFloat(data, f.x.Float(i), 'g', -1, 32)
		}
		overhead(b, f.s, urls["infer"], "infer", fmt.Appendf(nil, `{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"data":[%s]}]}`, data), 0)
	})
	b.Run(prefix+"picture", func(b *testing.B) {
		p := image.NewGray(image.Rect(0, 0, 28, 28))
		for i := range p.Pix {
			p.Pix[i] = uint8(i * i / 7) // not one run of zeros
		}
		var body bytes.Buffer
		if err := png.Encode(&body, p); err != nil {
			b.Fatal(err)
		}
		overhead(b, f.s, urls["picture"], "picture", body.Bytes(), 0)
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
