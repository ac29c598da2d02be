package tensor

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/dtype"
)

// FromNested makes a tensor of nested lists of equal length, as encoding/json
// decodes them into an any (with UseNumber, so that integers keep all digits).
// What is no list is an element, see ParseElem. Memory is taken for elements
// that are there, not for those that the first lists promise. Errors: lists of
// unequal length or depth; an element that is none.
func FromNested(d dtype.DType, x any) (Tensor, error) {
	if !d.Valid() {
		return Tensor{}, fmt.Errorf("lists for what is no tensor")
	}
	dims := []int{}
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
	var leaves []any
	var walk func(x any, depth int) error
	walk = func(x any, depth int) error {
		l, list := x.([]any)
		switch {
		case list != (depth < len(dims)):
			return fmt.Errorf("lists of unequal depth")
		case !list:
			leaves = append(leaves, x)
		case len(l) != dims[depth]:
			return fmt.Errorf("lists of unequal length: have %d and %d at depth %d", dims[depth], len(l), depth+1)
		}
		for _, e := range l {
			if err := walk(e, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(x, 0); err != nil {
		return Tensor{}, err
	}
	t := New(d, dims...)
	for i, e := range leaves {
		if err := t.ParseElem(i, fmt.Sprint(e)); err != nil {
			return Tensor{}, fmt.Errorf("element %d: %q: %w", i, fmt.Sprint(e), err)
		}
	}
	return t, nil
}
