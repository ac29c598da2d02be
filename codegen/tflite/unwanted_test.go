package tflite_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
)

// TestUnwanted: what the passes leave of operators that are builtins, or that the
// exporter says with the fewest, is those.
func TestUnwanted(t *testing.T) {
	m, err := text.Parse([]byte(`module "m" opset {ai.onnx 28}
func main(%x: f32[1,3,4,4]) -> (%y: f32[1,3,4,4]) {
	%1 = HardSwish %x : f32[1,3,4,4]
	%2 = HardSigmoid %1 {alpha=0.16666667, beta=0.5} : f32[1,3,4,4]
	%c = const f32[] [2]
	%y = Pow %2, %c : f32[1,3,4,4]
	return %y
}`), "m.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := codegen.Build(context.Background(), codegen.Graph(m), codegen.Options{Stop: "optimized", Off: tflite.Unwanted()})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	rep, err := tflite.Export(&b, a.Module(), tflite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []tflite.Count{{Name: "HARD_SWISH", Version: 1, N: 1}, {Name: "MUL", Version: 1, N: 2}, {Name: "ADD", Version: 1, N: 1}, {Name: "RELU_0_TO_1", Version: 1, N: 1}}
	if !slices.Equal(rep.Operators, want) {
		t.Errorf("%v, want %v", rep.Operators, want)
	}
}
