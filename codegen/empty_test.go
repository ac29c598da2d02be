package codegen_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
)

// TestEmpty: operators over extents of 0, of which there is nothing to compute,
// are compiled and run everywhere.
func TestEmpty(t *testing.T) {
	for i, c := range []struct{ params, result, body string }{
		{"%x: f32[0,2,5]", "f32[0,3,4]", "%w = const f32[3,2,2] random(seed=1)\n\t%y = Conv %x, %w"},
		{"%x: f32[1,2,0]", "f32[1,2,0]", "%w = const f32[2,1,2] random(seed=1)\n\t%y = Conv %x, %w {auto_pad=\"SAME_LOWER\", dilations=[2], group=2, strides=[2]}"},
		{"%x: f32[1,2,0,4]", "f32[1,3,0,4]", "%w = const f32[3,2,3,3] random(seed=1)\n\t%y = Conv %x, %w {auto_pad=\"SAME_UPPER\"}"},
		{"%x: f32[1,2,0], %w: f32[4,2,3]", "f32[1,4,0]", "%y = Conv %x, %w {auto_pad=\"SAME_UPPER\"}"},
		{"%x: f32[1,4,0,3]", "f32[1,4,0,3]", "%w = const f32[4,1,3,3] random(seed=1)\n\t%y = Conv %x, %w {auto_pad=\"SAME_UPPER\", group=4}"},
		{"%x: f32[0,2,3]", "f32[0,3,4]", "%w = const f32[2,3,2] random(seed=1)\n\t%y = ConvTranspose %x, %w"},
		{"%x: f32[0,2,4,4]", "f32[0,2,2,2]", "%y = MaxPool %x {kernel_shape=[2, 2], strides=[2, 2]}"},
		{"%x: f32[1,2,0,4]", "f32[1,2,0,2]", "%y = AveragePool %x {auto_pad=\"SAME_UPPER\", kernel_shape=[2, 2], strides=[1, 2]}"},
		{"%x: f32[0,3]", "f32[0,4]", "%w = const f32[3,4] random(seed=1)\n\t%y = MatMul %x, %w"},
		{"%x: f32[2,0], %w: f32[0,3]", "f32[2,3]", "%y = MatMul %x, %w"},
		{"%x: f32[2,3], %w: f32[3,0]", "f32[2,0]", "%y = MatMul %x, %w"},
		{"%x: f32[0,2,3], %w: f32[0,3,4]", "f32[0,2,4]", "%y = MatMul %x, %w"},
		{"%x: f32[0,3]", "f32[0,3]", "%y = Softmax %x"},
		{"%x: f32[3,0]", "f32[3,0]", "%y = Softmax %x {axis=0}"},
		{"%x: f32[3,0]", "f32[3]", "%a = const i64[1] [1]\n\t%y = ReduceSum %x, %a {keepdims=0}"},
		{"%x: f32[0,40]", "f32[40]", "%a = const i64[1] [0]\n\t%y = ReduceSum %x, %a {keepdims=0}"},
		{"%x: f32[0,8]", "f32[0,8]", "%w = const f32[8] random(seed=1)\n\t%y = LayerNormalization %x, %w, %w"},
		{"%x: u8[0,3]", "f32[0,3]", "%y = Cast %x {to=1}"},
		{"%x: f32[0,3]", "f32[3,0]", "%y = Transpose %x"},
		{"%x: f32[0,3]", "f32[0,6]", "%y = Concat %x, %x {axis=1}"},
		{"%x: f32[0,2,3]", "f32[0,1,2,4]", "%w = const f32[1,16,3] random(seed=1)\n\t%r = const f32[1,16,4] random(seed=2)\n\t%y = LSTM %x, %w, %r {hidden_size=4}"},
		{"%x: f32[2,0,3]", "f32[2,1,0,4]", "%w = const f32[1,16,3] random(seed=1)\n\t%r = const f32[1,16,4] random(seed=2)\n\t%y = LSTM %x, %w, %r {hidden_size=4}"},
	} {
		src := fmt.Sprintf("module \"empty\" opset {ai.onnx 28}\nfunc main(%s) -> (%%y: %s) {\n\t%s : %s\n\treturn %%y\n}\n", c.params, c.result, c.body, c.result)
		m, err := text.Parse([]byte(src), "empty.mir", op.Builtin(), text.Options{})
		if err != nil {
			t.Errorf("%d: %v\n%s", i, err, src)
			continue
		}
		t.Run(strings.Fields(c.body[strings.Index(c.body, "%y"):])[2]+fmt.Sprint(i), func(t *testing.T) {
			in, err := irtest.Inputs(m, nil, 1)
			if err != nil {
				t.Fatal(err)
			}
			differ(t, m, in)
		})
	}
}
