package prune_test

import (
	"context"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes/prune"
)

// tol is what sums of other lengths may differ by.
var tol = tensor.Custom(1e-5, 1e-5)

func parse(t *testing.T, src string) *ir.Module {
	t.Helper()
	m, err := text.Parse([]byte("module \"m\" opset {ai.onnx 28}\n"+src), "m.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// both prunes m twice, by zeros and by removal, and compares what the two
// models compute. m itself must stay as it is.
func both(t *testing.T, m *ir.Module, c prune.Config) (*prune.Report, *ir.Module) {
	t.Helper()
	before := text.String(m)
	masked, pruned := m.Clone(), m.Clone()
	zr, err := prune.Zero(masked, c)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := prune.Apply(pruned, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*ir.Module{masked, pruned} {
		if err := verify.Module(x); err != nil {
			t.Fatalf("%v\n%s", err, text.String(x))
		}
	}
	if text.String(m) != before {
		t.Fatal("pruning a copy changed the original")
	}
	if zr.Sparsity != rep.Sparsity || len(zr.Layers) != len(rep.Layers) {
		t.Fatalf("zeros and removal differ: %+v, %+v", zr, rep)
	}
	dims := map[string]int64{}
	for _, d := range m.Dims {
		dims[d.Name] = max(2, d.Lo)
	}
	for seed := range uint64(2) {
		in, err := irtest.Inputs(m, dims, seed+11)
		if err != nil {
			t.Fatal(err)
		}
		want, err := eval.Run(context.Background(), masked, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := eval.Run(context.Background(), pruned, in)
		if err != nil {
			t.Fatalf("%v\n%s", err, text.String(pruned))
		}
		for i := range want {
			if err := tol.Compare(got[i], want[i]); err != nil {
				t.Fatalf("output %d: %v\n%s", i, err, text.String(pruned))
			}
		}
	}
	return rep, pruned
}

// keeps lists how many channels each layer keeps.
func keeps(r *prune.Report) map[string][2]int {
	out := map[string][2]int{}
	for _, l := range r.Layers {
		out[l.Node] = [2]int{l.Kept, l.Total}
	}
	return out
}

// channel is a Config for half of the channels of each layer.
func channel() prune.Config { return prune.Config{Structure: prune.Channel, Sparsity: 0.5} }

// types lists the types of all values of the model that are no constants, in
// order.
func types(m *ir.Module) []string {
	var out []string
	for _, n := range m.Main().Nodes {
		if n.Const == nil {
			out = append(out, n.Out[0].Type.String())
		}
	}
	return out
}

func floats(t *testing.T, m *ir.Module, name string) []float32 {
	t.Helper()
	for _, n := range m.Main().Nodes {
		if n.Const != nil && n.Out[0].Name == name {
			x, err := n.Const.Tensor()
			if err != nil {
				t.Fatal(err)
			}
			return slices.Clone(tensor.Slice[float32](&x))
		}
	}
	t.Fatalf("no constant %s", name)
	return nil
}
