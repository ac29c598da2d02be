package codegen_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// placed writes a module whose values go from device to host and back at random:
// between calls that devices have kernels for stand such that they do not have,
// and views, constants, states, branches and loops. No call jumps, so that order
// of rounding does not matter. All values are
// [N,6], so that any goes anywhere. Results are values of every kind, some twice.
func placed(seed uint64, size int) string {
	r := rand.New(rand.NewPCG(seed, 11))
	var b strings.Builder
	b.WriteString("dim N 0..9\nstate %s: f32[2,6] = zeros\n")
	b.WriteString("func main(%x: f32[N,6], %z: f32[N,6], %s: f32[2,6] -> %s, %c: bool[], %m: i64[]) -> (RESULTS) {\n")
	b.WriteString("\t%k = const f32[1,6] [1, -2, 3, 0.5, 0, -1]\n\t%w = const f32[6,6] random(seed=3)\n\t%ax = const i64[1] [0]\n\t%ax1 = const i64[1] [1]\n\t%sh = const i64[3] [-1, 3, 2]\n\t%flat = const i64[2] [-1, 6]\n")
	vals := []string{"x", "z"}
	n := 0
	fresh := func() string { n++; return fmt.Sprint("v", n) }
	pick := func() string { return vals[r.IntN(len(vals))] }
	one := func(indent, a, c, out string) string { // a node
		switch r.IntN(12) {
		case 0:
			return fmt.Sprintf("%s%%%s = Add %%%s, %%%s : f32[N,6]\n", indent, out, a, c)
		case 1:
			return fmt.Sprintf("%s%%%s = Mul %%%s, %%k : f32[N,6]\n", indent, out, a)
		case 2:
			return fmt.Sprintf("%s%%%s = Relu %%%s : f32[N,6]\n", indent, out, a)
		case 3, 4: // no kernel
			return fmt.Sprintf("%s%%%[2]sa = ReduceLogSumExp %%%[3]s, %%ax1 : f32[N,1]\n%[1]s%%%[2]s = Sub %%%[4]s, %%%[2]sa : f32[N,6]\n", indent, out, a, c)
		case 5:
			return fmt.Sprintf("%s%%%s = Elu %%%s {alpha=2} : f32[N,6]\n", indent, out, a)
		case 6:
			return fmt.Sprintf("%s%%%s = Softmax %%%s : f32[N,6]\n", indent, out, a)
		case 7:
			return fmt.Sprintf("%s%%%s = MatMul %%%s, %%w : f32[N,6]\n", indent, out, a)
		case 8: // through a view
			return fmt.Sprintf("%s%%%[2]sa = Reshape %%%[3]s, %%sh : f32[N,3,2]\n%[1]s%%%[2]sb = Transpose %%%[2]sa {perm=[0,2,1]} : f32[N,2,3]\n%[1]s%%%[2]s = Reshape %%%[2]sb, %%flat : f32[N,6]\n", indent, out, a)
		case 9: // a view of a view, nothing else
			return fmt.Sprintf("%s%%%[2]sa = Unsqueeze %%%[3]s, %%ax : f32[1,N,6]\n%[1]s%%%[2]s = Squeeze %%%[2]sa, %%ax : f32[N,6]\n", indent, out, a)
		case 10:
			return fmt.Sprintf("%s%%%[2]sa = Concat %%%[3]s, %%%[4]s {axis=1} : f32[N,12]\n%[1]s%%%[2]sb, %%%[2]sc, %%%[2]s = Split %%%[2]sa {axis=1, num_outputs=3} : f32[N,4], f32[N,4], f32[N,4]\n%[1]s%%%[2]sd = Concat %%%[2]sb, %%%[2]sc, %%%[2]s {axis=1} : f32[N,12]\n%[1]s%%%[2]se, %%%[2]sf = Split %%%[2]sd {axis=1, num_outputs=2} : f32[N,6], f32[N,6]\n", indent, out, a, c)
		}
		return fmt.Sprintf("%s%%%[2]sa = ReduceSum %%%[3]s, %%ax1 : f32[N,1]\n%[1]s%%%[2]s = Sub %%%[4]s, %%%[2]sa : f32[N,6]\n", indent, out, a, c)
	}
	node := func(indent, a, c string) string {
		out := fresh()
		text := one(indent, a, c, out)
		if strings.Contains(text, "Split") {
			out += "f"
		}
		b.WriteString(text)
		return out
	}
	for range size {
		switch r.IntN(10) {
		case 0: // a branch
			a, c, out := pick(), pick(), fresh()
			fmt.Fprintf(&b, "\t%%%s = If %%c {()\n", out)
			fmt.Fprintf(&b, "\t\tyield %%%s\n\t} {()\n", node("\t\t", node("\t\t", a, c), c))
			fmt.Fprintf(&b, "\t\tyield %%%s\n\t} : f32[N,6]\n", node("\t\t", c, a))
			vals = append(vals, out)
		case 1: // a loop that carries one and uses another
			a, c, out := pick(), pick(), fresh()
			fmt.Fprintf(&b, "\t%%%s = Loop %%m, _, %%%s {(%%i%[1]s: i64[], %%c%[1]s: bool[], %%l%[1]s: f32[N,6])\n", out, a)
			fmt.Fprintf(&b, "\t\tyield %%c%s, %%%s\n\t} : f32[N,6]\n", out, node("\t\t", node("\t\t", "l"+out, c), "l"+out))
			vals = append(vals, out)
		default:
			vals = append(vals, node("\t", pick(), pick()))
		}
	}
	b.WriteString("\t%first = ReduceMax %" + pick() + ", %ax : f32[1,6]\n\t%next = Add %s, %k : f32[2,6]\n\t%old = Identity %s : f32[2,6]\n")
	results, list := []string{}, []string{}
	add := func(v, t string) {
		results, list = append(results, fmt.Sprintf("%%r%d: %s", len(results), t)), append(list, "%"+v)
	}
	for range 2 + r.IntN(3) {
		add(pick(), "f32[N,6]")
	}
	add(vals[len(vals)-1], "f32[N,6]")
	add("x", "f32[N,6]")
	add("k", "f32[1,6]")
	add("first", "f32[1,6]")
	add("s", "f32[2,6]")
	results, list = append(results, "%next: f32[2,6] -> %s"), append(list, "%next")
	b.WriteString("\treturn " + strings.Join(list, ", ") + "\n}\n")
	return strings.Replace(b.String(), "RESULTS", strings.Join(results, ", "), 1)
}

// TestPlaced: values are where they are needed, and as they are now.
func TestPlaced(t *testing.T) {
	n := uint64(60)
	if testing.Short() {
		n = 10
	}
	for seed := range n {
		m := parse(t, placed(seed, 3+int(seed%25)))
		calls := randomCalls(t, m, seed, 2, 0, 5, 1, 2, 9)
		for i := range calls {
			for j := range calls[i] {
				if v := &calls[i][j].Tensor; v.DType().IsInt() {
					v.SetInt(0, int64(i%3))
				}
			}
		}
		differ(t, m, calls...)
	}
}
