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
	s.peek()
	if v, end, ok := shortDecimal(s.b, s.i, bits == 32); ok && math.Abs(v) <= most {
		s.i = end
		return v, nil
	}
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

// tens are the powers of ten that a float64 holds exactly.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// shortDecimal reads a JSON number from b[i:] in one go where its digits and its
// power of ten are exact float64s, so that one operation rounds it right; it is
// three times as fast as strconv, which stays for the rest (ok is false). With
// single, the result is what parsing as float32 gives: rounding twice differs
// from rounding once only where the first lands on a tie of the second.
func shortDecimal(b []byte, i int, single bool) (v float64, end int, ok bool) {
	neg := i < len(b) && b[i] == '-'
	if neg {
		i++
	}
	first := i
	var m uint64
	for i < len(b) && b[i]-'0' <= 9 {
		m = m*10 + uint64(b[i]-'0')
		i++
	}
	digits := i - first
	if digits == 0 || digits > 1 && b[first] == '0' {
		return 0, 0, false
	}
	exp := 0
	if i < len(b) && b[i] == '.' {
		i++
		at := i
		for i < len(b) && b[i]-'0' <= 9 {
			m = m*10 + uint64(b[i]-'0')
			i++
		}
		exp = at - i
		if digits += i - at; exp == 0 {
			return 0, 0, false
		}
	}
	if digits > 19 || m > 1<<53 { // 19 digits do not overflow m
		return 0, 0, false
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		minus := i < len(b) && b[i] == '-'
		if minus || i < len(b) && b[i] == '+' {
			i++
		}
		at, e := i, 0
		for i < len(b) && b[i]-'0' <= 9 && i < at+3 {
			e = e*10 + int(b[i]-'0')
			i++
		}
		if i == at || i < len(b) && b[i]-'0' <= 9 {
			return 0, 0, false
		}
		if minus {
			e = -e
		}
		exp += e
	}
	v = float64(m)
	switch {
	case exp < -22 || exp > 22:
		return 0, 0, false
	case exp < 0:
		v /= tens[-exp]
	default:
		v *= tens[exp]
	}
	if single && v != 0 {
		const dropped = 29 // bits of a float64's fraction that a float32 lacks
		if v < 0x1p-126 || v > math.MaxFloat32 || math.Float64bits(v)&(1<<dropped-1) == 1<<(dropped-1) {
			return 0, 0, false
		}
	}
	if neg {
		v = -v // makes -0 of 0 too
	}
	return v, i, true
}
