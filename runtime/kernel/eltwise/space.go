package eltwise

import (
	"github.com/mlc-go/mlc/ir/diag"
)

// maxRank bounds the axes that remain after merging.
const maxRank = 8

// space is the index space of an output with axes merged where every operand
// allows it, and how each operand lies in it.
type space struct {
	rank   int
	dims   [maxRank]int
	stride [MaxInputs][maxRank]int // 0 where the operand is broadcast
	total  int
}

// newSpace merges the axes of out. An operand's axes are aligned at the last
// and are 1 where it is broadcast. Errors are of kind Shape, or Unsupported
// where too many axes remain.
func newSpace(out []int, operands [][]int) (*space, error) {
	s := &space{total: 1}
	for _, d := range out {
		s.total *= d
	}
	run := make([]int, len(operands)) // stride of the next axis outward
	for k, d := range operands {
		if len(d) > len(out) {
			return nil, diag.New(diag.Shape, "operand %d: cannot broadcast %v to %v", k, d, out)
		}
		run[k] = 1
	}
	var dims []int // innermost first
	var strides [][]int
	for a := len(out) - 1; a >= 0; a-- {
		st := make([]int, len(operands))
		for k, d := range operands {
			j := a - (len(out) - len(d))
			if j < 0 || d[j] == 1 {
				continue
			}
			if d[j] != out[a] {
				return nil, diag.New(diag.Shape, "operand %d: cannot broadcast %v to %v", k, d, out)
			}
			st[k] = run[k]
			run[k] *= d[j]
		}
		if out[a] == 1 {
			continue
		}
		if n := len(dims); n > 0 && merges(strides[n-1], st, dims[n-1]) {
			dims[n-1] *= out[a]
			continue
		}
		dims, strides = append(dims, out[a]), append(strides, st)
	}
	if len(dims) > maxRank {
		return nil, diag.New(diag.Unsupported, "broadcasting with %d separate axes (supported: %d)", len(dims), maxRank)
	}
	s.rank = len(dims)
	for i := range dims {
		o := s.rank - 1 - i
		s.dims[o] = dims[i]
		for k := range operands {
			s.stride[k][o] = strides[i][k]
		}
	}
	if s.rank == 0 { // a single element
		s.rank, s.dims[0] = 1, 1
		for k := range operands {
			s.stride[k][0] = 1
		}
	}
	return s, nil
}

// merges reports whether an axis with strides outer continues one of n
// elements with strides inner, for all operands.
func merges(inner, outer []int, n int) bool {
	for k := range inner {
		if outer[k] != inner[k]*n {
			return false
		}
	}
	return true
}

// row is the extent of the last axis, rows the number of positions over the
// other ones.
func (s *space) row() int { return s.dims[s.rank-1] }

// dense reports whether operand k has one element for each of the output.
func (s *space) dense(k int) bool {
	n := 1
	for a := s.rank - 1; a >= 0; a-- {
		if s.stride[k][a] != n {
			return false
		}
		n *= s.dims[a]
	}
	return true
}

// single reports whether operand k has a single element.
func (s *space) single(k int) bool {
	for a := range s.rank {
		if s.stride[k][a] != 0 && s.dims[a] != 1 {
			return false
		}
	}
	return true
}

// offset is where operand k has its first element of row r, a row-major index
// over all axes but the last.
func (s *space) offset(k, r int) int {
	off := 0
	for a := s.rank - 2; a >= 0; a-- {
		off += r % s.dims[a] * s.stride[k][a]
		r /= s.dims[a]
	}
	return off
}
