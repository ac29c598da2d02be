package tensor

import (
	"errors"
	"fmt"

	"github.com/mlc-go/mlc/ir/dtype"
)

// OfLists makes a tensor of element type d of nested lists of equal length, as a
// JSON decoder gives them: []any down to numbers (a fmt.Stringer, as json.Number
// is, or a string for what JSON has no number for), bool or string. A scalar is
// one of those. Nothing is allocated before the lists are known to fit. Errors:
// lists of unequal length or depth, an element that is no value of d.
func OfLists(x any, d dtype.DType) (Tensor, error) {
	if !d.Valid() {
		return Tensor{}, errors.New("lists for what is no tensor")
	}
	var dims []int
	for y := x; ; {
		l, ok := y.([]any)
		if !ok {
			break
		}
		dims = append(dims, len(l))
		if len(l) == 0 {
			break
		}
		y = l[0]
	}
	if !even(x, dims) {
		return Tensor{}, errors.New("lists of unequal length or depth")
	}
	t := New(d, dims...)
	n := 0
	var fill func(x any) error
	fill = func(x any) error {
		if l, ok := x.([]any); ok {
			for _, e := range l {
				if err := fill(e); err != nil {
					return err
				}
			}
			return nil
		}
		n++
		if err := t.setAny(n-1, x); err != nil {
			return fmt.Errorf("element %d: %w", n-1, err)
		}
		return nil
	}
	return t, fill(x)
}

// even says whether x is lists of these extents.
func even(x any, dims []int) bool {
	l, ok := x.([]any)
	if !ok {
		return len(dims) == 0
	}
	if len(dims) == 0 || len(l) != dims[0] {
		return false
	}
	for _, e := range l {
		if !even(e, dims[1:]) {
			return false
		}
	}
	return true
}

// setAny stores a decoded value at i.
func (t *Tensor) setAny(i int, x any) error {
	switch v := x.(type) {
	case string:
		return t.ParseElem(i, v)
	case bool:
		if t.dt == dtype.Bool {
			return t.ParseElem(i, fmt.Sprint(v))
		}
	case fmt.Stringer:
		if t.dt != dtype.String {
			return t.ParseElem(i, v.String())
		}
	case nil:
		return fmt.Errorf("have null, want a value of type %v", t.dt)
	case map[string]any:
		return fmt.Errorf("have an object, want a value of type %v", t.dt)
	}
	return fmt.Errorf("have %v, want a value of type %v", x, t.dt)
}
