package serve

import (
	"encoding/json"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
)

// FuzzParseRequest: no body makes the parser panic or use more memory than the
// body justifies, what it accepts is JSON to encoding/json too, and what it
// read is written and read back the same.
func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{
		`{"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[[1,-2.5e3],[0,4]]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}`,
		`{"inputs":[{"data":["a","\u00e9"],"shape":[2],"datatype":"BYTES","name":"s"}],"parameters":{"binary_data_output":true,"timeout":5}}`,
		`{"inputs":[{"name":"b","shape":[1],"datatype":"BOOL","data":[true]},{"name":"h","shape":[1],"datatype":"FP16","data":[0.1]}]}`,
		`{"inputs":[{"name":"u","shape":[0,7],"datatype":"UINT64","data":[]},{"name":"v","shape":[],"datatype":"INT8","data":[-128]}]}`,
	} {
		f.Add([]byte(s), -1)
	}
	h := `{"inputs":[{"name":"x","datatype":"INT16","shape":[2],"parameters":{"binary_data_size":4}},{"name":"s","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}`
	f.Add([]byte(h+"\x01\x00\xff\xff\x01\x00\x00\x00z"), len(h))
	f.Fuzz(func(t *testing.T, body []byte, header int) {
		const maxElems = 1 << 16
		header = max(header, -1)
		r, err := parseRequest(body, header, maxElems)
		if err != nil {
			return
		}
		text := body
		if header >= 0 {
			text = body[:header]
		}
		if !json.Valid(text) {
			t.Fatalf("accepted, but no JSON: %q", text)
		}
		elems := 0
		var outs []output
		for _, x := range r.inputs {
			elems += x.t.Len()
			if x.t.DType() != dtype.String && 4*len(body) < len(x.t.Bytes()) {
				t.Fatalf("%d bytes of tensor from a body of %d", len(x.t.Bytes()), len(body))
			}
			outs = append(outs, output{x.name, x.t, true})
		}
		if elems > maxElems {
			t.Fatalf("%d elements", elems)
		}
		var w response
		if err := w.encode("m", "1", r.id, outs); err != nil {
			t.Fatal(err)
		}
		// The answer's outputs have the form of a request's inputs.
		var a struct {
			ID      string            `json:"id"`
			Outputs []json.RawMessage `json:"outputs"`
		}
		if err := json.Unmarshal(w.json, &a); err != nil {
			t.Fatalf("%v: %s", err, w.json)
		}
		again, err := json.Marshal(map[string]any{"id": a.ID, "inputs": a.Outputs})
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseRequest(append(again, w.bin...), len(again), maxElems)
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		if q.id != r.id || len(q.inputs) != len(r.inputs) {
			t.Fatalf("have %+v, want %+v", q, r)
		}
		for i := range q.inputs {
			x, y := &q.inputs[i], &r.inputs[i]
			if x.name != y.name || string(appendBinary(nil, &x.t)) != string(appendBinary(nil, &y.t)) {
				t.Fatalf("input %q came back otherwise", y.name)
			}
		}
	})
}
