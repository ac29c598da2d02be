package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// job is a product of matrices, or batch of them, that is divided among blocks.
type job struct {
	name           string
	m, n, k, batch shape.Dim
	wide           bool // N has the grid's first axis, which is the longest; else M has
	end            *ending

	// sides are the operands of an element of the batch, result is where its
	// product goes.
	sides  func(k *kern, batch ptx.U32) (a, b side)
	result func(k *kern, batch ptx.U32) result
}

// result is where a product goes: rows from row0 on of a matrix of n columns.
type result struct {
	batch ptx.U32 // of the epilogue
	row0  ptx.U32
	out   array
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
	list := tilings
	if o.c.opt.Target.F16 {
		list = halfTilings
	}
	const enough = 96 // blocks
	best, least := list[0], 0
	for i, t := range list {
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

// splits says into how many parts the steps of a product are divided, and how
// many steps each has: where its tiles are too few to fill the device.
func (o *op) splits(t tiling, j job) (parts, steps int) {
	var d [4]int
	for i, x := range []shape.Dim{j.m, j.n, j.k, j.batch} {
		v, ok := x.Const()
		if d[i] = int(v); !ok {
			return 1, 0
		}
	}
	const (
		few  = 48  // blocks
		long = 512 // steps
		part = 128 // the least steps of a part
	)
	blocks, kk := (d[0]+t.m-1)/t.m*((d[1]+t.n-1)/t.n)*d[3], d[2]
	if o.c.opt.parts > 0 {
		parts = o.c.opt.parts
	} else if blocks == 0 || blocks > few || kk < long {
		return 1, 0
	} else {
		parts = min(2*few/blocks, kk/part)
	}
	steps = ((kk+parts-1)/parts + t.k - 1) / t.k * t.k
	if steps == 0 || d[3]*parts > maxGrid {
		return 1, 0
	}
	return (kk + steps - 1) / steps, steps
}

// run launches a product: at once, or in parts that a second kernel adds up.
func (o *op) run(j job) {
	t := o.tilingFor(j.m, j.n, j.batch)
	parts, steps := o.splits(t, j)
	k := o.kernel(j.name)
	count, tile := []shape.Dim{j.m, j.n, j.batch.Mul(shape.Int(int64(parts)))}, []int{t.m, t.n, 1}
	p, z := product{k: k.extent(j.k)}, ptx.I(0)
	p.m0, p.n0, p.to = k.CtaX().Mul(ptx.I(t.m)), k.CtaY().Mul(ptx.I(t.n)), p.k
	if j.wide {
		p.m0, p.n0 = k.CtaY().Mul(ptx.I(t.m)), k.CtaX().Mul(ptx.I(t.n))
		count[0], count[1], tile[0], tile[1] = j.n, j.m, t.n, t.m
	}
	if !count[2].Is(1) {
		z = k.CtaZ()
	}
	end, batch := j.end, z
	if parts > 1 {
		end = &ending{}
		var part ptx.U32
		batch, part = z.DivRem(ptx.I(parts))
		p.from = part.Mul(ptx.I(steps))
		p.to = p.from.Add(ptx.I(steps)).Min(p.k)
	}
	p.a, p.b = j.sides(k, batch)
	m, n := k.extent(j.m), k.extent(j.n)
	if parts == 1 {
		k.matrix(t, p, end, j.result(k, z), m, n)
		k.launch(count, tile, []int{t.threads(), 1, 1})
		return
	}
	sums := o.temp("parts", tensor.T(dtype.F32, count[2], j.m, j.n))
	k.matrix(t, p, end, result{out: array{k.write(sums).AtMul(z, m.Mul(n), 4), dtype.F32}}, m, n)
	k.launch(count, tile, []int{t.threads(), 1, 1})
	o.sum(j, sums, parts)
}

// sum adds up the parts of a product and finishes it, a thread an element.
func (o *op) sum(j job, sums plan.SlotID, parts int) {
	k := o.kernel("sum")
	k.each([]shape.Dim{j.batch, j.m, j.n}, func(_ ptx.U32, at []ptx.U32) {
		m, n := k.extent(j.m), k.extent(j.n)
		from := k.read(sums).AtMul(at[0].Mul(ptx.I(parts)), m.Mul(n), 4).At(at[1].MulAdd(n, at[2]), 4)
		v := from.LdF32()
		for i := 1; i < parts; i++ {
			v = v.Add(from.AtMul(ptx.I(i), m.Mul(n), 4).LdF32())
		}
		k.one(j.end, j.result(k, at[0]), at[1], at[2], n, v)
	})
}

// matrix computes the block's part of a product m x n, and finishes it.
func (k *kern) matrix(t tiling, p product, e *ending, r result, m, n ptx.U32) {
	s := k.multiply(t, p)
	c := cells{batch: r.batch, vec: 1, out: r.out, width: n}
	for _, row := range s.rows {
		c.rowIn = append(c.rowIn, inside(row, m, t.m))
		c.rows = append(c.rows, row.Add(r.row0))
	}
	if multiple(n, s.run) {
		c.vec = s.run
	}
	for j := 0; j < len(s.cols); j += c.vec {
		c.cols, c.colIn = append(c.cols, s.cols[j]), append(c.colIn, inside(s.cols[j], n, t.n))
	}
	c.values = func(r, j, i int) ptx.F32 { return s.acc[r*len(s.cols)+j*c.vec+i].Get() }
	k.finish(e, c)
}

// one finishes the element v of a row and column of a result of n columns.
func (k *kern) one(e *ending, r result, row, col, n ptx.U32, v ptx.F32) {
	always := []ptx.Pred{ptx.Bool(true)}
	k.finish(e, cells{batch: r.batch, rows: []ptx.U32{row.Add(r.row0)}, rowIn: always, cols: []ptx.U32{col}, colIn: always, vec: 1,
		out: r.out, width: n, values: func(_, _, _ int) ptx.F32 { return v }})
}
