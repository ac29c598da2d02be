package analysis_test

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes/analysis"
)

func relate(t *testing.T, src string) (*ir.Module, *analysis.Channels) {
	t.Helper()
	m, err := text.Parse([]byte("module \"m\" opset {ai.onnx 28}\n"+src), "m.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m, analysis.Relate(m)
}

// letters writes labels so that indices that go together have one letter, and
// what is fixed is a dot.
func letters(c *analysis.Channels, seen map[int32]byte, labels []int32) string {
	if labels == nil {
		return "-"
	}
	var b strings.Builder
	for _, l := range labels {
		r := c.Root(l)
		switch {
		case c.Fixed(l):
			b.WriteByte('.')
		default:
			if seen[r] == 0 {
				seen[r] = byte('a' + len(seen))
			}
			b.WriteByte(seen[r])
		}
	}
	return b.String()
}

// The labels of every node's first output, axis by axis.
func TestRelation(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"residual and concat", `func main(%x: f32[1,2,4,4]) -> (%y: f32[1,1,4,4]) {
	%w1 = const f32[2,2,1,1] random(seed=1)
	%w2 = const f32[2,2,1,1] random(seed=2)
	%w3 = const f32[1,4,1,1] random(seed=3)
	%a = Conv %x, %w1 : f32[1,2,4,4]
	%b = Conv %a, %w2 : f32[1,2,4,4]
	%s = Add %a, %b : f32[1,2,4,4]
	%d = Conv %x, %w2 : f32[1,2,4,4]
	%k = Concat %d, %s {axis=1} : f32[1,4,4,4]
	%y = Conv %k, %w3 : f32[1,1,4,4]
	return %y
}`, "-/../-/- -/../-/- -/../-/- -/../-/- -/..../-/- -/./-/-"}, // w2 reads the input too: its input axis is fixed, and with it a
		{"depthwise by two", `func main(%x: f32[1,2,4,4]) -> (%y: f32[1,1,4,4]) {
	%w1 = const f32[2,2,1,1] random(seed=1)
	%w2 = const f32[4,1,1,1] random(seed=2)
	%w3 = const f32[1,4,1,1] random(seed=3)
	%a = Conv %x, %w1 : f32[1,2,4,4]
	%b = Conv %a, %w2 {group=2} : f32[1,4,4,4]
	%y = Conv %b, %w3 : f32[1,1,4,4]
	return %y
}`, "-/ab/-/- -/aabb/-/- -/./-/-"},
		{"flatten, and two groups", `func main(%x: f32[1,2,1,2]) -> (%y: f32[1,1]) {
	%w1 = const f32[4,2,1,1] random(seed=1)
	%w2 = const f32[4,2,1,1] random(seed=2)
	%w3 = const f32[8,1] random(seed=3)
	%a = Conv %x, %w1 : f32[1,4,1,2]
	%b = Conv %a, %w2 {group=2} : f32[1,4,1,2]
	%f = Flatten %b : f32[1,8]
	%y = MatMul %f, %w3 : f32[1,1]
	return %y
}`, "-/abab/-/- -/cdcd/-/- -/ccddccdd -/."},
		{"split, swapped and added: a chain of couplings", `func main(%x: f32[1,2,1,1]) -> (%y: f32[1,1,1,1]) {
	%w1 = const f32[4,2,1,1] random(seed=1)
	%w3 = const f32[1,4,1,1] random(seed=3)
	%n = const i64[2] [2, 2]
	%a = Conv %x, %w1 : f32[1,4,1,1]
	%p, %q = Split %a, %n {axis=1} : f32[1,2,1,1], f32[1,2,1,1]
	%k = Concat %q, %p {axis=1} : f32[1,4,1,1]
	%s = Add %a, %k : f32[1,4,1,1]
	%y = Conv %s, %w3 : f32[1,1,1,1]
	return %y
}`, "-/abab/-/- -/ab/-/- -/abab/-/- -/abab/-/- -/./-/-"},
		{"norm over the channels fixes them, over others not", `func main(%x: f32[2,3]) -> (%y: f32[2,1]) {
	%w1 = const f32[3,4] random(seed=1)
	%w2 = const f32[4,4] random(seed=2)
	%w3 = const f32[4,1] random(seed=3)
	%g = const f32[4] [1, 1, 1, 1]
	%a = MatMul %x, %w1 : f32[2,4]
	%l = LayerNormalization %a, %g : f32[2,4]
	%b = MatMul %l, %w2 : f32[2,4]
	%y = MatMul %b, %w3 : f32[2,1]
	return %y
}`, "-/.... -/- -/abcd -/."},
		{"Shape: only the extent that is picked matters", `func main(%x: f32[2,3]) -> (%y: f32[2,1], %n: i64[]) {
	%w1 = const f32[3,4] random(seed=1)
	%w3 = const f32[4,1] random(seed=3)
	%z = const i64[] [0]
	%a = MatMul %x, %w1 : f32[2,4]
	%s = Shape %a : i64[2]
	%n = Gather %s, %z : i64[]
	%y = MatMul %a, %w3 : f32[2,1]
	return %y, %n
}`, "-/abcd   -/."},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, rel := relate(t, c.src)
			var out []string
			seen := map[int32]byte{}
			for _, n := range m.Main().Nodes {
				if n.Const != nil {
					continue
				}
				var axes []string
				for _, a := range rel.Value(n.Out[0]) {
					axes = append(axes, letters(rel, seen, a))
				}
				out = append(out, strings.Join(axes, "/"))
			}
			if got := strings.Join(out, " "); got != c.want {
				t.Errorf("have %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	_, rel := relate(t, `func main(%x: f32[1,2,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[2,2,1,1] random(seed=1)
	%w2 = const f32[2,2,1,1] random(seed=2)
	%w3 = const f32[2,2,1,1] random(seed=3)
	%a = Conv %x, %w1 : f32[1,2,4,4] !"first"
	%s = Add %a, %x : f32[1,2,4,4] !"sum"
	%b = Conv %s, %w2 : f32[1,2,4,4] !"second"
	%y = Conv %b, %w3 : f32[1,2,4,4] !"last"
	return %y
}`)
	want := []string{"node sum (Add) joins it to what stays", "", "it reaches the model's output y"}
	for i, l := range rel.Layers {
		if got := rel.Why(l.Out); got != want[i] {
			t.Errorf("%s: %q, want %q", l.Node.Label(), got, want[i])
		}
	}
}
