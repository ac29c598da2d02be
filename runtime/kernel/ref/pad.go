package ref

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Pad adds elements before and after along each axis named; negative amounts
// remove them. What is added follows mode: constant, reflect, edge or wrap.
func Pad(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	var before, after, buf [maxRank]int
	if err := rankFits(x.Rank()); err != nil {
		return err
	}
	dims := buf[:copy(buf[:], x.Dims())]
	pads := &in[1].Tensor
	n := pads.Len() / 2
	if pads.Len() != 2*n || n > x.Rank() || present(in, 3) && in[3].Tensor.Len() != n || !present(in, 3) && n != x.Rank() {
		return diag.New(diag.Shape, "%d pads for rank %d", pads.Len(), x.Rank())
	}
	for i := range n {
		k := i
		if present(in, 3) {
			var err error
			if k, err = normAxisIn(satInt(in[3].Tensor.Int(i)), x.Rank()); err != nil {
				return err
			}
		}
		b, e := pads.Int(i), pads.Int(n+i)
		if max(b, e) > maxElems/4 || min(b, e) < -maxElems/4 || int64(dims[k])+b+e < 0 {
			return diag.New(diag.Shape, "axis %d of extent %d padded by %d and %d", k, dims[k], b, e)
		}
		before[k] += satInt(b)
		after[k] += satInt(e)
		dims[k] += satInt(b + e)
	}
	mode := a.Str("mode")
	y, err := outputOf(c, out, 0, x.DType(), dims...)
	if err != nil || y.Len() == 0 {
		return err
	}
	if mode == "" || mode == "constant" {
		padConstant(y, x, &before, in)
		return nil
	}
	for k, d := range x.Dims() {
		if d+min(before[k], 0)+min(after[k], 0) <= 0 {
			return diag.New(diag.Shape, "axis %d has no element to %s", k, mode)
		}
	}
	padMapped(y, x, &before, &after, mode)
	return nil
}

// PadDesc describes Pad.
var PadDesc = kernel.Desc{ID: "ref.Pad", Op: "ref.Pad", Ref: Pad}

// padConstant fills y and copies what is left of x into it.
func padConstant(y, x *tensor.Tensor, before *[maxRank]int, in []tensor.Value) {
	var v *tensor.Tensor
	if present(in, 2) && in[2].Tensor.Len() > 0 {
		v = &in[2].Tensor
	}
	fillWith(y, v)
	var p movePlan
	var ys, xs [maxRank]int
	rowStrides(&ys, y.Dims())
	rowStrides(&xs, x.Dims())
	for k := range x.Rank() {
		first := max(before[k], 0)              // in y
		from := max(-before[k], 0)              // in x
		n := min(x.Dim(k)-from, y.Dim(k)-first) // what both have
		p.dstOff, p.srcOff = p.dstOff+first*ys[k], p.srcOff+from*xs[k]
		p.axis(max(n, 0), ys[k], xs[k])
	}
	p.run(y, x)
}

// padMapped walks y and takes each element from the position of x that mode
// names, axis by axis. Negative amounts remove elements first: what is added
// comes from those that stay.
func padMapped(y, x *tensor.Tensor, before, after *[maxRank]int, mode string) {
	var xs, idx, part [maxRank]int
	rowStrides(&xs, x.Dims())
	r := y.Rank()
	at := func(k int) int {
		cut := max(-before[k], 0)
		n := x.Dim(k) - cut - max(-after[k], 0)
		return (cut + padIndex(mode, idx[k]-max(before[k], 0), n)) * xs[k]
	}
	so := 0
	for k := range r {
		part[k] = at(k)
		so += part[k]
	}
	for i := range y.Len() {
		moveRun(y, i, x, so, 1)
		for k := r - 1; k >= 0; k-- {
			if idx[k]++; idx[k] == y.Dim(k) {
				idx[k] = 0
			}
			so -= part[k]
			part[k] = at(k)
			so += part[k]
			if idx[k] != 0 {
				break
			}
		}
	}
}

// padIndex maps a position outside 0..n-1 to one inside.
func padIndex(mode string, i, n int) int {
	switch {
	case i >= 0 && i < n:
		return i
	case mode == "edge" || n == 1:
		return min(max(i, 0), n-1)
	case mode == "wrap":
		return (i%n + n) % n
	}
	period := 2 * (n - 1) // reflect: the edge itself is not repeated
	i = (i%period + period) % period
	if i >= n {
		i = period - i
	}
	return i
}
