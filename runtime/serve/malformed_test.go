package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/runtime/serve"
)

// in is a request of one input.
func in(s string) string { return `{"inputs":[{` + s + `}]}` }

const xf = `"name":"x","datatype":"FP32","shape":[4]`

const toBrace = -2

// Bodies that are wrong in a way of their own each: never 200, never 500, always
// {"error"} that names the fault.
var malformed = []struct {
	name, body string
	header     int // Inference-Header-Content-Length; -1: none, toBrace: to the last brace
	code       int
	says       string
}{
	{"empty", "", -1, 400, "have the end"},
	{"no JSON", "hello", -1, 400, "want '{'"},
	{"a list", "[]", -1, 400, "want '{'"},
	{"null", "null", -1, 400, "want '{'"},
	{"cut off", oneRequest[:40], -1, 400, "the end"},
	{"text after it", oneRequest + "x", -1, 400, "want the end"},
	{"comma before the end", `{"inputs":[],}`, -1, 400, `want '"'`},
	{"single quotes", strings.ReplaceAll(oneRequest, `"`, `'`), -1, 400, `want '"'`},
	{"no inputs", `{"id":"1"}`, -1, 400, "no inputs"},
	{"inputs twice", `{"inputs":[],"inputs":[]}`, -1, 400, "given twice"},
	{"outputs twice", `{"inputs":[],"outputs":[],"outputs":[]}`, -1, 400, "outputs is given twice"},
	{"parameters twice", `{"parameters":{"timeout":5},"inputs":[],"parameters":{}}`, -1, 400, "parameters is given twice"},
	{"a parameter twice", in(xf + `,"data":[1,2,3,4],"parameters":{"binary_data_size":16,"binary_data_size":16}`), -1, 400, "binary_data_size is given twice"},
	{"a name twice", in(`"name":"","name":"x","datatype":"FP32","shape":[4],"data":[1,2,3,4]`), -1, 400, "name is given twice"},
	{"inputs empty", `{"inputs":[]}`, -1, 400, `input "x"`},
	{"inputs an object", `{"inputs":{}}`, -1, 400, "want '['"},
	{"an input a number", `{"inputs":[1]}`, -1, 400, "want '{'"},
	{"id a number", `{"id":1,"inputs":[]}`, -1, 400, `want '"'`},
	{"no name", in(`"datatype":"FP32","shape":[4],"data":[1,2,3,4]`), -1, 400, "no name"},
	{"no datatype", in(`"name":"x","shape":[4],"data":[1,2,3,4]`), -1, 400, "no datatype"},
	{"no shape", in(`"name":"x","datatype":"FP32","data":[1,2,3,4]`), -1, 400, "no shape"},
	{"no data", in(xf), -1, 400, "neither data nor binary_data_size"},
	{"data twice", in(xf + `,"data":[1,2,3,4],"data":[1,2,3,4]`), -1, 400, "given twice"},
	{"unknown input", in(`"name":"z","datatype":"FP32","shape":[4],"data":[1,2,3,4]`), -1, 400, `"z"`},
	{"an input twice", `{"inputs":[{` + xf + `,"data":[1,2,3,4]},{` + xf + `,"data":[1,2,3,4]}]}`, -1, 400, "twice"},
	{"unknown datatype", in(`"name":"x","datatype":"FP31","shape":[4],"data":[1,2,3,4]`), -1, 400, "FP31"},
	{"another datatype", in(`"name":"x","datatype":"INT32","shape":[4],"data":[1,2,3,4]`), -1, 400, "want FP32"},
	{"another rank", in(`"name":"x","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]`), -1, 400, "x"},
	{"another extent", in(`"name":"x","datatype":"FP32","shape":[3],"data":[1,2,3]`), -1, 400, "x"},
	{"negative extent", in(`"name":"x","datatype":"FP32","shape":[-4],"data":[1,2,3,4]`), -1, 400, "integer from 0"},
	{"broken extent", in(`"name":"x","datatype":"FP32","shape":[4.0],"data":[1,2,3,4]`), -1, 400, "integer from 0"},
	{"shape a number", in(`"name":"x","datatype":"FP32","shape":4,"data":[1,2,3,4]`), -1, 400, "want '['"},
	{"huge shape", in(`"name":"x","datatype":"FP32","shape":[1000000,1000000],"data":[1]`), -1, 413, "elements"},
	{"overflowing shape", in(`"name":"x","datatype":"FP32","shape":[4294967296,4294967296,4294967296],"data":[1]`), -1, 413, "elements"},
	{"many axes", in(`"name":"x","datatype":"FP32","shape":[` + strings.Repeat("1,", 100) + `1],"data":[1]`), -1, 400, "axes"},
	{"too few elements", in(xf + `,"data":[1,2,3]`), -1, 400, "have 3 elements, want 4"},
	{"too many elements", in(xf + `,"data":[1,2,3,4,5]`), -1, 400, "more than the 4"},
	{"data null", in(xf + `,"data":null`), -1, 400, "want '['"},
	{"an element null", in(xf + `,"data":[1,null,3,4]`), -1, 400, "want a number"},
	{"an element a string", in(xf + `,"data":[1,"2",3,4]`), -1, 400, "want a number"},
	{"NaN", in(xf + `,"data":[1,NaN,3,4]`), -1, 400, "want a number"},
	{"leading zero", in(xf + `,"data":[01,2,3,4]`), -1, 400, "want a number"},
	{"leading plus", in(xf + `,"data":[+1,2,3,4]`), -1, 400, "want a number"},
	{"hexadecimal", in(xf + `,"data":[0x1,2,3,4]`), -1, 400, "want ']'"},
	{"beyond float32", in(xf + `,"data":[1e39,2,3,4]`), -1, 400, "beyond FP32"},
	{"ragged", in(`"name":"x","datatype":"FP32","shape":[2,2],"data":[[1,2,3],[4]]`), -1, 400, "a list of 3, want 2"},
	{"nested otherwise", in(xf + `,"data":[[1,2],[3,4]]`), -1, 400, "want a number"},
	{"deep", `{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,"inputs":[]}`, -1, 400, "nested deeper"},
	{"not UTF-8", "{\"id\":\"\xff\",\"inputs\":[]}", -1, 400, "UTF-8"},
	{"control character", "{\"id\":\"\n\",\"inputs\":[]}", -1, 400, "control character"},
	{"bad escape", `{"id":"\x","inputs":[]}`, -1, 400, "byte"},
	{"a string without end", `{"id":"`, -1, 400, "does not end"},
	{"unknown output", oneRequest[:len(oneRequest)-1] + `,"outputs":[{"name":"q"}]}`, -1, 400, `"q"`},
	{"an output twice", oneRequest[:len(oneRequest)-1] + `,"outputs":[{"name":"y"},{"name":"y"}]}`, -1, 400, "twice"},
	{"an output without name", oneRequest[:len(oneRequest)-1] + `,"outputs":[{}]}`, -1, 400, "without a name"},
	{"binary_data a string", oneRequest[:len(oneRequest)-1] + `,"outputs":[{"name":"y","parameters":{"binary_data":"yes"}}]}`, -1, 400, "true or false"},
	{"classification", oneRequest[:len(oneRequest)-1] + `,"outputs":[{"name":"y","parameters":{"classification":3}}]}`, -1, 400, "classification"},
	{"a sequence", oneRequest[:len(oneRequest)-1] + `,"parameters":{"sequence_id":7}}`, -1, 400, "sequence_id"},
	{"shared memory", in(xf + `,"parameters":{"shared_memory_region":"r"}`), -1, 400, "shared_memory_region"},
	{"binary without header", in(xf + `,"parameters":{"binary_data_size":16}`), -1, 400, "Inference-Header-Content-Length"},
	{"binary and data", in(xf + `,"data":[1,2,3,4],"parameters":{"binary_data_size":16}`), toBrace, 400, "both"},
	{"header beyond the body", "{}", 100, 400, "the body has 2 bytes"},
	{"header too short", oneRequest, 10, 400, "the end"},
	{"binary missing", in(xf + `,"parameters":{"binary_data_size":16}`), toBrace, 400, "0 bytes of binary data are left"},
	{"binary too short", in(xf+`,"parameters":{"binary_data_size":12}`) + "0123456789ab", toBrace, 400, "have 12 bytes of binary data, want 16"},
	{"binary left over", in(xf+`,"parameters":{"binary_data_size":16}`) + "0123456789abcdefX", toBrace, 400, "1 bytes of binary data belong to no input"},
	{"size negative", in(xf + `,"parameters":{"binary_data_size":-1}`), toBrace, 400, "integer from 0"},
	{"size huge", in(xf + `,"parameters":{"binary_data_size":99999999999999999999}`), toBrace, 400, "integer from 0"},
}

func TestMalformed(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"m": compiled(t, adder(1))})
	if len(malformed) < 30 {
		t.Fatalf("%d kinds of malformed bodies, want 30", len(malformed))
	}
	for _, c := range malformed {
		var head []string
		if c.header == toBrace {
			c.header = strings.LastIndexByte(c.body, '}') + 1
		}
		if c.header >= 0 {
			head = []string{"Inference-Header-Content-Length", fmt.Sprint(c.header)}
		}
		code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(c.body), head...)
		wantError(t, c.name, code, b, c.code, c.says)
	}
	code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(oneRequest))
	if code != 200 {
		t.Errorf("afterwards: %d %s", code, b)
	}
}

func wantError(t *testing.T, name string, code int, b []byte, want int, says string) {
	t.Helper()
	var e map[string]string
	if err := json.Unmarshal(b, &e); err != nil || len(e) != 1 || e["error"] == "" {
		t.Errorf("%s: %d %s: not one error", name, code, b)
		return
	}
	if code != want || !strings.Contains(e["error"], says) {
		t.Errorf("%s: have %d %s, want %d and %q", name, code, e["error"], want, says)
	}
}

// Strings in binary form whose lengths lie.
func TestMalformedStrings(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"m": compiled(t, []byte(`module "id" opset {ai.onnx 21}
func main(%x: str[2]) -> (%y: str[2]) {
	%y = Identity %x : str[2]
	return %y
}
`))})
	for name, c := range map[string]struct{ bin, says string }{
		"too short":       {"\x00\x00\x00", "at least 8"},
		"length beyond":   {"\x01\x00\x00\x00a\xff\xff\xff\xff", "have 0 bytes, want 4294967295"},
		"cut in a length": {"\x03\x00\x00\x00abc\x01", "end in its length"},
		"left over":       {"\x01\x00\x00\x00a\x00\x00\x00\x00b", "after the last string"},
	} {
		head := in(fmt.Sprintf(`"name":"x","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":%d}`, len(c.bin)))
		code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(head+c.bin), "Inference-Header-Content-Length", fmt.Sprint(len(head)))
		wantError(t, name, code, b, 400, c.says)
	}
}

// What is wrong beside the body.
func TestMalformedRequests(t *testing.T) {
	_, h := server(t, serve.Options{MaxBody: 1000, MaxElems: 8}, map[string][]byte{"m": compiled(t, adder(1))})
	infer := h.URL + "/v2/models/m/infer"
	bomb := zipped(t, bytes.Repeat([]byte(" "), 100_000))
	for _, c := range []struct {
		method, url, body string
		code              int
		says              string
		header            []string
	}{
		{"POST", h.URL + "/v2/models/none/infer", oneRequest, 404, `no model "none"`, nil},
		{"POST", h.URL + "/v2/models/m/versions/7/infer", oneRequest, 404, "have version 1", nil},
		{"POST", h.URL + "/v2/models/m/versions/1/other", oneRequest, 404, "no such path", nil},
		{"POST", h.URL + "/v2/models/m/infer/x", oneRequest, 404, "no such path", nil},
		{"POST", h.URL + "/v2/models/m/versions//infer", oneRequest, 404, "no such path", nil},
		{"GET", h.URL + "/v2/models/none", "", 404, `no model "none"`, nil},
		{"GET", h.URL + "/", "", 404, "no such path", nil},
		{"GET", infer, "", 405, "want POST", nil},
		{"DELETE", h.URL + "/v2/models/m", "", 405, "want GET", nil},
		{"POST", infer, strings.Repeat(" ", 1001), 413, "1001 bytes", nil},
		{"POST", infer, in(`"name":"x","datatype":"FP32","shape":[9],"data":[1,2,3,4,5,6,7,8,9]`), 413, "more than 8 elements", nil},
		{"POST", infer, oneRequest, 400, "want an integer", []string{"Inference-Header-Content-Length", "-1"}},
		{"POST", infer, oneRequest, 415, "br", []string{"Content-Encoding", "br"}},
		{"POST", infer, oneRequest, 400, "gzip", []string{"Content-Encoding", "gzip"}},
		{"POST", infer, string(bomb), 413, "more than 1000 bytes", []string{"Content-Encoding", "gzip"}},
	} {
		r, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		code, b, _ := do(t, r)
		wantError(t, c.method+" "+c.url, code, b, c.code, c.says)
	}
	r, err := http.NewRequest(http.MethodPost, infer, struct{ *strings.Reader }{strings.NewReader(strings.Repeat(" ", 2000))}) // chunked
	if err != nil {
		t.Fatal(err)
	}
	code, b, _ := do(t, r)
	wantError(t, "chunked", code, b, 413, "more than 1000 bytes")
}

// Requests that would take time or memory out of proportion to their size: very
// many names, each of which might be there twice, and faults in what is very long.
func TestDisproportion(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"m": compiled(t, adder(1))})
	list := func(form string) string {
		var b strings.Builder
		for i := range 300_000 {
			fmt.Fprintf(&b, form, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	for name, c := range map[string]struct{ body, says string }{
		"outputs":   {oneRequest[:len(oneRequest)-1] + `,"outputs":[` + list(`{"name":"%d"},`) + `]}`, `output "0": the model has y`},
		"inputs":    {`{"inputs":[` + list(`{"name":"%d","datatype":"INT8","shape":[0],"data":[]},`) + `]}`, `input "0": the model has x`},
		"an extent": {in(`"name":"x","datatype":"FP32","shape":[` + strings.Repeat("1", 1<<20) + `]`), "want an integer from 0"},
		"a type":    {in(`"name":"x","datatype":"` + strings.Repeat(`\u00e9`, 1<<20) + `","shape":[4],"data":[1,2,3,4]`), "want one of BOOL"},
		"a number":  {in(xf + `,"data":[1` + strings.Repeat("0", 1<<20) + `]`), "is beyond FP32"},
	} {
		t0 := time.Now()
		code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(c.body))
		wantError(t, name, code, b, 400, c.says)
		if took := time.Since(t0); took > 20*time.Second || len(b) > 4096 {
			t.Errorf("%s: a body of %d bytes took %v and made an error of %d", name, len(c.body), took, len(b))
		}
	}
}

// Limits as large as they can be are limits, not their opposite.
func TestLargestLimits(t *testing.T) {
	_, h := server(t, serve.Options{MaxBody: math.MaxInt64, MaxElems: math.MaxInt, Queue: math.MaxInt, Timeout: math.MaxInt64}, map[string][]byte{"m": compiled(t, adder(1))})
	if code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(oneRequest)); code != 200 {
		t.Errorf("%d %s", code, b)
	}
	if _, err := serve.New(serve.Options{MaxElems: -1}); err == nil || !strings.Contains(err.Error(), "MaxElems: have -1") {
		t.Errorf("a negative limit: %v", err)
	}
}

// slow is a model that runs for long enough to be stopped.
const slow = `module "slow" opset {ai.onnx 21}
func main(%x: f32[1,1]) -> (%y: f32[1,1]) {
	%w = const f32[1,1500] random(seed=1)
	%v = const f32[1500,1500] random(seed=2)
	%u = const f32[1500,1] random(seed=3)
	%a = MatMul %x, %w : f32[1,1500]
	%b = MatMul %a, %v : f32[1,1500]
	%y = MatMul %b, %u : f32[1,1]
	return %y
}
`

// The client's own limit of time, and a queue that is full.
func TestTimeAndQueue(t *testing.T) {
	_, h := server(t, serve.Options{Timeout: 200 * time.Millisecond, Concurrency: 1, Queue: -1}, map[string][]byte{"m": compiled(t, []byte(slow))})
	url := h.URL + "/v2/models/m/infer"
	body := `"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}`
	if code, b, _ := post(t, url, []byte("{"+body)); code != 200 {
		t.Fatalf("%d %s", code, b)
	}
	code, b, _ := post(t, url, []byte(`{"parameters":{"timeout":1},`+body))
	wantError(t, "timeout", code, b, 504, "deadline")

	// A body that does not come holds no place, and is not awaited for ever.
	pr, pw := newSlowBody("{")
	r, err := http.NewRequest(http.MethodPost, url, pr)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int, 1)
	go func() {
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			got <- 0
			return
		}
		a.Body.Close()
		got <- a.StatusCode
	}()
	await(t, "request in flight", func() bool {
		_, b := get(t, h.URL+"/metrics")
		return strings.Contains(string(b), "mlc_requests_in_flight 1\n")
	})
	if code, b, _ := post(t, url, []byte("{"+body)); code != 200 {
		t.Errorf("beside a body that does not come: %d %s", code, b)
	}
	if code := <-got; code != 408 {
		t.Errorf("a body that does not come: %d, want 408", code)
	}
	pw()
}

// busy counts to %n.
const busy = `module "busy" opset {ai.onnx 21}
func main(%n: i64[]) -> (%y: f32[1]) {
	%z = const f32[1] [0]
	%y = Loop %n, _, %z {(%k: i64[], %c: bool[], %l: f32[1])
		%one = const f32[1] [1]
		%m = Add %l, %one : f32[1]
		yield %c, %m
	} : f32[1]
	return %y
}
`

// TestQueue: a run that takes long holds the only place.
func TestQueue(t *testing.T) {
	_, h := server(t, serve.Options{Concurrency: 1, Queue: -1}, map[string][]byte{"m": compiled(t, []byte(busy))})
	url := h.URL + "/v2/models/m/infer"
	ask := func(n string) []byte {
		return []byte(`{"inputs":[{"name":"n","datatype":"INT64","shape":[],"data":[` + n + `]}]}`)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(ask("1000000000000")))
		http.DefaultClient.Do(r)
	}()
	var head http.Header
	await(t, "full queue", func() bool {
		code, b, h := post(t, url, ask("1"))
		if head = h; code == 200 { // before the other
			return false
		}
		wantError(t, "queue", code, b, 503, "full")
		return true
	})
	if head.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	stop()
	<-done
	await(t, "answer after it", func() bool { code, _, _ := post(t, url, ask("3")); return code == 200 })
}

// TestSlowClients: many that send slowly keep nobody else from an answer, and
// what they have sent is bounded together.
func TestSlowClients(t *testing.T) {
	_, h := server(t, serve.Options{Concurrency: 1, Queue: 1, MaxBody: 1 << 20, MaxBodies: 3 << 20}, map[string][]byte{"m": compiled(t, adder(1))})
	addr := strings.TrimPrefix(h.URL, "http://")
	dial := func(sent int) net.Conn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat(" ", sent))
		return c
	}
	gauge := func(line string) bool {
		_, b := get(t, h.URL+"/metrics")
		return strings.Contains(string(b), line+"\n")
	}
	var slow []net.Conn
	for range 20 {
		slow = append(slow, dial(10))
	}
	await(t, "20 slow clients", func() bool { return gauge("mlc_requests_in_flight 20") })
	if code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(oneRequest)); code != 200 {
		t.Errorf("beside 20 slow clients: %d %s", code, b)
	}
	for _, c := range slow {
		c.Close()
	}
	await(t, "end of them", func() bool { return gauge("mlc_body_bytes 0") })

	// Nearly all of each: the fourth is one too many.
	large := []net.Conn{dial(1<<20 - 1), dial(1<<20 - 1), dial(1<<20 - 1)}
	await(t, "three large bodies", func() bool { return !gauge("mlc_body_bytes 0") && gauge("mlc_requests_in_flight 3") })
	var answer *http.Response
	await(t, "refusal", func() bool {
		c := dial(1<<20 - 1)
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return false // still room: the others have not come in
		}
		answer = a
		return true
	})
	if answer.StatusCode != 503 {
		t.Errorf("beyond MaxBodies: %d", answer.StatusCode)
	}
	for _, c := range large {
		c.Close()
	}
	await(t, "end of them", func() bool { return gauge("mlc_body_bytes 0") })
	if code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(oneRequest)); code != 200 {
		t.Errorf("after them: %d %s", code, b)
	}
}

// TestStalledBodies: a body that is announced and does not come is awaited no
// longer than the limit of time, whatever the answer is and though nobody reads it.
func TestStalledBodies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, adder(1)))
	url, _ := started(t, serve.Options{Timeout: 200 * time.Millisecond}, path)
	for head, want := range map[string]string{
		"POST /v2/models/none/infer": "404",
		"POST /nothing":              "404",
		"PUT /v2/models/m/infer":     "405",
		"GET /v2":                    "200",
		"POST /v2/models/m/infer":    "408",
		"POST /v2/models/m/infer\nContent-Encoding: br":               "415",
		"POST /v2/models/m/picture\nContent-Type: text/plain":         "415",
		"POST /v2/models/m/infer\nInference-Header-Content-Length: x": "400",
	} {
		t.Run(head, func(t *testing.T) {
			t.Parallel()
			first, rest, more := strings.Cut(head, "\n")
			if more {
				rest += "\r\n"
			}
			c := stalled(t, url, first+" HTTP/1.1\r\nHost: x\r\n"+rest+"Content-Length: 10\r\n\r\n")
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 "+want) {
				t.Errorf("have %q, %v, want %s and the end of the connection", b, err, want)
			}
		})
	}
}

// stalled is a connection on which so much was sent.
func stalled(t *testing.T, url, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAnswerNotTaken: a client that does not read its answer, of 32 MiB, holds its
// place no longer than twice the limit of time, and is not counted as answered.
func TestAnswerNotTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, []byte(`module "wide" opset {ai.onnx 21}
func main(%x: f32[1]) -> (%y: f32[8388608]) {
	%s = const i64[1] [8388608]
	%y = Expand %x, %s : f32[8388608]
	return %y
}
`)))
	url, _ := started(t, serve.Options{Timeout: time.Second}, path)
	body := `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"parameters":{"binary_data_output":true}}`
	stalled(t, url, fmt.Sprintf("POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	await(t, "end of the request", func() bool {
		_, b := get(t, url+"/metrics")
		return strings.Contains(string(b), "mlc_requests_in_flight 0\n") && strings.Contains(string(b), `mlc_requests_total{model="m",code="499"} 1`)
	})
}

// TestStalledDrain: a connection that waits for no model's answer does not make
// the end of the server an error.
func TestStalledDrain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, adder(1)))
	url, end := started(t, serve.Options{Timeout: time.Hour, Grace: 100 * time.Millisecond}, path)
	stalled(t, url, "POST /v2/models/none/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	await(t, "request", func() bool {
		_, b := get(t, url+"/metrics")
		return strings.Contains(string(b), `mlc_requests_total{model="",code="404"} 1`)
	})
	if err := end(); err != nil {
		t.Error(err)
	}
}
