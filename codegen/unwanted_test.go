package codegen_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
)

// TestUnwantedResults: a node of which a file names the last result alone gives
// that, by a kernel that does without the first one or by its reference
// function.
func TestUnwantedResults(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		op     string
		a      attr.Map
		in     [][]int
		outs   int
		kernel string
	}{
		{"MaxPool", attr.Map{"kernel_shape": attr.Ints(2, 2)}, [][]int{{1, 2, 6, 6}}, 2, "ref.MaxPool"},
		{"BatchNormalization", attr.Map{"training_mode": attr.Int(1)}, [][]int{{2, 3, 4}, {3}, {3}, {3}, {3}}, 3, "ref.BatchNormalization"},
		{"mlc.BatchNormGrad", nil, [][]int{{2, 3, 4}, {2, 3, 4}, {3}}, 3, "ref.mlc.BatchNormGrad"},
		{"mlc.FakeQuantize", nil, [][]int{{2, 3, 4}, {}, {}}, 3, "ref.mlc.FakeQuantize"},
		{"LSTM", attr.Map{"hidden_size": attr.Int(2)}, [][]int{{2, 3, 4}, {1, 8, 4}, {1, 8, 2}}, 3, "lstmopen.f32"},
		{"DynamicQuantizeLinear", nil, [][]int{{2, 3, 4}}, 3, "ref.DynamicQuantizeLinear"},
	} {
		m := ir.NewModule("m")
		f := m.AddFunc("main")
		b := ir.NewBuilder(f, -1, op.Builtin(), "n")
		var params []*ir.Value
		var in []tensor.Value
		for i, d := range c.in {
			x, err := tensor.Random(dtype.F32, uint64(i), d...)
			if err != nil {
				t.Fatal(err)
			}
			params, in = append(params, f.AddParam(fmt.Sprint("x", i), x.Type())), append(in, tensor.V(x))
		}
		out := make([]*ir.Value, c.outs)
		out[c.outs-1] = &ir.Value{Name: "y"}
		b.Node(op.Builtin().Lookup(c.op), c.a, nil, params, out)
		f.AddResult("y", out[c.outs-1])
		if err := b.Err(); err != nil {
			t.Fatal(c.op, err)
		}
		want, err := eval.Run(ctx, m, in)
		if err != nil {
			t.Fatal(c.op, err)
		}
		got, err := codegen.NewExecutor(codegen.Options{Level: "2"}, 1).Compile(ctx, m)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		y, err := got.Run(ctx, in)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
		} else if err := tensor.Custom(1e-5, 1e-5).Compare(y[0], want[0]); err != nil {
			t.Errorf("%s: %v", c.op, err)
		}
		got.Close()
		a, err := codegen.Build(ctx, codegen.Graph(m), codegen.Options{})
		if err != nil {
			t.Fatal(c.op, err)
		}
		if body := a.Program().Main().Body; len(body) == 0 || body[0].Name != c.kernel {
			t.Errorf("%s: %d calls, of which the first is not of %s", c.op, len(body), c.kernel)
		}
		a.Close()
	}
}
