package passes_test

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// attempts and hits bound the search for places where a rule fits.
const (
	attempts = 20000
	hits     = 12
)

// Every rule, put into random places where it fits, keeps the meaning within
// its tolerance and is never dearer.
func TestRules(t *testing.T) {
	ops := op.Builtin()
	hits := hits
	if testing.Short() {
		hits = 3
	}
	for _, p := range passes.All() {
		for i := range p.Rules {
			rule := &p.Rules[i]
			if rule.Make == nil {
				continue
			}
			t.Run(rule.Name, func(t *testing.T) {
				h := fnv.New64a()
				h.Write([]byte(rule.Name))
				if ops.Lookup(rule.Match.Roots()[0]) == nil {
					t.Fatalf("no operator %s", rule.Match.Roots()[0])
				}
				r := rand.New(rand.NewPCG(h.Sum64(), 1))
				found := 0
				for k := 0; k < attempts && found < hits && !t.Failed(); k++ {
					if m, ok := rewrite.Instance(r, ops, rule); ok && tryRule(t, ops, m, rule, uint64(k)) {
						found++
					}
				}
				if found == 0 {
					t.Errorf("no place found where the rule fits in %d attempts", attempts)
				}
			})
		}
	}
}

// tryRule applies rule to a copy of m and compares. false: it does not fit.
func tryRule(t *testing.T, ops *ir.OpSet, m *ir.Module, rule *rewrite.Rule, seed uint64) bool {
	after := m.Clone()
	c := rewrite.NewCtx(context.Background(), ops)
	if err := rewrite.Apply(c, after, []rewrite.Rule{*rule}); err != nil {
		t.Errorf("%v\n%s", err, text.String(m))
		return false
	}
	if c.Totals()[rule.Name] == 0 {
		return false
	}
	if err := verify.Module(after); err != nil {
		t.Errorf("wrong after %s: %v\n%s-- after --\n%s", rule.Name, err, text.String(m), text.String(after))
		return false
	}
	if b, a := cost(m), cost(after); a > b {
		t.Errorf("cost rises from %d to %d\n%s-- after --\n%s", b, a, text.String(m), text.String(after))
	}
	for k := range 3 {
		in, err := passes.Sample(m, seed, min(k, 1))
		if err != nil {
			t.Fatal(err)
		}
		if k == 2 {
			if rule.Tol != (tensor.Tol{}) && rule.Tol != tensor.Exact || finite[rule.Name] != "" {
				continue
			}
			sprinkle(in, seed)
		}
		want, err := eval.Run(context.Background(), m, in)
		if err != nil {
			return false
		}
		got, err := eval.Run(context.Background(), after, in)
		if err != nil {
			t.Errorf("fails after %s: %v\n%s-- after --\n%s", rule.Name, err, text.String(m), text.String(after))
			return false
		}
		for i := range want {
			if err := passes.TolFor(rule.Tol, want[i]).Compare(got[i], want[i]); err != nil {
				t.Errorf("%v\n%s-- after --\n%s", err, text.String(m), text.String(after))
			}
		}
	}
	return true
}

// finite are exact rules that hold for finite numbers only, each with its
// reason.
var finite = map[string]string{
	"pad-conv": "a convolution does not multiply its own padding by the filters, which an infinite filter shows",
}

// sprinkle puts numbers into the floats of in for which algebra that holds for
// others does not.
func sprinkle(in []tensor.Value, seed uint64) {
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, math.MaxFloat32}
	r := rand.New(rand.NewPCG(seed, 9))
	for i := range in {
		if t := &in[i].Tensor; in[i].Kind == tensor.KindTensor && t.DType().IsFloat() && t.DType().Bits() >= 16 {
			for k := range t.Len() {
				if r.IntN(2) == 0 {
					t.SetFloat(k, special[r.IntN(len(special))])
				}
			}
		}
	}
}

// cost sums FLOP; what depends on constants only is free.
func cost(m *ir.Module) int64 {
	var sum int64
	m.Walk(func(n *ir.Node) {
		if n.Const == nil && n.Def.Cost != nil && len(n.Out) > 0 && n.Out[0] != nil && !rewrite.IsConst(n.Out[0]) {
			flop, _ := n.Def.Cost(n)
			sum += flop
		}
	})
	return sum
}

// Places where a rule fits, run through the whole pipeline with checks, twice
// with shuffled nodes: rules of different passes meet.
func TestRulesMeet(t *testing.T) {
	ops := op.Builtin()
	for _, p := range passes.All() {
		for i := range p.Rules {
			rule := &p.Rules[i]
			if rule.Make == nil {
				continue
			}
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for k, found := 0, 0; k < 2000 && found < 4; k++ {
				m, ok := rewrite.Instance(r, ops, rule)
				if !ok {
					continue
				}
				found++
				want := ""
				for _, o := range []passes.Options{{Check: true}, {Shuffle: 1}, {Shuffle: 2}} {
					n := m.Clone()
					o.Ops, o.Options = ops, rewrite.Options{Level: 2}
					if _, err := passes.Run(context.Background(), n, o); err != nil {
						t.Fatalf("%s: %v\n%s", rule.Name, err, text.String(m))
					}
					if got := text.String(n); want == "" {
						want = got
					} else if got != want {
						t.Fatalf("%s: shuffled nodes give another text\n%s-- plain --\n%s-- shuffled --\n%s", rule.Name, text.String(m), want, got)
					}
				}
			}
		}
	}
}
