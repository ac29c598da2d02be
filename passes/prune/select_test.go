package prune_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes/prune"
)

// hand is a net whose scores can be told by looking. Layer a has the filters
// (3,0), (1,1), (2,2), (0,1); l1: 3, 2, 4, 1; magnitude: 3, 1.41, 2.83, 1.
const hand = `func main(%x: f32[1,2,1,1]) -> (%y: f32[1,1,1,1]) {
	%w = const f32[4,2,1,1] [3, 0, -1, 1, 2, -2, 0, 1]
	%b = const f32[4] [10, 20, 30, 40]
	%v = const f32[1,4,1,1] [1, 2, 3, 4]
	%c = Conv %x, %w, %b : f32[1,4,1,1] !"a"
	%y = Conv %c, %v : f32[1,1,1,1] !"e"
	return %y
}`

func TestCriteria(t *testing.T) {
	for _, c := range []struct {
		criterion prune.Criterion
		sparsity  float64
		w, b, v   []float32
	}{
		{prune.L1, 0.75, []float32{2, -2}, []float32{30}, []float32{3}},
		{prune.Magnitude, 0.75, []float32{3, 0}, []float32{10}, []float32{1}},
		{prune.L1, 0.25, []float32{3, 0, -1, 1, 2, -2}, []float32{10, 20, 30}, []float32{1, 2, 3}},
		{prune.L1, 0.5, []float32{3, 0, 2, -2}, []float32{10, 30}, []float32{1, 3}},
	} {
		for _, scope := range []prune.Scope{prune.Layer, prune.Global} {
			m := parse(t, hand)
			rep, err := prune.Apply(m, prune.Config{Structure: prune.Channel, Sparsity: c.sparsity, Criterion: c.criterion, Scope: scope})
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string][]float32{"w": c.w, "b": c.b, "v": c.v} {
				if got := floats(t, m, name); !slices.Equal(got, want) {
					t.Errorf("%s %s %v: %s = %v, want %v", c.criterion, scope, c.sparsity, name, got, want)
				}
			}
			// Parameters and MACs of a: 2 a filter and a bias, 2 a filter on one pixel.
			k := int64(len(c.b))
			if a := rep.Layers[0]; a.Params != (prune.Change{Before: 12, After: 3 * k}) || a.MACs != (prune.Change{Before: 8, After: 2 * k}) {
				t.Errorf("report of a: %+v", a)
			}
			if rep.Params != (prune.Change{Before: 16, After: 4 * k}) || rep.Sparsity != c.sparsity {
				t.Errorf("report: %+v", rep)
			}
		}
	}
}

// Zero writes zeros into filters, biases and the weights that read a channel.
func TestZeroIsWhatGoes(t *testing.T) {
	m := parse(t, hand)
	c := prune.Config{Structure: prune.Channel, Sparsity: 0.5, Criterion: prune.L1}
	masks, err := prune.Masks(m, c)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name string
		keep []bool
	}{
		{"w", []bool{true, true, false, false, true, true, false, false}},
		{"b", []bool{true, false, true, false}},
		{"v", []bool{true, false, true, false}},
	}
	if len(masks) != len(want) {
		t.Fatalf("%d masks, want %d", len(masks), len(want))
	}
	for i, w := range want {
		if masks[i].Weight.Name != w.name || !slices.Equal(masks[i].Keep, w.keep) {
			t.Errorf("mask %d: %s %v, want %s %v", i, masks[i].Weight.Name, masks[i].Keep, w.name, w.keep)
		}
	}
	if _, err := prune.Zero(m, c); err != nil {
		t.Fatal(err)
	}
	if got := floats(t, m, "w"); !slices.Equal(got, []float32{3, 0, 0, 0, 2, -2, 0, 0}) {
		t.Errorf("w = %v", got)
	}
	// What is zero has the lowest score: pruning the masked model removes the same.
	if _, err := prune.Apply(m, prune.Config{Structure: prune.Channel, Sparsity: 0.5}); err != nil {
		t.Fatal(err)
	}
	if got := floats(t, m, "b"); !slices.Equal(got, []float32{10, 30}) {
		t.Errorf("b = %v after removing what was masked", got)
	}
}

const wide = `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[40,3,1,1] random(seed=1)
	%w2 = const f32[64,40,1,1] random(seed=2)
	%w3 = const f32[12,64,1,1] random(seed=3)
	%w4 = const f32[2,12,1,1] random(seed=4)
	%a = Conv %x, %w1 : f32[1,40,4,4] !"a"
	%b = Conv %a, %w2 : f32[1,64,4,4] !"b"
	%c = Conv %b, %w3 : f32[1,12,4,4] !"c"
	%y = Conv %c, %w4 : f32[1,2,4,4] !"d"
	return %y
}`

func TestAlignment(t *testing.T) {
	for _, c := range []struct {
		cfg     prune.Config
		a, b, c int
	}{
		{prune.Config{Sparsity: 0.4, Align: 16}, 32, 32, 12},                  // 24 -> 32 (half way up), 38.4 -> 32, 12 has less than a panel
		{prune.Config{Sparsity: 0.7, Align: 16}, 16, 16, 12},                  // 12 -> 16, 19.2 -> 16
		{prune.Config{Sparsity: 0.4, Align: 16, MinChannels: 33}, 40, 48, 12}, // 33 in panels is 48; a has 40
		{prune.Config{Sparsity: 0.4, MinChannels: 30}, 30, 38, 12},
		{prune.Config{Sparsity: 0.4, Align: 5}, 25, 40, 5},
		{prune.Config{Sparsity: 0.97, MinChannels: 1}, 1, 2, 1},
	} {
		c.cfg.Structure = prune.Channel
		rep, _ := both(t, parse(t, wide), c.cfg)
		k := keeps(rep)
		if k["a"][0] != c.a || k["b"][0] != c.b || k["c"][0] != c.c || k["d"][0] != 2 {
			t.Errorf("%+v: kept %v, want %d, %d, %d", c.cfg, k, c.a, c.b, c.c)
		}
	}
}

// The global budget is met as closely as steps allow.
func TestGlobalBudget(t *testing.T) {
	for _, c := range []struct {
		align, min int
		sparsity   float64
		slack      int
	}{{1, 1, 0.5, 0}, {1, 5, 0.25, 0}, {4, 4, 0.5, 4}, {16, 16, 0.4, 8}} {
		cfg := prune.Config{Structure: prune.Channel, Sparsity: c.sparsity, Scope: prune.Global, Align: c.align, MinChannels: c.min}
		rep, _ := both(t, parse(t, wide), cfg)
		gone := 0
		for _, l := range rep.Layers {
			gone += l.Total - l.Kept
			if l.Kept < min(c.min, l.Total) || l.Kept != l.Total && l.Kept%c.align != 0 {
				t.Errorf("%+v: %s keeps %d of %d", cfg, l.Node, l.Kept, l.Total)
			}
		}
		if want := c.sparsity * 116; math.Abs(float64(gone)-want) > float64(c.slack)+0.5 {
			t.Errorf("%+v: %d channels gone, want %v", cfg, gone, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  prune.Config
		kind diag.Kind
		text string
	}{
		{"a budget that empties a layer", prune.Config{Structure: prune.Channel, Sparsity: 0.97}, diag.Budget, `node "c" (Conv-22): channels kept: have 0 of 12, want at least 1`},
		{"the same of the whole model", prune.Config{Structure: prune.Channel, Sparsity: 0.999, Scope: prune.Global}, diag.Budget, "channels kept: have 0 of"},
		{"no sparsity", prune.Config{}, diag.Usage, "sparsity 0"},
		{"all", prune.Config{Sparsity: 1}, diag.Usage, "sparsity 1"},
		{"not a number", prune.Config{Sparsity: math.NaN()}, diag.Usage, "sparsity NaN"},
		{"structure", prune.Config{Sparsity: 0.5, Structure: "rows"}, diag.Usage, `structure "rows": unknown (have unstructured, channel)`},
		{"criterion", prune.Config{Sparsity: 0.5, Criterion: "taylor"}, diag.Usage, `criterion "taylor": unknown`},
		{"scope", prune.Config{Sparsity: 0.5, Scope: "node"}, diag.Usage, `scope "node": unknown`},
		{"align of single weights", prune.Config{Sparsity: 0.5, Align: 8}, diag.Usage, "for structure channel"},
		{"negative", prune.Config{Sparsity: 0.5, Structure: prune.Channel, MinChannels: -1}, diag.Usage, "negative"},
	} {
		m := parse(t, wide)
		before := text.String(m)
		for what, f := range map[string]func() error{
			"Apply": func() error { _, err := prune.Apply(m, c.cfg); return err },
			"Zero":  func() error { _, err := prune.Zero(m, c.cfg); return err },
			"Masks": func() error { _, err := prune.Masks(m, c.cfg); return err },
		} {
			if err := f(); diag.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %s: %v, want %v: %s", c.name, what, err, c.kind, c.text)
			}
		}
		if text.String(m) != before {
			t.Errorf("%s: the model changed", c.name)
		}
	}
}

func TestBadWeights(t *testing.T) {
	src := strings.Replace(hand, "[3, 0, -1,", "[3, nan, -1,", 1)
	for _, s := range []prune.Structure{prune.Channel, prune.Unstructured} {
		_, err := prune.Apply(parse(t, src), prune.Config{Sparsity: 0.5, Structure: s})
		if diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), `node "a"`) || !strings.Contains(err.Error(), "NaN at element 1") {
			t.Errorf("%s: %v", s, err)
		}
	}
	m := parse(t, "func main(%x: f32[2]) -> (%y: f32[2]) {\n\t%y = Relu %x : f32[2]\n\treturn %y\n}")
	for _, s := range []prune.Structure{prune.Channel, prune.Unstructured} {
		if _, err := prune.Apply(m, prune.Config{Sparsity: 0.5, Structure: s}); diag.KindOf(err) != diag.Budget {
			t.Errorf("%s of a model without weights: %v", s, err)
		}
	}
}

// Single weights: exactly the share, the smallest, of equals the first; the
// expectation sorts.
func TestUnstructured(t *testing.T) {
	for _, scope := range []prune.Scope{prune.Layer, prune.Global} {
		for _, sparsity := range []float64{0.001, 0.3, 0.5, 0.9} {
			m := parse(t, wide)
			var all [][]float32
			for _, w := range []string{"w1", "w2", "w3", "w4"} {
				all = append(all, floats(t, m, w))
			}
			rep, err := prune.Apply(m, prune.Config{Sparsity: sparsity, Scope: scope})
			if err != nil {
				t.Fatal(err)
			}
			sets := [][][]float32{all}
			if scope == prune.Layer {
				sets = nil
				for _, w := range all {
					sets = append(sets, [][]float32{w})
				}
			}
			for _, set := range sets {
				smallestToZero(set, sparsity)
			}
			zeros, n := 0, 0
			for i, w := range []string{"w1", "w2", "w3", "w4"} {
				if got := floats(t, m, w); !slices.Equal(got, all[i]) {
					t.Errorf("%s %v: %s differs", scope, sparsity, w)
				}
				for _, v := range all[i] {
					n++
					if v == 0 {
						zeros++
					}
				}
			}
			if want := float64(zeros) / float64(n); math.Abs(rep.Sparsity-want) > 1e-3 {
				t.Errorf("%s %v: reported %v, want %v", scope, sparsity, rep.Sparsity, want)
			}
		}
	}
}

func smallestToZero(set [][]float32, sparsity float64) {
	type at struct{ w, e int }
	var list []at
	for w := range set {
		for e := range set[w] {
			list = append(list, at{w, e})
		}
	}
	slices.SortStableFunc(list, func(a, b at) int {
		x, y := math.Abs(float64(set[a.w][a.e])), math.Abs(float64(set[b.w][b.e]))
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for _, p := range list[:int(math.Round(sparsity*float64(len(list))))] {
		set[p.w][p.e] = 0
	}
}

func TestTies(t *testing.T) {
	m := parse(t, `func main(%x: f32[1,8]) -> (%y: f32[1,1]) {
	%w = const f32[8,1] [1, -1, 1, 0, 1, 1, -1, 2]
	%y = MatMul %x, %w : f32[1,1] !"a"
	return %y
}`)
	if _, err := prune.Apply(m, prune.Config{Sparsity: 0.5}); err != nil {
		t.Fatal(err)
	}
	if got := floats(t, m, "w"); !slices.Equal(got, []float32{0, 0, 0, 0, 1, 1, -1, 2}) {
		t.Errorf("w = %v", got)
	}
}

// Weights of half precision are scored and cut alike.
func TestHalf(t *testing.T) {
	src := strings.NewReplacer("f32[", "f16[").Replace(wide)
	m := parse(t, src)
	if _, err := prune.Apply(m, channel()); err != nil {
		t.Fatal(err)
	}
	if n := m.Main().Nodes[0]; n.Const.DType != dtype.F16 || n.Const.Dims[0] != 20 {
		t.Errorf("w1 is %v %v", n.Const.DType, n.Const.Dims)
	}
	if _, err := prune.Apply(m, prune.Config{Sparsity: 0.5}); err != nil {
		t.Fatal(err)
	}
}

// The same model and Config give the same text.
func TestDeterministic(t *testing.T) {
	for _, c := range nets {
		a, b := parse(t, c.src), parse(t, c.src)
		if _, err := prune.Apply(a, channel()); err != nil {
			t.Fatal(err)
		}
		if _, err := prune.Apply(b, channel()); err != nil {
			t.Fatal(err)
		}
		if text.String(a) != text.String(b) {
			t.Errorf("%s: two results", c.name)
		}
	}
}
