package tensor

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir/dtype"
)

// ElemText is element i for people to read: floats with 6 digits, strings
// quoted, "?" for types that have no text.
func (t *Tensor) ElemText(i int) string {
	switch {
	case t.dt == dtype.String:
		return fmt.Sprintf("%q", t.strs[i])
	case t.dt == dtype.U64:
		return fmt.Sprint(uint64(t.Int(i)))
	case t.dt.IsInt() || t.dt == dtype.Bool:
		return fmt.Sprint(t.Int(i))
	case t.dt.IsFloat() && t.dt.Bits() >= 16:
		return fmt.Sprintf("%.6g", t.Float(i))
	}
	return "?"
}

// Largest are the positions of the k largest elements, the largest first, equal
// ones by position, NaN last; ok is false for types without an order.
func (t *Tensor) Largest(k int) (at []int, ok bool) {
	if !t.dt.IsInt() && !(t.dt.IsFloat() && t.dt.Bits() >= 16) {
		return nil, false
	}
	at = make([]int, t.Len())
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int {
		x, y := t.Float(i), t.Float(j)
		switch {
		case x > y || y != y && x == x:
			return -1
		case x < y || x != x && y == y:
			return 1
		}
		return 0
	})
	return at[:min(k, len(at))], true
}
