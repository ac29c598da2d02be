package train_test

import (
	"testing"

	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
)

// The loss takes in a softmax over the classes; one over the samples is part
// of the model.
func TestSoftmaxUnderLoss(t *testing.T) {
	for axis, want := range map[string]string{"1": "MatMul", "-1": "MatMul", "0": "Softmax"} {
		attrs := ""
		if axis != "-1" { // the default
			attrs = " {axis=" + axis + "}"
		}
		m, err := text.Parse([]byte(`module "m" opset {ai.onnx 28}
dim N 1..*
func main(%x: f32[N,2]) -> (%y: f32[N,3]) {
	%w = const f32[2,3] [1, 2, 3, 4, 5, 6]
	%z = MatMul %x, %w : f32[N,3]
	%y = Softmax %z`+attrs+` : f32[N,3]
	return %y
}
`), "test.mir", op.Builtin(), text.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := train.Step(m, train.Config{})
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		s.Walk(func(n *ir.Node) {
			if n.Is("mlc.CrossEntropy") {
				found = n.In[0].Node.Def.Name
			}
		})
		if found != want {
			t.Errorf("axis %s: the loss reads a %s, want %s", axis, found, want)
		}
	}
}
