package op

import (
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
)

// sequence fills extents with ((i*k) mod 13 - 6)/8.
func sequence(k int, dims ...int) tensor.Value {
	t := filled(0, dims...)
	for i := range t.Len() {
		t.SetFloat(i, float64(i*k%13-6)/8)
	}
	return tensor.V(t)
}

// Both directions with peepholes, biases, states and lengths, against
// onnxruntime 1.32 on the same operands.
func TestLSTMPeer(t *testing.T) {
	in := []tensor.Value{sequence(5, 3, 2, 3), sequence(7, 2, 8, 3), sequence(11, 2, 8, 2), sequence(3, 2, 16),
		tensor.V(tensor.MustOf([]int32{3, 2}, 2)), sequence(4, 2, 2, 2), sequence(6, 2, 2, 2), sequence(9, 2, 6)}
	for _, c := range []struct {
		name      string
		a         attr.Map
		y, yh, yc []float32
	}{
		{"plain", attr.Map{},
			[]float32{-0.2090213, -0.03907849, 0.1260696, 0.1358816, 0.04543482, -0.3358951, 0.06144639, -0.2908121, -0.3832925, 0.02655341, -0.06147888, 0.09811757,
				0.05839367, -0.2030508, 0.09556335, -0.1281698, -0.1991051, -0.1012259, 0, 0, 0.07469419, -0.3481968, 0, 0},
			[]float32{-0.1991051, -0.1012259, -0.06147888, 0.09811757, 0.04543482, -0.3358951, 0.06144639, -0.2908121},
			[]float32{-0.6210395, -0.1392555, -0.11741, 0.1946092, 0.1902343, -0.9342443, 0.2704345, -0.6800588}},
		{"clipped, coupled", attr.Map{"clip": attr.Float(0.5), "input_forget": attr.Int(1)},
			[]float32{-0.1186944, -0.06080054, 0.1057932, 0.05998061, 0.02259093, -0.1558231, 0.052403, -0.1733223, -0.2040204, 0.0504664, -0.03928573, 0.1136468,
				-0.004729926, -0.1133135, 0.03474649, -0.1047262, -0.08915999, -0.04003295, 0, 0, 0.1663799, -0.1626209, 0, 0},
			[]float32{-0.08915999, -0.04003295, -0.03928573, 0.1136468, 0.02259093, -0.1558231, 0.052403, -0.1733223},
			[]float32{-0.2407033, -0.06440307, -0.07392453, 0.2346354, 0.05990864, -0.4045618, 0.1397028, -0.3951927}},
	} {
		c.a["hidden_size"], c.a["direction"] = attr.Int(2), attr.Str("bidirectional")
		out, err := apply(t, "LSTM", 3, c.a, in...)
		if err != nil {
			t.Fatal(err)
		}
		want := tensor.Vs(tensor.MustOf(c.y, 3, 2, 2, 2), tensor.MustOf(c.yh, 2, 2, 2), tensor.MustOf(c.yc, 2, 2, 2))
		for i, w := range want {
			if err := tensor.Custom(1e-5, 1e-6).Compare(out[i], w); err != nil {
				t.Errorf("%s: output %d: %v", c.name, i, err)
			}
		}
	}
}
