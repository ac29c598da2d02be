package gemm

import (
	"fmt"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"math"
	"math/rand"
	"testing"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
	"github.com/mlc-go/mlc/runtime/pool"
)

// oracle is the numerics rule as it is written.
func oracle(m, n, k int, a, b []float32) []float32 {
	c := make([]float32, m*n)
	for i := range m {
		for j := range n {
			for k0 := 0; k0 < k; k0 += BlockK {
				s := float32(0)
				for x := k0; x < min(k0+BlockK, k); x++ {
					s = vecmath.FMA32(a[i*k+x], b[x*n+j], s)
				}
				if k0 > 0 {
					s = c[i*n+j] + s
				}
				c[i*n+j] = s
			}
		}
	}
	return c
}

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

const guardWord = 0x7fa5a5a5 // a NaN that no arithmetic makes

// guarded returns n elements between guard zones, at an odd offset.
func guarded(n int) (all, part []float32) {
	all = make([]float32, n+67)
	for i := range all {
		all[i] = math.Float32frombits(guardWord)
	}
	return all, all[33 : 33+n : 33+n]
}

func guardsHold(all []float32, n int) bool {
	for i, v := range all {
		if (i < 33 || i >= 33+n) && math.Float32bits(v) != guardWord {
			return false
		}
	}
	return true
}

func fill(r *rand.Rand, x []float32, special bool) {
	for i := range x {
		x[i] = r.Float32()*2 - 1
		if special && r.Intn(40) == 0 {
			x[i] = [...]float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)),
				float32(math.Inf(-1)), 0x1p-149, -0x1p-130, 0x1p127, -0x1.8p-70}[r.Intn(9)]
		}
	}
}

// shape14x32 drives the generic tile as AVX512_14x32 is driven, so that the
// splitting for that shape is tested on every machine.
var shape14x32 = Micro{Name: "14x32.shape", MR: 14, NP: 2, wide: [4]int{1, 4, 4, 4},
	call: func(mr, np, tiles, kc int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, acc int) {
		if mr < 1 || mr > 14 || np != 1 && np != 2 && (np != 4 || mr > 3) || tiles < 1 || kc < 1 {
			panic(fmt.Sprintf("no tile of %dx%d, %d of them, kc %d", mr, np*Panel, tiles, kc))
		}
		genericCall(mr, np, tiles, kc, a, lda, b, ldb, c, ldc, acc)
	}}

// eachMicro runs f for every Micro that this CPU can execute.
func eachMicro(t *testing.T, f func(t *testing.T, m *Micro)) {
	for _, m := range append([]*Micro{&shape14x32}, allMicros...) {
		t.Run(m.Name, func(t *testing.T) {
			kerneltest.Need(t, m.Needs)
			f(t, m)
		})
	}
}

// mode is a way to hand in the operands.
type mode struct {
	rowA   bool // A in FormatA
	pack   bool // B by a Packer
	transB bool
	ldA    int // added to the stride
	ldC    int
}

var modes = []mode{
	{}, {ldA: 3, ldC: 5}, {rowA: true, pack: true}, {pack: true, transB: true, ldC: 1}, {transB: true, rowA: true},
}

// addOne is an epilogue that leaves a trace on each element.
type addOne struct{}

func (addOne) Apply(c []float32, ld, row, nr, col, nc int) {
	for i := range nr {
		for j := range nc {
			c[i*ld+j] += float32(row+i) + float32(col+j)*0.5
		}
	}
}

// check multiplies by m in the given mode and compares with want.
func check(t *testing.T, micro *Micro, p *pool.Pool, m, n, k int, a, b, want []float32, md mode) {
	t.Helper()
	ldc := n + md.ldC
	cAll, c := guarded(max(0, (m-1)*ldc+n))
	params := Params{M: m, N: n, K: k, LdA: k + md.ldA, LdC: ldc, C: c, Epi: addOne{}}
	aAll, pa := guarded(max(0, (m-1)*params.LdA+k))
	if md.rowA {
		params.LdA = 0
		aAll, pa = guarded(m * k)
		PackRows(pa, a, m, k, k, false)
	} else {
		for i := range m {
			copy(pa[i*params.LdA:], a[i*k:(i+1)*k])
		}
	}
	params.A = pa
	src := b
	ldb := n
	if md.transB {
		ldb = k
		src = make([]float32, n*k)
		for i := range k {
			for j := range n {
				src[j*k+i] = b[i*n+j]
			}
		}
	}
	bAll, pb := guarded(PackedB(k, n))
	if md.pack {
		params.Pack = &Source{B: src, K: k, N: n, Ld: ldb, Trans: md.transB, Micro: micro}
	} else {
		PackB(pb, src, k, n, ldb, md.transB)
		params.B = pb
	}
	job := micro.Prepare(params, p.Threads())
	sAll, scratch := guarded(job.Scratch())
	job.Run(p, scratch)
	name := fmt.Sprintf("%dx%dx%d %+v threads %d", m, n, k, md, p.Threads())
	for i := range m {
		for j := range n {
			w := want[i*n+j] + (float32(i) + float32(j)*0.5)
			if h := c[i*ldc+j]; !same(h, w) {
				t.Fatalf("%s: C[%d,%d] = %x, want %x", name, i, j, h, w)
			}
		}
		for j := n; j < ldc && i < m-1; j++ {
			if math.Float32bits(c[i*ldc+j]) != guardWord {
				t.Fatalf("%s: written between rows of C", name)
			}
		}
	}
	if !guardsHold(cAll, len(c)) || !guardsHold(aAll, len(pa)) || !guardsHold(bAll, len(pb)) || !guardsHold(sAll, len(scratch)) {
		t.Fatalf("%s: guard zone written", name)
	}
}

func TestBitsEqualOracle(t *testing.T) {
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	eachMicro(t, func(t *testing.T, micro *Micro) {
		r := rand.New(rand.NewSource(7))
		mr := micro.MR
		for _, k := range []int{0, 1, 3, 4, 255, 256, 257, 513} {
			for _, m := range []int{0, 1, 2, 3, mr - 1, mr, mr + 1, 2*mr + 3} {
				for _, n := range []int{0, 1, 15, 16, 17, 31, 33, 64, 65, 1 + r.Intn(100)} {
					if testing.Short() && r.Intn(4) != 0 {
						continue
					}
					a, b := make([]float32, m*k), make([]float32, k*n)
					fill(r, a, n%2 == 1)
					fill(r, b, n%2 == 1)
					want := oracle(m, n, k, a, b)
					check(t, micro, pools[r.Intn(3)], m, n, k, a, b, want, modes[r.Intn(len(modes))])
				}
			}
		}
	})
}

func TestBitsIndependentOfThreadsAndSplit(t *testing.T) {
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	sizes := [][3]int{{300, 40, 300}, {20, 600, 270}, {150, 150, 64}, {1, 1000, 513}, {131, 17, 513}}
	if testing.Short() {
		sizes = sizes[:1]
	}
	r := rand.New(rand.NewSource(8))
	for _, s := range sizes {
		m, n, k := s[0], s[1], s[2]
		a, b := make([]float32, m*k), make([]float32, k*n)
		fill(r, a, false)
		fill(r, b, false)
		want := oracle(m, n, k, a, b)
		eachMicro(t, func(t *testing.T, micro *Micro) {
			for _, p := range pools {
				for _, md := range modes {
					if micro != &Generic && micro != &shape14x32 || md == modes[2] {
						check(t, micro, p, m, n, k, a, b, want, md)
					}
				}
			}
		})
	}
}

// Rows 4096 bytes apart take the path that copies them, where a Micro has it.
func TestRowsFarApart(t *testing.T) {
	eachMicro(t, func(t *testing.T, micro *Micro) {
		const m, n, k = 15, 33, 300
		r := rand.New(rand.NewSource(9))
		a, b := make([]float32, m*k), make([]float32, k*n)
		fill(r, a, false)
		fill(r, b, false)
		check(t, micro, nil, m, n, k, a, b, oracle(m, n, k, a, b), mode{ldA: 1024 - k})
	})
}

// Every tile that call dispatches to, on its own and several in a row.
func TestTiles(t *testing.T) {
	eachMicro(t, func(t *testing.T, micro *Micro) {
		r := rand.New(rand.NewSource(10))
		for mr := 1; mr <= micro.MR; mr++ {
			widths := map[int]bool{1: true, micro.NP: true}
			if mr < len(micro.wide) {
				widths[micro.wide[mr]] = true
			}
			for np := range widths {
				for kc := 1; kc <= 9; kc++ {
					const tiles = 2
					testTile(t, r, micro, mr, np, tiles, kc)
				}
			}
		}
	})
}

func testTile(t *testing.T, r *rand.Rand, micro *Micro, mr, np, tiles, kc int) {
	lda, ldb, ldc := kc+r.Intn(3), kc*Panel+r.Intn(5), np*Panel+r.Intn(4)
	_, a := guarded((tiles*mr-1)*lda + kc)
	_, b := guarded((np-1)*ldb + kc*Panel)
	fill(r, a, true)
	fill(r, b, true)
	for acc := range 2 {
		nc := (tiles*mr-1)*ldc + np*Panel
		haveAll, have := guarded(nc)
		fill(r, have, false)
		want := append([]float32(nil), have...)
		micro.call(mr, np, tiles, kc, &a[0], lda, &b[0], ldb, &have[0], ldc, acc)
		Generic.call(mr, np, tiles, kc, &a[0], lda, &b[0], ldb, &want[0], ldc, acc)
		for i := range want {
			if !same(have[i], want[i]) {
				t.Fatalf("%dx%d kc %d acc %d: element %d = %x, want %x", mr, np*Panel, kc, acc, i, have[i], want[i])
			}
		}
		if !guardsHold(haveAll, nc) {
			t.Fatalf("%dx%d kc %d: guard zone written", mr, np*Panel, kc)
		}
	}
}

func TestShortSlicesPanic(t *testing.T) {
	job := Generic.Prepare(Params{M: 2, N: 2, K: 2, LdA: 2, LdC: 2}, 1)
	job.A, job.B, job.C = make([]float32, 4), make([]float32, 32), make([]float32, 3)
	defer func() {
		if recover() == nil {
			t.Error("no panic for a short C")
		}
	}()
	job.Run(nil, make([]float32, job.Scratch()))
}

func TestRunDoesNotAllocate(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	job := Generic.Prepare(Params{M: 40, N: 100, K: 100, LdA: 100, LdC: 100}, 2)
	job.A, job.B, job.C = make([]float32, 4000), make([]float32, PackedB(100, 100)), make([]float32, 4000)
	scratch := make([]float32, job.Scratch())
	if n := testing.AllocsPerRun(5, func() { job.Run(p, scratch) }); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
}

// The packers of a Micro move the elements that the ones in Go move.
func TestPackers(t *testing.T) {
	eachMicro(t, func(t *testing.T, micro *Micro) {
		r := rand.New(rand.NewSource(11))
		for _, kc := range []int{1, 7, 8, 9, 31, 256} {
			for _, n := range []int{1, 15, 16, 17, 64, 65, 130} {
				for _, trans := range []bool{false, true} {
					s := &Source{K: kc, N: n, Ld: n + 3, Trans: trans}
					rows := kc
					if trans {
						s.Ld, rows = kc+3, n
					}
					_, s.B = guarded((rows-1)*s.Ld + s.Ld - 3)
					fill(r, s.B, false)
					size := kc * panels(n) * Panel
					wantAll, want := guarded(size)
					s.Pack(want, 0, kc, 0, n, 0)
					s.Micro = micro
					haveAll, have := guarded(size)
					s.Pack(have, 0, kc, 0, n, 0)
					for i := range want {
						k, j := i/Panel%kc, i/Panel/kc*Panel+i%Panel
						w := float32(0)
						if j < n && trans {
							w = s.B[j*s.Ld+k]
						} else if j < n {
							w = s.B[k*s.Ld+j]
						}
						if have[i] != w || want[i] != w {
							t.Fatalf("kc %d n %d trans %v: element %d = %v, in Go %v, want %v", kc, n, trans, i, have[i], want[i], w)
						}
					}
					if !guardsHold(haveAll, size) || !guardsHold(wantAll, size) {
						t.Fatalf("kc %d n %d trans %v: guard zone written", kc, n, trans)
					}
				}
			}
		}
	})
}

func TestPackRows(t *testing.T) {
	const m, k = 3, 300
	a, at := make([]float32, m*k), make([]float32, m*k)
	fill(rand.New(rand.NewSource(12)), a, false)
	for i := range m {
		for x := range k {
			at[x*m+i] = a[i*k+x]
		}
	}
	p, pt := make([]float32, m*k), make([]float32, m*k)
	PackRows(p, a, m, k, k, false)
	PackRows(pt, at, m, k, m, true)
	for i := range p {
		if p[i] != pt[i] {
			t.Fatalf("element %d differs between the two sources", i)
		}
	}
	if p[BlockK] != a[k] || p[m*BlockK] != a[BlockK] {
		t.Error("blocks are not where the format has them")
	}
}
