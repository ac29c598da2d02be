package serve

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// elements reads JSON data into a new tensor: a flat list, or lists nested as
// the shape says.
func (p *parser) elements(in *inputForm) error {
	d, n, err := p.size(in)
	if err != nil {
		return err
	}
	s := p.s
	// An element takes two bytes of text at least: no memory for what cannot come.
	if n > (len(s.b)-s.i)/2+1 {
		return fmt.Errorf("data: fewer elements than shape %v has", in.dims)
	}
	in.t = tensor.New(d, in.dims...)
	store := p.storer(&in.t)
	i := 0
	elem := func() error {
		if i == n {
			return s.fault("data: more than the %d elements of shape %v", n, in.dims)
		}
		if err := store(i); err != nil {
			return err
		}
		i++
		return nil
	}
	if nested := s.nested(); nested && len(in.dims) > 1 {
		err = s.nest(in.dims, elem)
	} else {
		err = s.array(elem)
	}
	if err == nil && i != n {
		err = s.fault("data: have %d elements, want %d for shape %v", i, n, in.dims)
	}
	return err
}

// nested says whether a list of lists comes next.
func (s *scanner) nested() bool {
	at := s.i
	defer func() { s.i = at }()
	if s.peek() != '[' {
		return false
	}
	s.i++
	return s.peek() == '['
}

func (s *scanner) nest(dims []int, elem func() error) error {
	if len(dims) == 0 {
		return elem()
	}
	k := 0
	err := s.array(func() error {
		k++
		return s.nest(dims[1:], elem)
	})
	if err == nil && k != dims[0] {
		err = s.fault("data: a list of %d, want %d", k, dims[0])
	}
	return err
}

// storer gives the function that reads the next element into place i of t.
func (p *parser) storer(t *tensor.Tensor) func(i int) error {
	s := p.s
	switch d := t.DType(); d {
	case dtype.String:
		list := t.Strings()
		return func(i int) (err error) { list[i], err = s.str(); return err }
	case dtype.Bool:
		list := t.Bytes()
		return func(i int) error {
			b, err := s.bool()
			if b {
				list[i] = 1
			}
			return err
		}
	case dtype.F32:
		list := tensor.Slice[float32](t)
		return func(i int) error {
			v, err := s.float(32, math.MaxFloat32, d)
			list[i] = float32(v)
			return err
		}
	case dtype.F64:
		list := tensor.Slice[float64](t)
		return func(i int) (err error) { list[i], err = s.float(64, math.MaxFloat64, d); return err }
	case dtype.F16, dtype.BF16:
		most := 65504.0
		if d == dtype.BF16 {
			most = 0x1.fep127
		}
		return func(i int) error {
			v, err := s.float(64, most, d)
			if err == nil {
				t.SetFloat(i, v)
			}
			return err
		}
	case dtype.U8, dtype.U16, dtype.U32, dtype.U64:
		bits := d.Bits()
		return func(i int) error {
			text, ok, err := s.number()
			if err != nil {
				return err
			}
			v, err := strconv.ParseUint(string(text), 10, bits)
			if !ok || err != nil {
				return s.fault("data: have %s, want a %s", text, datatypeOf(d))
			}
			t.SetInt(i, int64(v))
			return nil
		}
	default:
		bits := d.Bits()
		return func(i int) error {
			text, ok, err := s.number()
			if err != nil {
				return err
			}
			v, err := strconv.ParseInt(string(text), 10, bits)
			if !ok || err != nil {
				return s.fault("data: have %s, want a %s", text, datatypeOf(d))
			}
			t.SetInt(i, v)
			return nil
		}
	}
}

// float reads a number of at most so much.
func (s *scanner) float(bits int, most float64, d dtype.DType) (float64, error) {
	text, _, err := s.number()
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(string(text), bits)
	if err != nil || math.Abs(v) > most {
		return 0, s.fault("data: %s is beyond %s", text, datatypeOf(d))
	}
	return v, nil
}
