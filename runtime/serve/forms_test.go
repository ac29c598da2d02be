package serve_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/serve"
)

// Bodies in both compressions are read.
func TestCompressedBody(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"m": compiled(t, adder(1))})
	for name, open := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	} {
		var b bytes.Buffer
		z := open(&b)
		io.WriteString(z, oneRequest)
		z.Close()
		code, a, _ := post(t, h.URL+"/v2/models/m/infer", b.Bytes(), "Content-Encoding", name)
		if code != 200 || !strings.Contains(string(a), `"data":[2,3,4,5]`) {
			t.Errorf("%s: %d %s", name, code, a)
		}
	}
}

// identity is a model of one element type.
func identity(d string) []byte {
	return fmt.Appendf(nil, `module "id" opset {ai.onnx 21}
func main(%%x: %s[2]) -> (%%y: %s[2]) {
	%%y = Identity %%x : %s[2]
	return %%y
}
`, d, d, d)
}

// Elements of every datatype, in JSON and back. Expected values of the halves: 0.1
// is 0x2e66 (0.0999755859375) in FP16 and 0x3dcd (0.10009765625) in BF16, which
// numpy writes as float32 with 8 and 9 digits.
func TestDatatypes(t *testing.T) {
	models := map[string][]byte{}
	cases := []struct{ d, mir, in, out string }{
		{"BOOL", "bool", "true,false", "true,false"},
		{"UINT8", "u8", "0,255", "0,255"}, {"UINT16", "u16", "1,65535", "1,65535"}, {"UINT32", "u32", "1,4294967295", "1,4294967295"},
		{"UINT64", "u64", "1,18446744073709551615", "1,18446744073709551615"},
		{"INT8", "i8", "-128,127", "-128,127"}, {"INT16", "i16", "-32768,1", "-32768,1"}, {"INT32", "i32", "-2147483648,1", "-2147483648,1"},
		{"INT64", "i64", "-9223372036854775808,9007199254740993", "-9223372036854775808,9007199254740993"},
		{"FP16", "f16", "0.1,-65504", "0.099975586,-65504"}, {"BF16", "bf16", "0.1,2", "0.100097656,2"},
		{"FP32", "f32", "0.1,16777217", "0.1,1.6777216e+07"}, {"FP64", "f64", "0.1,16777217", "0.1,1.6777217e+07"},
		{"BYTES", "str", `"a\u00e9","\n"`, `"aé","\n"`},
	}
	for _, c := range cases {
		models[c.d] = compiled(t, identity(c.mir))
	}
	_, h := server(t, serve.Options{}, models)
	for _, c := range cases {
		code, b, _ := post(t, h.URL+"/v2/models/"+c.d+"/infer", []byte(in(`"name":"x","datatype":"`+c.d+`","shape":[2],"data":[`+c.in+`]`)))
		if code != 200 || !strings.Contains(string(b), `"datatype":"`+c.d+`","shape":[2],"data":[`+c.out+"]") {
			t.Errorf("%s: %d %s, want %s", c.d, code, b, c.out)
		}
	}
	// What JSON does not have is a 422, and there in binary form.
	nan := []byte{0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff} // NaN, -Inf
	head := in(`"name":"x","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}`)
	n := []string{"Inference-Header-Content-Length", fmt.Sprint(len(head))}
	code, b, _ := post(t, h.URL+"/v2/models/FP32/infer", append([]byte(head), nan...), n...)
	wantError(t, "NaN", code, b, 422, "element 0 is NaN and cannot stand in JSON")
	head = head[:len(head)-1] + `,"parameters":{"binary_data_output":true}}`
	n[1] = fmt.Sprint(len(head))
	code, b, _ = post(t, h.URL+"/v2/models/FP32/infer", append([]byte(head), nan...), n...)
	if code != 200 || !bytes.HasSuffix(b, nan) {
		t.Errorf("NaN in binary form: %d %q", code, b)
	}
}

// A run that needs more than the limit of memory is refused with the limit's
// status, and the next one is answered.
func TestMemoryLimit(t *testing.T) {
	_, h := server(t, serve.Options{MemoryLimit: 1 << 20}, map[string][]byte{"m": compiled(t, []byte(`module "open" opset {ai.onnx 21}
dim N 1..*
func main(%x: f32[N,1]) -> (%y: f32[N]) {
	%w = const f32[1,64] random(seed=1)
	%a = MatMul %x, %w : f32[N,64]
	%k = const i64[1] [1]
	%y = ReduceMax %a, %k {keepdims=0} : f32[N]
	return %y
}
`))})
	for _, n := range []int{100_000, 2} {
		body := in(fmt.Sprintf(`"name":"x","datatype":"FP32","shape":[%d,1],"data":[1%s]`, n, strings.Repeat(",1", n-1)))
		code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(body))
		if want := map[bool]int{true: 413, false: 200}[n > 1000]; code != want {
			t.Errorf("%d rows: %d %.200s, want %d", n, code, b, want)
		}
	}
}

// The version that was replaced is freed when its last request is done.
func TestReplacedIsFreed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	write(t, path, compiled(t, adder(100)))
	models := make(chan *runtime.Model, 8)
	url, _ := started(t, serve.Options{Poll: time.Millisecond, Load: func(ctx context.Context, path string) (*runtime.Model, error) {
		m, err := serve.LoadArtifact(ctx, path)
		models <- m
		return m, err
	}}, path)
	if code, b, _ := post(t, url+"/v2/models/m/infer", []byte(oneRequest)); code != 200 {
		t.Fatalf("%d %s", code, b)
	}
	write(t, path, compiled(t, adder(200)))
	first := <-models
	await(t, "closed model", func() bool {
		s, err := first.NewSession()
		if err == nil {
			s.Close()
		}
		return err != nil
	})
}

// Times to come do not overflow: the client's limit is only ever the shorter one.
func TestClientTimeout(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"m": compiled(t, adder(1))})
	body := strings.Replace(oneRequest, "{", fmt.Sprintf(`{"parameters":{"timeout":%d},`, int64(math.MaxInt64)), 1)
	if code, b, _ := post(t, h.URL+"/v2/models/m/infer", []byte(body)); code != 200 {
		t.Errorf("%d %s", code, b)
	}
}
