package codegen_test

import (
	"context"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/tools/need"
)

// TestONNXNodes: of ONNX's own backend cases, those that the interpreter
// passes pass compiled too, with the same tolerance.
func TestONNXNodes(t *testing.T) {
	archive := need.Shared(t, "corpus/onnx-node.tar.zst")
	status := func(e conform.Engine) map[string]conform.Result {
		out := map[string]conform.Result{}
		o := conform.Options{Engine: e, Rtol: 1e-3, Atol: 1e-5}
		if _, err := conform.Run(context.Background(), []string{archive}, o, func(r conform.Result) { out[r.Name] = r }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	ref := status(codegen.Reference(codegen.Options{}))
	passed := 0
	for _, r := range ref {
		if r.Status == conform.Passed {
			passed++
		}
	}
	t.Logf("the interpreter passes %d of %d", passed, len(ref))
	if passed < 1000 {
		t.Errorf("the interpreter passes %d, want 1000 or more", passed)
	}
	for name, e := range map[string]conform.Engine{
		"O0":      codegen.CPU(codegen.Options{Level: "0"}, 1),
		"O2":      codegen.CPU(codegen.Options{Level: "2"}, 2),
		"generic": codegen.CPU(codegen.Options{Level: "2", Target: "generic"}, 1),
	} {
		for n, r := range status(e) {
			if ref[n].Status == conform.Passed && r.Status != conform.Passed {
				t.Errorf("%s: %s: %s", name, n, r.Msg)
			}
			if ref[n].Status != conform.Passed && r.Status == conform.Passed {
				t.Errorf("%s passes %s, which the interpreter fails: %s", name, n, ref[n].Msg)
			}
		}
	}
}
