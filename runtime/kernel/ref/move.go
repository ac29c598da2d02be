package ref

import (
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// maxElems bounds the tensors that shape operands may ask for: 2^40 elements
// are beyond any machine this runs on, and a hostile shape must end in an
// error, not in the allocator.
const maxElems = int64(1) << 40

// outputOf is output with the extents checked first: for operators whose
// result size comes from their operands' elements.
func outputOf(c kernel.Ctx, out []tensor.Value, i int, d dtype.DType, dims ...int) (*tensor.Tensor, error) {
	// MaxInt stands for whatever an int cannot hold (satInt).
	if n, ok := tensor.Count(dims); !ok || int64(n) > maxElems || slices.Contains(dims, math.MaxInt) {
		return nil, diag.New(diag.Limit, "a result of shape %v", slices.Clone(dims))
	}
	return output(c, out, i, d, dims...), nil
}

// rankFits refuses ranks that the fixed-size walkers cannot hold.
func rankFits(rank int) error {
	if rank > maxRank {
		return &diag.Error{Kind: diag.Limit, Port: "rank", Have: itoa(rank), Want: "at most 16"}
	}
	return nil
}

// itoa formats without fmt, whose arguments would escape.
func itoa(n int) string {
	var b [20]byte
	i := len(b)
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	for {
		i--
		b[i] = byte('0' + u%10)
		if u /= 10; u == 0 {
			break
		}
	}
	if n < 0 {
		i--
		b[i] = '-'
	}
	return string(b[i:])
}

// satInt narrows an index operand: models write INT64_MAX for "to the end",
// which must stay large on 32-bit machines.
func satInt(v int64) int {
	return int(min(max(v, math.MinInt), math.MaxInt))
}

// intsInto reads a small integer operand into buf. Error: too many elements.
func intsInto(buf *[2 * maxRank]int, t *tensor.Tensor) ([]int, error) {
	n := t.Len()
	if n > len(buf) {
		return nil, rankFits(n)
	}
	for i := range n {
		buf[i] = satInt(t.Int(i))
	}
	return buf[:n], nil
}

// normAxisIn resolves an axis that counts from the back if negative.
func normAxisIn(axis, rank int) (int, error) {
	if axis < -rank || axis >= rank {
		return 0, &diag.Error{Kind: diag.Shape, Port: "axis", Have: itoa(axis), Want: itoa(-rank) + ".." + itoa(rank-1)}
	}
	if axis < 0 {
		axis += rank
	}
	return axis, nil
}

// product of extents.
func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// rowStrides fills buf with the strides of a dense row-major tensor, in
// elements.
func rowStrides(buf *[maxRank]int, dims []int) {
	s := 1
	for a := len(dims) - 1; a >= 0; a-- {
		buf[a] = s
		s *= dims[a]
	}
}

// movePlan is a strided copy between two tensors of one element type: nested
// loops, outermost first. Strides are in elements and may be 0 or negative.
type movePlan struct {
	n, dst, src [2 * maxRank]int
	rank        int
	dstOff      int
	srcOff      int
	empty       bool
}

// axis adds a loop inside those added before; loops that continue each other
// in memory become one.
func (p *movePlan) axis(n, dst, src int) {
	switch {
	case n == 0:
		p.empty = true
	case n == 1:
	case p.rank > 0 && p.dst[p.rank-1] == dst*n && p.src[p.rank-1] == src*n:
		k := p.rank - 1
		p.n[k], p.dst[k], p.src[k] = p.n[k]*n, dst, src
	default:
		p.n[p.rank], p.dst[p.rank], p.src[p.rank] = n, dst, src
		p.rank++
	}
}

// run copies. Both tensors have one element type.
func (p *movePlan) run(dst, src *tensor.Tensor) {
	if p.empty {
		return
	}
	d := src.DType()
	switch {
	case d == dtype.String:
		moveElems(dst.Strings(), src.Strings(), p)
	case d.Bits() < 8:
		movePacked(dst, src, p)
	case d.Size() == 1:
		moveElems(tensor.Slice[uint8](dst), tensor.Slice[uint8](src), p)
	case d.Size() == 2:
		moveElems(tensor.Slice[uint16](dst), tensor.Slice[uint16](src), p)
	case d.Size() == 4:
		moveElems(tensor.Slice[uint32](dst), tensor.Slice[uint32](src), p)
	case d.Size() == 8:
		moveElems(tensor.Slice[uint64](dst), tensor.Slice[uint64](src), p)
	default:
		moveElems(tensor.Slice[complex128](dst), tensor.Slice[complex128](src), p)
	}
}

// next steps the loops outside the innermost; done after the last position.
func (p *movePlan) next(idx *[2 * maxRank]int, do, so *int) (done bool) {
	for a := p.rank - 2; a >= 0; a-- {
		idx[a]++
		*do += p.dst[a]
		*so += p.src[a]
		if idx[a] < p.n[a] {
			return false
		}
		*do -= p.n[a] * p.dst[a]
		*so -= p.n[a] * p.src[a]
		idx[a] = 0
	}
	return true
}

func moveElems[T any](dst, src []T, p *movePlan) {
	do, so := p.dstOff, p.srcOff
	if p.rank == 0 {
		dst[do] = src[so]
		return
	}
	var idx [2 * maxRank]int
	n, ds, ss := p.n[p.rank-1], p.dst[p.rank-1], p.src[p.rank-1]
	for done := false; !done; done = p.next(&idx, &do, &so) {
		if ds == 1 && ss == 1 {
			copy(dst[do:do+n], src[so:so+n])
			continue
		}
		for i, d, s := 0, do, so; i < n; i, d, s = i+1, d+ds, s+ss {
			dst[d] = src[s]
		}
	}
}

// movePacked is moveElems for elements below a byte.
func movePacked(dst, src *tensor.Tensor, p *movePlan) {
	bits := src.DType().Bits()
	db, sb := dst.Bytes(), src.Bytes()
	do, so := p.dstOff, p.srcOff
	var idx [2 * maxRank]int
	n, ds, ss := 1, 0, 0
	if p.rank > 0 {
		n, ds, ss = p.n[p.rank-1], p.dst[p.rank-1], p.src[p.rank-1]
	}
	for done := false; !done; done = p.next(&idx, &do, &so) {
		for i, d, s := 0, do, so; i < n; i, d, s = i+1, d+ds, s+ss {
			packedSet(db, d, bits, packedGet(sb, s, bits))
		}
	}
}

// packedGet reads element i of 2 or 4 bits; low bits come first.
func packedGet(b []byte, i, bits int) byte {
	per := 8 / bits
	return b[i/per] >> (bits * (i % per)) & (1<<bits - 1)
}

func packedSet(b []byte, i, bits int, v byte) {
	per := 8 / bits
	s := bits * (i % per)
	b[i/per] = b[i/per]&^((1<<bits-1)<<s) | v<<s
}

// moveRun copies n consecutive elements.
func moveRun(dst *tensor.Tensor, do int, src *tensor.Tensor, so, n int) {
	d := src.DType()
	switch {
	case d == dtype.String:
		copy(dst.Strings()[do:do+n], src.Strings()[so:so+n])
	case d.Bits() < 8:
		db, sb, bits := dst.Bytes(), src.Bytes(), d.Bits()
		for i := range n {
			packedSet(db, do+i, bits, packedGet(sb, so+i, bits))
		}
	default:
		s := d.Size()
		copy(dst.Bytes()[do*s:(do+n)*s], src.Bytes()[so*s:(so+n)*s])
	}
}

// moveAll copies every element of src to dst, which has as many.
func moveAll(dst, src *tensor.Tensor) {
	copy(dst.Bytes(), src.Bytes())
	copy(dst.Strings(), src.Strings())
}

// fillWith sets every element of dst to element 0 of v, or to zero if v is
// nil.
func fillWith(dst, v *tensor.Tensor) {
	if v == nil {
		clear(dst.Bytes())
		clear(dst.Strings())
		return
	}
	var p movePlan
	p.axis(dst.Len(), 1, 0)
	p.run(dst, v)
}

// copyValue gives out[i] a copy of v that outlives v's buffer.
func copyValue(c kernel.Ctx, out []tensor.Value, i int, v *tensor.Value) {
	if v.Kind != tensor.KindTensor {
		out[i] = v.Clone()
		return
	}
	moveAll(output(c, out, i, v.Tensor.DType(), v.Tensor.Dims()...), &v.Tensor)
}
