package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// bcastRows walks the positions of a shape row by row for up to three operands
// broadcast to it. Axes that continue each other in every operand are one, so
// that equal shapes, and a scalar beside a tensor, are a single row.
type bcastRows struct {
	n      int    // elements of a row
	step   [3]int // 0 or 1: how an operand moves along a row
	off    [3]int // where the row starts in each operand
	rank   int    // outer axes
	dims   [maxRank]int
	stride [3][maxRank]int
	idx    [maxRank]int
}

// newBcastRows broadcasts operands (aligned at the last axis) over dims.
func newBcastRows(dims []int, operands ...[]int) bcastRows {
	w := newWalker(dims, operands...)
	r := bcastRows{n: 1}
	first := true
	for a := len(dims) - 1; a >= 0; a-- {
		if dims[a] == 1 {
			continue
		}
		joins := !first && r.rank == 0
		for k := range operands {
			joins = joins && w.stride[k][a] == r.step[k]*r.n
		}
		switch {
		case first:
			r.n, first = dims[a], false
			for k := range operands {
				r.step[k] = w.stride[k][a]
			}
		case joins:
			r.n *= dims[a]
		default:
			r.dims[r.rank] = dims[a]
			for k := range operands {
				r.stride[k][r.rank] = w.stride[k][a]
			}
			r.rank++
		}
	}
	return r
}

// next moves to the following row. Axes are kept innermost first.
func (r *bcastRows) next() {
	for a := range r.rank {
		r.idx[a]++
		for k := range r.off {
			r.off[k] += r.stride[k][a]
		}
		if r.idx[a] < r.dims[a] {
			return
		}
		for k := range r.off {
			r.off[k] -= r.dims[a] * r.stride[k][a]
		}
		r.idx[a] = 0
	}
}

// bcastError is the fault of run-time extents that do not broadcast.
func bcastError(a, b []int) error {
	return &diag.Error{Kind: diag.Shape, Port: "extents that broadcast", Have: dimsText(a) + " and " + dimsText(b)}
}

func dimsText(d []int) string {
	s := "["
	for i, n := range d {
		if i > 0 {
			s += ","
		}
		s += itoa(n)
	}
	return s + "]"
}

// apply2 fills y with f over typed operands.
func apply2[T, R any](y []R, a, b []T, r *bcastRows, f func(a, b T) R) {
	for i := 0; i < len(y); i += r.n {
		p, q := r.off[0], r.off[1]
		for j := i; j < i+r.n; j++ {
			y[j] = f(a[p], b[q])
			p += r.step[0]
			q += r.step[1]
		}
		r.next()
	}
}

// binary applies ff to floats (in float64, rounded once) and fi to integers
// (in int64, low bits kept: integers wrap) with broadcasting. Elements of u64
// reach fi as their bits.
func binary(c kernel.Ctx, in, out []tensor.Value, ff func(a, b float64) float64, fi func(a, b int64) int64) error {
	a, b := &in[0].Tensor, &in[1].Tensor
	var buf [maxRank]int
	dims, ok := bcastDims(&buf, a.Dims(), b.Dims())
	if !ok {
		return bcastError(a.Dims(), b.Dims())
	}
	binaryInto(output(c, out, 0, a.DType(), dims...), a, b, ff, fi)
	return nil
}

// binaryInto is binary into a tensor of the result's shape, which may be an
// operand of that shape.
func binaryInto(y, a, b *tensor.Tensor, ff func(a, b float64) float64, fi func(a, b int64) int64) {
	r := newBcastRows(y.Dims(), a.Dims(), b.Dims())
	n := y.Len()
	switch {
	case a.DType() == dtype.F32 && b.DType() == dtype.F32: // without the detour over Float(i)
		av, bv, yv := tensor.Slice[float32](a), tensor.Slice[float32](b), tensor.Slice[float32](y)
		for i := 0; i < n; i += r.n {
			p, q := r.off[0], r.off[1]
			for j := i; j < i+r.n; j++ {
				yv[j] = float32(ff(float64(av[p]), float64(bv[q])))
				p += r.step[0]
				q += r.step[1]
			}
			r.next()
		}
	case a.DType() == dtype.I64 && b.DType() == dtype.I64:
		apply2(tensor.Slice[int64](y), tensor.Slice[int64](a), tensor.Slice[int64](b), &r, fi)
	default:
		float := a.DType().IsFloat()
		for i := 0; i < n; i += r.n {
			for j := range r.n {
				p, q := r.off[0]+j*r.step[0], r.off[1]+j*r.step[1]
				if float {
					y.SetFloat(i+j, ff(a.Float(p), b.Float(q)))
				} else {
					y.SetInt(i+j, fi(a.Int(p), b.Int(q)))
				}
			}
			r.next()
		}
	}
}

// unary applies ff to floats (in float64, rounded once) and fi to integers.
func unary(c kernel.Ctx, in, out []tensor.Value, ff func(x float64) float64, fi func(x int64) int64) error {
	x := &in[0].Tensor
	y := output(c, out, 0, x.DType(), x.Dims()...)
	switch n := x.Len(); {
	case x.DType() == dtype.F32:
		yv := tensor.Slice[float32](y)
		for i, v := range tensor.Slice[float32](x) {
			yv[i] = float32(ff(float64(v)))
		}
	case x.DType().IsFloat():
		for i := range n {
			y.SetFloat(i, ff(x.Float(i)))
		}
	default:
		for i := range n {
			y.SetInt(i, fi(x.Int(i)))
		}
	}
	return nil
}

// ordered maps integers to int64 so that their order is kept: the bits of u64
// have their top bit flipped. It is its own inverse.
func ordered(d dtype.DType, v int64) int64 {
	if d == dtype.U64 {
		return v ^ math.MinInt64
	}
	return v
}

// maxOf and minOf propagate NaN.
func maxOf(a, b float64) float64 {
	if a > b || a != a {
		return a
	}
	return b
}

func minOf(a, b float64) float64 {
	if a < b || a != a {
		return a
	}
	return b
}

func maxInt(a, b int64) int64 { return max(a, b) }
func minInt(a, b int64) int64 { return min(a, b) }

func maxBits(a, b int64) int64 { return int64(max(uint64(a), uint64(b))) }
func minBits(a, b int64) int64 { return int64(min(uint64(a), uint64(b))) }
