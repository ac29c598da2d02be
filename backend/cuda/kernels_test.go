package cuda_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/runtime/plan"
)

// kernelCase is a module that is compiled for a device, run in ptxsim with every
// check on, and compared with the interpreter.
type kernelCase struct {
	name   string
	text   string           // the module, without its header
	target string           // default: cuda
	dims   map[string]int64 // of open extents, default 3 for each
	host   []string         // calls that stay on the host; all others must be launches
	tol    float64          // of the largest element of an output; 0: 1e-5
	exact  bool             // equal bits, NaN as NaN
	inputs func(i int, x *tensor.Tensor)
}

// check runs a case.
func (c kernelCase) check(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	m, err := text.Parse([]byte("module \"m\" opset {ai.onnx 28}\n"+c.text), c.name, op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	target := c.target
	if target == "" {
		target = "cuda"
	}
	art, err := codegen.Build(ctx, codegen.Graph(m), codegen.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	defer art.Close()
	p := art.Program()
	for _, name := range cuda.HostCalls(p) {
		if !slices.Contains(c.host, name) {
			t.Errorf("%s stays on the host", name)
		}
	}
	if len(p.Code) == 0 {
		t.Fatalf("nothing runs on the device:\n%s", plan.Format(p))
	}
	var in []tensor.Value
	for i, p := range m.Main().Params {
		var dims []int
		for _, d := range p.Type.Dims {
			n, err := d.Eval(func(s string) (int64, bool) {
				if n, ok := c.dims[s]; ok {
					return n, true
				}
				return 3, true
			})
			if err != nil {
				t.Fatal(err)
			}
			dims = append(dims, int(n))
		}
		x, err := tensor.Random(p.Type.DType, uint64(i+1), dims...)
		if err != nil {
			t.Fatal(err)
		}
		if c.inputs != nil {
			c.inputs(i, &x)
		}
		in = append(in, tensor.V(x))
	}
	want, err := eval.Run(ctx, m, in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cuda.Run(p, in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		c.compare(t, i, &got[0][i].Tensor, &want[i].Tensor)
	}
}

func (c kernelCase) compare(t *testing.T, i int, got, want *tensor.Tensor) {
	t.Helper()
	if !slices.Equal(got.Dims(), want.Dims()) || got.DType() != want.DType() {
		t.Errorf("output %d is %v%v, want %v%v", i, got.DType(), got.Dims(), want.DType(), want.Dims())
		return
	}
	most := 0.0
	for k := range want.Len() {
		if v := math.Abs(want.Float(k)); !math.IsInf(v, 0) && !math.IsNaN(v) {
			most = max(most, v)
		}
	}
	tol := c.tol
	if tol == 0 {
		tol = 1e-5
	}
	for k := range want.Len() {
		g, w := got.Float(k), want.Float(k)
		ok := g == w || math.IsNaN(g) && math.IsNaN(w)
		if !ok && !c.exact {
			ok = math.Abs(g-w) <= tol*most
		}
		if !ok {
			t.Errorf("output %d, element %d of %v: %v, want %v (largest %v)", i, k, want.Dims(), g, w, most)
			return
		}
	}
}

// special puts NaN, infinities, zeros of both signs, the smallest and the largest
// numbers among the elements of an input.
func special(_ int, x *tensor.Tensor) {
	vals := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), math.MaxFloat32, -math.MaxFloat32, 0x1p-149, -0x1p-126, 1, -1, 88.8, -104, 0.5}
	for i := range x.Len() {
		if x.DType().IsFloat() && i%3 != 2 {
			x.SetFloat(i, vals[(i*5+i/7)%len(vals)])
		}
	}
}

func run(t *testing.T, cases []kernelCase) {
	for _, c := range cases {
		t.Run(c.name, c.check)
	}
}

func TestEltwise(t *testing.T) {
	chain := func(dims string) string {
		return "func main(%x: f32" + dims + ", %z: f32" + dims + ") -> (%y: f32" + dims + ") {\n\t%a = Add %x, %z : f32" + dims + "\n\t%y = Relu %a : f32" + dims + "\n\treturn %y\n}\n"
	}
	run(t, []kernelCase{
		{name: "one", text: chain("[1]"), exact: true},
		{name: "scalar", text: chain("[]"), exact: true},
		{name: "block", text: chain("[16,16]"), exact: true},
		{name: "block+1", text: chain("[257]"), exact: true, inputs: special},
		{name: "empty", text: "dim N 0..9\n" + chain("[N,3]"), dims: map[string]int64{"N": 0}},
		{name: "open", text: "dim N 1..99\n" + chain("[N,5,7]"), dims: map[string]int64{"N": 13}, exact: true},
		{name: "broadcast", text: `dim N 1..9
func main(%x: f32[N,3,1,5], %b: f32[3,4,1], %c: f32[1,1,5]) -> (%y: f32[N,3,4,5]) {
	%a = Mul %x, %b : f32[N,3,4,5]
	%d = Sub %a, %c : f32[N,3,4,5]
	%y = Tanh %d : f32[N,3,4,5]
	return %y
}
`},
		{name: "bytes", exact: true, text: `dim N 1..9
func main(%x: u8[N,3,50], %s: i8[3,1], %m: bool[N,1,50]) -> (%y: f32[N,3,50], %h: f16[N,3,50]) {
	%a = Cast %x {to=1} : f32[N,3,50]
	%b = Cast %s {to=1} : f32[3,1]
	%c = Cast %m {to=1} : f32[N,1,50]
	%d = Mul %a, %b : f32[N,3,50]
	%y = Add %d, %c : f32[N,3,50]
	%h = Cast %x {to=10} : f16[N,3,50]
	return %y, %h
}
`},
		{name: "functions", inputs: special, text: `func main(%x: f32[97]) -> (%y0: f32[97], %y1: f32[97], %y2: f32[97], %y3: f32[97], %y4: f32[97], %y5: f32[97], %y6: f32[97], %y7: f32[97], %y8: f32[97], %y9: f32[97], %z0: f32[97], %z1: f32[97], %z2: f32[97], %z3: f32[97], %z4: f32[97]) {
	%y0 = Exp %x : f32[97]
	%y1 = Log %x : f32[97]
	%y2 = Sigmoid %x : f32[97]
	%y3 = Erf %x : f32[97]
	%y4 = Sqrt %x : f32[97]
	%y5 = Floor %x : f32[97]
	%y6 = Ceil %x : f32[97]
	%y7 = Round %x : f32[97]
	%y8 = Neg %x : f32[97]
	%y9 = Abs %x : f32[97]
	%z0 = LeakyRelu %x {alpha=0.1} : f32[97]
	%z1 = Gelu %x : f32[97]
	%z2 = Gelu %x {approximate="tanh"} : f32[97]
	%z3 = Tanh %x : f32[97]
	%z4 = Relu %x : f32[97]
	return %y0, %y1, %y2, %y3, %y4, %y5, %y6, %y7, %y8, %y9, %z0, %z1, %z2, %z3, %z4
}
`},
		{name: "two operands", inputs: special, text: `func main(%x: f32[97], %z: f32[97]) -> (%y0: f32[97], %y1: f32[97], %y2: f32[97], %y3: f32[97]) {
	%y0 = Min %x, %z : f32[97]
	%y1 = Max %x, %z : f32[97]
	%y2 = Div %x, %z : f32[97]
	%y3 = PRelu %x, %z : f32[97]
	return %y0, %y1, %y2, %y3
}
`},
		{name: "float16", tol: 1e-3, text: `func main(%x: f16[31], %z: f16[31]) -> (%y: f16[31]) {
	%a = Add %x, %z : f16[31]
	%y = Relu %a : f16[31]
	return %y
}
`},
	})
}
