package codegen_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/tools/gpu"
)

// way is one way of running a module.
type way struct {
	name string
	x    ir.Executor
}

// ways lists the executors that must agree with the interpreter: every level
// that differs, the kernels of this machine and their generic twins, one
// thread and two.
func ways() []way {
	return []way{
		{"O0", codegen.NewExecutor(codegen.Options{Level: "0"}, 1)},
		{"O2", codegen.NewExecutor(codegen.Options{Level: "2"}, 2)},
		{"O2 twins", codegen.ExecutorOn(codegen.Options{Level: "2"}, 1, 0)},
		{"O2 for generic", codegen.NewExecutor(codegen.Options{Level: "2", Target: "generic"}, 1)},
		{"O2 for cuda", codegen.NewExecutor(codegen.Options{Level: "2", Target: "cuda", Device: gpu.Device()}, 1)},
		{"O2 for cuda, packed", codegen.NewExecutor(codegen.Options{Level: "2", Target: "cuda", Device: ptxsim.NewPackedDevice(ptxsim.Checks{})}, 1)},
	}
}

// engineTol is what a compiled module may differ from the interpreter by:
// kernels sum in float32, the interpreter in float64.
var engineTol = tensor.Custom(2e-3, 1e-4)

// differ runs m on the inputs of each call, one session over all calls, and
// compares what every way gives with what the interpreter gives, and that they
// refuse the same calls.
func differ(t *testing.T, m *ir.Module, calls ...[]tensor.Value) {
	t.Helper()
	ctx := context.Background()
	ref, err := eval.New().Compile(ctx, m)
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String(m))
	}
	type answer struct {
		out []tensor.Value
		err error
	}
	var want []answer
	for _, in := range calls {
		out, err := ref.Run(ctx, in)
		want = append(want, answer{out, err})
	}
	for _, w := range ways() {
		x, err := w.x.Compile(ctx, m)
		if err != nil {
			for c := range want { // what no call can do may be refused before the first
				if want[c].err == nil || diag.KindOf(err) == diag.Internal {
					t.Fatalf("%s: build: %v\n%s", w.name, err, text.String(m))
				}
			}
			continue
		}
		for c, in := range calls {
			keep := make([]tensor.Value, len(in))
			for i := range in {
				keep[i] = in[i].Clone()
			}
			got, err := x.Run(ctx, in)
			if want[c].err != nil && err == nil && w.name != "O0" {
				continue // what failed was for a result that nobody reads
			}
			if (err != nil) != (want[c].err != nil) {
				t.Fatalf("%s: call %d: error %v, of the interpreter %v\n%s", w.name, c, err, want[c].err, text.String(m))
			}
			if err != nil && diag.KindOf(err) == diag.Internal {
				t.Fatalf("%s: call %d: %v\n%s", w.name, c, err, text.String(m))
			}
			if err := same(got, want[c].out); err != nil {
				t.Fatalf("%s: call %d: %v\n%s", w.name, c, err, text.String(m))
			}
			for i := range in {
				if err := tensor.Exact.Compare(in[i], keep[i]); err != nil {
					t.Fatalf("%s: call %d changed input %d: %v\n%s", w.name, c, i, err, text.String(m))
				}
			}
		}
		for _, s := range m.States {
			a, err1 := ref.State(s.Name)
			b, err2 := x.State(s.Name)
			if err1 != nil || err2 != nil {
				t.Fatalf("%s: state %s: %v, %v", w.name, s.Name, err1, err2)
			}
			if err := same([]tensor.Value{b}, []tensor.Value{a}); err != nil {
				t.Fatalf("%s: state %s: %v\n%s", w.name, s.Name, err, text.String(m))
			}
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func same(got, want []tensor.Value) error {
	if len(got) != len(want) {
		return fmt.Errorf("have %d results, want %d", len(got), len(want))
	}
	for i := range got {
		if err := passes.TolFor(engineTol, want[i]).Compare(got[i], want[i]); err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	return nil
}

// randomCalls makes inputs for n calls of a random module, whose dim N goes up
// and down.
func randomCalls(t *testing.T, m *ir.Module, seed uint64, ns ...int64) [][]tensor.Value {
	t.Helper()
	var calls [][]tensor.Value
	for k, n := range ns {
		in, err := irtest.Inputs(m, map[string]int64{"N": n}, seed+uint64(k))
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, in)
	}
	return calls
}

func TestRandomModulesRun(t *testing.T) {
	n := uint64(120)
	if testing.Short() {
		n = 20
	}
	ops := op.Builtin()
	for seed := range n {
		m := irtest.Module(ops, seed, 3+int(seed%28))
		differ(t, m, randomCalls(t, m, seed, 1, 3, 4, 1)...)
	}
}

// openness says what a module made from one operator knows of its operands.
type openness int

const (
	folded  openness = iota // all are constants
	weights                 // integers are constants
	fixed                   // all are parameters of known extents
	open                    // all are parameters, every extent a symbol
	unknown                 // all are parameters of unknown rank
	last
)

// single makes a module of one node over a sample, with the inputs that it
// takes. nil: inference or the checker refuses it.
func single(ops *ir.OpSet, d *ir.OpDef, a attr.Map, regions func(ir.Emitter) []*ir.Func, in []tensor.Value, nout int, o openness) (*ir.Module, []tensor.Value) {
	m := ir.NewModule(d.FullName())
	m.Opset["mlc"] = ir.MLCOpset
	f := m.AddFunc("main")
	var vals []*ir.Value
	var args []tensor.Value
	for i := range in {
		v := in[i]
		if !v.Present() {
			vals = append(vals, nil)
			continue
		}
		tensorLike := v.Kind == tensor.KindTensor
		if tensorLike && (o == folded || o == weights && !v.Tensor.DType().IsFloat()) {
			vals = append(vals, ir.NewBuilder(f, -1, ops, "c").Const(v.Tensor))
			continue
		}
		t := v.Type()
		if tensorLike && o == open {
			dims := make([]shape.Dim, t.Rank())
			for k := range dims {
				dims[k] = m.DeclareDim(fmt.Sprintf("d%d_%d", i, k), 0, shape.Unbounded)
			}
			t = tensor.T(t.DType, dims...)
		}
		if tensorLike && o == unknown {
			t = tensor.TUnranked(t.DType)
		}
		vals = append(vals, f.AddParam(fmt.Sprintf("x%d", i), t))
		args = append(args, v)
	}
	b := ir.NewBuilder(f, -1, ops, "n")
	var rs []*ir.Func
	if regions != nil {
		rs = regions(b)
	}
	out := b.OpN(d.FullName(), nout, a, rs, vals...)
	if b.Err() != nil {
		return nil, nil
	}
	for i, v := range out {
		f.AddResult(fmt.Sprintf("y%d", i), v)
	}
	return m, args
}

// regular says whether two runs of the operator give the same.
func regular(d *ir.OpDef) bool { return !d.Has(ir.Random) && !d.Has(ir.Stateful) }

// TestExamplesRun: every example of the table, with operands known and unknown
// to every degree, gives the same compiled as interpreted.
func TestExamplesRun(t *testing.T) {
	ops := op.Builtin()
	for _, d := range ops.All() {
		if !regular(d) {
			continue
		}
		t.Run(d.FullName(), func(t *testing.T) {
			for i := range d.Examples {
				c := &d.Examples[i]
				for o := folded; o < last; o++ {
					if m, in := single(ops, d, d.Complete(c.Attrs), c.Regions, c.In, len(c.Out), o); m != nil {
						differ(t, m, in)
					}
				}
			}
		})
	}
}

// sampleRun draws one random sample of operator d and runs it, and a mutant of
// it, whether they are legal or not.
func sampleRun(t *testing.T, ops *ir.OpSet, d *ir.OpDef, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var s irtest.Sample
	if len(d.Examples) > 0 && r.IntN(2) == 0 {
		c := &d.Examples[r.IntN(len(d.Examples))]
		if c.Regions != nil {
			return
		}
		s = irtest.Mutate(r, d, irtest.Sample{Attrs: d.Complete(c.Attrs), In: c.In})
	} else {
		s = irtest.RandomSample(r, d)
	}
	nout := 1 + r.IntN(len(d.Out))
	if m, in := single(ops, d, s.Attrs, nil, s.In, nout, openness(r.IntN(int(last)))); m != nil {
		differ(t, m, in)
	}
}

func TestSamplesRun(t *testing.T) {
	ops := op.Builtin()
	n := uint64(12)
	if testing.Short() {
		n = 2
	}
	for _, d := range ops.All() {
		if !regular(d) || d.NumRegions > 0 || len(d.Out) == 0 {
			continue
		}
		t.Run(d.FullName(), func(t *testing.T) {
			for seed := range n {
				sampleRun(t, ops, d, seed)
			}
		})
	}
}
