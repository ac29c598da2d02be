package cuda_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/tools/gpu"
)

// TestIndices: a gather by indices that only a run knows is on the device, and
// fails by name where one is out of range; the next run does not know of it.
func TestIndices(t *testing.T) {
	for _, d := range []string{"i32", "i64"} {
		src := strings.ReplaceAll(`module "m" opset {ai.onnx 28}
dim N 0..9
dim M 0..9
func main(%x: f32[N,6], %i: IDX[M], %j: IDX[2], %n: i64[]) -> (%y: f32[M,6], %z: f32[2,2]) {
	%a = Relu %x : f32[N,6]
	%y = Gather %a, %i : f32[M,6] !"rows"
	%w = const f32[2,3] random(seed=1)
	%z = Loop %n, _, %j {(%k: i64[], %c: bool[], %l: IDX[2])
		%g = Gather %w, %l {axis=1} : f32[2,2] !"columns"
		%two = const IDX[2] [1, 1]
		%m = Add %l, %two : IDX[2]
		yield %c, %m, %g
	} : IDX[2], f32[?,2,2]
	return %y, %z
}
`, "IDX", d)
		src = strings.Replace(src, "%z = Loop", "%e, %s = Loop", 1)
		src = strings.Replace(src, "\treturn", "\t%ax = const i64[1] [0]\n\t%z = ReduceSum %s, %ax {keepdims=0} : f32[2,2]\n\treturn", 1)
		src = strings.Replace(src, "f32[?,2,2]", "f32[u1,2,2]", 1)
		src = strings.Replace(src, "dim M", "dim u1 0..*\ndim M", 1)
		m, err := text.Parse([]byte(src), "t.mir", op.Builtin(), text.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		o := codegen.Options{Target: "cuda", Device: gpu.Device()}
		a, err := codegen.Build(ctx, codegen.Graph(m), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range cuda.HostCalls(a.Program()) {
			if name == "ref.Gather" {
				t.Error("a gather stays on the host")
			}
		}
		x, err := codegen.NewExecutor(o, 1).Compile(ctx, m)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		for _, c := range []struct {
			n    int
			i, j []int64
			node string // of the fault, "": none
		}{
			{4, []int64{0, 3, -1, -4, 2}, []int64{0, -3}, ""},
			{4, []int64{0, 4, 1}, []int64{0, 1}, "rows"},
			{4, []int64{-5}, []int64{0, 1}, "rows"},
			{4, []int64{1}, []int64{1, 0}, ""},
			{4, []int64{1 << 32}, []int64{1, 0}, "rows"},
			{4, []int64{-1 << 32}, []int64{1, 0}, "rows"},
			{4, []int64{math.MinInt64}, []int64{1, 0}, "rows"},
			{4, []int64{math.MaxInt64, 0}, []int64{1, 0}, "rows"},
			{4, []int64{1<<31 - 1}, []int64{1, 0}, "rows"},
			{4, []int64{-1 << 31}, []int64{1, 0}, "rows"},
			{4, []int64{}, []int64{-1, 0}, ""},
			{0, []int64{}, []int64{-2, 1}, ""},
			{0, []int64{0}, []int64{-2, 1}, "rows"},
			{4, []int64{0}, []int64{2, 0}, "columns"}, // in the second turn of the loop
			{4, []int64{0}, []int64{1, 1}, ""},
		} {
			xs, err := tensor.Random(dtype.F32, 1, c.n, 6)
			if err != nil {
				t.Fatal(err)
			}
			ints := func(v []int64) tensor.Value {
				out := tensor.New(dtype.I64, len(v))
				if d == "i32" {
					out = tensor.New(dtype.I32, len(v))
				}
				for k, n := range v {
					if d == "i32" && int64(int32(n)) != n {
						n = int64(math.MaxInt32)
					}
					out.SetInt(k, n)
				}
				return tensor.V(out)
			}
			turns := tensor.New(dtype.I64)
			turns.SetInt(0, 2)
			in := []tensor.Value{tensor.V(xs), ints(c.i), ints(c.j), tensor.V(turns)}
			want, wantErr := eval.Run(ctx, m, in)
			got, err := x.Run(ctx, in)
			if (wantErr != nil) != (c.node != "") || (err != nil) != (wantErr != nil) {
				t.Errorf("%s %v %v: error %v, of the interpreter %v", d, c.i, c.j, err, wantErr)
				continue
			}
			if err != nil {
				if !strings.Contains(err.Error(), c.node) || diag.KindOf(err) != diag.KindOf(wantErr) {
					t.Errorf("%s %v %v: %v, want one of node %q like %v", d, c.i, c.j, err, c.node, wantErr)
				}
				continue
			}
			for k := range want {
				if err := tensor.Exact.Compare(got[k], want[k]); err != nil {
					t.Errorf("%s %v %v: result %d: %v", d, c.i, c.j, k, err)
				}
			}
		}
	}
}
