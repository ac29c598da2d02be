package kerneltest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/pool"
)

// Case is one call, and what it should give.
type Case struct {
	Name   string
	In     []tensor.Value // absent inputs are zero Values
	Consts []tensor.Tensor
	Attrs  attr.Map
	Want   []tensor.Value // absent outputs are zero Values
	Tol    tensor.Tol
}

// Eval runs a reference function, for the Want of a case. nout outputs are
// asked for.
func Eval(t testing.TB, f kernel.RefFunc, a attr.Map, nout int, in ...tensor.Value) []tensor.Value {
	t.Helper()
	out := make([]tensor.Value, nout)
	if err := f(refCtx{context.Background()}, in, out, a); err != nil {
		t.Fatal(err)
	}
	return out
}

type refCtx struct{ context.Context }

func (refCtx) New(_ int, d dtype.DType, dims ...int) *tensor.Tensor {
	t := tensor.New(d, dims...)
	return &t
}
func (refCtx) Region(int, []tensor.Value, []tensor.Value) error { panic("no regions here") }
func (refCtx) Rand() *rand.Rand                                 { return rand.New(rand.NewPCG(1, 2)) }

// All runs every case on every kernel of descs that this CPU can run, on 1, 2
// and 3 threads. The results are within the case's tolerance, and equal bit
// for bit over all kernels and threads (NaN equals NaN). The last of descs is
// the generic twin. Runs write nothing but their outputs and allocate nothing.
func All(t *testing.T, descs []*kernel.Desc, cases []Case) {
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	t.Cleanup(func() {
		for _, p := range pools {
			p.Close()
		}
	})
	runs := map[string]bool{}
	for _, d := range descs {
		runs[d.ID] = d.Run == nil || Has(t, d.Needs)
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			var first []tensor.Value
			for _, d := range slices.Backward(descs) {
				if d.Run == nil || !runs[d.ID] {
					continue
				}
				for _, p := range pools {
					got := run(t, d, c, p)
					if t.Failed() {
						t.Fatalf("kernel %s, %d threads", d.ID, p.Threads())
					}
					if first == nil {
						first = got
						compare(t, "reference", c.Tol, got, c.Want)
					}
					compare(t, fmt.Sprintf("%s on %d threads and %s on 1", d.ID, p.Threads(), descs[len(descs)-1].ID), tensor.Exact, got, first)
				}
			}
		})
	}
}

func compare(t *testing.T, what string, tol tensor.Tol, got, want []tensor.Value) {
	t.Helper()
	for i := range want {
		if !want[i].Present() {
			continue
		}
		if err := tol.Compare(got[i], want[i]); err != nil {
			t.Fatalf("%s: output %d: %v", what, i, err)
		}
	}
}

// guard is how many bytes around a buffer must stay as they are; poison fills
// them, and memory whose contents are undefined: a NaN that no arithmetic
// makes.
const guard = 192

const poison = 0x7fa5a5a5

func poisoned(n int) []byte {
	b := tensor.AlignedBytes((n + 3) &^ 3)
	w := tensor.Slice[uint32](must(tensor.FromBytes(dtype.U32, []int{len(b) / 4}, b)))
	for i := range w {
		w[i] = poison
	}
	return b[:n]
}

func must(t tensor.Tensor, err error) *tensor.Tensor {
	if err != nil {
		panic(err)
	}
	return &t
}

// area is a buffer between guards.
type area struct{ all, part []byte }

func newArea(n int) area {
	all := poisoned((n + 2*guard + 3) &^ 3)
	return area{all, all[guard : guard+n : guard+n]}
}

func (a *area) intact() bool {
	fresh := poisoned(len(a.all))
	return slices.Equal(a.all[:guard], fresh[:guard]) && slices.Equal(a.all[guard+len(a.part):], fresh[guard+len(a.part):])
}

// run prepares a call before its inputs are known, as the runtime does, and
// runs it twice with inputs at different places.
func run(t *testing.T, d *kernel.Desc, c *Case, p *pool.Pool) []tensor.Value {
	t.Helper()
	call := &kernel.Call{Attrs: c.Attrs, Consts: c.Consts, Pool: p, In: make([]tensor.Value, len(c.In)), Out: make([]tensor.Value, len(c.Want))}
	for i := range c.In {
		if v := &c.In[i]; v.Present() {
			var x tensor.Tensor
			x.Rebind(v.Tensor.DType(), v.Tensor.Dims(), nil)
			call.In[i] = tensor.V(x)
		}
	}
	outs := make([]area, len(c.Want))
	for i := range c.Want {
		if v := &c.Want[i]; v.Present() {
			outs[i] = newArea(len(v.Tensor.Bytes()))
			var x tensor.Tensor
			x.Rebind(v.Tensor.DType(), v.Tensor.Dims(), outs[i].part)
			call.Out[i] = tensor.V(x)
		}
	}
	if d.Prepare != nil {
		st, err := d.Prepare(call)
		if err != nil {
			t.Fatalf("%s: prepare: %v", d.ID, err)
		}
		call.State = st
	}
	var scratch area
	if d.Scratch != nil {
		scratch = newArea(d.Scratch(call, p.Threads()))
		call.Scratch = scratch.part
	}
	var before []tensor.Value
	for pass := range 2 {
		var ins []area
		for i := range c.In {
			if v := &c.In[i]; v.Present() {
				b := newArea(len(v.Tensor.Bytes()) + 4*pass)
				b.part = b.part[4*pass:]
				copy(b.part, v.Tensor.Bytes())
				ins = append(ins, area{b.all, b.all[guard : guard+len(b.part)+4*pass]})
				call.In[i].Tensor.Rebind(v.Tensor.DType(), v.Tensor.Dims(), b.part)
			}
		}
		d.Run(call)
		for _, a := range append(append(ins, outs...), scratch) {
			if a.all != nil && !a.intact() {
				t.Fatalf("%s: wrote outside its memory", d.ID)
			}
		}
		now := clones(call.Out)
		if pass == 1 {
			compare(t, d.ID+" a second time", tensor.Exact, now, before)
		}
		before = now
	}
	if n := Allocations(2, func() { d.Run(call) }); n != 0 {
		t.Errorf("%s: %v allocations a run", d.ID, n)
	}
	return before
}

// Allocations is testing.AllocsPerRun, tried again where it finds any: it
// counts those of the whole process, so that a worker that parks or a
// collection at the wrong moment shows as well. What f itself allocates shows
// every time.
func Allocations(runs int, f func()) float64 {
	n := testing.AllocsPerRun(runs, f)
	for try := 0; try < 4 && n != 0; try++ {
		n = min(n, testing.AllocsPerRun(runs, f))
	}
	return n
}

func clones(vs []tensor.Value) []tensor.Value {
	out := make([]tensor.Value, len(vs))
	for i := range vs {
		out[i] = vs[i].Clone()
	}
	return out
}

// Random gives a tensor of normally distributed float32; with special every
// few elements are zeros of both signs, infinities, NaN, denormals and large.
func Random(seed uint64, special bool, dims ...int) tensor.Value {
	r := rand.New(rand.NewPCG(seed, 77))
	t := tensor.New(dtype.F32, dims...)
	x := tensor.Slice[float32](&t)
	for i := range x {
		x[i] = float32(r.NormFloat64())
		if special && r.IntN(30) == 0 {
			x[i] = [...]float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)),
				0x1p-149, -0x1p-130, 0x1p120, -0x1.8p-70}[r.IntN(9)]
		}
	}
	return tensor.V(t)
}
