package cuda

import (
	"math"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// pooled is one spatial axis of a pool.
type pooled struct {
	kernel.Window
	in, pad, padEnd ptx.U32 // of an extent that is open, those are not in the Window
	inside          bool    // no window reaches beyond the operand
}

func maxPool(o *op) (bool, error) {
	return o.pool("maxpool", float32(math.Inf(-1)), ptx.F32.MaxNum, nil)
}

func averagePool(o *op) (bool, error) {
	padded := o.attrs().Bool("count_include_pad")
	return o.pool("avgpool", 0, ptx.F32.Add, func(axes []pooled, first []ptx.U32, sum ptx.F32) ptx.F32 {
		share := ptx.I(1)
		for i := range axes {
			share = share.Mul(axes[i].share(first[i], padded))
		}
		return sum.Div(share.ToF32())
	})
}

// pool folds the elements under the windows of each plane, a thread a result.
// first is where a result's window begins, of any sign.
func (o *op) pool(name string, start float32, two func(a, b ptx.F32) ptx.F32, finish func(axes []pooled, first []ptx.U32, v ptx.F32) ptx.F32) (bool, error) {
	x, y := o.input(0), o.output(0)
	sizes := o.attrs().Ints("kernel_shape")
	rank := x.Rank() - 2
	if rank < 1 || rank > 3 || len(sizes) != rank || y.Rank() != x.Rank() || x.DType != dtype.F32 || y.DType != dtype.F32 || len(o.in.Out) > 1 && o.in.Out[1] != plan.None {
		return false, nil
	}
	planes := shape.Prod(x.Dims[:2])
	if !planes.Equal(shape.Prod(y.Dims[:2])) {
		return false, nil
	}
	axes := make([]pooled, rank)
	for i := range axes {
		n, _ := x.Dims[2+i].Const()
		w, err := kernel.WindowOf(o.attrs(), i, rank, int(n), sizes[i])
		if err != nil {
			return false, nil // as the host says when it runs
		}
		axes[i].Window = w
	}
	k := o.kernel(name)
	for i := range axes {
		k.window(&axes[i], x.Dims[2+i], kernel.SamePads(o.attrs().Str("auto_pad")), o.attrs().Bool("ceil_mode"), o.attrs().Str("auto_pad") == "SAME_LOWER")
	}
	k.each(append([]shape.Dim{planes}, y.Dims[2:]...), func(i ptx.U32, at []ptx.U32) {
		first := make([]ptx.U32, rank)
		base := at[0]
		for a := range axes {
			first[a] = at[1+a].Mul(ptx.I(axes[a].Stride)).Sub(axes[a].pad)
			base = base.Mul(axes[a].in)
		}
		v := k.VarF32(ptx.F(start))
		k.taps(axes, first, ptx.I(0), ptx.Bool(true), func(e ptx.U32, there ptx.Pred) {
			// No branch, so that many loads are under way.
			x := k.load(0).At(base.Add(e), 4).If(there).LdF32()
			if start != 0 {
				x = there.SelF32(x, ptx.F(start))
			}
			v.Set(two(v.Get(), x))
		})
		r := v.Get()
		if finish != nil {
			r = finish(axes, first, r)
		}
		k.store(0).At(i, 4).StF32(r)
	})
	return true, nil
}

// window finishes an axis of extent d.
func (k *kern) window(w *pooled, d shape.Dim, same, ceil, lower bool) {
	w.in, w.pad, w.padEnd = k.extent(d), ptx.I(w.Pad), ptx.I(w.PadEnd)
	w.inside = w.Pad == 0 && w.PadEnd == 0 && !same && !ceil
	if _, known := d.Const(); known || !same {
		return
	}
	stride := ptx.I(w.Stride)
	total := w.in.CeilDiv(stride).Sub(ptx.I(1)).Mul(stride).Add(ptx.I(w.Span())).Sub(w.in).MaxS(ptx.I(0))
	half := total.Div(ptx.I(2))
	w.pad, w.padEnd = half, total.Sub(half)
	if lower {
		w.pad, w.padEnd = w.padEnd, w.pad
	}
}

// unrolled is how many taps along an axis are written out.
const unrolled = 4

// taps runs body for every tap of a window: with the place of its element in
// the plane, and whether it is there.
func (k *kern) taps(axes []pooled, first []ptx.U32, place ptx.U32, there ptx.Pred, body func(place ptx.U32, there ptx.Pred)) {
	if len(axes) == 0 {
		body(place, there)
		return
	}
	w := &axes[0]
	tap := func(t ptx.U32) {
		at := t.MulAdd(ptx.I(w.Dil), first[0])
		ok := there
		if !w.inside {
			ok = ok.And(at.Lt(w.in)) // before the first, it is beyond the last
		}
		k.taps(axes[1:], first[1:], place.MulAdd(w.in, at), ok, body)
	}
	if w.K <= unrolled {
		for t := range w.K {
			tap(ptx.I(t))
		}
		return
	}
	k.For(ptx.I(0), ptx.I(w.K), ptx.I(1), tap)
}

// share is how many taps of a window that begins at first count in a mean.
func (w *pooled) share(first ptx.U32, padded bool) ptx.U32 {
	taps, dil := ptx.I(w.K), ptx.I(w.Dil)
	if w.inside {
		return taps
	}
	// Taps below lo lie before the operand, those from hi on behind its end or
	// the padding's.
	end := w.in
	if padded {
		end = end.Add(w.padEnd)
	}
	hi := end.Sub(first).MaxS(ptx.I(0)).CeilDiv(dil).Min(taps)
	if padded {
		return hi
	}
	lo := first.Neg().MaxS(ptx.I(0)).CeilDiv(dil).Min(taps)
	return hi.Sub(hi.Min(lo))
}
