package tflite

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
)

// TestMeasured: every builtin that is ever written was measured, and nothing
// else was.
func TestMeasured(t *testing.T) {
	a, err := measured()
	if err != nil {
		t.Fatal(err)
	}
	for c, name := range codeNames {
		if len(a.at[c]) == 0 {
			t.Errorf("%s has no row", name)
		}
	}
	seen := map[ability]bool{}
	for _, r := range a.rows {
		r.axes = 0
		// FULLY_CONNECTED without bias has a row for 2 axes and one for more.
		if seen[r] && r.code != opFullyConnected {
			t.Errorf("two rows of %s %d %q %s", r.code, r.version, r.form, r.types)
		}
		seen[r] = true
	}
	if !strings.HasPrefix(a.runtime, "ai-edge-litert ") {
		t.Errorf("measured with %q", a.runtime)
	}
}

func TestParseAbilities(t *testing.T) {
	a, err := parseAbilities("# engine 1, by hand\n# builtin\nADD\t2\tsame\tq8\t1-3,5\nADD\t1\tsame\tf32\t0-8\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		form, types string
		rank, want  int
	}{
		{"same", "q8", 0, 0}, {"same", "q8", 3, 2}, {"same", "q8", 4, 0}, {"same", "q8", 5, 2}, {"same", "f32", 8, 1},
		{"same", "f32", 40, 0}, {"broadcast", "f32", 2, 0}, {"same", "f32,i32", 2, 0},
	} {
		if v := a.version(opAdd, c.form, c.types, c.rank); v != c.want {
			t.Errorf("%v: version %d", c, v)
		}
	}
	if err := a.refusal(opAdd, "same", "q8", 4).Error(); err != "ADD (same) of q8 with 4 axes (supported by engine 1: 1 to 3, 5)" {
		t.Error(err)
	}
	if err := a.refusal(opAdd, "same", "i8", 4).Error(); err != "ADD (same) of i8 (supported by engine 1: f32, q8)" {
		t.Error(err)
	}
	for _, bad := range []string{"", "# e\nADD\t1\t\tf32", "# e\nADDED\t1\t\tf32\t1", "# e\nADD\t0\t\tf32\t1", "# e\nADD\t1\t\tf32\t3-1", "# e\nADD\t1\t\tf32\t99"} {
		if _, err := parseAbilities(bad); err == nil {
			t.Errorf("%q is a table", bad)
		}
	}
}

// TestVersions: an operator's version is that of its row, which is what its
// operands need.
func TestVersions(t *testing.T) {
	_, rep := export(t, `func main(%x: f32[1,4,8,8], %b: i8[2,3]) -> (%y: f32[1,4,8,8], %z: i8[3,2]) {
	%w = const f32[4,1,3,3] random(seed=1)
	%1 = Conv %x, %w {dilations=[2, 2], group=4, pads=[2, 2, 2, 2]} : f32[1,4,8,8]
	%v = const f32[4,2,3,3] random(seed=2)
	%y = Conv %1, %v {group=2, pads=[1, 1, 1, 1]} : f32[1,4,8,8]
	%z = Transpose %b {perm=[1, 0]} : i8[3,2]
	return %y, %z
}`, Options{IO: NHWC})
	var have []string
	for _, o := range rep.Operators {
		have = append(have, strings.Repeat(o.Name+" ", o.N)+string(rune('0'+o.Version)))
	}
	want := []string{"DEPTHWISE_CONV_2D 2", "CONV_2D 6", "TRANSPOSE 2"}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("%q, want %q", have, want)
	}
}

// TestLimits: what the table allows is written, what it does not is refused
// by node. That the runtime computes them right is measured by litert.py.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"a softmax of 6 axes": {`func main(%x: f32[1,2,1,2,1,3]) -> (%y: f32[1,2,1,2,1,3]) {
	%y = Softmax %x {axis=5} : f32[1,2,1,2,1,3] !"s"
	return %y
}`, ""},
		"a softmax of 7 axes": {`func main(%x: f32[1,1,2,1,2,1,3]) -> (%y: f32[1,1,2,1,2,1,3]) {
	%y = Softmax %x {axis=6} : f32[1,1,2,1,2,1,3] !"s"
	return %y
}`, `node "s" (Softmax): unsupported: SOFTMAX of f32 with 7 axes (supported by ai-edge-litert 2.3.0: 1 to 6)`},
		"a pad of 5 axes": {`func main(%x: f32[1,1,1,1,2]) -> (%y: f32[1,1,1,1,3]) {
	%p = const i64[10] [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
	%y = Pad %x, %p : f32[1,1,1,1,3] !"p"
	return %y
}`, ""},
		"a pad of 6 axes": {`func main(%x: f32[1,1,1,1,1,2]) -> (%y: f32[1,1,1,1,1,3]) {
	%p = const i64[12] [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
	%y = Pad %x, %p : f32[1,1,1,1,1,3] !"p"
	return %y
}`, `node "p" (Pad): unsupported: PAD of f32 with 6 axes`},
		"shorts added": {`func main(%x: i16[3]) -> (%y: i16[3]) {
	%y = Add %x, %x : i16[3] !"a"
	return %y
}`, ""},
		"shorts subtracted": {`func main(%x: i16[3]) -> (%y: i16[3]) {
	%y = Sub %x, %x : i16[3] !"s"
	return %y
}`, `node "s" (Sub): unsupported: operands of type i16: SUB takes f32, i32, i64`},
		"a constant power of integers": {`func main(%x: i32[3]) -> (%y: i32[3]) {
	%e = const i32[1] [2]
	%y = Pow %x, %e : i32[3] !"p"
	return %y
}`, ""},
		"a negative power of integers": {`func main(%x: i32[3]) -> (%y: i32[3]) {
	%e = const i32[1] [-2]
	%y = Pow %x, %e : i32[3] !"p"
	return %y
}`, `node "p" (Pow): unsupported: integers to a power`},
		"a square, whatever type its power has": {`func main(%x: f16[3]) -> (%y: f16[3]) {
	%e = const i32[1] [2]
	%y = Pow %x, %e : f16[3] !"p"
	return %y
}`, ""},
		"a hard swish of halves": {`func main(%x: f16[3]) -> (%y: f16[3]) {
	%y = HardSwish %x : f16[3] !"h"
	return %y
}`, ""},
		"a power of another type": {`func main(%x: f32[3]) -> (%y: f32[3]) {
	%e = const i32[1] [3]
	%y = Pow %x, %e : f32[3] !"p"
	return %y
}`, `node "p" (Pow): unsupported: POW (broadcast) of f32,i32`},
		"an input that only moves": {`func main(%x: f32[1,2,1,1,1,1,1,1,3]) -> (%y: f32[3,2,1,1,1,1,1,1,1]) {
	%y = Transpose %x {perm=[8, 1, 2, 3, 4, 5, 6, 7, 0]} : f32[3,2,1,1,1,1,1,1,1] !"t"
	return %y
}`, `node "t" (Transpose): unsupported: TRANSPOSE of f32 with 9 axes`},
	} {
		var w bytes.Buffer
		_, err := Export(&w, parse(t, c.body), Options{})
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || diag.KindOf(err) != diag.Unsupported {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
