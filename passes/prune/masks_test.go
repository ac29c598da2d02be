package prune_test

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes/prune"
)

const twoProducts = `func main(%x: f32[2,4]) -> (%y: f32[2,3]) {
	%a = const f32[4,4] [1, 0, 2, 3, 0, 0, 1, 4, -1, 2, 0.5, 3, 0, 1, 1, 2]
	%h = MatMul %x, %a : f32[2,4] !"first"
	%r = Sigmoid %h : f32[2,4]
	%b = const f32[4,3] splat(0)
	%y = MatMul %r, %b : f32[2,3] !"second"
	return %y
}
`

// A choice that was made once gives, applied later, what Apply gives at once,
// though the weights have changed since.
func TestApplyMasks(t *testing.T) {
	for _, c := range []prune.Config{
		{Sparsity: 0.5, Structure: prune.Unstructured},
		{Sparsity: 0.5, Structure: prune.Channel},
		{Sparsity: 0.4, Structure: prune.Channel, Scope: prune.Global, Criterion: prune.L1},
	} {
		for _, net := range []string{twoProducts, strings.Replace(twoProducts, "splat(0)", "random(seed=2)", 1)} {
			m := parse(t, net)
			masks, err := prune.Masks(m, c)
			if err != nil {
				t.Fatal(err)
			}
			want := m.Clone()
			wr, err := prune.Apply(want, c)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := prune.ApplyMasks(m, c, masks)
			if err != nil {
				t.Fatal(err)
			}
			if have := text.String(m); have != text.String(want) {
				t.Errorf("%+v: have\n%swant\n%s", c, have, text.String(want))
			}
			if rep.Sparsity != wr.Sparsity || rep.Params != wr.Params || len(rep.Layers) != len(wr.Layers) {
				t.Errorf("%+v: report %+v, want %+v", c, rep, wr)
			}
		}
		m := parse(t, twoProducts)
		bad := []prune.Mask{{Weight: m.Main().Nodes[0].Out[0], Keep: make([]bool, 3)}}
		if _, err := prune.ApplyMasks(m, c, bad); err == nil || !strings.Contains(err.Error(), "mask of %a has 3 elements, not 16") {
			t.Errorf("a wrong mask: %v", err)
		}
	}
	// With no mask nothing goes.
	m := parse(t, twoProducts)
	if rep, err := prune.ApplyMasks(m, prune.Config{Sparsity: 0.5, Structure: prune.Channel}, nil); err != nil || rep.Sparsity != 0 {
		t.Errorf("no masks: %+v, %v", rep, err)
	}
}

// By hand: %a has 4 zeros of 16; %b is nothing but zeros, so it counts as not
// pruned: 4 of 28.
func TestZeros(t *testing.T) {
	m := parse(t, twoProducts)
	masks, share, err := prune.Zeros(m)
	if err != nil || share != 4.0/28 || len(masks) != 1 || masks[0].Weight.Name != "a" {
		t.Fatalf("%v of %v (%v)", share, masks, err)
	}
	for i, k := range masks[0].Keep {
		if k == (i == 1 || i == 4 || i == 5 || i == 12) {
			t.Errorf("element %d: kept %v", i, k)
		}
	}
	if _, _, err := prune.Zeros(parse(t, "func main(%x: f32[2]) -> (%y: f32[2]) {\n\t%y = Relu %x : f32[2]\n\treturn %y\n}\n")); diag.KindOf(err) != diag.Budget {
		t.Errorf("no weights: %v", err)
	}
}
