package irtest_test

import (
	"context"
	"math/rand/v2"
	"regexp"
	"runtime/debug"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
)

// checkModule makes a random module and takes it through everything that
// stands below the passes. It says whether the module ran: data may be out of
// an operator's domain.
func checkModule(t *testing.T, seed uint64, size int) bool {
	t.Helper()
	ops := op.Builtin()
	m := irtest.Module(ops, seed, size)
	if err := verify.Module(m); err != nil {
		t.Fatalf("%v\n%s", err, text.String(m))
	}
	one := text.String(m)
	n, err := text.Parse([]byte(one), "random.mir", ops, text.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, one)
	}
	if two := text.String(n); two != one {
		t.Fatalf("printed:\n%s\nthen:\n%s", one, two)
	}
	if err := verify.Module(n); err != nil {
		t.Fatalf("read back: %v\n%s", err, one)
	}
	in, err := irtest.Inputs(m, map[string]int64{"N": 1 + int64(seed%2)}, seed)
	if err != nil {
		t.Fatal(err)
	}
	a, err := eval.Run(context.Background(), m, in)
	if err != nil {
		if diag.KindOf(err) == diag.Internal {
			t.Fatalf("%v\n%s", err, one)
		}
		t.Logf("seed %d: %v", seed, err)
		return false
	}
	b, err := eval.Run(context.Background(), n, in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		if err := tensor.Exact.Compare(b[i], a[i]); err != nil {
			t.Fatalf("result %d after reading back: %v\n%s", i, err, one)
		}
	}
	return true
}

func TestRandomModules(t *testing.T) {
	const modules = 150
	ran := 0
	for seed := range uint64(modules) {
		if checkModule(t, seed, 12) {
			ran++
		}
	}
	if ran < modules*9/10 {
		t.Errorf("%d of %d random modules ran, want nine tenths", ran, modules)
	}
}

func FuzzModule(f *testing.F) {
	f.Add(uint64(1), uint8(10))
	f.Fuzz(func(t *testing.T, seed uint64, size uint8) { checkModule(t, seed, int(size%40)) })
}

// FuzzParseTable reads text with the real table: no input may crash an
// operator's inference.
func FuzzParseTable(f *testing.F) {
	ops := op.Builtin()
	for seed := range uint64(20) {
		f.Add(text.String(irtest.Module(ops, seed, 6)))
	}
	f.Fuzz(func(t *testing.T, src string) {
		m, err := text.Parse([]byte(src), "f.mir", ops, text.Options{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		if _, ok := m.Opset["ai.onnx"]; !ok {
			return // the one thing that the parser leaves to the verifier
		}
		if err := verify.Module(m); err != nil {
			t.Fatalf("parsed but not verified: %v\n%s", err, src)
		}
	})
}

var words = regexp.MustCompile(`-?\d+|%[\w."]+|\b(f32|i64|i8|bool|f16|u8)\b|_|"[A-Za-z]+"`)

// mutate changes a word of a module's text to another of its kind.
func mutate(r *rand.Rand, src string) string {
	at := words.FindAllStringIndex(src, -1)
	w := at[r.IntN(len(at))]
	repl := src[w[0]:w[1]]
	switch c := repl[0]; {
	case c == '-' || c >= '0' && c <= '9':
		repl = []string{"0", "1", "-1", "2", "3", "7", "1000000", "99999999999", "9223372036854775807", "N", "-9223372036854775808"}[r.IntN(11)]
	case c == '%':
		repl = "_"
		if o := at[r.IntN(len(at))]; src[o[0]] == '%' {
			repl = src[o[0]:o[1]]
		}
	case c == '"':
		repl = []string{`"linear"`, `"SAME_UPPER"`, `""`, `"VALID"`, `"reverse"`}[r.IntN(5)]
	default:
		repl = []string{"f32", "i64", "i8", "bool", "f16", "u8", "str", "f32[?]", "seq(f32[2])"}[r.IntN(9)]
	}
	return src[:w[0]] + repl + src[w[1]:]
}

// Modules that are nearly right must be refused, or run or fail, without a
// panic in any operator's constraints, inference or reference function.
func TestNearlyRight(t *testing.T) {
	ops := op.Builtin()
	r := rand.New(rand.NewPCG(nearlySeed, 2))
	parsed := 0
	for seed := range uint64(nearlyModules) {
		src := text.String(irtest.Module(ops, seed, 3))
		for range 40 {
			s := mutate(r, src)
			for r.IntN(2) == 0 {
				s = mutate(r, s)
			}
			if nearlyRight(t, ops, s) {
				parsed++
			}
		}
	}
	t.Logf("%d of %d still parsed", parsed, 40*nearlyModules)
}

const (
	nearlyModules = 60
	nearlySeed    = 1
)

func nearlyRight(t *testing.T, ops *op.Set, src string) bool {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s\n%s", p, src, debug.Stack())
		}
	}()
	m, err := text.Parse([]byte(src), "m.mir", ops, text.Options{MaxBytes: 1 << 20})
	if err != nil {
		if diag.KindOf(err) == diag.Internal {
			t.Errorf("%v\n%s", err, src)
		}
		return false
	}
	if err := verify.Module(m); err != nil {
		t.Errorf("parsed but not verified: %v\n%s", err, src)
		return true
	}
	in, err := irtest.Inputs(m, nil, 1)
	if err != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := eval.Run(ctx, m, in, eval.Limit(1<<24)); diag.KindOf(err) == diag.Internal && err != nil && ctx.Err() == nil {
		t.Errorf("%v\n%s", err, src)
	}
	return true
}
