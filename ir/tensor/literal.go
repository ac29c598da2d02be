package tensor

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/dtype"
)

// ParseLiteral reads the VALUE of a command line:
//
//	4xf32=1,2,3,4   extents and element type, then the elements
//	f32=0.5         a scalar; one element fills any extents: 3x224x224xf32=0
//	zeros           of type d and extents dims
//	random:SEED     Random of type d and extents dims
//
// The first two forms say their type themselves, and d and dims are not used.
// Elements are decimal numbers, nan, inf, true, false; strings may not hold
// commas.
func ParseLiteral(s string, d dtype.DType, dims []int) (Tensor, error) {
	if s == "zeros" {
		if _, ok := Count(dims); !ok || !d.Valid() {
			return Tensor{}, fmt.Errorf("zeros for a tensor %v%v", d, dims)
		}
		return New(d, dims...), nil
	}
	if seed, ok := strings.CutPrefix(s, "random:"); ok {
		n, err := strconv.ParseUint(seed, 10, 64)
		if err != nil {
			return Tensor{}, fmt.Errorf("random:%s: want an integer seed", seed)
		}
		return Random(d, n, dims...)
	}
	head, body, ok := strings.Cut(s, "=")
	if !ok {
		return Tensor{}, fmt.Errorf("%q: want 4xf32=1,2,3,4 or zeros or random:SEED", s)
	}
	parts := strings.Split(head, "x")
	d, ok = dtype.Parse(parts[len(parts)-1])
	if !ok {
		return Tensor{}, fmt.Errorf("%q: no element type %q", s, parts[len(parts)-1])
	}
	dims = []int{}
	for _, p := range parts[:len(parts)-1] {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return Tensor{}, fmt.Errorf("%q: extent %q", s, p)
		}
		dims = append(dims, n)
	}
	n, ok := Count(dims)
	if !ok {
		return Tensor{}, fmt.Errorf("%q: too large", s)
	}
	var elems []string
	if body != "" || n > 0 {
		elems = strings.Split(body, ",")
	}
	if len(elems) != n && (len(elems) != 1 || n == 0) {
		return Tensor{}, fmt.Errorf("%q: have %d elements, want %d", s, len(elems), n)
	}
	t := New(d, dims...)
	for i := range n {
		e := elems[0]
		if len(elems) == n {
			e = elems[i]
		}
		if err := t.ParseElem(i, e); err != nil {
			return Tensor{}, fmt.Errorf("element %d: %q: %w", i, e, err)
		}
	}
	return t, nil
}

// ParseElem stores the number, or the string, that s stands for at i. Error: s
// is not a value of the type (a finite number never becomes infinite); complex
// types and the floats of 8 bits and less have no text here.
func (t *Tensor) ParseElem(i int, s string) error {
	d := t.dt
	if d != dtype.String {
		s = strings.TrimSpace(s)
	}
	bad := fmt.Errorf("not a value of type %v", d)
	switch {
	case d == dtype.String:
		t.strs[i] = s
	case d == dtype.Bool:
		v, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New("want true or false")
		}
		t.b[i] = 0
		if v {
			t.b[i] = 1
		}
	case d == dtype.U64:
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return bad
		}
		t.SetInt(i, int64(v))
	case d.IsInt():
		v, err := strconv.ParseInt(s, 10, 64)
		if lo, hi := d.IntRange(); err != nil || v < lo || v > hi {
			return bad
		}
		t.SetInt(i, v)
	case d.IsFloat() && d.Bits() > 8:
		bits := 64
		if d == dtype.F32 {
			bits = 32
		}
		v, err := strconv.ParseFloat(s, bits)
		if err != nil {
			return bad
		}
		if t.SetFloat(i, v); math.IsInf(t.Float(i), 0) && !math.IsInf(v, 0) {
			return bad
		}
	default:
		return fmt.Errorf("elements of type %v cannot be written here", d)
	}
	return nil
}
