package ir_test

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
)

const cloned = `module "c" opset {ai.onnx 28}
dim N 1..4
state %s: f32[2] = zeros
func main(%c: bool[], %x: f32[N,2], %k: f32[2] -> %s) -> (%y: f32[N,2], %k2: f32[2] -> %s) {
	%w = const f32[2] [1, 2]
	%i = If %c {
		()
		%p = Add %x, %w : f32[N,2]
		yield %p
	} {
		()
		yield %x
	} : f32[N,2] !"if"
	%n = Add %k, %w : f32[2]
	return %i, %n
}
`

// A clone prints the same, is legal by itself, and nothing done to it reaches
// the original.
func TestClone(t *testing.T) {
	ops := op.Builtin()
	m, err := text.Parse([]byte(cloned), "c.mir", ops, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := text.String(m)
	c := m.Clone()
	if text.String(c) != before {
		t.Errorf("the clone prints\n%s", text.String(c))
	}
	if err := verify.Module(c); err != nil {
		t.Error(err)
	}
	if c.States[0] == m.States[0] || c.Main().Params[2].State != c.States[0] || c.Main().Results[1].State != c.States[0] {
		t.Error("states are not copied")
	}
	f := c.Main()
	ir.ReplaceUses(f.Nodes[1].Out[0], f.Params[1])
	f.Nodes[1].Remove()
	c.Dims[0].Hi = 9
	f.Params[1].Name = "other"
	c.States[0].Name = "other"
	if text.String(m) != before {
		t.Errorf("the original became\n%s", text.String(m))
	}
	if err := verify.Module(m); err != nil {
		t.Error(err)
	}
	for seed := range uint64(20) {
		m := irtest.Module(ops, seed, 20)
		c := m.Clone()
		if text.String(c) != text.String(m) {
			t.Fatalf("seed %d: the clone prints differently", seed)
		}
		if err := verify.Module(c); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// Functions that compute the same have one fingerprint, others have others;
// what a state begins as is none of it.
func TestFingerprint(t *testing.T) {
	ops := op.Builtin()
	print := func(src string, init *ir.Const) string {
		m, err := text.Parse([]byte(src), "c.mir", ops, text.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m.States[0].Init = init
		var b strings.Builder
		if err := ir.Fingerprint(&b, m.Clone().Main()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := print(cloned, nil)
	if have := print(cloned, ir.NewConst(tensor.MustOf([]float32{1, 2}, 2))); have != want {
		t.Errorf("with another initial state\n%s\nwant\n%s", have, want)
	}
	for _, c := range [][2]string{
		{"[1, 2]", "[1, 3]"}, {"yield %x", "yield %p2"}, {"%p = Add", "%p = Mul"}, {"Add %k, %w", "Add %k, %k"},
		{"return %i", "return %x"}, {"%x: f32[N,2]", "%x: f32[N,M]"},
	} {
		src := strings.ReplaceAll(cloned, c[0], c[1])
		if c[1] == "yield %p2" {
			src = strings.Replace(src, "yield %p2", "%p2 = Neg %x : f32[N,2]\n\t\tyield %p2", 1)
		}
		src = strings.Replace(src, "dim N 1..4", "dim N 1..4\ndim M 2..2", 1)
		if print(src, nil) == want {
			t.Errorf("%s in the place of %s makes no difference", c[1], c[0])
		}
	}
}
