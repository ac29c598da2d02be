package tflite

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
)

// quantNet is a convolution in int8 between a transposed input and a Softmax;
// bytes is u8 or i8.
func quantNet(bytes, zero string) string {
	return strings.NewReplacer("B8", bytes, "ZERO", zero).Replace(`func main(%x: f32[1,4,4,2]) -> (%y: f32[1,32], %z: f32[1,2,4,4]) {
	%t = Transpose %x {perm=[0, 3, 1, 2]} : f32[1,2,4,4]
	%s = const f32[] [0.5]
	%o = const B8[] [ZERO]
	%q = QuantizeLinear %t, %s, %o : B8[1,2,4,4]
	%d = DequantizeLinear %q, %s, %o : f32[1,2,4,4]
	%w8 = const i8[2,2,1,1] [1, 2, 3, 4]
	%ws = const f32[2] [0.25, 0.5]
	%wz = const i8[2] [0, 0]
	%w = DequantizeLinear %w8, %ws, %wz {axis=0} : f32[2,2,1,1]
	%c = Conv %d, %w : f32[1,2,4,4] !"conv"
	%s2 = const f32[] [0.75]
	%q2 = QuantizeLinear %c, %s2, %o : B8[1,2,4,4]
	%z = DequantizeLinear %q2, %s2, %o : f32[1,2,4,4]
	%n = const i64[2] [1, 32]
	%r = Reshape %z, %n : f32[1,32]
	%y = Softmax %r {axis=1} : f32[1,32] !"soft"
	return %y, %z
}`)
}

// TestByteEdges: no QUANTIZE at the entry and no DEQUANTIZE at the exit; uint8
// is shifted by 128, a last Softmax has the builtin's steps.
func TestByteEdges(t *testing.T) {
	for kind, zero := range map[string]string{"u8": "130", "i8": "2"} {
		b, rep := export(t, quantNet(kind, zero), Options{IO: NHWC, Edges: Int8})
		ops, in, out := read(t, b)
		have := strings.Join(codesOf(ops), " ")
		for _, c := range []string{" QUANTIZE", "DEQUANTIZE"} {
			if strings.Contains(" "+have, c) {
				t.Errorf("%s: %s", kind, have)
			}
		}
		if in[0] != "x[1 4 4 2]" || out[0] != "y[1 32]" {
			t.Errorf("%s: %v to %v", kind, in, out)
		}
		for _, p := range []struct {
			port  Port
			scale float32
			zero  int
		}{{rep.Inputs[0], 0.5, 2}, {rep.Outputs[0], 1.0 / 256, -128}, {rep.Outputs[1], 0.75, 2}} {
			if p.port.Type != dtype.I8 || p.port.Quant == nil || *p.port.Quant != (PortQuant{p.scale, p.zero}) {
				t.Errorf("%s: %+v, want scale %v, zero point %d", kind, p.port, p.scale, p.zero)
			}
		}
	}
	_, rep := export(t, quantNet("i8", "2"), Options{Edges: Float})
	if rep.Inputs[0].Type != dtype.F32 || rep.Inputs[0].Quant != nil {
		t.Errorf("float edges: %+v", rep.Inputs[0])
	}
}

// TestByteGelu: a file that works in bytes has the GELU of bytes too.
func TestByteGelu(t *testing.T) {
	b, _ := export(t, strings.Replace(quantNet("i8", "2"), "%c = Conv %d, %w :", "%c = Gelu %d :", 1), Options{IO: NHWC, Edges: Int8})
	ops, _, _ := read(t, b)
	if have := strings.Join(codesOf(ops), " "); !strings.Contains(have, "GELU") || strings.Contains(have, "QUANTIZE") {
		t.Error(have)
	}
}

func TestByteEdgesRefused(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"unquantized": {convNet, "--tflite-edges=int8: the model is not quantized"},
		"an input that is read as float": {strings.Replace(quantNet("i8", "2"), "return %y, %z", "%k = Relu %x : f32[1,4,4,2] !\"relu\"\n\treturn %y, %k", 1),
			`input "x": unsupported: --tflite-edges=int8: Relu "relu" reads it as f32`},
		"an output that is computed in float": {strings.Replace(quantNet("i8", "2"), "return %y, %z", "%k = Exp %z : f32[1,2,4,4] !\"exp\"\n\treturn %y, %k", 1),
			`output "z": unsupported: --tflite-edges=int8: Exp "exp" makes it in float, and nothing says its steps`},
	} {
		var w bytes.Buffer
		body := strings.Replace(c.body, "%k: ", "%k: ", 1)
		if strings.Contains(name, "read as float") {
			body = strings.Replace(body, "%z: f32[1,2,4,4])", "%k: f32[1,4,4,2])", 1)
		} else if strings.Contains(name, "computed") {
			body = strings.Replace(body, "%z: f32[1,2,4,4])", "%k: f32[1,2,4,4])", 1)
		}
		want := strings.Replace(c.want, `output "z"`, `output "k"`, 1)
		_, err := Export(&w, parse(t, body), Options{Edges: Int8})
		if err == nil || !strings.Contains(err.Error(), want) || diag.KindOf(err) != diag.Unsupported {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	var w bytes.Buffer
	if _, err := Export(&w, parse(t, convNet), Options{Edges: "u8"}); diag.KindOf(err) != diag.Usage {
		t.Errorf("unknown type: %v", err)
	}
}

// TestSettled: the runtime's factor, rounded after each operation, is the one
// that is rounded once, for more scales than it was; the scale hardly moves.
func TestSettled(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	before, after := 0, 0
	const n = 10000
	for range n {
		in, out := float32(math.Exp(r.NormFloat64()-4)), float32(math.Exp(r.NormFloat64()-3))
		s := float32(math.Exp(2*r.NormFloat64() - 5))
		want := float32(float64(in) * float64(s) / float64(out))
		got := settled(in, []float32{s}, out)[0]
		if math.Abs(float64(got)/float64(s)-1) > 5e-7 {
			t.Fatalf("%v became %v", s, got)
		}
		if float32(in*s)/out == want {
			before++
		}
		if float32(in*got)/out == want {
			after++
		}
	}
	t.Logf("equal factors: %d before, %d after, of %d", before, after, n)
	if after < before+n/20 {
		t.Errorf("%d of %d factors are equal", after, n)
	}
}
