package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// maxThin is the most rows of a thin product, whose time is that of reading B.
const maxThin = 4

// thin multiplies a few rows by a constant in gemm.FormatB: a block takes one
// panel, its warps share the steps. A warp reads 8 rows of the panel at a time,
// 512 bytes that lie together.
func (o *op) thin(m int, kk, n shape.Dim, e *ending) {
	const warps = threads / ptx.WarpSize
	k := o.kernel("thin")
	k.Block(threads, 1, 1)
	lane, warp := k.TidX().And(ptx.I(31)), k.TidX().Shr(ptx.I(5))
	row, quad := lane.Shr(ptx.I(2)), lane.And(ptx.I(3))
	first, steps := k.CtaX().Mul(ptx.I(gemm.Panel)), k.extent(kk)
	b := k.panels(k.weights(0), steps, k.extent(n)).at(first.Add(quad.Mul(ptx.I(4))))
	sum := k.sums(m, 4, 4)
	const unroll = 4 // loads under way at a time
	k.For(warp.Mul(ptx.I(8)), steps, ptx.I(8*warps*unroll), func(k0 ptx.U32) {
		for i := range unroll {
			at := k0.Add(row).Add(ptx.I(8 * warps * i))
			in := at.Lt(steps)
			w := b(at, in)
			for r := range m {
				x := k.load(0).AtMul(ptx.I(r), steps, 4).At(at, 4).If(in).LdF32()
				for j := range w {
					sum.acc[4*r+j].IncFMA(x, w[j])
				}
			}
		}
	})
	parts := k.Shared("parts", 4*warps*m*gemm.Panel, 16)
	for r := range m {
		var v [4]ptx.F32
		for j := range v {
			v[j] = k.acrossRows(sum.acc[4*r+j].Get())
		}
		at := parts.At(warp.MulAdd(ptx.I(m), ptx.I(r)).MulAdd(ptx.I(4), quad), 16)
		at.If(row.Eq(ptx.I(0))).StF32x4(v)
	}
	k.Barrier()
	k.If(k.TidX().Lt(ptx.I(m*gemm.Panel)), func() {
		r, col := k.TidX().DivRem(ptx.I(gemm.Panel))
		v := parts.At(k.TidX(), 4).LdF32()
		for w := 1; w < warps; w++ {
			v = v.Add(parts.Off(4*w*m*gemm.Panel).At(k.TidX(), 4).LdF32())
		}
		col = first.Add(col)
		k.finish(e, cells{rows: []ptx.U32{r}, rowIn: []ptx.Pred{ptx.Bool(true)}, cols: []ptx.U32{col}, colIn: []ptx.Pred{inside(col, k.extent(n), gemm.Panel)}, vec: 1,
			out: array{k.store(0), dtype.F32}, width: k.extent(n), values: func(_, _, _ int) ptx.F32 { return v }})
	})
	k.launch([]shape.Dim{n}, []int{gemm.Panel}, []int{threads})
}

// acrossRows adds v of the 8 lanes that are 4 apart, in each.
func (k *kern) acrossRows(v ptx.F32) ptx.F32 {
	for mask := 4; mask < ptx.WarpSize; mask *= 2 {
		v = v.Add(k.ShflXorF32(v, ptx.I(mask)))
	}
	return v
}
