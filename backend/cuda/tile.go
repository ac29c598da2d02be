package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/shape"
)

// tiling is how a product [M,K] by [K,N] is divided: a block of threads
// computes m x n elements, each thread tm x tn of them, over k steps of K at a
// time. m/tm is a multiple of 4, n/tn one of 8, k divides gemm.BlockK.
type tiling struct{ m, n, k, tm, tn int }

func (t tiling) threads() int { return t.m / t.tm * (t.n / t.tn) }

// tilings are what there is to choose from, the best for large products first.
var tilings = []tiling{
	{128, 128, 8, 8, 8},
	{64, 64, 16, 4, 4},
	{32, 32, 16, 2, 2},
	{16, 64, 16, 4, 4},
	{8, 64, 16, 2, 2},
}

// tilingFor chooses for a product of m x n, batch times: the first of which
// enough fill the device and not too much is beyond the edges; else the one
// that computes least in vain. Open extents count as openExtent.
func (o *op) tilingFor(m, n, batch shape.Dim) tiling {
	if o.c.opt.tiling != nil {
		return *o.c.opt.tiling
	}
	size := func(d shape.Dim) int {
		if v, ok := d.Const(); ok {
			return int(v)
		}
		return openExtent
	}
	const enough = 96 // blocks
	best, least := tilings[0], 0
	for i, t := range tilings {
		rows, cols := (size(m)+t.m-1)/t.m, (size(n)+t.n-1)/t.n
		blocks := rows * cols * size(batch)
		done := rows * t.m * cols * t.n
		if blocks >= enough && done*2 <= 3*size(m)*size(n) {
			return t
		}
		if i == 0 || done < least {
			best, least = t, done
		}
	}
	return best
}

const openExtent = 64

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
	k      ptx.U32
	m0, n0 ptx.U32 // the block's first row and column
	a, b   side
}

// stage moves tiles of a side through shared memory, each [k][stride].
type stage struct {
	side
	mem    ptx.Shared
	stride int
	size   int // bytes of one of the two tiles
	pieces []piece
}

// piece is one load of a thread.
type piece struct {
	load func(kk ptx.U32, in ptx.Pred) []ptx.F32
	in   ptx.Pred
	kt   ptx.U32 // step within the tile
	to   ptx.U32 // element of the tile
	mine ptx.Pred
}

// multiple says whether x is known to be a multiple of n.
func multiple(x ptx.U32, n int) bool {
	v, ok := x.Known()
	return ok && v%uint32(n) == 0
}

func (k *kern) stage(name string, t tiling, s side, first ptx.U32, width int) *stage {
	g := &stage{side: s, stride: width}
	if s.alongK {
		g.stride += 4 // columns of a tile begin in different banks
	}
	g.size = 4 * t.k * g.stride
	g.mem = k.Shared(name, 2*g.size, 16)
	threads := t.threads()
	per := threads * s.vec
	e := k.TidX().Mul(ptx.I(s.vec))
	mine := ptx.Bool(true)
	if per > width*t.k {
		mine = e.Lt(ptx.I(width * t.k))
	}
	fast := width
	if s.alongK {
		fast = t.k
	}
	slow, quick := e.DivRem(ptx.I(fast))
	for j := 0; j < width*t.k; j += per {
		x, y := quick.Add(ptx.I(j%fast)), slow.Add(ptx.I(j/fast))
		p := piece{kt: y, in: mine, mine: mine}
		w := x
		if s.alongK {
			p.kt, w = x, y
		}
		p.to = p.kt.MulAdd(ptx.I(g.stride), w)
		w = first.Add(w)
		if !multiple(s.extent, width) {
			p.in = p.in.And(w.Lt(s.extent))
		}
		p.load = s.at(w)
		g.pieces = append(g.pieces, p)
	}
	return g
}

// fetch loads the thread's part of the tile from step k0 on; more says whether
// there is one.
func (g *stage) fetch(k0, end ptx.U32, step int, more ptx.Pred) [][]ptx.F32 {
	out := make([][]ptx.F32, len(g.pieces))
	for i, p := range g.pieces {
		kk, in := k0.Add(p.kt), p.in
		if multiple(end, step) {
			in = in.And(more)
		} else {
			in = in.And(kk.Lt(end))
		}
		out[i] = p.load(kk, in)
	}
	return out
}

// put stores what fetch loaded in the tile at byte offset off.
func (g *stage) put(vals [][]ptx.F32, off ptx.U32) {
	for i, p := range g.pieces {
		at := g.mem.At(p.to, 4).At(off, 1)
		if v, ok := p.mine.Known(); !ok || !v {
			at = at.If(p.mine)
		}
		switch {
		case g.vec == 1:
			at.StF32(vals[i][0])
		case g.alongK:
			for x, v := range vals[i] {
				at.Off(4 * x * g.stride).StF32(v)
			}
		default:
			at.StF32x4([4]ptx.F32(vals[i]))
		}
	}
}

// multiply computes the block's part of the product: two tiles of each side in
// shared memory, of which one is read while the other is filled. It returns the
// thread's sums, row by row, and which they are.
func (k *kern) multiply(t tiling, p product) (sums []ptx.VarF32, rows, cols []ptx.U32) {
	k.Block(t.threads(), 1, 1)
	a, b := k.stage("a", t, p.a, p.m0, t.m), k.stage("b", t, p.b, p.n0, t.n)
	// A warp is 8 threads wide and 4 high, so that each of its loads of shared
	// memory takes whole lines of banks once.
	tx, ty := t.n/t.tn, t.m/t.tm
	lane, warp := k.TidX().And(ptx.I(31)), k.TidX().Shr(ptx.I(5))
	wy, wx := warp.DivRem(ptx.I(tx / 8))
	x, y := wx.MulAdd(ptx.I(8), lane.And(ptx.I(7))), wy.MulAdd(ptx.I(4), lane.Shr(ptx.I(3)))
	um, un := min(4, t.tm), min(4, t.tn)
	sums = make([]ptx.VarF32, t.tm*t.tn)
	for i := range sums {
		sums[i] = k.VarF32(ptx.F(0))
	}
	fromA, fromB := a.mem.At(y, 4*um), b.mem.At(x, 4*un)
	step := func(cur ptx.U32) {
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
					sums[i*t.tn+j].IncFMA(va, vb)
				}
			}
		}
	}
	some := ptx.I(0).Lt(p.k)
	a.put(a.fetch(ptx.I(0), p.k, t.k, some), ptx.I(0))
	b.put(b.fetch(ptx.I(0), p.k, t.k, some), ptx.I(0))
	k.Barrier()
	if v, ok := p.k.Known(); ok && v <= uint32(t.k) {
		step(ptx.I(0))
	} else {
		buf := k.VarU32(ptx.I(0))
		k.For(ptx.I(0), p.k, ptx.I(t.k), func(k0 ptx.U32) {
			next, cur := k0.Add(ptx.I(t.k)), buf.Get()
			more := next.Lt(p.k)
			va, vb := a.fetch(next, p.k, t.k, more), b.fetch(next, p.k, t.k, more)
			step(cur)
			other := cur.Xor(ptx.I(1))
			a.put(va, other.Mul(ptx.I(a.size)))
			b.put(vb, other.Mul(ptx.I(b.size)))
			k.Barrier()
			buf.Set(other)
		})
	}
	for i := range t.tm {
		rows = append(rows, p.m0.Add(y.MulAdd(ptx.I(um), ptx.I(i/um*um*ty+i%um))))
	}
	for j := range t.tn {
		cols = append(cols, p.n0.Add(x.MulAdd(ptx.I(un), ptx.I(j/un*un*tx+j%un))))
	}
	return sums, rows, cols
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

// result is where a product goes: rows from row0 on of a matrix of n columns.
type result struct {
	batch ptx.U32
	row0  ptx.U32
	m, n  ptx.U32 // extents of the product
	out   ptr2
}

// matrix computes the block's part of a product, and finishes it.
func (k *kern) matrix(t tiling, p product, e *ending, r result) {
	sums, rows, cols := k.multiply(t, p)
	c := cells{batch: r.batch, vec: 1, out: r.out, width: r.n}
	for _, row := range rows {
		c.rowIn = append(c.rowIn, inside(row, r.m, t.m))
		c.rows = append(c.rows, row.Add(r.row0))
	}
	if t.tn >= 4 && multiple(r.n, 4) {
		c.vec = 4
	}
	for j := 0; j < len(cols); j += c.vec {
		c.cols, c.colIn = append(c.cols, cols[j]), append(c.colIn, inside(cols[j], r.n, t.n))
	}
	c.values = func(r, j, i int) ptx.F32 { return sums[r*t.tn+j*c.vec+i].Get() }
	k.finish(e, c)
}

// inside says whether i, in a tile of a size, is below the extent.
func inside(i, extent ptx.U32, tile int) ptx.Pred {
	if multiple(extent, tile) {
		return ptx.Bool(true)
	}
	return i.Lt(extent)
}
