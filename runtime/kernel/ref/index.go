package ref

import (
	"slices"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Gather takes slices of data along axis at the indices, which count from the
// back if negative.
func Gather(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, ix := &in[0].Tensor, &in[1].Tensor
	k, err := normAxisIn(a.Int("axis"), x.Rank())
	if err == nil {
		err = rankFits(x.Rank() + ix.Rank() - 1)
	}
	if err != nil {
		return err
	}
	var buf [maxRank]int
	dims := append(append(append(buf[:0], x.Dims()[:k]...), ix.Dims()...), x.Dims()[k+1:]...)
	outer, n, inner := product(x.Dims()[:k]), x.Dim(k), product(x.Dims()[k+1:])
	y, err := outputOf(c, out, 0, x.DType(), dims...)
	if err != nil {
		return err
	}
	m := ix.Len()
	for j := range m {
		i, ok := indexIn(ix.Int(j), n)
		if !ok {
			return diag.New(diag.BadData, "index %d of axis %d, which has extent %d", ix.Int(j), k, n)
		}
		for o := range outer {
			moveRun(y, (o*m+j)*inner, x, (o*n+i)*inner, inner)
		}
	}
	return nil
}

// GatherDesc describes Gather.
var GatherDesc = kernel.Desc{ID: "ref.Gather", Op: "ref.Gather", Ref: Gather}

// indexIn resolves an index that may count from the back.
func indexIn(v int64, n int) (int, bool) {
	if v < 0 {
		v += int64(n)
	}
	return int(min(max(v, 0), int64(n))), v >= 0 && v < int64(n)
}

// GatherGrad is the gradient of Gather: it adds the slices of dY to zeros of
// extent dim along axis, at the indices. Slices of one index are added in
// float64 in ascending order.
func GatherGrad(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dy, ix := &in[0].Tensor, &in[1].Tensor
	if in[2].Tensor.Len() != 1 {
		return diag.New(diag.Shape, "dim of shape %v, want one element", in[2].Tensor.Dims())
	}
	n, q := satInt(in[2].Tensor.Int(0)), ix.Rank()
	k, err := normAxisIn(a.Int("axis"), dy.Rank()-q+1)
	if err == nil {
		err = rankFits(dy.Rank() + 1)
	}
	if err != nil {
		return err
	}
	if !slices.Equal(dy.Dims()[k:k+q], ix.Dims()) {
		return diag.New(diag.Shape, "indices %v in a gradient of %v at axis %d", ix.Dims(), dy.Dims(), k)
	}
	var buf [maxRank]int
	dims := append(append(append(buf[:0], dy.Dims()[:k]...), n), dy.Dims()[k+q:]...)
	outer, m, inner := product(dims[:k]), ix.Len(), product(dims[k+1:])
	dx, err := outputOf(c, out, 0, dy.DType(), dims...)
	if err != nil {
		return err
	}
	clear(dx.Bytes())
	at, order, err := byIndex(ix, n, m)
	if err != nil {
		return err
	}
	for lo := 0; lo < m; {
		hi := lo + 1
		for hi < m && at[order[hi]] == at[order[lo]] {
			hi++
		}
		for o := range outer {
			for e := range inner {
				sum := 0.0
				for _, j := range order[lo:hi] {
					sum += dy.Float((o*m+j)*inner + e)
				}
				dx.SetFloat((o*n+at[order[lo]])*inner+e, sum)
			}
		}
		lo = hi
	}
	return nil
}

// GatherGradDesc describes GatherGrad.
var GatherGradDesc = kernel.Desc{ID: "ref.mlc.GatherGrad", Op: "ref.mlc.GatherGrad", Ref: GatherGrad}

// byIndex resolves m indices into 0..n-1 and orders their positions by index,
// equal ones by position.
func byIndex(ix *tensor.Tensor, n, m int) (at, order []int, err error) {
	at, order = make([]int, m), make([]int, m)
	for j := range m {
		i, ok := indexIn(ix.Int(j), n)
		if !ok {
			return nil, nil, diag.New(diag.BadData, "index %d of an axis of extent %d", ix.Int(j), n)
		}
		at[j], order[j] = i, j
	}
	slices.SortStableFunc(order, func(a, b int) int { return at[a] - at[b] })
	return at, order, nil
}
