package codegen_test

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// allocated runs f and says how many bytes it allocated, freed or not.
func allocated(f func()) uint64 {
	var a, b goruntime.MemStats
	goruntime.ReadMemStats(&a)
	f()
	goruntime.ReadMemStats(&b)
	return b.TotalAlloc - a.TotalAlloc
}

// TestHostileSizes: what a few bytes of a model blow up to more than a run may
// take is refused, at the build or in the run, before the memory is taken.
func TestHostileSizes(t *testing.T) {
	const limit = 64 << 20
	for _, c := range []struct{ name, src string }{
		{"ConstantOfShape of a constant", `func main(%x: f32[1]) -> (%y: f32[1000000000,1000]) {
	%s = const i64[2] [1000000000, 1000]
	%k = ConstantOfShape %s : f32[1000000000,1000]
	%y = Add %k, %x : f32[1000000000,1000]
	return %y
}`},
		{"a constant result", `func main(%x: f32[1]) -> (%y: f32[1000000000]) {
	%s = const i64[1] [1000000000]
	%y = ConstantOfShape %s : f32[1000000000]
	return %y
}`},
		{"ConstantOfShape of an input", `dim u1 0..*
func main(%x: i64[1]) -> (%y: f32[u1]) {
	%y = ConstantOfShape %x : f32[u1]
	return %y
}`},
		{"Expand", `func main(%x: f32[1]) -> (%y: f32[100000,100000]) {
	%s = const i64[2] [100000, 100000]
	%k = const f32[1] [3]
	%a = Expand %k, %s : f32[100000,100000]
	%y = Mul %a, %x : f32[100000,100000]
	return %y
}`},
		{"Tile upon Tile", `func main(%x: f32[1]) -> (%y: f32[1000000000]) {
	%s = const i64[1] [1000]
	%k = const f32[1] [3]
	%a = Tile %k, %s : f32[1000]
	%b = Tile %a, %s : f32[1000000]
	%c = Tile %b, %s : f32[1000000000]
	%y = Mul %c, %x : f32[1000000000]
	return %y
}`},
		{"Range", `dim u1 0..*
func main(%x: i64[]) -> (%y: i64[u1]) {
	%a = const i64[] [0]
	%c = const i64[] [1]
	%y = Range %a, %x, %c : i64[u1]
	return %y
}`},
		{"extents beyond counting", `func main(%x: f32[1]) -> (%y: f32[4611686018427387904]) {
	%s = const i64[1] [4611686018427387904]
	%y = Expand %x, %s : f32[4611686018427387904]
	return %y
}`},
		{"extents whose bytes do not fit an integer", `func main(%x: c128[1]) -> (%y: c128[288230376151711744]) {
	%s = const i64[1] [288230376151711744]
	%y = Expand %x, %s : c128[288230376151711744]
	return %y
}`},
		{"a loop that scans for ever", `func main(%x: f32[1000]) -> (%y: f32[9223372036854775807,1000]) {
	%m = const i64[] [9223372036854775807]
	%y = Loop %m, _ {(%i: i64[], %c: bool[])
		%1 = Neg %x : f32[1000]
		yield %c, %1
	} : f32[9223372036854775807,1000]
	return %y
}`},
		{"a loop that doubles what it carries", `dim u1 0..*
dim u2 0..*
func main(%x: f32[u1]) -> (%y: f32[?]) {
	%m = const i64[] [100]
	%y = Loop %m, _, %x {(%i: i64[], %c: bool[], %v: f32[?])
		%1 = Concat %v, %v {axis=0} : f32[?]
		yield %c, %1
	} : f32[?]
	return %y
}`},
		{"a loop that doubles strings", `func main(%x: str[?]) -> (%y: str[?]) {
	%m = const i64[] [100]
	%y = Loop %m, _, %x {(%i: i64[], %c: bool[], %v: str[?])
		%1 = Concat %v, %v {axis=0} : str[?]
		yield %c, %1
	} : str[?]
	return %y
}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.src)
			in, err := irtest.Inputs(m, nil, 1)
			if err != nil {
				t.Fatal(err)
			}
			if in[0].Tensor.DType().IsInt() {
				in[0].Tensor.SetInt(0, 1<<40)
			}
			for _, level := range []string{"0", "2"} {
				start := time.Now()
				took := allocated(func() { err = buildAndRun(m, level, limit, in) })
				if k := diag.KindOf(err); k != diag.Limit && k != diag.Shape {
					t.Errorf("-O%s: %v (kind %v), want a Limit", level, err, k)
				}
				if took > 4*limit {
					t.Errorf("-O%s took %d MiB to refuse it", level, took>>20)
				}
				if d := time.Since(start); d > 3*time.Second {
					t.Errorf("-O%s took %v to refuse it", level, d)
				}
			}
		})
	}
}

func buildAndRun(m *ir.Module, level string, limit int64, in []tensor.Value) error {
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.Graph(m), codegen.Options{Level: level})
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		return err
	}
	x, err := runtime.Decode(b)
	if err != nil {
		return err
	}
	defer x.Close()
	s, err := x.NewSession(runtime.MemoryLimit(limit))
	if err != nil {
		return err
	}
	defer s.Close()
	for i, p := range x.Inputs() {
		if err := s.BindValue(p.Name, in[i]); err != nil {
			return err
		}
	}
	return s.Run(ctx)
}

// TestLongChains: time goes with the number of nodes, and no stack overflows.
func TestLongChains(t *testing.T) {
	const n = 4000
	chain := func(first string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "func main(%%x: f32[2]) -> (%%y: f32[2]) {\n\t%%k = const f32[2] [1, 2]\n\t%%v0 = Neg %s : f32[2]\n", first)
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "\t%%v%d = Add %%v%d, %%k : f32[2]\n", i, i-1)
		}
		fmt.Fprintf(&b, "\t%%y = Add %%x, %%v%d : f32[2]\n\treturn %%y\n}", n-1)
		return b.String()
	}
	for _, c := range []struct{ name, first string }{{"of values", "%x"}, {"of constants", "%k"}} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, chain(c.first))
			in, err := irtest.Inputs(m, nil, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, level := range []string{"0", "1", "2"} {
				start := time.Now()
				if err := buildAndRun(m, level, 0, in); err != nil {
					t.Error(err)
				}
				t.Logf("-O%s: %v", level, time.Since(start))
			}
		})
	}
}

// TestCancelInLoop: a loop without an end stops with its context, whatever
// runs it, and the session goes on.
func TestCancelInLoop(t *testing.T) {
	m := parse(t, `func main(%x: f32[2], %m: i64[]) -> (%y: f32[2]) {
	%y = Loop %m, _, %x {(%i: i64[], %c: bool[], %v: f32[2])
		%1 = Neg %v : f32[2]
		yield %c, %1
	} : f32[2]
	return %y
}`)
	in, err := irtest.Inputs(m, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ways() {
		x, err := w.x.Compile(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		in[1].Tensor.SetInt(0, 1<<62)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		start := time.Now()
		if _, err := x.Run(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", w.name, err)
		}
		cancel()
		if d := time.Since(start); d > time.Second {
			t.Errorf("%s: stopped after %v", w.name, d)
		}
		in[1].Tensor.SetInt(0, 2)
		if out, err := x.Run(context.Background(), in); err != nil || tensor.Exact.Compare(out[0], in[0]) != nil {
			t.Errorf("%s: after a cancelled run: %v %v", w.name, out, err)
		}
		x.Close()
	}
}

// TestMemoryLimit: a session takes what its limit allows, for planned buffers
// and for values made while running.
func TestMemoryLimit(t *testing.T) {
	m := parse(t, `dim N 1..*
func main(%x: f32[N]) -> (%y: f32[N]) {
	%a = Exp %x : f32[N]
	%b = Neg %a : f32[N]
	%y = Mul %a, %b : f32[N]
	return %y
}`)
	for _, c := range []struct {
		n  int64
		ok bool
	}{{1000, true}, {1 << 20, false}, {500, true}} {
		in, err := irtest.Inputs(m, map[string]int64{"N": c.n}, 1)
		if err != nil {
			t.Fatal(err)
		}
		err = buildAndRun(m, "0", 1<<16, in)
		if c.ok && err != nil || !c.ok && diag.KindOf(err) != diag.Limit {
			t.Errorf("%d elements: %v", c.n, err)
		}
	}
}

// TestDeepRegions: time goes with the size of what is nested, not with two to
// the depth.
func TestDeepRegions(t *testing.T) {
	const depth = 60
	var b strings.Builder
	b.WriteString("func main(%x: f32[2], %c: bool[]) -> (%y: f32[2]) {\n")
	for i := range depth {
		fmt.Fprintf(&b, "%%v%d = If %%c {()\n", i)
	}
	b.WriteString("%t = Neg %x : f32[2]\n yield %t\n")
	for i := range depth {
		fmt.Fprintf(&b, "} {()\n %%e%d = Abs %%x : f32[2]\n yield %%e%d\n} : f32[2]\n", i, i)
		if i < depth-1 {
			fmt.Fprintf(&b, "yield %%v%d\n", depth-1-i)
		}
	}
	b.WriteString("return %v0\n}")
	m := parse(t, b.String())
	in, err := irtest.Inputs(m, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	differ(t, m, in)
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("%d levels took %v", depth, d)
	}
}
