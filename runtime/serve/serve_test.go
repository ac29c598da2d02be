package serve_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

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
		"/v2":                                `"extensions":["binary_tensor_data"]`,
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
