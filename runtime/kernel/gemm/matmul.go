package gemm

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/pool"
)

// matmul is the state of a matmul.f32 call: numpy's matmul of two activations,
//
//	In[0]   f32[batch..., M, K]   or [K, M] with the attribute transA
//	In[1]   f32[batch..., K, N]   or [N, K] with transB
//	Out[0]  f32[batch..., M, N]
//
// where a vector A is a row and a vector B a column. What the epilogue takes
// follows. Batches broadcast.
type matmul struct {
	workers []mulWorker // as many as take batch elements at the same time
	offA    []int       // of each batch element
	offB    []int
	sizeC   int
	end     *Ending

	swap, transA bool
	perWorker    int          // elements of scratch
	call         *kernel.Call // of the run in progress
}

// mulWorker multiplies one batch element at a time.
type mulWorker struct {
	job *Job
	src Source
	epi *Part
}

// mulShape is what a product of two tensors amounts to.
type mulShape struct {
	m, n, k        int
	transA, transB bool
	batch, ba, bb  []int
	swap           bool // computed as the transposed product: B is one column
	rowAxes        int  // axes of the output that count the rows of a job's C
}

func shapeOf(c *kernel.Call) (s mulShape, err error) {
	if len(c.In) < 2 || len(c.Out) != 1 {
		return s, diag.New(diag.Internal, "product with %d inputs and %d outputs", len(c.In), len(c.Out))
	}
	a, b, y := &c.In[0].Tensor, &c.In[1].Tensor, &c.Out[0].Tensor
	bad := func() (mulShape, error) {
		return s, &diag.Error{Kind: diag.Shape, Port: "product", Have: fmt.Sprintf("%v by %v to %v", a.Type(), b.Type(), y.Type()), Want: "matrices that fit"}
	}
	da, db, dy := a.Dims(), b.Dims(), y.Dims()
	if len(da) == 0 || len(db) == 0 || a.DType() != dtype.F32 || b.DType() != dtype.F32 || y.DType() != dtype.F32 {
		return bad()
	}
	s.transA, s.transB = c.Attrs.Bool("transA"), c.Attrs.Bool("transB")
	s.m, s.k, s.n = 1, da[len(da)-1], 1
	kb := db[len(db)-1]
	if len(da) > 1 {
		s.m = da[len(da)-2]
		s.ba = da[:len(da)-2]
		if s.transA {
			s.m, s.k = s.k, s.m
		}
	}
	if len(db) > 1 {
		s.n, kb = kb, db[len(db)-2]
		s.bb = db[:len(db)-2]
		if s.transB {
			s.n, kb = kb, s.n
		}
	}
	drop := 0
	if len(da) > 1 {
		drop++
	}
	if len(db) > 1 {
		drop++
	}
	if kb != s.k || len(dy) < drop {
		return bad()
	}
	s.batch = dy[:len(dy)-drop]
	if !spreads(s.ba, s.batch) || !spreads(s.bb, s.batch) || count(dy) != count(s.batch)*s.m*s.n {
		return bad()
	}
	if !s.transA && count(s.bb) == 1 && count(s.ba) == count(s.batch) {
		// One B for all: the rows of all elements are one matrix.
		s.m *= count(s.batch)
		s.batch, s.ba, s.bb = nil, nil, nil
	}
	if s.swap = s.n == 1 && s.m > 1; !s.swap {
		s.rowAxes = len(dy) - len(s.batch)
		if len(db) > 1 {
			s.rowAxes--
		}
	}
	return s, nil
}

func count(d []int) int {
	n := 1
	for _, x := range d {
		n *= x
	}
	return n
}

// spreads says whether extents d broadcast to those of to.
func spreads(d, to []int) bool {
	if len(d) > len(to) {
		return false
	}
	for i, x := range d {
		if x != 1 && x != to[len(to)-len(d)+i] {
			return false
		}
	}
	return true
}

// offsets lists where the matrices of size elements, in a batch of extents d,
// begin for each position of the batch to.
func offsets(d, to []int, size int) []int {
	out := make([]int, count(to))
	for i := range out {
		at, step, rest := 0, size, i
		for a := len(to) - 1; a >= 0; a-- {
			x := rest % to[a]
			rest /= to[a]
			if j := a - (len(to) - len(d)); j >= 0 {
				if d[j] > 1 {
					at += x * step
				}
				step *= d[j]
			}
		}
		out[i] = at
	}
	return out
}

func prepareMatMul(c *kernel.Call, m *Micro, f *eltwise.Funcs) (any, error) {
	s, err := shapeOf(c)
	if err != nil {
		return nil, err
	}
	if c.Out[0].Tensor.Len() == 0 { // whatever the extents say, nothing to do
		return &matmul{}, nil
	}
	p := Params{M: s.m, N: s.n, K: s.k, LdA: s.k, LdC: s.n}
	if s.swap {
		p.M, p.N, p.LdC = 1, s.m, s.m
	}
	t := &matmul{offA: offsets(s.ba, s.batch, s.m*s.k), offB: offsets(s.bb, s.batch, s.k*s.n), sizeC: s.m * s.n, swap: s.swap, transA: s.transA}
	if t.end, err = NewEnding(c, f, 2, 0, len(s.batch), s.rowAxes); err != nil {
		return nil, err
	}
	threads, each := 1, c.Pool.Threads()
	if n := len(t.offA); n > 1 && (n >= 4*each || n%each == 0 || s.m*s.n*s.k < 2*grain) {
		threads, each = each, 1
	}
	t.workers = make([]mulWorker, threads)
	for i := range t.workers {
		w := &t.workers[i]
		w.src = sourceOf(&s, m)
		p.Pack = &w.src
		w.job = m.Prepare(p, each)
		w.epi = t.end.Attach(w.job)
		t.perWorker = kernel.WholeFloats(w.job.Scratch())
		if s.transA && !s.swap {
			t.perWorker += kernel.WholeFloats(s.m * s.k)
		}
	}
	return t, nil
}

// sourceOf describes the operand that is packed: B, or A of a product that is
// computed transposed.
func sourceOf(s *mulShape, m *Micro) Source {
	if s.swap {
		src := Source{K: s.k, N: s.m, Ld: s.k, Trans: true, Micro: m}
		if s.transA {
			src.Ld, src.Trans = s.m, false
		}
		return src
	}
	src := Source{K: s.k, N: s.n, Ld: s.n, Micro: m}
	if s.transB {
		src.Ld, src.Trans = s.k, true
	}
	return src
}

func runMatMul(c *kernel.Call) {
	t := c.State.(*matmul)
	t.call = c
	t.end.Bind(c)
	if len(t.workers) > 1 {
		c.Pool.Run(len(t.offA), t)
	} else {
		for i := range t.offA {
			t.element(i, 0, c.Pool)
		}
	}
	t.call = nil
}

// Do implements pool.Task: one element of the batch, on one worker.
func (t *matmul) Do(i, worker int) { t.element(i, worker, nil) }

// element multiplies element i of the batch.
func (t *matmul) element(i, worker int, p *pool.Pool) {
	w, c := &t.workers[worker], t.call
	a := tensor.Slice[float32](&c.In[0].Tensor)[t.offA[i]:]
	b := tensor.Slice[float32](&c.In[1].Tensor)[t.offB[i]:]
	w.job.C = tensor.Slice[float32](&c.Out[0].Tensor)[i*t.sizeC:]
	scratch := Floats(c.Scratch)[worker*t.perWorker:]
	switch {
	case t.swap:
		w.job.A, w.src.B = b, a
	case t.transA:
		n := w.job.M * w.job.K
		transpose(scratch[:n], a, w.job.M, w.job.K)
		w.job.A, w.src.B, scratch = scratch[:n], b, scratch[kernel.WholeFloats(n):]
	default:
		w.job.A, w.src.B = a, b
	}
	w.epi.Move(i, 0)
	w.job.Run(p, scratch)
}

// transpose writes a[k,m] as dst[m,k], block by block.
func transpose(dst, a []float32, m, k int) {
	const block = 32
	for i0 := 0; i0 < m; i0 += block {
		for x0 := 0; x0 < k; x0 += block {
			for i := i0; i < min(i0+block, m); i++ {
				row := dst[i*k+x0 : i*k+min(x0+block, k)]
				for x := range row {
					row[x] = a[(x0+x)*m+i]
				}
			}
		}
	}
}

func matmulScratch(c *kernel.Call, _ int) int {
	t := c.State.(*matmul)
	return 4 * t.perWorker * len(t.workers)
}
