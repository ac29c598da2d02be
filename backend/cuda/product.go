package cuda

import (
	"slices"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// gemmF32 multiplies activations [rows..., K] by a constant in gemm.FormatB.
func gemmF32(o *op) (bool, error) {
	a, y := o.input(0), o.output(0)
	if len(a.Dims) < 1 || len(a.Dims) != len(y.Dims) || a.DType != dtype.F32 || y.DType != dtype.F32 || o.packed(0).Format != gemm.FormatB {
		return false, nil
	}
	rows, last := y.Dims[:len(y.Dims)-1], len(y.Dims)-1
	kk, n := a.Dims[last], y.Dims[last]
	if !kk.IsConst() || !n.IsConst() || !shape.EqualAll(rows, a.Dims[:last]) {
		return false, nil
	}
	e, err := o.ending(1, 0, len(rows))
	if e == nil {
		return false, err
	}
	m := shape.Prod(rows)
	if few, ok := m.Const(); ok && few > 0 && few <= maxThin && o.c.opt.tiling == nil {
		o.thin(int(few), kk, n, e)
		return true, nil
	}
	o.run(job{name: "gemm", m: m, n: n, k: kk, batch: shape.Int(1), end: e,
		sides: func(k *kern, _ ptx.U32) (a, b side) {
			steps := k.extent(kk)
			return k.rowMajor(k.load(0), k.extent(m), steps, true), k.panels(k.weights(0), steps, k.extent(n))
		},
		result: func(k *kern, _ ptx.U32) result { return result{out: array{k.store(0), y.DType}} },
	})
	return true, nil
}

// rowMajor is a matrix in memory: [extent, k] where alongK, else [k, extent].
func (k *kern) rowMajor(p ptx.Ptr, extent, kk ptx.U32, alongK bool) side {
	s := side{extent: extent, vec: 1, alongK: alongK}
	ld := extent
	if alongK {
		ld = kk
	}
	if multiple(ld, 4) {
		s.vec = 4
	}
	s.at = func(w ptx.U32) func(kk ptx.U32, in ptx.Pred) []ptx.F32 {
		if alongK {
			row := p.AtMul(w, ld, 4)
			return func(kk ptx.U32, in ptx.Pred) []ptx.F32 { return loadRun(row, kk, s.vec, dtype.F32, in) }
		}
		col := p.At(w, 4)
		return func(kk ptx.U32, in ptx.Pred) []ptx.F32 {
			return loadRun(col.AtMul(kk, ld, 4), ptx.I(0), s.vec, dtype.F32, in)
		}
	}
	return s
}

// panels is a constant [k, n] in gemm.FormatB, whose extents are known.
func (k *kern) panels(p ptx.Ptr, kk, n ptx.U32) side {
	panels := n.CeilDiv(ptx.I(gemm.Panel))
	s := side{extent: panels.Mul(ptx.I(gemm.Panel)), vec: 4}
	s.at = func(w ptx.U32) func(kk ptx.U32, in ptx.Pred) []ptx.F32 {
		panel, col := w.DivRem(ptx.I(gemm.Panel))
		return func(at ptx.U32, in ptx.Pred) []ptx.F32 {
			k0, kc := block(at, kk)
			i := at.MulAdd(ptx.I(gemm.Panel), col)
			i = panel.MulAdd(kc.Mul(ptx.I(gemm.Panel)), i)
			i = k0.MulAdd(panels.Sub(ptx.I(1)).Mul(ptx.I(gemm.Panel)), i)
			return loadRun(p, i, 4, dtype.F32, in)
		}
	}
	return s
}

// block is where the block of gemm.BlockK steps of k begins that step at is in,
// and how many steps it has.
func block(at, k ptx.U32) (k0, kc ptx.U32) {
	v, _ := k.Known()
	if v <= gemm.BlockK {
		return ptx.I(0), k
	}
	k0 = at.And(ptx.I(-gemm.BlockK))
	if v%gemm.BlockK == 0 {
		return k0, ptx.I(gemm.BlockK)
	}
	return k0, k.Sub(k0).Min(ptx.I(gemm.BlockK))
}

// matmulF32 is numpy's matmul of two activations.
func matmulF32(o *op) (bool, error) {
	a, b, y := o.input(0), o.input(1), o.output(0)
	if a.DType != dtype.F32 || b.DType != dtype.F32 || y.DType != dtype.F32 || len(a.Dims) == 0 || len(b.Dims) == 0 {
		return false, nil
	}
	transA, transB := o.attrs().Bool("transA"), o.attrs().Bool("transB")
	one := shape.Int(1)
	da, db := slices.Clone(a.Dims), slices.Clone(b.Dims)
	batchAxes, rowAxes := len(y.Dims), 0
	if len(da) == 1 { // a row
		da, transA = []shape.Dim{one, da[0]}, false
	} else {
		batchAxes, rowAxes = batchAxes-1, 1
	}
	if len(db) == 1 { // a column
		db, transB = []shape.Dim{db[0], one}, false
	} else {
		batchAxes--
	}
	if batchAxes < 0 {
		return false, nil
	}
	ba, bb, batch := da[:len(da)-2], db[:len(db)-2], y.Dims[:batchAxes]
	m, kk := da[len(da)-2], da[len(da)-1]
	if transA {
		m, kk = kk, m
	}
	kb, n := db[len(db)-2], db[len(db)-1]
	if transB {
		kb, n = n, kb
	}
	if !kk.Equal(kb) || !broadcasts(ba, batch) || !broadcasts(bb, batch) {
		return false, nil
	}
	if !transA && shape.Prod(bb).Is(1) && shape.EqualAll(ba, batch) {
		// One B for all: the rows of all batches are one matrix.
		m, ba, bb, batch, batchAxes, rowAxes = shape.Prod(append(slices.Clone(batch), m)), nil, nil, nil, 0, batchAxes+rowAxes
	}
	e, err := o.ending(2, batchAxes, rowAxes)
	if e == nil {
		return false, err
	}
	count := shape.Prod(batch)
	if v, ok := count.Const(); ok && v > maxGrid {
		return false, nil
	}
	o.run(job{name: "matmul", m: m, n: n, k: kk, batch: count, end: e,
		sides: func(k *kern, z ptx.U32) (a, b side) {
			at := ptx.Axes(z, k.extents(batch)...)
			rows, cols, steps := k.extent(m), k.extent(n), k.extent(kk)
			pa := k.load(0).AtMul(k.index(ba, batch, at), rows.Mul(steps), 4)
			pb := k.load(1).AtMul(k.index(bb, batch, at), cols.Mul(steps), 4)
			return k.rowMajor(pa, rows, steps, !transA), k.rowMajor(pb, cols, steps, transB)
		},
		result: func(k *kern, z ptx.U32) result {
			return result{batch: z, out: array{k.store(0).AtMul(z, k.extent(m).Mul(k.extent(n)), 4), y.DType}}
		},
	})
	return true, nil
}
