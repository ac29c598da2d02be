package serve_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/serve"
)

// recorded are the models of the recorded pairs.
func recorded(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, n := range []string{"simple", "simple_int8", "simple_string", "identity"} {
		out[n] = compiled(t, fixture(t, "triton/model_repository/"+n+"/1/model.onnx"))
	}
	return out
}

// The answers that onnxruntime gave for the recorded requests.
func TestRecordedPairs(t *testing.T) {
	_, h := server(t, serve.Options{}, recorded(t))
	var pairs []struct {
		Path     string
		Request  json.RawMessage
		Response map[string]any
	}
	if err := json.Unmarshal(fixture(t, "oip/pairs.json"), &pairs); err != nil {
		t.Fatal(err)
	}
	if len(pairs) != 4 {
		t.Fatalf("%d pairs", len(pairs))
	}
	for i, p := range pairs {
		code, b, _ := post(t, h.URL+p.Path, p.Request)
		var have map[string]any
		if err := json.Unmarshal(b, &have); err != nil || code != 200 {
			t.Fatalf("pair %d: %d %s %v", i, code, b, err)
		}
		for k, want := range p.Response {
			if !reflect.DeepEqual(have[k], want) {
				t.Errorf("pair %d: %s: have %v, want %v", i, k, have[k], want)
			}
		}
	}
}

// The recorded request with one binary and one JSON input and output.
func TestRecordedBinary(t *testing.T) {
	_, h := server(t, serve.Options{}, recorded(t))
	var rec struct {
		Path    string
		Headers map[string]string
		Expect  map[string]any
	}
	if err := json.Unmarshal(fixture(t, "oip/binary_request.json"), &rec); err != nil {
		t.Fatal(err)
	}
	body := fixture(t, "oip/binary_request.bin")
	code, b, head := post(t, h.URL+rec.Path, body, "Content-Type", rec.Headers["Content-Type"],
		"Inference-Header-Content-Length", rec.Headers["Inference-Header-Content-Length"])
	n, err := strconv.Atoi(head.Get("Inference-Header-Content-Length"))
	if code != 200 || err != nil || n > len(b) {
		t.Fatalf("%d %v %q", code, err, b)
	}
	if want := fixture(t, "oip/binary_request_output0.bin"); !bytes.Equal(b[n:], want) {
		t.Errorf("OUTPUT0: have %x, want %x", b[n:], want)
	}
	var have struct {
		Outputs []struct {
			Name string
			Data any
		}
	}
	if err := json.Unmarshal(b[:n], &have); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(have.Outputs, func(o struct {
		Name string
		Data any
	}) bool {
		return o.Name == "OUTPUT1"
	})
	if i < 0 || !reflect.DeepEqual(have.Outputs[i].Data, rec.Expect["OUTPUT1 json data"]) {
		t.Errorf("OUTPUT1: have %s", b[:n])
	}
}

func TestMetadataAndHealth(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"adder": compiled(t, adder(1))})
	for path, want := range map[string]string{
		"/v2":                                `"extensions":["binary_tensor_data","mlc_picture"]`,
		"/v2/":                               `"name":"mlc"`,
		"/v2/health/live":                    `{"live":true}`,
		"/v2/health/ready":                   `{"ready":true}`,
		"/v2/models/adder":                   `{"name":"adder","versions":["1"],"platform":"mlc","inputs":[{"name":"x","datatype":"FP32","shape":[4]}],"outputs":[{"name":"y","datatype":"FP32","shape":[4]}]}`,
		"/v2/models/adder/versions/1":        `"versions":["1"]`,
		"/v2/models/adder/ready":             `"ready":true`,
		"/v2/models/adder/versions/1/ready":  `"ready":true`,
		"/metrics":                           "\nmlc_model_version{model=\"adder\"} 1\n",
		"/v2/models/adder/versions/2/ready!": "",
	} {
		code, b := get(t, h.URL+path)
		if want == "" {
			if code != 404 {
				t.Errorf("%s: %d %s", path, code, b)
			}
		} else if code != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d %s, want %s", path, code, b, want)
		}
	}
}

// Request bodies of KServe's own tests: version 2 in JSON reaches the model,
// which has none of these inputs, so that the error names one; version 1,
// gRPC's form, chat and data frames are refused by the parser.
func TestKServeBodies(t *testing.T) {
	_, h := server(t, serve.Options{}, map[string][]byte{"m": compiled(t, adder(1))})
	for name, says := range map[string]string{
		"iris_input_v2": "the model has", "iris_input_v2_binary": "the model has", "iris_input_v2_all_binary": "the model has",
		"autogluon_titanic_input_v2": "the model has", "autogluon_titanic_input_v2_binary": "the model has",
		"autogluon_titanic_input_v2_all_binary": "the model has", "bert_sequence_classification_v2": "the model has",
		"bert_token_classification_v2": "the model has", "mlflow_input_v2": "the model has", "pmml-input-v2": "the model has",
		"iris_input_v2_grpc": "neither data nor", "pmml_input_v2_grpc": "neither data nor", "iris_input_v3": "no name",
		"iris_input": "no inputs", "iris_batch_input": "want '{'", "income_input": "no inputs", "mnist_input_bw_flat": "no inputs",
		"autogluon_timeseries_input": "no inputs", "pmml_input": "no inputs", "qwen_input_chat": "no inputs",
	} {
		code, b, _ := post(t, h.URL+"/v2/models/m/infer", fixture(t, "oip/kserve/"+name+".json"))
		wantError(t, name, code, b, 400, says)
	}
}

// Requests do not see each other's states, and extents may differ from request
// to request on one session.
func TestRequestsAreIsolated(t *testing.T) {
	_, h := server(t, serve.Options{Concurrency: 1}, map[string][]byte{"sum": compiled(t, []byte(`module "sum" opset {ai.onnx 21}
state %total: f32[1] = zeros
func main(%x: f32[1], %t: f32[1] -> %total) -> (%y: f32[1], %n: f32[1] -> %total) {
	%y = Add %x, %t : f32[1]
	%n = Add %x, %t : f32[1]
	return %y, %n
}
`)), "open": compiled(t, []byte(`module "open" opset {ai.onnx 21}
dim N 0..*
func main(%x: f32[N]) -> (%y: f32[N]) {
	%y = Add %x, %x : f32[N]
	return %y
}
`))})
	for range 3 {
		code, b, _ := post(t, h.URL+"/v2/models/sum/infer", []byte(in(`"name":"x","datatype":"FP32","shape":[1],"data":[5]`)))
		if code != 200 || !strings.Contains(string(b), `"data":[5]`) {
			t.Errorf("with a state: %d %s", code, b)
		}
	}
	for n := range 12 {
		data := strings.TrimSuffix(strings.Repeat("2,", n), ",")
		code, b, _ := post(t, h.URL+"/v2/models/open/infer", []byte(in(`"data":[`+data+`],"shape":[`+strconv.Itoa(n)+`],"datatype":"FP32","name":"x"`)))
		if want := `"data":[` + strings.ReplaceAll(data, "2", "4") + `]`; code != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%d elements: %d %s", n, code, b)
		}
	}
}

// TestReadArtifact: loading takes the file's size of memory and not twice that, and
// what is no artifact, however large, takes none.
func TestReadArtifact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.mlc")
	whole := compiled(t, []byte(`module "large" opset {ai.onnx 21}
func main(%x: f32[1,2000]) -> (%y: f32[1,2000]) {
	%k = const f32[2000,2000] random(seed=1)
	%y = MatMul %x, %k : f32[1,2000]
	return %y
}
`))
	spent := func() (*runtime.Model, int, error) {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		m, err := serve.ReadArtifact(path)
		goruntime.ReadMemStats(&after)
		return m, int(after.TotalAlloc - before.TotalAlloc), err
	}
	write(t, path, whole)
	m, n, err := spent()
	if err != nil || n > len(whole)*5/4 {
		t.Errorf("a file of %d bytes took %d, %v", len(whole), n, err)
	}
	if err == nil {
		m.Close()
	}
	for name, b := range map[string][]byte{"cut": whole[:len(whole)/2], "header": whole[:64], "magic": whole[:8], "more": append(whole, 0), "nothing": nil} {
		write(t, path, b)
		if _, _, err := spent(); diag.KindOf(err) != diag.BadModel || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, path, []byte("no artifact"))
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Logf("no file of 1 TiB here: %v", err)
	}
	if _, n, err := spent(); diag.KindOf(err) != diag.BadModel || n > 1<<20 {
		t.Errorf("garbage took %d bytes, %v", n, err)
	}
}
