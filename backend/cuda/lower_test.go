package cuda

import (
	"context"
	"flag"
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/codegen/ptx/ptxtest"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	builtin "github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

var ptxas = flag.String("ptxas", "", ptxtest.Usage)

// module parses the text of a main function; its constants are rounded to
// float16.
func module(t testing.TB, body string) *ir.Module {
	t.Helper()
	m, err := text.Parse([]byte("module \"m\" opset {ai.onnx 28}\n"+body), "m.mir", builtin.Builtin(), text.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	m.Walk(func(n *ir.Node) {
		if n.Const == nil || n.Const.DType != dtype.F32 {
			return
		}
		c, err := n.Const.Tensor()
		if err != nil {
			t.Fatal(err)
		}
		c = c.Clone()
		short(&c)
		n.Const = ir.NewConst(c)
	})
	return m
}

// short rounds elements to float16, so that products on tensor cores are exact
// too.
func short(x *tensor.Tensor) {
	v := tensor.Slice[float32](x)
	for i := range v {
		v[i] = dtype.F16ToF32(dtype.F32ToF16(v[i]))
	}
}

// lower compiles the text for a target such as cuda:sm_80; a tiling, unless
// nil, and a number of parts, unless 0, are those of all products.
func lower(t testing.TB, body, to string, tl *tiling, parts int) *plan.Program {
	t.Helper()
	m := module(t, body)
	tg, err := target.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	o := passes.Options{Options: rewrite.Options{Level: 2}, Ops: builtin.Builtin(), Target: tg.String(), Exec: eval.New()}
	if _, err := passes.Run(context.Background(), m, o); err != nil {
		t.Fatal(err)
	}
	p, err := Lower(context.Background(), m, Options{Target: tg, Set: all.Set(), tiling: tl, parts: parts})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if err := plan.Verify(p); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return p
}

// templates are products of every kind at the extents that they are made for,
// and at ones that fit nothing.
var templates = []struct{ name, body string }{
	{"gemm 4096", `func main(%x: f32[4096,4096]) -> (%y: f32[4096,4096]) {
	%w = const f32[4096,4096] random(seed=1)
	%y = MatMul %x, %w : f32[4096,4096]
	return %y
}`},
	{"gemm open with bias and residual", `dim N 1..4096
func main(%x: f32[N,301], %r: f32[N,77]) -> (%y: f32[N,77]) {
	%w = const f32[301,77] random(seed=1)
	%b = const f32[77] random(seed=2)
	%a = MatMul %x, %w : f32[N,77]
	%c = Add %a, %b : f32[N,77]
	%d = Gelu %c : f32[N,77]
	%y = Add %d, %r : f32[N,77]
	return %y
}`},
	{"conv 3x3", `func main(%x: f32[1,64,56,56]) -> (%y: f32[1,64,56,56]) {
	%w = const f32[64,64,3,3] random(seed=1)
	%b = const f32[64] random(seed=2)
	%c = Conv %x, %w, %b {pads=[1,1,1,1]} : f32[1,64,56,56]
	%y = Relu %c : f32[1,64,56,56]
	return %y
}`},
	{"conv open, grouped", `dim N 1..8
dim W 7..99
func main(%x: f32[N,15,W]) -> (%y: f32[N,21,((W+1)/2)]) {
	%w = const f32[21,5,3] random(seed=1)
	%y = Conv %x, %w {group=3, strides=[2], auto_pad="SAME_UPPER"} : f32[N,21,((W+1)/2)]
	return %y
}`},
	{"conv transposed", `func main(%x: f32[2,8,9,9]) -> (%y: f32[2,6,19,19]) {
	%w = const f32[8,6,3,3] random(seed=1)
	%y = ConvTranspose %x, %w {strides=[2,2]} : f32[2,6,19,19]
	return %y
}`},
	{"depthwise", `func main(%x: f32[2,32,30,30]) -> (%y: f32[2,32,15,15]) {
	%w = const f32[32,1,3,3] random(seed=1)
	%b = const f32[32] random(seed=2)
	%c = Conv %x, %w, %b {group=32, strides=[2,2], pads=[1,1,1,1]} : f32[2,32,15,15]
	%y = HardSwish %c : f32[2,32,15,15]
	return %y
}`},
	{"lstm", `dim T 1..100
func main(%x: f32[T,1,40]) -> (%y: f32[T,2,1,128]) {
	%w = const f32[2,512,40] random(seed=1)
	%r = const f32[2,512,128] random(seed=2)
	%b = const f32[2,1024] random(seed=3)
	%y = LSTM %x, %w, %r, %b {hidden_size=128, direction="bidirectional"} : f32[T,2,1,128]
	return %y
}`},
	{"lstm of batches", `func main(%x: f32[20,8,40]) -> (%y: f32[20,1,8,512]) {
	%w = const f32[1,2048,40] random(seed=1)
	%r = const f32[1,2048,512] random(seed=2)
	%y = LSTM %x, %w, %r {hidden_size=512} : f32[20,1,8,512]
	return %y
}`},
	{"matmul batched and transposed", `dim N 1..64
func main(%x: f32[3,1,N,64], %z: f32[2,N,64]) -> (%y: f32[3,2,N,N]) {
	%t = Transpose %z {perm=[0,2,1]} : f32[2,64,N]
	%y = MatMul %x, %t : f32[3,2,N,N]
	return %y
}`},
}

// TestTemplates assembles the products in every tiling: none may spill.
func TestTemplates(t *testing.T) {
	for _, sm := range []int{75, 80, 90} {
		for _, tl := range everyTiling() {
			for _, c := range templates {
				p := lower(t, c.body, fmt.Sprintf("cuda:sm_%d", sm), tl, 0)
				for _, u := range ptxtest.Assemble(t, *ptxas, string(p.Code), sm) {
					t.Logf("sm_%d %v %s: %+v", sm, *tl, c.name, u)
					if u.Spills > 0 {
						t.Errorf("sm_%d %v %s: %s spills %d bytes", sm, *tl, c.name, u.Kernel, u.Spills)
					}
				}
			}
		}
	}
}
