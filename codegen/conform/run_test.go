package conform

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// fake is an engine that answers every run with its input, or refuses.
type fake struct{ err error }

func (f fake) Load(context.Context, *Case) (Runner, error) { return echo{}, f.err }

type echo struct{}

func port(name string) []Port { return []Port{{name, tensor.T(dtype.F32, shape.Int(2))}} }

func (echo) Inputs() []Port  { return port("x") }
func (echo) Outputs() []Port { return port("y") }
func (echo) Close() error    { return nil }
func (echo) Run(_ context.Context, in []tensor.Value) ([]tensor.Value, error) {
	return in, nil
}

// write makes a case's folder; want is what output_0.pb records, nil for no
// set at all.
func write(t *testing.T, want []float32, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, b []byte) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("model.onnx", []byte("the fake engine does not look"))
	for name, text := range files {
		put(name, []byte(text))
	}
	if want != nil {
		for name, v := range map[string][]float32{"input_0.pb": {1, 2}, "output_0.pb": want} {
			b, err := tensor.EncodePB("", tensor.V(tensor.MustOf(v, 2)))
			if err != nil {
				t.Fatal(err)
			}
			put("test_data_set_0/"+name, b)
		}
	}
	return dir
}

// Every combination of what a case expects and what an engine does.
func TestVerdicts(t *testing.T) {
	refuse := map[string]string{"expect_error.txt": "no such operator"}
	unsupported, internal := error(diag.New(diag.Unsupported, "no")), error(diag.New(diag.Internal, "oops"))
	for _, c := range []struct {
		name  string
		want  []float32
		files map[string]string
		err   error
		is    Status
		gist  string
	}{
		{"right outputs", []float32{1, 2}, nil, nil, Passed, ""},
		{"within tolerance", []float32{1.0005, 2}, nil, nil, Passed, ""},
		{"wrong outputs", []float32{1, 3}, nil, nil, Failed, `output "y"`},
		{"tolerance of the case", []float32{1, 3}, map[string]string{"case.json": `{"atol": 2}`}, nil, Passed, ""},
		{"refused", []float32{1, 2}, nil, unsupported, Failed, "no"},
		{"no sets", nil, nil, nil, Failed, "no test_data_set"},
		{"must be refused and is", nil, refuse, unsupported, Passed, ""},
		{"must be refused, accepted", []float32{1, 2}, refuse, nil, Failed, "was accepted"},
		{"must be refused, accepted with wrong outputs", []float32{1, 3}, refuse, nil, Failed, "was accepted"},
		{"must be refused, by our fault", nil, refuse, internal, Failed, "internal"},
		{"error or outputs: outputs", []float32{1, 2}, map[string]string{"case.json": `{"expects": "error-or-outputs"}`}, nil, Passed, ""},
		{"error or outputs: error", []float32{1, 2}, map[string]string{"case.json": `{"expects": "error-or-outputs"}`}, unsupported, Passed, ""},
		{"error or outputs: wrong", []float32{1, 3}, map[string]string{"case.json": `{"expects": "error-or-outputs"}`}, nil, Failed, `output "y"`},
		{"advisory", []float32{1, 3}, map[string]string{"case.json": `{"level": "advisory"}`}, nil, Note, `output "y"`},
		{"damaged case.json", []float32{1, 2}, map[string]string{"case.json": `{`}, nil, Failed, "case.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []Result
			o := Options{Engine: fake{c.err}, Rtol: 1e-3, Atol: 1e-5}
			sum, err := Run(context.Background(), []string{write(t, c.want, c.files)}, o, func(r Result) { got = append(got, r) })
			if err != nil || len(got) != 1 {
				t.Fatal(err, got)
			}
			if got[0].Status != c.is || !strings.Contains(got[0].Msg, c.gist) {
				t.Errorf("%s: %s, want %s: %s", got[0].Status, got[0].Msg, c.is, c.gist)
			}
			if n := map[Status]int{Passed: sum.Passed, Failed: sum.Failed, Note: sum.Notes}[c.is]; n != 1 {
				t.Errorf("summary %+v", sum)
			}
		})
	}
	if _, err := Run(context.Background(), []string{t.TempDir()}, Options{Engine: fake{}}, nil); diag.KindOf(err) != diag.BadData {
		t.Errorf("a folder without cases: %v", err)
	}
}
