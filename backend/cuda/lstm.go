package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/plan"
)

// An LSTM layer is two launches: the products of all inputs of all steps, then
// a kernel that goes through the steps, with a block of threads for a direction
// of a few sequences, which keeps their states in shared memory. So no step
// waits for a launch, and open lengths cost nothing.

// layer is what both kernels of an LSTM layer know of it.
type layer struct {
	steps, batch        shape.Dim
	dirs, width, hidden int
	backwards           bool // the first direction is
	peepholes           bool

	seqs    int // sequences of a block
	padded  int // hidden, up to a multiple of what a warp takes at once
	panels  int // of the 4 * hidden columns
	threads int
}

const (
	inH0, inC0                           = 2, 3
	outY, outH, outC                     = 0, 1, 2
	constW, constR, constBias, constPeep = 0, 1, 2, 3
)

func lstmF32(o *op) (bool, error) {
	l, ok := o.layer()
	if !ok {
		return false, nil
	}
	gates := o.temp("gates", tensor.T(dtype.F32, shape.Int(int64(l.dirs)), l.steps.Mul(l.batch), shape.Int(int64(4*l.hidden))))
	o.lstmInputs(&l, gates)
	o.lstmSteps(&l, gates)
	return true, nil
}

// layer reads the call; false where no kernel takes it.
func (o *op) layer() (l layer, ok bool) {
	x := o.input(0)
	if o.given(1) || len(x.Dims) != 3 || x.DType != dtype.F32 || len(o.in.Consts) < 3 {
		return l, false
	}
	bias := o.packed(constBias).Dims
	width, known := x.Dims[2].Const()
	if !known || width == 0 || len(bias) != 2 || bias[1] == 0 || bias[1]%4 != 0 || o.packed(constW).Format != gemm.FormatB || o.packed(constR).Format != gemm.FormatB {
		return l, false
	}
	l = layer{steps: x.Dims[0], batch: x.Dims[1], dirs: bias[0], width: int(width), hidden: bias[1] / 4}
	l.backwards = o.attrs().Str("direction") == "reverse"
	l.peepholes = len(o.in.Consts) > constPeep
	for i := range o.in.Out {
		if o.gives(i) && o.output(i).DType != dtype.F32 {
			return l, false
		}
	}
	l.seqs = 2
	if n, known := l.batch.Const(); known {
		l.seqs = int(min(max(n, 1), 4))
	}
	l.padded = (l.hidden + 7) / 8 * 8
	l.panels = (4*l.hidden + gemm.Panel - 1) / gemm.Panel
	l.threads = ptx.WarpSize * min(16, l.panels)
	for l.seqs > 1 && (l.shared() > ptx.MaxShared || l.seqs*l.padded > 4*l.threads) {
		l.seqs--
	}
	return l, l.shared() <= ptx.MaxShared && l.padded <= 4*l.threads
}

// gives says whether result i is wanted.
func (o *op) gives(i int) bool { return i < len(o.in.Out) && o.in.Out[i] != plan.None }

// shared is the shared memory of a block: the states, and the products with
// them.
func (l *layer) shared() int { return 4 * l.seqs * (l.padded + l.panels*gemm.Panel) }

// lstmInputs multiplies all inputs by W and adds the bias: [D, T*B, 4H].
func (o *op) lstmInputs(l *layer, gates plan.SlotID) {
	rows, cols := l.steps.Mul(l.batch), shape.Int(int64(4*l.hidden))
	bias := spread{from: func(k *kern) ptx.Ptr { return k.weights(constBias) }, dtype: dtype.F32, batch: cols, row: shape.Int(0), col: shape.Int(1)}
	o.run(job{name: "lstmin", m: rows, n: cols, k: shape.Int(int64(l.width)), batch: shape.Int(int64(l.dirs)),
		end: &ending{
			prog: &eltwise.Prog{Inputs: 2, Steps: []eltwise.Step{{Op: eltwise.Add, X: eltwise.Value(0), Y: eltwise.Value(1)}}},
			ops:  []spread{bias},
		},
		sides: func(k *kern, dir ptx.U32) (a, b side) {
			width := ptx.I(l.width)
			w := k.weights(constW).AtMul(dir, ptx.I(gemm.PackedB(l.width, 4*l.hidden)), 4)
			return k.rowMajor(k.load(0), k.extent(rows), width, true), k.panels(w, width, k.extent(cols))
		},
		result: func(k *kern, dir ptx.U32) result {
			return result{batch: dir, out: array{k.write(gates).AtMul(dir, k.extent(rows).Mul(k.extent(cols)), 4), dtype.F32}}
		},
	})
}

// unit is an element of the state that a thread computes: of sequence seq of
// the block, of the batch at.
type unit struct {
	seq, at, j ptx.U32
	in         ptx.Pred // there is one
	h, c       ptx.VarF32
	state      ptx.U32 // its element in [D, B, H]
	peep       [3]ptx.F32
}

// lstmSteps goes through the steps. In each, a warp multiplies the states by
// panels of R, 8 rows at a time, so that it reads whole lines; the lanes of one
// column then add up. After a barrier each thread computes its units.
func (o *op) lstmSteps(l *layer, gates plan.SlotID) {
	k := o.kernel("lstm")
	k.Block(l.threads, 1, 1)
	k.Resident(1)
	dir := ptx.I(0)
	if l.dirs > 1 {
		dir = k.CtaY()
	}
	batch, hidden := k.extent(l.batch), ptx.I(l.hidden)
	h := k.Shared("h", 4*l.seqs*l.padded, 16)
	g := k.Shared("g", 4*l.seqs*l.panels*gemm.Panel, 16)
	from := k.read(gates).AtMul(dir, k.extent(l.steps.Mul(l.batch)).Mul(ptx.I(4*l.hidden)), 4)
	units := k.lstmUnits(l, dir, batch)
	store := func() {
		for _, u := range units {
			at := h.At(u.seq.MulAdd(ptx.I(l.padded), u.j), 4)
			at.If(u.seq.Lt(ptx.I(l.seqs))).StF32(u.h.Get())
		}
	}
	store()
	k.Barrier()
	r := k.weights(constR).AtMul(dir, ptx.I(gemm.PackedB(l.hidden, 4*l.hidden)), 4)
	steps := k.extent(l.steps)
	k.For(ptx.I(0), steps, ptx.I(1), func(step ptx.U32) {
		t := step
		back := steps.Sub(ptx.I(1)).Sub(step)
		switch {
		case l.backwards:
			t = back
		case l.dirs == 2:
			t = dir.Eq(ptx.I(0)).SelU32(step, back)
		}
		// What the units need of the inputs comes while the products are made.
		pre := make([][4]ptx.F32, len(units))
		for i, u := range units {
			row := from.AtMul(t.MulAdd(batch, u.at), ptx.I(4*l.hidden), 4).At(u.j, 4)
			for gate := range pre[i] {
				pre[i][gate] = row.Off(4 * gate * l.hidden).If(u.in).LdF32()
			}
		}
		k.lstmProducts(l, r, h, g)
		k.Barrier()
		for i, u := range units {
			k.lstmUnit(l, u, pre[i], g)
		}
		if o.gives(outY) {
			y := k.store(outY)
			for _, u := range units {
				at := t.MulAdd(ptx.I(l.dirs), dir).MulAdd(batch, u.at)
				y.AtMul(at, hidden, 4).At(u.j, 4).If(u.in).StF32(u.h.Get())
			}
		}
		store()
		k.Barrier()
	})
	for _, u := range units {
		if o.gives(outH) {
			k.store(outH).At(u.state, 4).If(u.in).StF32(u.h.Get())
		}
		if o.gives(outC) {
			k.store(outC).At(u.state, 4).If(u.in).StF32(u.c.Get())
		}
	}
	k.launch([]shape.Dim{l.batch, shape.Int(int64(l.dirs))}, []int{l.seqs, 1}, []int{l.threads, 1})
}

// lstmUnits are the thread's, with their first states.
func (k *kern) lstmUnits(l *layer, dir, batch ptx.U32) []unit {
	var units []unit
	for e := 0; e < l.seqs*l.padded; e += l.threads {
		u := unit{}
		u.seq, u.j = k.TidX().Add(ptx.I(e)).DivRem(ptx.I(l.padded))
		u.at = k.CtaX().MulAdd(ptx.I(l.seqs), u.seq)
		u.in = u.at.Lt(batch)
		if l.hidden < l.padded {
			u.in = u.in.And(u.j.Lt(ptx.I(l.hidden)))
		}
		if l.seqs*l.padded%l.threads != 0 || l.seqs > 1 {
			u.in = u.in.And(u.seq.Lt(ptx.I(l.seqs)))
		}
		u.state = dir.MulAdd(batch, u.at).MulAdd(ptx.I(l.hidden), u.j)
		first := func(i int) ptx.VarF32 {
			if !k.o.given(i) {
				return k.VarF32(ptx.F(0))
			}
			return k.VarF32(k.load(i).At(u.state, 4).If(u.in).LdF32())
		}
		u.h, u.c = first(inH0), first(inC0)
		if l.peepholes {
			p := k.weights(constPeep).At(dir.MulAdd(ptx.I(3*l.hidden), u.j), 4).If(u.in)
			for i := range u.peep {
				u.peep[i] = p.Off(4 * i * l.hidden).LdF32()
			}
		}
		units = append(units, u)
	}
	return units
}

// lstmProducts multiplies the states h by R into g.
func (k *kern) lstmProducts(l *layer, r ptx.Ptr, h, g ptx.Shared) {
	lane, warp := k.TidX().And(ptx.I(31)), k.TidX().Shr(ptx.I(5))
	row, quad := lane.Shr(ptx.I(2)), lane.And(ptx.I(3))
	warps := l.threads / ptx.WarpSize
	k.For(warp, ptx.I(l.panels), ptx.I(warps), func(panel ptx.U32) {
		sums := make([][4]ptx.VarF32, l.seqs)
		for s := range sums {
			for i := range sums[s] {
				sums[s][i] = k.VarF32(ptx.F(0))
			}
		}
		for k0 := 0; k0 < l.hidden; k0 += gemm.BlockK {
			kc := min(gemm.BlockK, l.hidden-k0)
			rows := r.Off(4*k0*l.panels*gemm.Panel).At(panel, 4*kc*gemm.Panel).At(lane, 16)
			step := func(kk ptx.U32, whole bool) {
				at := rows.At(kk, 4*gemm.Panel)
				if !whole {
					at = at.If(kk.Add(row).Lt(ptx.I(kc)))
				}
				w := at.LdF32x4()
				for s := range sums {
					x := h.Off(4*(s*l.padded+k0)).At(kk.Add(row), 4).LdF32()
					for i := range w {
						sums[s][i].IncFMA(x, w[i])
					}
				}
			}
			// Several loads are under way at a time.
			const unroll = 4
			whole := kc / 8 * 8
			long := whole / (8 * unroll) * (8 * unroll)
			k.For(ptx.I(0), ptx.I(long), ptx.I(8*unroll), func(kk ptx.U32) {
				for i := range unroll {
					step(kk.Add(ptx.I(8*i)), true)
				}
			})
			for kk := long; kk < kc; kk += 8 {
				step(ptx.I(kk), kk < whole)
			}
		}
		for s := range sums {
			var v [4]ptx.F32
			for i := range v {
				v[i] = k.acrossRows(sums[s][i].Get())
			}
			at := g.Off(4*s*l.panels*gemm.Panel).At(panel.MulAdd(ptx.I(4), quad), 16)
			at.If(row.Eq(ptx.I(0))).StF32x4(v)
		}
	})
}

// lstmUnit computes a step of a unit: pre is the product with the input, with
// the bias, of its gates i, o, f, c.
func (k *kern) lstmUnit(l *layer, u unit, pre [4]ptx.F32, g ptx.Shared) {
	gate := func(i int) ptx.F32 {
		at := g.At(u.seq.MulAdd(ptx.I(l.panels*gemm.Panel), u.j), 4)
		return pre[i].Add(at.Off(4 * i * l.hidden).If(u.in).LdF32())
	}
	before := u.c.Get()
	i, o, f, z := gate(0), gate(1), gate(2), gate(3)
	if l.peepholes {
		i, f = i.Add(u.peep[0].Mul(before)), f.Add(u.peep[2].Mul(before))
	}
	c := f.Sigmoid().Mul(before).Add(i.Sigmoid().Mul(z.Tanh()))
	if l.peepholes {
		o = o.Add(u.peep[1].Mul(c))
	}
	u.c.Set(u.in.SelF32(c, ptx.F(0)))
	u.h.Set(u.in.SelF32(o.Sigmoid().Mul(c.Tanh()), ptx.F(0)))
}
