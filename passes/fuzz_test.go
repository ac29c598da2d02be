package passes_test

import (
	"context"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// face is what no pass may change: names and kinds of parameters and results.
func face(m *ir.Module) string {
	s := ""
	for _, p := range m.Main().Params {
		s += "%" + p.Name + ": " + p.Type.DType.String() + "\n"
	}
	for _, r := range m.Main().Results {
		s += "-> %" + r.Name + ": " + r.Value.Type.DType.String() + "\n"
	}
	return s
}

// checkPipeline runs a random module through a level three times: with every
// pass checked, again, and with nodes shuffled before every pass. All must
// give one text.
func checkPipeline(t *testing.T, ops *ir.OpSet, seed uint64, size, level int) {
	t.Helper()
	m := irtest.Module(ops, seed, size)
	src := text.String(m)
	var want string
	for k, o := range []passes.Options{{Check: true}, {}, {Shuffle: seed + 1}, {Shuffle: seed + 2, Check: true}} {
		n := m.Clone()
		if text.String(n) != src {
			t.Fatal("a clone prints differently")
		}
		o.Ops, o.Options = ops, rewrite.Options{Level: level, Seed: seed}
		if _, err := passes.Run(context.Background(), n, o); err != nil {
			if k == 0 && diag.KindOf(err) == diag.Shape && fails(m, seed) {
				return // what no run can do may be refused before
			}
			t.Fatalf("seed %d size %d run %d: %v\n%s", seed, size, k, err, src)
		}
		got := text.String(n)
		switch {
		case k == 0:
			want = got
		case got != want:
			t.Fatalf("seed %d size %d: run %d gives another text\n%s\n-- first --\n%s\n-- now --\n%s", seed, size, k, src, want, got)
		}
		if face(n) != face(m) {
			t.Fatalf("seed %d size %d: the module's face changed from\n%sto\n%s", seed, size, face(m), face(n))
		}
	}
	if text.String(m) != src {
		t.Fatal("the pipeline changed what it was cloned from")
	}
}

// fails says whether a run of m as it is ends with an error, too: extents that
// only constants in it decide may contradict others.
func fails(m *ir.Module, seed uint64) bool {
	in, err := irtest.Inputs(m, map[string]int64{"N": 2}, seed)
	if err == nil {
		_, err = eval.Run(context.Background(), m, in)
	}
	return err != nil
}

func TestRandomModules(t *testing.T) {
	ops := op.Builtin()
	n := uint64(150)
	if testing.Short() {
		n = 30
	}
	for seed := range n {
		checkPipeline(t, ops, seed, 4+int(seed%30), 1+int(seed%2))
	}
}

func FuzzPipeline(f *testing.F) {
	f.Add(uint64(1), uint8(5), uint8(2))
	f.Add(uint64(77), uint8(40), uint8(1))
	ops := op.Builtin()
	f.Fuzz(func(t *testing.T, seed uint64, size, level uint8) {
		checkPipeline(t, ops, seed, int(size%64), int(level%4))
	})
}
