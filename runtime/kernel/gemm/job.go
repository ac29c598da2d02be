package gemm

import (
	"fmt"

	"github.com/mlc-go/mlc/runtime/pool"
)

// Params describe a product C[M,N] = A[M,K]·B[K,N].
//
// A, B, C, Pack and Epi may be changed between runs of a Job; the numbers and
// whether Pack is set may not.
type Params struct {
	M, N, K int

	A   []float32 // rows with stride LdA, or FormatA
	LdA int       // 0 says that A is in FormatA

	B    []float32 // FormatB; not used where Pack is set
	Pack Packer    // produces B

	C   []float32 // rows with stride LdC; does not overlap A or B
	LdC int

	Epi Epilogue // nil: none
}

// An Epilogue finishes parts of C while they are in the cache: bias,
// activation, requantization.
type Epilogue interface {
	// Apply may change rows [row, row+rows) of columns [col, col+cols) of C, no
	// other element; c begins at the first of them and has stride ld. Each
	// element is covered by exactly one call, after its sum is complete. Calls
	// run at the same time.
	Apply(c []float32, ld, row, rows, col, cols int)
}

const (
	callRows  = 128     // rows a call of a tile may cover, to stay near 100 µs
	blockCols = 256     // columns packed, or passed over for each block of rows
	grain     = 1 << 17 // multiply-adds that are worth a chunk
)

// A Job is a product prepared for a Micro: the split of the work is decided.
// It implements pool.Task for its own use. One Job runs once at a time.
type Job struct {
	Params
	micro   *Micro
	threads int
	np      int // panels a tile takes

	rowParts, colParts int  // chunks by rows and by columns
	shared             bool // B is packed by all first, then used by all
	packing            bool // phase of a shared run

	scratch []float32
}

// Prepare decides how to split the product for a number of threads. It panics
// where the numbers are negative or a stride is too small: those are faults of
// the caller.
func (m *Micro) Prepare(p Params, threads int) *Job {
	if p.M < 0 || p.N < 0 || p.K < 0 || p.LdC < p.N || p.LdA != 0 && p.LdA < p.K {
		panic(fmt.Sprintf("gemm: bad sizes m=%d n=%d k=%d lda=%d ldc=%d", p.M, p.N, p.K, p.LdA, p.LdC))
	}
	j := &Job{Params: p, micro: m, threads: max(threads, 1), np: m.NP}
	if p.M <= m.MR && p.M < len(m.wide) {
		j.np = m.wide[p.M]
	}
	j.split()
	return j
}

// split chooses the grid of chunks: by columns while each part keeps enough of
// them, by rows beyond that.
func (j *Job) split() {
	j.rowParts, j.colParts = 1, 1
	work := float64(j.M) * float64(j.N) * float64(j.K)
	if j.threads == 1 || work < 2*grain {
		return
	}
	want := int(min(work/grain, float64(4*j.threads)))
	strips := (panels(j.N) + j.np - 1) / j.np
	tiles := (j.M + j.micro.MR - 1) / j.micro.MR
	if strips >= 2*j.threads || tiles == 1 {
		j.colParts = min(want, strips)
		return
	}
	j.rowParts = min(want, tiles)
	if j.rowParts < j.threads {
		j.colParts = min((want+j.rowParts-1)/j.rowParts, strips)
	}
	j.shared = j.Pack != nil
}

// Scratch returns the number of elements that Run needs.
func (j *Job) Scratch() int {
	n := j.threads * j.perWorker()
	if j.shared {
		n += PackedB(j.K, j.N)
	}
	return n
}

// perWorker is the scratch of one worker: columns beyond the last whole panel,
// copied rows of A, packed panels.
func (j *Job) perWorker() int {
	n := callRows * Panel
	if j.copyRows() {
		n += callRows * BlockK
	}
	if j.Pack != nil && !j.shared {
		n += min(BlockK, j.K) * min(blockCols, panels(j.N)*Panel)
	}
	return n
}

// copyRows says whether rows of A are copied together first: where they lie a
// multiple of 4096 bytes apart, more of them than a cache set has ways evict
// each other.
func (j *Job) copyRows() bool { return j.LdA != 0 && j.LdA%1024 == 0 && j.M > 8 && j.micro.MR > 8 }

// Run computes the product on the pool (nil: on the caller), which has at most
// as many threads as were prepared for. len(scratch) is at least Scratch;
// alignment to 64 bytes helps. It allocates nothing.
func (j *Job) Run(p *pool.Pool, scratch []float32) {
	if j.M == 0 || j.N == 0 {
		return
	}
	if p.Threads() > j.threads {
		p = nil
	}
	j.check(len(scratch))
	j.scratch = scratch
	if j.shared {
		j.packing = true
		p.Run(blocks(j.K)*panels(j.N), j)
		j.packing = false
	}
	p.Run(j.rowParts*j.colParts, j)
	j.scratch = nil
}

// check makes sure that no kernel can leave the slices.
func (j *Job) check(scratch int) {
	needA := j.M * j.K
	if j.LdA != 0 {
		needA = (j.M-1)*j.LdA + j.K
	}
	if len(j.A) < needA || len(j.C) < (j.M-1)*j.LdC+j.N || scratch < j.Scratch() ||
		j.Pack == nil && len(j.B) < PackedB(j.K, j.N) {
		panic(fmt.Sprintf("gemm: short slice: m=%d n=%d k=%d lda=%d ldc=%d, len(A)=%d len(B)=%d len(C)=%d scratch %d",
			j.M, j.N, j.K, j.LdA, j.LdC, len(j.A), len(j.B), len(j.C), scratch))
	}
}

func blocks(k int) int { return (k + BlockK - 1) / BlockK }

// Do implements pool.Task.
func (j *Job) Do(i, worker int) {
	if j.packing {
		j.packShared(i, worker)
		return
	}
	r0, r1 := part(i/j.colParts, j.rowParts, (j.M+j.micro.MR-1)/j.micro.MR, j.micro.MR, j.M)
	c0, c1 := part(i%j.colParts, j.colParts, (panels(j.N)+j.np-1)/j.np, j.np*Panel, j.N)
	j.rect(r0, r1, c0, c1, worker)
}

// part returns the range of part i of n over units of the given size, cut at
// total.
func part(i, n, units, size, total int) (from, to int) {
	return min(units*i/n*size, total), min(units*(i+1)/n*size, total)
}

// packShared packs one panel of one block into the shared scratch.
func (j *Job) packShared(i, worker int) {
	np := panels(j.N)
	k0, n0 := i/np*BlockK, i%np*Panel
	kc := min(BlockK, j.K-k0)
	off := k0*np*Panel + n0*kc
	j.Pack.Pack(j.scratch[off:off+kc*Panel], k0, kc, n0, min(Panel, j.N-n0), worker)
}
