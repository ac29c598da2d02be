package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
)

// tiling is how a product [M,K] by [K,N] is divided: a block of threads
// computes m x n elements over k steps of K at a time, k a divisor of
// gemm.BlockK. Each thread computes tm x tn of them, m/tm a multiple of 4 and
// n/tn one of 8; of halves, each warp does, multiples of 16 by 8.
type tiling struct {
	m, n, k, tm, tn int
	half            bool // on tensor cores, from operands rounded to float16
}

func (t tiling) threads() int {
	n := t.m / t.tm * (t.n / t.tn)
	if t.half {
		n *= ptx.WarpSize
	}
	return n
}

// tilings are what there is to choose from, the best for large products first.
var tilings = []tiling{
	{128, 128, 8, 8, 8, false},
	{64, 64, 16, 4, 4, false},
	{32, 64, 16, 2, 4, false},
	{32, 32, 16, 2, 2, false},
	{16, 64, 16, 2, 4, false},
	{8, 64, 16, 2, 2, false},
}

var halfTilings = []tiling{
	{128, 128, 32, 64, 32, true},
	{64, 64, 32, 32, 32, true},
	{32, 32, 32, 16, 16, true},
	{16, 64, 32, 16, 16, true},
}

// side is one operand of a product as the threads of a block read it.
type side struct {
	extent ptx.U32 // along M or N; beyond it there is nothing to read
	vec    int     // how many elements are loaded at once, 1 or 4
	alongK bool    // they lie one behind the other along K, else along M or N
	// at is called once for each place w along M or N; what it returns loads
	// the vec elements at step kk of K, zero where in does not hold.
	at func(w ptx.U32) func(kk ptx.U32, in ptx.Pred) []ptx.F32
}

// product is what a block computes.
type product struct {
	k        ptx.U32
	from, to ptx.U32 // the block's steps of them
	m0, n0   ptx.U32 // the block's first row and column
	a, b     side
}

// sums are what a thread has of a product: in each of its rows its columns, of
// which run follow one another, the first a multiple of run.
type sums struct {
	rows, cols []ptx.U32
	acc        []ptx.VarF32 // row by row
	run        int
}

func (k *kern) sums(rows, cols, run int) sums {
	s := sums{acc: make([]ptx.VarF32, rows*cols), run: run}
	for i := range s.acc {
		s.acc[i] = k.VarF32(ptx.F(0))
	}
	return s
}

// multiply computes the block's part of the product: there are two tiles of
// each side in shared memory, of which one is read while the other is filled.
func (k *kern) multiply(t tiling, p product) sums {
	k.Block(t.threads(), 1, 1)
	a, b := k.stage("a", t, p.a, p.m0, t.m), k.stage("b", t, p.b, p.n0, t.n)
	var s sums
	var step func(cur ptx.U32)
	if t.half {
		s, step = k.tensorCores(t, p, a, b)
	} else {
		s, step = k.registers(t, p, a, b)
	}
	some := p.from.Lt(p.to)
	a.put(a.fetch(p.from, p.k, some), ptx.I(0))
	b.put(b.fetch(p.from, p.k, some), ptx.I(0))
	k.Barrier()
	if v, ok := p.to.Known(); ok && v <= uint32(t.k) {
		step(ptx.I(0))
		return s
	}
	buf := k.VarU32(ptx.I(0))
	k.For(p.from, p.to, ptx.I(t.k), func(k0 ptx.U32) {
		next, cur := k0.Add(ptx.I(t.k)), buf.Get()
		more := next.Lt(p.to)
		va, vb := a.fetch(next, p.k, more), b.fetch(next, p.k, more)
		step(cur)
		other := cur.Xor(ptx.I(1))
		a.put(va, other)
		b.put(vb, other)
		k.Barrier()
		buf.Set(other)
	})
	return s
}

// registers multiplies tiles of floats: a thread's elements are in squares of
// up to 4 x 4, so far apart that a warp, which is 8 threads wide and 4 high,
// takes whole lines of banks in each load.
func (k *kern) registers(t tiling, p product, a, b *stage) (sums, func(cur ptx.U32)) {
	tx, ty := t.n/t.tn, t.m/t.tm
	lane, warp := k.TidX().And(ptx.I(31)), k.TidX().Shr(ptx.I(5))
	wy, wx := warp.DivRem(ptx.I(tx / 8))
	x, y := wx.MulAdd(ptx.I(8), lane.And(ptx.I(7))), wy.MulAdd(ptx.I(4), lane.Shr(ptx.I(3)))
	um, un := min(4, t.tm), min(4, t.tn)
	s := k.sums(t.tm, t.tn, un)
	for i := range t.tm {
		s.rows = append(s.rows, p.m0.Add(y.MulAdd(ptx.I(um), ptx.I(i/um*um*ty+i%um))))
	}
	for j := range t.tn {
		s.cols = append(s.cols, p.n0.Add(x.MulAdd(ptx.I(un), ptx.I(j/un*un*tx+j%un))))
	}
	fromA, fromB := a.mem.At(y, 4*um), b.mem.At(x, 4*un)
	return s, func(cur ptx.U32) {
		pa, pb := fromA.At(cur.Mul(ptx.I(a.size)), 1), fromB.At(cur.Mul(ptx.I(b.size)), 1)
		for kk := range t.k {
			var fa, fb []ptx.F32
			for i := 0; i < t.tm; i += um {
				fa = append(fa, loadShared(pa.Off(4*(kk*a.stride+i*ty)), um)...)
			}
			for i := 0; i < t.tn; i += un {
				fb = append(fb, loadShared(pb.Off(4*(kk*b.stride+i*tx)), un)...)
			}
			for i, va := range fa {
				for j, vb := range fb {
					s.acc[i*t.tn+j].IncFMA(va, vb)
				}
			}
		}
	}
}

func loadShared(p ptx.Shared, n int) []ptx.F32 {
	switch n {
	case 4:
		v := p.LdF32x4()
		return v[:]
	case 2:
		v := p.LdF32x2()
		return v[:]
	}
	return []ptx.F32{p.LdF32()}
}

// tensorCores multiplies tiles of halves: each warp tm x tn elements, by
// instructions of 16 x 8 over 16 steps.
func (k *kern) tensorCores(t tiling, p product, a, b *stage) (sums, func(cur ptx.U32)) {
	lane, warp := k.TidX().And(ptx.I(31)), k.TidX().Shr(ptx.I(5))
	wy, wx := warp.DivRem(ptx.I(t.n / t.tn))
	g, q := lane.Shr(ptx.I(2)), lane.And(ptx.I(3))
	y, x := wy.Mul(ptx.I(t.tm)), wx.Mul(ptx.I(t.tn))
	rows, cols := t.tm/8, t.tn/4
	s := k.sums(rows, cols, 2)
	for i := range rows {
		s.rows = append(s.rows, p.m0.Add(y).Add(g).Add(ptx.I(8*i)))
	}
	for j := range cols {
		s.cols = append(s.cols, p.n0.Add(x).Add(q.MulAdd(ptx.I(2), ptx.I(j/2*8+j%2))))
	}
	fromA, fromB := a.pair(y.Add(g), q), b.pair(x.Add(g), q)
	return s, func(cur ptx.U32) {
		pa, pb := fromA.At(cur.Mul(ptx.I(a.size)), 1), fromB.At(cur.Mul(ptx.I(b.size)), 1)
		for kk := 0; kk < t.k; kk += 16 {
			fb := make([][2]ptx.H2, t.tn/8)
			for j := range fb {
				for h := range 2 {
					fb[j][h] = pb.Off(b.pairOff(8*j, kk/2+4*h)).LdH2()
				}
			}
			for i := range t.tm / 16 {
				var fa [4]ptx.H2
				for h := range fa {
					fa[h] = pa.Off(a.pairOff(16*i+h%2*8, kk/2+h/2*4)).LdH2()
				}
				for j := range fb {
					top, low := s.acc[2*i*cols+2*j:], s.acc[(2*i+1)*cols+2*j:]
					k.MMAm16n8k16([4]ptx.VarF32{top[0], top[1], low[0], low[1]}, fa, fb[j])
				}
			}
		}
	}
}

// inside says whether i, in a tile of a size, is below the extent.
func inside(i, extent ptx.U32, tile int) ptx.Pred {
	if multiple(extent, tile) {
		return ptx.Bool(true)
	}
	return i.Lt(extent)
}

// multiple says whether x is known to be a multiple of n.
func multiple(x ptx.U32, n int) bool {
	v, ok := x.Known()
	return ok && v%uint32(n) == 0
}
