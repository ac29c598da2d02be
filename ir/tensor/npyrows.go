package tensor

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mlc-go/mlc/ir/dtype"
)

// NPYRows reads a .npy file along its first axis, some rows at a time, in
// memory that does not grow with their number.
type NPYRows struct {
	r    io.Reader
	h    npyHeader
	left int // rows
	row  int // elements of one
	buf  []byte
}

// NewNPYRows reads the header. Error: what ReadNPY refuses; an array without a
// first axis or in Fortran order.
func NewNPYRows(r io.Reader) (*NPYRows, error) {
	h, err := readNPYHeader(r)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	if len(h.dims) == 0 || h.fortran && len(h.dims) > 1 || h.dt == dtype.String {
		return nil, errors.New("npy: want numbers with a first axis, in C order")
	}
	n, ok := Count(h.dims[1:])
	if !ok || h.width > 0 && n > int(^uint(0)>>1)/h.width {
		return nil, fmt.Errorf("npy: shape %v is too large", h.dims)
	}
	return &NPYRows{r: r, h: h, left: h.dims[0], row: n}, nil
}

// DType and Dims describe the whole array.
func (s *NPYRows) DType() dtype.DType { return s.h.dt }
func (s *NPYRows) Dims() []int        { return s.h.dims }

// Next reads the next n rows, fewer at the end. Error: io.EOF after the last; a
// file that is too short.
func (s *NPYRows) Next(n int) (Tensor, error) {
	if n = min(n, s.left); n == 0 {
		return Tensor{}, io.EOF
	}
	size, ok := 0, s.row == 0 || n <= int(^uint(0)>>1)/s.row/s.h.width
	if ok {
		size = n * s.row * s.h.width
		ok = s.fill(size) == nil
	}
	if !ok {
		return Tensor{}, fmt.Errorf("npy: truncated: %d of %d rows are left", s.left, s.h.dims[0])
	}
	s.left -= n
	h := s.h
	h.dims = append([]int{n}, s.h.dims[1:]...)
	return h.decode(s.buf[:size], n*s.row)
}

// fill reads size bytes to buf, which grows as they come: a header may say
// anything.
func (s *NPYRows) fill(size int) error {
	for have := 0; have < size; {
		if have == cap(s.buf) {
			s.buf = slices.Grow(s.buf[:have], min(size-have, max(have, 1<<20)))
		}
		k := min(size, cap(s.buf))
		if _, err := io.ReadFull(s.r, s.buf[have:k]); err != nil {
			return err
		}
		have = k
	}
	return nil
}
