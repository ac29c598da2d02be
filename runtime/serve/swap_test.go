package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/serve"
)

// started serves one model file for real: listener, watcher, drain. end stops it
// and gives Serve's error.
func started(t *testing.T, o serve.Options, path string) (url string, end func() error) {
	t.Helper()
	s, err := serve.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(context.Background(), "m", path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	end = sync.OnceValue(func() error {
		cancel()
		err := <-done
		s.Close()
		return err
	})
	t.Cleanup(func() { end() })
	return "http://" + l.Addr().String(), end
}

// await polls until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within 30 s", what)
		}
	}
}

const oneRequest = `{"inputs":[{"name":"x","datatype":"FP32","shape":[4],"data":[1,2,3,4]}]}`

// answered is the version that an answer names and the constant that it was
// computed with; all four numbers must agree on that.
func answered(b []byte) (version string, k int, err error) {
	var a struct {
		Version string `json:"model_version"`
		Outputs []struct{ Data []float64 }
	}
	if err := json.Unmarshal(b, &a); err != nil || len(a.Outputs) != 1 || len(a.Outputs[0].Data) != 4 {
		return "", 0, fmt.Errorf("answer %s: %v", b, err)
	}
	for i, v := range a.Outputs[0].Data {
		if d := int(v) - i - 1; i > 0 && d != k {
			return "", 0, fmt.Errorf("answer %s is of two versions", b)
		} else {
			k = d
		}
	}
	return a.Version, k, nil
}

// 5,000 requests while the model's file is replaced 25 times: every request is
// answered, each by exactly one version, which is the one that it names.
func TestSwapUnderLoad(t *testing.T) {
	const requests, swaps, clients = 5000, 25, 8
	var models [swaps + 1][]byte
	for k := range models {
		models[k] = compiled(t, adder(100*(k+1)))
	}
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, models[0])
	url, end := started(t, serve.Options{Poll: time.Millisecond}, path)
	var version atomic.Int64
	version.Store(1)
	var sent, lost atomic.Int64
	var perVersion [swaps + 2]atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				n := sent.Add(1)
				// The last requests wait for the last swap, so that all swaps happen under load.
				for n > requests*(version.Load())/(swaps+1) && version.Load() <= swaps && !t.Failed() {
					time.Sleep(50 * time.Microsecond)
				}
				if n > requests || t.Failed() {
					return
				}
				before := version.Load()
				code, b, _ := post(t, url+"/v2/models/m/infer", []byte(oneRequest))
				v, k, err := answered(b)
				if code != 200 || err != nil {
					lost.Add(1)
					t.Errorf("request %d: %d %s %v", n, code, b, err)
					return
				}
				if v != fmt.Sprint(k/100) || int64(k/100) < before {
					t.Errorf("request %d: version %s by name, %d by value, at least %d was awaited", n, v, k/100, before)
				}
				perVersion[k/100].Add(1)
			}
		})
	}
	for k := 1; k <= swaps; k++ {
		await(t, "load", func() bool { return sent.Load() > int64(requests*k/(swaps+1)) })
		write(t, path, models[k])
		await(t, "swap", func() bool {
			_, b := get(t, url+"/v2/models/m")
			return strings.Contains(string(b), fmt.Sprintf(`"versions":["%d"]`, k+1))
		})
		version.Store(int64(k + 1))
	}
	wg.Wait()
	total := int64(0)
	for v := 1; v < len(perVersion); v++ {
		if perVersion[v].Load() == 0 {
			t.Errorf("version %d answered nothing", v)
		}
		total += perVersion[v].Load()
	}
	if total != requests || lost.Load() != 0 {
		t.Errorf("%d answered, %d lost, want %d and 0", total, lost.Load(), requests)
	}
	_, b := get(t, url+"/metrics")
	for _, want := range []string{`mlc_requests_total{model="m",code="200"} 5000`, `mlc_model_loads_total{model="m",result="ok"} 26`,
		`mlc_model_version{model="m"} 26`, "mlc_requests_in_flight 0"} {
		if !strings.Contains(string(b), want+"\n") {
			t.Errorf("metrics lack %s:\n%s", want, b)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// Garbage in the file's place, a half-written file, and the file removed: the
// old version goes on, log and metric tell; a good file then is version 2.
func TestGarbageReplacement(t *testing.T) {
	good := compiled(t, adder(100))
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, good)
	var log lockedBuffer
	url, _ := started(t, serve.Options{Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))}, path)
	still := func(version string) {
		t.Helper()
		code, b, _ := post(t, url+"/v2/models/m/infer", []byte(oneRequest))
		if v, _, err := answered(b); code != 200 || err != nil || v != version {
			t.Fatalf("have %d %s, want version %s", code, b, version)
		}
	}
	// At least n: a look may also find the file empty, between opening and writing.
	errs := func(n int) func() bool {
		return func() bool {
			_, b := get(t, url+"/metrics")
			_, text, _ := strings.Cut(string(b), `result="error"} `)
			have := 0
			_, err := fmt.Sscan(text, &have)
			return err == nil && have >= n
		}
	}
	for i, bad := range [][]byte{[]byte("garbage"), good[:len(good)/2], append([]byte("x"), good...)} {
		if err := os.WriteFile(path, bad, 0o644); err != nil { // in place
			t.Fatal(err)
		}
		await(t, "load error", errs(i+1))
		still("1")
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), path) {
		t.Errorf("the log does not tell: %s", log.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, "warning", func() bool { return strings.Contains(log.String(), "is gone") })
	still("1")
	write(t, path, compiled(t, adder(200)))
	await(t, "version 2", func() bool {
		_, b := get(t, url+"/v2/models/m")
		return strings.Contains(string(b), `["2"]`)
	})
	still("2")
}

// Watch does the same for a Handler in somebody's own mux, under a path.
func TestWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, adder(100)))
	s, err := serve.New(serve.Options{Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Add(context.Background(), "m", path); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/oip/", http.StripPrefix("/oip", s.Handler()))
	h := httptest.NewServer(mux)
	defer h.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Watch(ctx); close(done) }()
	write(t, path, compiled(t, adder(200)))
	await(t, "version 2", func() bool {
		_, b := get(t, h.URL+"/oip/v2/models/m")
		return strings.Contains(string(b), `["2"]`)
	})
	if code, b := get(t, h.URL+"/oip/v2/health/ready"); code != 200 {
		t.Errorf("before the end: %d %s", code, b)
	}
	cancel()
	<-done
	if code, b := get(t, h.URL+"/oip/v2/health/ready"); code != 503 {
		t.Errorf("after the end: %d %s", code, b)
	}
}

// A replacement that is being loaded when the server is closed is let go of, not
// served.
func TestCloseWhileLoading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, adder(100)))
	loading, goOn := make(chan bool), make(chan bool)
	models := make(chan *runtime.Model, 1)
	first := true
	s, err := serve.New(serve.Options{Poll: time.Millisecond, Load: func(ctx context.Context, path string) (*runtime.Model, error) {
		m, err := serve.LoadArtifact(ctx, path)
		if !first {
			loading <- true
			<-goOn
			models <- m
		}
		first = false
		return m, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(context.Background(), "m", path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	write(t, path, compiled(t, adder(200)))
	<-loading
	s.Close()
	goOn <- true
	m := <-models
	await(t, "closed model", func() bool {
		x, err := m.NewSession()
		if err == nil {
			x.Close()
		}
		return err != nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A listener that fails ends Serve, and the connections that it had taken.
func TestListenerFails(t *testing.T) {
	s, err := serve.New(serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(c)
	a, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, a.Body); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := r.ReadByte(); err == nil || os.IsTimeout(err) {
		t.Errorf("the connection is open: %v", err)
	}
}

// A request that is running when the server is told to end is answered.
func TestDrain(t *testing.T) {
	t.Run("infer", func(t *testing.T) { drained(t, adder(100), "infer", []byte(oneRequest), `"data":[101,102,103,104]`) })
	t.Run("picture", func(t *testing.T) { drained(t, lamp(100), "picture", grey(t, 9, 9, 5), `"score":105`) })
}

func drained(t *testing.T, model []byte, verb string, request []byte, want string) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, model))
	url, end := started(t, serve.Options{}, path)
	body, w := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, url+"/v2/models/m/"+verb, body)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		a, err := http.DefaultClient.Do(r)
		if err == nil {
			defer a.Body.Close()
			var b []byte
			if b, err = io.ReadAll(a.Body); err == nil && !bytes.Contains(b, []byte(want)) {
				err = fmt.Errorf("have %s, want %s", b, want)
			}
		}
		got <- err
	}()
	w.Write(request[:20])
	await(t, "request in flight", func() bool {
		_, b := get(t, url+"/metrics")
		return strings.Contains(string(b), "mlc_requests_in_flight 1\n")
	})
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	await(t, "closed listener", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatalf("ended with a request in flight: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	w.Write(request[20:])
	w.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A request that does not end is cut off after the grace time, and said so.
func TestDrainEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, adder(100)))
	url, end := started(t, serve.Options{Grace: 20 * time.Millisecond}, path)
	body, w := io.Pipe()
	defer w.Close()
	r, err := http.NewRequest(http.MethodPost, url+"/v2/models/m/infer", body)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if a, err := http.DefaultClient.Do(r); err == nil {
			a.Body.Close()
		}
	}()
	io.WriteString(w, "{")
	await(t, "request in flight", func() bool {
		_, b := get(t, url+"/metrics")
		return strings.Contains(string(b), "mlc_requests_in_flight 1\n")
	})
	if err := end(); err == nil || !strings.Contains(err.Error(), "1 requests were cut off") {
		t.Errorf("have %v", err)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
