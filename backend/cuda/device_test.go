package cuda_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda"
	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/codegen/ptx/ptxtest"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

// graph is a model of one operand x of extents dims, 0 standing for a batch
// that is open, whose results all come from kernels.
type graph struct {
	name string
	dt   dtype.DType
	dims []int
	body func(b *build.B, x *ir.Value) []*ir.Value
	tol  tensor.Tol
	lo   int64
	n    []int // extents of the batch, from lo on; 0, 1 and 3 where nil
}

func one(v *ir.Value) []*ir.Value { return []*ir.Value{v} }

// module builds the graph with a batch of n, -1 leaving it open.
func (g *graph) module(t *testing.T, n int) *ir.Module {
	t.Helper()
	b := build.New("graph", op.Builtin())
	batch := shape.Int(int64(n))
	if n < 0 {
		batch = b.Dim("N", g.lo, 1<<20)
	}
	var dims []shape.Dim
	for _, d := range g.dims {
		if d == 0 {
			dims = append(dims, batch)
		} else {
			dims = append(dims, shape.Int(int64(d)))
		}
	}
	for i, v := range g.body(b, b.Param("x", tensor.T(g.dt, dims...))) {
		b.Result(fmt.Sprint("y", i), v)
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// values are the operand: random ones, or some that floats are special for.
func (g *graph) values(t *testing.T, n int, special bool) tensor.Value {
	t.Helper()
	dims := slices.Clone(g.dims)
	for i := range dims {
		if dims[i] == 0 {
			dims[i] = n
		}
	}
	x, err := tensor.Random(g.dt, 7, dims...)
	if err != nil {
		t.Fatal(err)
	}
	if special && g.dt.IsFloat() {
		odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, math.Inf(-1)}
		for i := 0; i < x.Len(); i += 5 + i%3 {
			x.SetFloat(i, odd[i%len(odd)])
		}
	}
	return tensor.V(x)
}

// check runs the graph for each batch, open and bound, and compares it with what
// the interpreter of modules gives.
func (g *graph) check(t *testing.T) {
	if err := g.compare(t, nil); err != nil {
		t.Error(err)
	}
}

// compare is check of kernels that change has changed: what goes wrong first.
func (g *graph) compare(t *testing.T, change func(text []byte) []byte) error {
	batches := g.n
	if batches == nil {
		batches = []int{0, 1, 3}
	}
	if !slices.Contains(g.dims, 0) {
		batches = batches[len(batches)-1:]
	}
	lowered := lower(t, g.module(t, -1), 75)
	for _, n := range batches {
		bound := g.module(t, n)
		programs := []*plan.Program{lowered}
		if n > 0 { // the host gives what is empty
			programs = append(programs, lower(t, bound, 80))
		}
		for _, special := range []bool{false, true} {
			x := []tensor.Value{g.values(t, n, special)}
			want, err := eval.Run(context.Background(), bound, x)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range programs {
				if calls := cuda.HostCalls(p); len(calls) > 0 {
					return fmt.Errorf("%v stays on the host", calls)
				}
				var got [][]tensor.Value
				if change == nil {
					got, err = cuda.Run(p, x)
				} else { // not on a GPU: it may run for ever
					changed := *p
					changed.Code = change(p.Code)
					got, err = cuda.Simulate(&changed, ptxsim.Checks{Budget: 1 << 20, Workers: 1}, x)
				}
				for j := 0; j < len(want) && err == nil; j++ {
					err = g.tol.Compare(got[0][j], want[j])
				}
				if err != nil {
					return fmt.Errorf("batch of %d, open %t, special %t: %w", n, i == 0, special, err)
				}
			}
		}
	}
	return nil
}

func lower(t *testing.T, m *ir.Module, sm int) *plan.Program {
	t.Helper()
	p, err := cuda.Lower(context.Background(), m, cuda.Options{Target: target.Target{Arch: "generic", Device: target.CUDA, SM: sm}, Set: all.Set()})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Verify(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// assemble has ptxas assemble the kernels of the graph.
func (g *graph) assemble(t *testing.T, ptxas string) {
	for _, sm := range []int{75, 80, 90} {
		for _, n := range []int{-1, 3} {
			for _, u := range ptxtest.Assemble(t, ptxas, string(lower(t, g.module(t, n), sm).Code), sm) {
				if u.Spills+u.Stack > 0 {
					t.Errorf("%s: %d bytes of spills, %d of stack", u.Kernel, u.Spills, u.Stack)
				}
			}
		}
	}
}
