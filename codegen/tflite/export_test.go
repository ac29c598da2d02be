package tflite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
)

func parse(t *testing.T, body string) *ir.Module {
	t.Helper()
	m, err := text.Parse([]byte("module \"m\" opset {ai.onnx 28}\n"+body), "m.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// operator is one operator of a file, read back.
type operator struct {
	code    int
	in, out [][]int // extents of each tensor; nil: absent
}

// read takes a file apart as the schema numbers its fields.
func read(t *testing.T, b []byte) (ops []operator, inputs, outputs []string) {
	t.Helper()
	u32 := func(at int) int { return int(int32(binary.LittleEndian.Uint32(b[at:]))) }
	field := func(tab, slot int) int {
		list := tab - u32(tab)
		if int(binary.LittleEndian.Uint16(b[list:])) <= 4+2*slot {
			return 0
		}
		if o := int(binary.LittleEndian.Uint16(b[list+4+2*slot:])); o > 0 {
			return tab + o
		}
		return 0
	}
	follow := func(at int) int { return at + u32(at) }
	ints := func(at int) (out []int) {
		if at == 0 {
			return nil
		}
		v := follow(at)
		for i := range u32(v) {
			out = append(out, u32(v+4+4*i))
		}
		return out
	}
	tables := func(at int) (out []int) {
		v := follow(at)
		for i := range u32(v) {
			out = append(out, follow(v+4+4*i))
		}
		return out
	}
	str := func(at int) string {
		v := follow(at)
		return string(b[v+4 : v+4+u32(v)])
	}
	if string(b[4:8]) != "TFL3" {
		t.Fatalf("identifier %q", b[4:8])
	}
	root := u32(0)
	var codes []int
	for _, c := range tables(field(root, 1)) {
		code := 0
		if at := field(c, 3); at > 0 {
			code = u32(at)
		}
		old := 0
		if at := field(c, 0); at > 0 {
			old = int(int8(b[at]))
		}
		if old != min(code, 127) {
			t.Errorf("deprecated code %d of %d", old, code)
		}
		codes = append(codes, code)
	}
	for i, buf := range tables(field(root, 4)) {
		at := field(buf, 0)
		if i == 0 && at != 0 {
			t.Error("buffer 0 is not empty")
		}
		if at != 0 && (follow(at)+4)%16 != 0 {
			t.Errorf("payload %d at %d", i, follow(at)+4)
		}
	}
	g := tables(field(root, 2))[0]
	var dims, open [][]int // open: with -1 for the batch
	var names []string
	for _, ts := range tables(field(g, 0)) {
		d := ints(field(ts, 0))
		if d == nil {
			d = []int{}
		}
		dims = append(dims, d)
		if at := field(ts, 7); at > 0 {
			d = ints(at)
		}
		open = append(open, d)
		names = append(names, str(field(ts, 3)))
	}
	if s := slices.Sorted(slices.Values(names)); len(slices.Compact(s)) != len(names) {
		t.Errorf("tensor names are not unique: %v", s)
	}
	pick := func(ids []int) (out [][]int) {
		for _, id := range ids {
			if id < 0 {
				out = append(out, nil)
			} else {
				out = append(out, dims[id])
			}
		}
		return out
	}
	for _, o := range tables(field(g, 3)) {
		i := 0
		if at := field(o, 0); at > 0 {
			i = u32(at)
		}
		ops = append(ops, operator{codes[i], pick(ints(field(o, 1))), pick(ints(field(o, 2)))})
	}
	for _, id := range ints(field(g, 1)) {
		inputs = append(inputs, fmt.Sprint(names[id], open[id]))
	}
	for _, id := range ints(field(g, 2)) {
		outputs = append(outputs, fmt.Sprint(names[id], open[id]))
	}
	return ops, inputs, outputs
}

func codesOf(ops []operator) (out []string) {
	for _, o := range ops {
		out = append(out, code(o.code).String())
	}
	return out
}

const convNet = `func main(%x: f32[1,3,8,8]) -> (%y: f32[1,10]) {
	%w = const f32[4,3,3,3] random(seed=1)
	%b = const f32[4] [1, 2, 3, 4]
	%1 = Conv %x, %w, %b {pads=[1, 1, 1, 1]} : f32[1,4,8,8] !"conv"
	%2 = Relu %1 : f32[1,4,8,8] !"relu"
	%3 = MaxPool %2 {kernel_shape=[2, 2], strides=[2, 2]} : f32[1,4,4,4] !"pool"
	%4 = Flatten %3 : f32[1,64] !"flat"
	%v = const f32[64,10] random(seed=2)
	%c = const f32[10] random(seed=3)
	%y = Gemm %4, %v, %c : f32[1,10] !"fc"
	return %y
}
`

func export(t *testing.T, body string, o Options) ([]byte, *Report) {
	t.Helper()
	var w bytes.Buffer
	rep, err := Export(&w, parse(t, body), o)
	if err != nil {
		t.Fatal(err)
	}
	return w.Bytes(), rep
}

// TestConvNet: channels last with no transpose but that of the input, whose
// layout the flag takes away; the flattened value is followed by the weights.
func TestConvNet(t *testing.T) {
	for io, want := range map[string][]string{
		NCHW: {"TRANSPOSE", "CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"},
		NHWC: {"CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"},
	} {
		b, rep := export(t, convNet, Options{IO: io})
		ops, in, out := read(t, b)
		if have := codesOf(ops); !slices.Equal(have, want) {
			t.Errorf("%s: %v, want %v", io, have, want)
		}
		wantIn := map[string]string{NCHW: "x[1 3 8 8]", NHWC: "x[1 8 8 3]"}[io]
		if in[0] != wantIn || out[0] != "y[1 10]" {
			t.Errorf("%s: %v to %v", io, in, out)
		}
		if n := len(ops) - 4; len(rep.Transposes) != n || n > 0 && !strings.Contains(rep.Transposes[0].Reason, `input "x"`) {
			t.Errorf("%s: transposes %+v", io, rep.Transposes)
		}
		if got := fmt.Sprint(ops[len(ops)-4].in); !strings.Contains(got, "[4 3 3 3] [4]") {
			t.Errorf("convolution of %s", got)
		}
	}
}

// TestExitShuffled: an output has the axes that its perm names, each as the model
// has it: none that is two of the network's in another order.
func TestExitShuffled(t *testing.T) {
	b, rep := export(t, `func main(%x: f32[1,4,2,2]) -> (%y: f32[1,1,1,16]) {
	%w = const f32[4,4,1,1] random(seed=1)
	%1 = Conv %x, %w : f32[1,4,2,2]
	%s = const i64[4] [1, 1, 1, 16]
	%y = Reshape %1, %s : f32[1,1,1,16]
	return %y
}`, Options{IO: NHWC})
	ops, _, _ := read(t, b)
	if have, want := strings.Join(codesOf(ops), " "), "CONV_2D TRANSPOSE RESHAPE"; have != want {
		t.Errorf("%s, want %s (%+v)", have, want, rep.Outputs)
	}
}

// TestDeterminism: equal modules, equal bytes; the module is left as it was.
func TestDeterminism(t *testing.T) {
	m := parse(t, convNet)
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if _, err := Export(w, m, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two exports differ")
	}
	if c, _ := export(t, convNet, Options{}); !bytes.Equal(a.Bytes(), c) {
		t.Error("the export of an equal module differs")
	}
}

func TestForms(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want string
	}{
		"residual": {`func main(%x: f32[1,4,8,8]) -> (%y: f32[1,4,8,8]) {
	%w = const f32[4,4,3,3] random(seed=1)
	%1 = Conv %x, %w {auto_pad="SAME_UPPER"} : f32[1,4,8,8]
	%2 = Add %1, %x : f32[1,4,8,8]
	%3 = Relu %2 : f32[1,4,8,8]
	%4 = Conv %3, %w {auto_pad="SAME_UPPER"} : f32[1,4,8,8]
	%y = Add %3, %4 : f32[1,4,8,8]
	return %y
}`, "TRANSPOSE CONV_2D ADD CONV_2D ADD TRANSPOSE"},
		"rows of a product are in order": {`func main(%x: f32[1,4,2,2]) -> (%y: f32[16,5]) {
	%w = const f32[4,4,1,1] random(seed=1)
	%1 = Conv %x, %w : f32[1,4,2,2]
	%2 = Flatten %1 {axis=4} : f32[16,1]
	%v = const f32[1,5] random(seed=2)
	%y = Gemm %2, %v : f32[16,5]
	return %y
}`, "TRANSPOSE CONV_2D TRANSPOSE RESHAPE FULLY_CONNECTED"},
		"even input, symmetric pads with stride 2": {`func main(%x: f32[1,4,8,8]) -> (%y: f32[1,4,1,1]) {
	%w = const f32[4,1,3,3] random(seed=1)
	%1 = Conv %x, %w {group=4, pads=[1, 1, 1, 1], strides=[2, 2]} : f32[1,4,4,4]
	%y = GlobalAveragePool %1 : f32[1,4,1,1]
	return %y
}`, "TRANSPOSE PAD DEPTHWISE_CONV_2D MEAN RESHAPE"},
		"pad of a max pool": {`func main(%x: f32[1,4,8,8]) -> (%y: f32[1,4,4,4]) {
	%y = MaxPool %x {kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]} : f32[1,4,4,4]
	return %y
}`, "TRANSPOSE PADV2 MAX_POOL_2D TRANSPOSE"},
		"elementwise stays in the model's order": {`func main(%x: f32[1,4,8,8]) -> (%y: f32[1,4,8,8]) {
	%c = const f32[4,1,1] [1, 2, 3, 4]
	%1 = Mul %x, %c : f32[1,4,8,8]
	%y = Sigmoid %1 : f32[1,4,8,8]
	return %y
}`, "MUL LOGISTIC"},
		"an exporter's transposes vanish": {`func main(%x: f32[1,8,8,3]) -> (%y: f32[1,8,8,4]) {
	%1 = Transpose %x {perm=[0, 3, 1, 2]} : f32[1,3,8,8]
	%w = const f32[4,3,1,1] random(seed=1)
	%2 = Conv %1, %w : f32[1,4,8,8]
	%y = Transpose %2 {perm=[0, 2, 3, 1]} : f32[1,8,8,4]
	return %y
}`, "CONV_2D"},
		"one spatial axis": {`func main(%x: f32[1,3,8]) -> (%y: f32[1,4,6]) {
	%w = const f32[4,3,3] random(seed=1)
	%y = Conv %x, %w : f32[1,4,6]
	return %y
}`, "TRANSPOSE RESHAPE CONV_2D RESHAPE TRANSPOSE"},
		"a transpose of the model's own": {`func main(%x: f32[4,2,2,3]) -> (%y: f32[8,6]) {
	%1 = Transpose %x {perm=[0, 2, 1, 3]} : f32[4,2,2,3]
	%s = const i64[2] [8, 6]
	%2 = Reshape %1, %s : f32[8,6]
	%y = Relu %2 : f32[8,6]
	return %y
}`, "TRANSPOSE RESHAPE RELU"},
		"an LSTM of many steps": {`func main(%x: f32[20,2,3]) -> (%y: f32[20,1,2,4]) {
	%w = const f32[1,16,3] random(seed=1)
	%r = const f32[1,16,4] random(seed=2)
	%y = LSTM %x, %w, %r {hidden_size=4} : f32[20,1,2,4]
	return %y
}`, "PAD CONCATENATION UNIDIRECTIONAL_SEQUENCE_LSTM SLICE RESHAPE"},
		"an LSTM of one step": {`func main(%x: f32[1,2,3], %h: f32[1,2,4], %c: f32[1,2,4]) -> (%y: f32[1,2,4]) {
	%w = const f32[1,16,3] random(seed=1)
	%r = const f32[1,16,4] random(seed=2)
	_, %y = LSTM %x, %w, %r, _, _, %h, %c {hidden_size=4} : f32[1,2,4]
	return %y
}`, "RESHAPE FULLY_CONNECTED RESHAPE RESHAPE FULLY_CONNECTED ADD SPLIT_V LOGISTIC TANH MUL LOGISTIC MUL ADD LOGISTIC TANH MUL RESHAPE"},
		"an input that is an output": {`func main(%x: f32[2]) -> (%y: f32[2], %z: f32[2]) {
	%y = Relu %x : f32[2]
	return %y, %y
}`, "RELU RESHAPE"},
	} {
		b, _ := export(t, c.body, Options{})
		ops, _, _ := read(t, b)
		if have := strings.Join(codesOf(ops), " "); have != c.want {
			t.Errorf("%s: %s, want %s", name, have, c.want)
		}
	}
}

// TestEight: what stands between DequantizeLinear and QuantizeLinear is
// written in int8, uint8 shifted by 128.
func TestEight(t *testing.T) {
	b, _ := export(t, `func main(%x: f32[1,2,4,4]) -> (%y: f32[1,2,4,4]) {
	%s = const f32[] [0.5]
	%z = const u8[] [128]
	%q = QuantizeLinear %x, %s, %z : u8[1,2,4,4]
	%d = DequantizeLinear %q, %s, %z : f32[1,2,4,4]
	%w8 = const i8[2,2,1,1] [1, 2, 3, 4]
	%ws = const f32[2] [0.25, 0.5]
	%wz = const i8[2] [0, 0]
	%w = DequantizeLinear %w8, %ws, %wz {axis=0} : f32[2,2,1,1]
	%b = const f32[2] [1, -1]
	%c = Conv %d, %w, %b : f32[1,2,4,4] !"conv"
	%r = Relu %c : f32[1,2,4,4]
	%q2 = QuantizeLinear %r, %s, %z : u8[1,2,4,4]
	%y = DequantizeLinear %q2, %s, %z : f32[1,2,4,4]
	return %y
}`, Options{IO: NHWC})
	ops, _, _ := read(t, b)
	if have, want := strings.Join(codesOf(ops), " "), "QUANTIZE CONV_2D DEQUANTIZE"; have != want {
		t.Errorf("%s, want %s", have, want)
	}
}

// TestEightColumn: a bias that is one number for each row is no bias of the
// builtin's, though it has as many elements as there are columns.
func TestEightColumn(t *testing.T) {
	for dims, want := range map[string]string{
		"3":   "QUANTIZE FULLY_CONNECTED DEQUANTIZE",
		"1,3": "QUANTIZE FULLY_CONNECTED DEQUANTIZE",
		"3,1": "QUANTIZE DEQUANTIZE FULLY_CONNECTED ADD QUANTIZE DEQUANTIZE",
	} {
		b, _ := export(t, `func main(%x: f32[3,4]) -> (%y: f32[3,3]) {
	%s = const f32[] [0.01]
	%o = const i8[] [3]
	%q = QuantizeLinear %x, %s, %o : i8[3,4]
	%d = DequantizeLinear %q, %s, %o : f32[3,4]
	%w8 = const i8[4,3] [1, -20, 30, 4, 50, -60, 7, 80, 9, 100, -110, 12]
	%wz = const i8[] [0]
	%w = DequantizeLinear %w8, %s, %wz : f32[4,3]
	%b = const f32[`+dims+`] [0.5, -0.25, 0.125]
	%g = Gemm %d, %w, %b : f32[3,3]
	%q2 = QuantizeLinear %g, %s, %o : i8[3,3]
	%y = DequantizeLinear %q2, %s, %o : f32[3,3]
	return %y
}`, Options{})
		ops, _, _ := read(t, b)
		if have := strings.Join(codesOf(ops), " "); have != want {
			t.Errorf("bias [%s]: %s, want %s", dims, have, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"open extents": {`func main(%x: f32[2,n]) -> (%y: f32[2,n]) {
	%y = Relu %x : f32[2,n]
	return %y
}`, `input "x"`},
		"no such operator": {`func main(%x: f32[2]) -> (%y: f32[2]) {
	%y = Erf %x : f32[2] !"erf1"
	return %y
}`, `node "erf1" (Erf)`},
		"a form of it": {`func main(%x: f32[1,1,8,8]) -> (%y: f32[1,1,4,4]) {
	%y = MaxPool %x {dilations=[2, 2], kernel_shape=[3, 3]} : f32[1,1,4,4] !"pool1"
	return %y
}`, `node "pool1" (MaxPool): unsupported: dilations`},
		"element type": {`func main(%x: f16[2]) -> (%y: f16[2]) {
	%y = Relu %x : f16[2] !"half"
	return %y
}`, `node "half" (Relu)`},
		"training": {`func main(%x: f32[2]) -> (%y: f32[2]) {
	%r = const f32[] [0.5]
	%t = const bool[] [true]
	%y = Dropout %x, %r, %t : f32[2] !"drop"
	return %y
}`, `node "drop" (Dropout): unsupported: training_mode`},
		"a scale that the extents do not say": {`func main(%x: f32[1,1,4,5]) -> (%y: f32[1,1,6,8]) {
	%s = const i64[2] [9, 8]
	%y = Resize %x, _, _, %s {axes=[2, 3], keep_aspect_ratio_policy="not_larger", mode="linear"} : f32[1,1,6,8] !"fit"
	return %y
}`, `node "fit" (Resize): unsupported: scale 1.6 is not that of its extents, 4 to 6`},
		"shifted bytes as numbers": {`func main(%x: u8[2]) -> (%y: f32[2], %z: f32[2]) {
	%s = const f32[] [0.5]
	%o = const u8[] [3]
	%y = DequantizeLinear %x, %s, %o : f32[2]
	%z = Cast %x {to=1} : f32[2] !"cast"
	return %y, %z
}`, `node "cast" (Cast): unsupported: operand "x", the bytes of a quantized value`},
		"bytes of other steps side by side": {`func main(%x: f32[2]) -> (%y: i8[4]) {
	%s = const f32[] [0.5]
	%t = const f32[] [0.25]
	%o = const i8[] [3]
	%a = QuantizeLinear %x, %s, %o : i8[2]
	%b = QuantizeLinear %x, %t, %o : i8[2]
	%y = Concat %a, %b {axis=0} : i8[4] !"cat"
	return %y
}`, `node "cat" (Concat): unsupported: operand "a", the bytes of a quantized value`},
		"integers quantized": {`func main(%x: i32[2]) -> (%y: i8[2]) {
	%s = const f32[] [2.0]
	%o = const i8[] [0]
	%y = QuantizeLinear %x, %s, %o : i8[2] !"q"
	return %y
}`, `node "q" (QuantizeLinear): unsupported: operands of type i32`},
		"no steps": {`func main(%x: f32[0,2,3]) -> (%y: f32[1,2,4]) {
	%w = const f32[1,16,3] random(seed=1)
	%r = const f32[1,16,4] random(seed=2)
	_, %y = LSTM %x, %w, %r {hidden_size=4} : f32[1,2,4] !"lstm"
	return %y
}`, `node "lstm" (LSTM): unsupported: 0 steps of 2 sequences`},
		"element type that the builtin does not take": {`func main(%x: f64[2]) -> (%y: f64[1], %z: f64[1]) {
	%y, %z = Split %x {axis=0, num_outputs=2} : f64[1], f64[1] !"split"
	return %y, %z
}`, `node "split" (Split): unsupported: operands of type f64`},
		"more axes than the builtin takes": {`func main(%x: f32[1,1,1,1,1,1,2]) -> (%y: f32[2,1,1,1,1,1,2]) {
	%y = Concat %x, %x {axis=0} : f32[2,1,1,1,1,1,2] !"cat"
	return %y
}`, `node "cat" (Concat): unsupported: CONCATENATION of f32 with 7 axes (supported by ai-edge-litert 2.3.0: 1 to 6)`},
		"more elements than int32 counts": {`func main(%x: f32[65536,1]) -> (%y: f32[65536,65536]) {
	%s = const i64[2] [65536, 65536]
	%y = Expand %x, %s : f32[65536,65536] !"wide"
	return %y
}`, `node "wide" (Expand): unsupported: output "y" of type f32[65536,65536]: TensorFlow Lite counts elements in 32 bits`},
		"an input of them": {`func main(%x: f32[4294967297,1]) -> (%y: f32[4294967297,1]) {
	%y = Relu %x : f32[4294967297,1]
	return %y
}`, `input "x"`},
	} {
		body := c.body
		if strings.Contains(body, "n]") {
			body = "dim n 1..8\n" + body
		}
		var w bytes.Buffer
		_, err := Export(&w, parse(t, body), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || diag.KindOf(err) != diag.Unsupported {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if w.Len() > 0 {
			t.Errorf("%s: %d bytes were written", name, w.Len())
		}
	}
	var w bytes.Buffer
	if _, err := Export(&w, parse(t, convNet), Options{IO: "nwhc"}); diag.KindOf(err) != diag.Usage {
		t.Errorf("unknown layout: %v", err)
	}
}

// TestEightForms: more that is written in int8, with no float between.
func TestEightForms(t *testing.T) {
	const head = `func main(%x: f32[1,2,5,5]) -> (%y: f32[OUT]) {
	%s = const f32[] [0.01]
	%o = const i8[] [3]
	%q = QuantizeLinear %x, %s, %o : i8[1,2,5,5]
	%d = DequantizeLinear %q, %s, %o : f32[1,2,5,5]
	%lo = const f32[] [0]
	%hi = const f32[] [6]
	%w8 = const i8[2,2,1,1] [1, 2, 3, 4]
	%ws = const f32[2] [0.25, 0.5]
	%wz = const i8[2] [0, 0]
	%w = DequantizeLinear %w8, %ws, %wz {axis=0} : f32[2,2,1,1]
	`
	for name, c := range map[string]struct{ body, out, last, want string }{
		"concatenation":                 {"%v = Concat %d, %d {axis=1} : f32[1,4,5,5]", "1,4,5,5", "0.01", "CONCATENATION"},
		"of other steps":                {"%v = Concat %d, %d {axis=1} : f32[1,4,5,5]", "1,4,5,5", "0.02", "DEQUANTIZE CONCATENATION QUANTIZE"},
		"relu":                          {"%v = Relu %d : f32[1,2,5,5]", "1,2,5,5", "0.01", "RELU"},
		"clip to 6":                     {"%v = Clip %d, %lo, %hi : f32[1,2,5,5]", "1,2,5,5", "0.01", "RELU6"},
		"convolution and clip":          {"%c = Conv %d, %w : f32[1,2,5,5]\n\t%v = Clip %c, %lo, %hi : f32[1,2,5,5]", "1,2,5,5", "0.02", "CONV_2D"},
		"pool with odd padding":         {"%v = MaxPool %d {kernel_shape=[3, 3], pads=[1, 1, 0, 0], strides=[2, 2]} : f32[1,2,2,2]", "1,2,2,2", "0.01", "PADV2 MAX_POOL_2D"},
		"pool of bytes":                 {"%p = MaxPool %q {kernel_shape=[2, 2], strides=[2, 2]} : i8[1,2,2,2]\n\t%v = DequantizeLinear %p, %s, %o : f32[1,2,2,2]", "1,2,2,2", "0.01", "MAX_POOL_2D"},
		"the same with odd padding":     {"%p = MaxPool %q {kernel_shape=[3, 3], pads=[1, 1, 0, 0], strides=[2, 2]} : i8[1,2,2,2]\n\t%v = DequantizeLinear %p, %s, %o : f32[1,2,2,2]", "1,2,2,2", "0.01", "PADV2 MAX_POOL_2D"},
		"elu, from the builtin's table": {"%v = Elu %d : f32[1,2,5,5]", "1,2,5,5", "0.02", "ELU"},
		"gelu, which XNNPACK lacks":     {"%v = Gelu %d : f32[1,2,5,5]", "1,2,5,5", "0.02", "DEQUANTIZE GELU QUANTIZE"},
		"leaky relu, rounded coarsely":  {"%v = LeakyRelu %d : f32[1,2,5,5]", "1,2,5,5", "0.02", "DEQUANTIZE LEAKY_RELU QUANTIZE"},
		"hard swish, rounded thrice":    {"%v = HardSwish %d : f32[1,2,5,5]", "1,2,5,5", "0.02", "DEQUANTIZE HARD_SWISH QUANTIZE"},
		"a transpose that needs none":   {"%v = Transpose %d {perm=[0, 2, 3, 1]} : f32[1,5,5,2]", "1,5,5,2", "0.01", ""},
	} {
		b, _ := export(t, strings.Replace(head, "OUT", c.out, 1)+c.body+`
	%s2 = const f32[] [`+c.last+`]
	%q2 = QuantizeLinear %v, %s2, %o : i8[`+c.out+`]
	%y = DequantizeLinear %q2, %s2, %o : f32[`+c.out+`]
	return %y
}`, Options{IO: NHWC})
		ops, _, _ := read(t, b)
		have := strings.Join(codesOf(ops), " ")
		if want := strings.Join(strings.Fields("QUANTIZE "+c.want+" DEQUANTIZE"), " "); have != want {
			t.Errorf("%s: %s, want %s", name, have, want)
		}
	}
}
