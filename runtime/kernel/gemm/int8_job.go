package gemm

import (
	"fmt"
	"github.com/mlc-go/mlc/runtime/kernel"
	"unsafe"

	"github.com/mlc-go/mlc/runtime/pool"
)

// Params8 describe an integer product: M rows of weights in FormatI8 times N
// columns of K activations.
type Params8 struct {
	M, N, K int
	A       []int8
	Pack    Packer8
	End     Ender8
	Totals  bool // End8 wants them
}

// A Packer8 produces panels.
type Packer8 interface {
	// Pack8 writes the panel of columns [col, col+16); those beyond N may hold
	// anything. col is a multiple of 16. Calls run at the same time with
	// different workers.
	Pack8(m *Micro8, panel []uint8, col, worker int)
}

// An Ender8 takes sums.
type Ender8 interface {
	// End8 takes rows [row, row+rows) of columns [col, col+cols), cols being a
	// multiple of 16 of which those beyond N mean nothing; c has stride ld.
	// totals, where they are wanted, are for each column the sum of its entries
	// in the panel: what a row of ones would give. Calls run at the same time
	// with different workers.
	End8(c []int32, ld, row, rows, col, cols int, totals []int32, worker int)
}

const (
	panelCache = 512 << 10 // bytes of panels that stay in the cache while rows pass
	fewPanels  = 4         // but so many at least: rows are widened once for all of them
	maxCols8   = 512
)

// A Job8 is a product prepared for a Micro8; it implements pool.Task for its
// own use. One Job8 runs once at a time.
type Job8 struct {
	Params8
	micro              *Micro8
	threads            int
	cols               int // columns of a block
	rowParts, colParts int
	perWorker          int
	scratch            []byte
}

// Prepare decides how to split the product for a number of threads.
func (m *Micro8) Prepare(p Params8, threads int) *Job8 {
	if p.M < 0 || p.N < 0 || p.K < 1 || p.K > MaxI8 {
		panic(fmt.Sprintf("gemm: bad sizes m=%d n=%d k=%d of an 8-bit product", p.M, p.N, p.K))
	}
	j := &Job8{Params8: p, micro: m, threads: max(threads, 1), rowParts: 1, colParts: 1}
	np := panels(p.N)
	block := min(max(fewPanels, panelCache/m.PanelBytes(p.K)), maxCols8/Panel, max(1, np))
	if j.threads > 1 && p.M*p.N*p.K >= 2*grain {
		if np >= 4*j.threads {
			// Blocks of about equal size, several for each thread.
			block = min(block, (np+2*j.threads-1)/(2*j.threads))
		} else {
			j.rowParts = min(2*j.threads, (p.M+m.MR-1)/m.MR)
		}
	}
	j.cols = block * Panel
	j.colParts = (np + block - 1) / block
	j.perWorker = kernel.WholeBytes(block*m.PanelBytes(p.K)) + kernel.WholeBytes(4*m.MR*j.cols)
	if m.Wide {
		j.perWorker += kernel.WholeBytes(2 * m.MR * 4 * Groups(p.K))
	}
	j.perWorker += kernel.WholeBytes(2 * m.single(p.N) * 4 * Groups(p.K))
	if p.Totals {
		j.perWorker += kernel.WholeBytes(2*4*Groups(p.K)) + kernel.WholeBytes(4*j.cols)
	}
	return j
}

// Scratch is the number of bytes that Run needs.
func (j *Job8) Scratch() int { return j.threads * j.perWorker }

// Run computes the product on the pool (nil: on the caller), which has at most
// as many threads as were prepared for. It allocates nothing.
func (j *Job8) Run(p *pool.Pool, scratch []byte) {
	if j.M == 0 || j.N == 0 {
		return
	}
	if p.Threads() > j.threads {
		p = nil
	}
	if len(j.A) < j.M*4*Groups(j.K) || len(scratch) < j.Scratch() {
		panic(fmt.Sprintf("gemm: short slice: m=%d n=%d k=%d, len(A)=%d scratch %d", j.M, j.N, j.K, len(j.A), len(scratch)))
	}
	j.scratch = scratch
	p.Run(j.rowParts*j.colParts, j)
	j.scratch = nil
}

// Do implements pool.Task.
func (j *Job8) Do(i, worker int) {
	m := j.micro
	r0, r1 := part(i/j.colParts, j.rowParts, (j.M+m.MR-1)/m.MR, m.MR, j.M)
	c0 := i % j.colParts * j.cols
	np := panels(min(j.cols, j.N-c0))
	if r0 >= r1 {
		return
	}
	kq, size := Groups(j.K), m.PanelBytes(j.K)
	buf := j.scratch[worker*j.perWorker : (worker+1)*j.perWorker]
	b := buf[:np*size]
	buf = buf[kernel.WholeBytes(j.cols/Panel*size):]
	c := unsafe.Slice((*int32)(unsafe.Pointer(&buf[0])), m.MR*j.cols)
	buf = buf[kernel.WholeBytes(4*len(c)):]
	for p := range np {
		j.Pack.Pack8(m, b[p*size:(p+1)*size], c0+p*Panel, worker)
	}
	wide := buf
	if m.Wide {
		buf = buf[kernel.WholeBytes(2*m.MR*4*kq):]
	}
	ld, few := np*Panel, m.single(min(j.cols, j.N-c0))
	var single []int16
	if few > 0 {
		np--
		single = unsafe.Slice((*int16)(unsafe.Pointer(&buf[0])), few*4*kq)
		for i := range few {
			takeColumn(single[i*4*kq:(i+1)*4*kq], b[np*size:], i)
		}
	}
	var totals []int32
	if j.Totals {
		totals = j.total(b, buf[kernel.WholeBytes(2*few*4*kq):])
	}
	for r := r0; r < r1; r += m.MR {
		rows := min(m.MR, r1-r)
		a := unsafe.Pointer(&j.A[r*4*kq])
		if m.Wide {
			a = unsafe.Pointer(&wide[0])
			m.widen(rows*4*kq, &j.A[r*4*kq], (*int16)(a))
		}
		next := &j.A[min((r+rows)*4*kq, len(j.A)-1)]
		for p := 0; p < np; p += m.NP {
			n := min(m.NP, np-p)
			m.call(rows, n, 1, kq, a, 4*kq, &b[p*size], size, &c[p*Panel], ld, next)
		}
		for i := range few {
			m.column(rows, 1, kq, a, 4*kq, &single[i*4*kq], &c[np*Panel+i], ld)
		}
		j.End.End8(c, ld, r, rows, c0, ld, totals, worker)
	}
}

// total multiplies the panels of b by a row of ones, in buf.
func (j *Job8) total(b, buf []byte) []int32 {
	m, kq, size := j.micro, Groups(j.K), j.micro.PanelBytes(j.K)
	n := len(b) / size * Panel
	if m.Wide {
		ones := unsafe.Slice((*int16)(unsafe.Pointer(&buf[0])), 4*kq)
		for i := range ones {
			ones[i] = 1
		}
		clear(ones[j.K:])
	} else {
		ones := buf[:4*kq]
		for i := range ones {
			ones[i] = 1
		}
		clear(ones[j.K:])
	}
	t := unsafe.Slice((*int32)(unsafe.Pointer(&buf[kernel.WholeBytes(2*4*kq)])), n)
	for p := 0; p < n; p += Panel {
		m.call(1, 1, 1, kq, unsafe.Pointer(&buf[0]), 4*kq, &b[p/Panel*size], size, &t[p], Panel, &j.A[0])
	}
	return t
}
