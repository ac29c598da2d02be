package layout

import (
	"fmt"
	"slices"
)

// Order says how a value is stored. The zero Order is ONNX's own.
type Order struct {
	// Perm: stored axis i is axis Perm[i]; nil is the identity.
	Perm []int
	// Inner[a], where present, says how the elements along axis a are shuffled:
	// what a flattened channels-last value is made of.
	Inner map[int]Shuffle
}

// Shuffle is an axis seen as several, whose product it is, stored in another
// order: stored factor i is Dims[Perm[i]].
type Shuffle struct{ Dims, Perm []int }

// Plain is ONNX's order.
func Plain() Order { return Order{} }

// ChannelsLast is the order of a rank: batch, spatial axes, channels.
func ChannelsLast(rank int) Order {
	if rank < 3 {
		return Order{}
	}
	p := []int{0}
	for i := 2; i < rank; i++ {
		p = append(p, i)
	}
	return Order{Perm: append(p, 1)}
}

// Axes is Perm of a value of that rank, the identity spelt out.
func (o Order) Axes(rank int) []int {
	if o.Perm != nil || rank < 0 {
		return o.Perm
	}
	p := make([]int, rank)
	for i := range p {
		p[i] = i
	}
	return p
}

// Stored is where axis a of a value of that rank is stored.
func (o Order) Stored(rank, a int) int { return slices.Index(o.Axes(rank), a) }

// Dims are the stored extents.
func (o Order) Dims(dims []int) []int {
	out := make([]int, len(dims))
	for i, a := range o.Axes(len(dims)) {
		out[i] = dims[a]
	}
	return out
}

// Equal says whether o and q store values of that rank alike, extent by
// extent.
func (o Order) Equal(q Order, rank int) bool {
	if !slices.Equal(o.Axes(rank), q.Axes(rank)) || len(o.Inner) != len(q.Inner) {
		return false
	}
	for a, s := range o.Inner {
		t, ok := q.Inner[a]
		if !ok || !slices.Equal(s.Dims, t.Dims) || !slices.Equal(s.Perm, t.Perm) {
			return false
		}
	}
	return true
}

// String names the order: "0231".
func (o Order) String() string {
	if o.Perm == nil && len(o.Inner) == 0 {
		return "plain"
	}
	return fmt.Sprintf("%v%s", o.Perm, map[bool]string{true: "*"}[len(o.Inner) > 0])
}

// Factors sees a value of these extents as factors, in ONNX's order, and says
// in which order they are stored: stored factor i is dims[perm[i]]. Factors of
// extent 1 are left out and neighbours that stay together are joined, so that
// two orders store the same elements at the same places exactly if their
// factors and perms are equal.
func (o Order) Factors(dims []int) (factors, perm []int) {
	f, p := o.raw(dims)
	return normal(f, p)
}

// raw is Factors without joining.
func (o Order) raw(dims []int) (factors, perm []int) {
	first := make([]int, len(dims)) // number of the axis's first factor
	for a, d := range dims {
		first[a] = len(factors)
		if s, ok := o.Inner[a]; ok && d != 1 {
			factors = append(factors, s.Dims...)
		} else {
			factors = append(factors, d)
		}
	}
	for _, a := range o.Axes(len(dims)) {
		if s, ok := o.Inner[a]; ok && dims[a] != 1 {
			for _, i := range s.Perm {
				perm = append(perm, first[a]+i)
			}
		} else {
			perm = append(perm, first[a])
		}
	}
	return factors, perm
}

func normal(f, p []int) (factors, perm []int) {
	// Runs of p that count up are one factor.
	keep := func(i int) bool { return f[i] != 1 }
	var q []int
	for _, i := range p {
		if keep(i) {
			q = append(q, i)
		}
	}
	prev := make(map[int]int) // factor -> the kept one before it
	last := -1
	for i := range f {
		if keep(i) {
			prev[i] = last
			last = i
		}
	}
	head := map[int]int{} // first factor of a run -> its extent
	var heads []int       // in stored order
	for k, i := range q {
		if k > 0 && prev[i] == q[k-1] {
			head[heads[len(heads)-1]] *= f[i]
			continue
		}
		head[i] = f[i]
		heads = append(heads, i)
	}
	sorted := slices.Sorted(slices.Values(heads))
	for _, h := range sorted {
		factors = append(factors, head[h])
	}
	for _, h := range heads {
		perm = append(perm, slices.Index(sorted, h))
	}
	return factors, perm
}

// SameMemory says whether o and q put every element of a value of these
// extents at the same place.
func SameMemory(o, q Order, dims []int) bool {
	of, op := o.Factors(dims)
	qf, qp := q.Factors(dims)
	return slices.Equal(of, qf) && slices.Equal(op, qp)
}

// Reshaped is the order in which a value of extents to lies when one of
// extents from, stored as o says, is given new extents without moving an
// element. It is false where no Order says that.
func (o Order) Reshaped(from, to []int) (Order, bool) {
	if slices.Contains(from, 0) || slices.Contains(to, 0) {
		return Plain(), true // there is no element to move
	}
	f, p := o.Factors(from)
	f, p, run, ok := refine(f, p, to)
	if !ok {
		return Order{}, false
	}
	at := make([]int, len(f)) // where a factor is stored
	for i, k := range p {
		at[k] = i
	}
	// The factors of one axis must be neighbours in memory.
	out := Order{}
	pos := make([]int, len(to))
	for a := range to {
		lo, hi := run[a][0], run[a][1]
		if lo == hi { // extent 1: behind the axis before it
			pos[a] = -1
			if a > 0 {
				pos[a] = pos[a-1]
			}
			continue
		}
		least, most := at[lo], at[lo]
		var s Shuffle
		for k := lo; k < hi; k++ {
			least, most = min(least, at[k]), max(most, at[k])
			s.Dims = append(s.Dims, f[k])
		}
		if most-least != hi-lo-1 {
			return Order{}, false
		}
		pos[a] = least
		for i := least; i <= most; i++ {
			s.Perm = append(s.Perm, p[i]-lo)
		}
		if !slices.IsSorted(s.Perm) {
			if out.Inner == nil {
				out.Inner = map[int]Shuffle{}
			}
			out.Inner[a] = s
		}
	}
	axes := Plain().Axes(len(to))
	slices.SortStableFunc(axes, func(a, b int) int { return pos[a] - pos[b] })
	if !slices.IsSorted(axes) {
		out.Perm = axes
	}
	return out, true
}

// refine splits factors, none of which is 0, until each boundary between the axes of to is one
// between factors; run[a] are the factors of axis a.
func refine(f, p, to []int) (factors, perm []int, run [][2]int, ok bool) {
	f, p = slices.Clone(f), slices.Clone(p)
	k := 0
	for _, d := range to {
		lo := k
		for d > 1 {
			if k == len(f) {
				return nil, nil, nil, false
			}
			switch {
			case d%f[k] == 0:
				d /= f[k]
			case f[k]%d == 0: // d takes the outer part
				f = slices.Insert(f, k+1, f[k]/d)
				f[k] = d
				for i := range p {
					if p[i] > k {
						p[i]++
					}
				}
				i := slices.Index(p, k)
				p = slices.Insert(p, i+1, k+1)
				d = 1
			default:
				return nil, nil, nil, false
			}
			k++
		}
		run = append(run, [2]int{lo, k})
	}
	return f, p, run, k == len(f)
}

// Moved is the order of Transpose(x, perm) stored as x is, which o orders.
func (o Order) Moved(perm []int) Order {
	axes := o.Axes(len(perm))
	out := Order{Perm: make([]int, len(perm))}
	for i, a := range axes {
		out.Perm[i] = slices.Index(perm, a)
	}
	if slices.IsSorted(out.Perm) {
		out.Perm = nil
	}
	for a, s := range o.Inner {
		if out.Inner == nil {
			out.Inner = map[int]Shuffle{}
		}
		out.Inner[slices.Index(perm, a)] = s
	}
	return out
}

// Dropped is the order of a value without some of its axes.
func (o Order) Dropped(rank int, axes []int) (Order, bool) {
	var kept []int
	for a := range rank {
		if !slices.Contains(axes, a) {
			kept = append(kept, a)
		}
	}
	var out Order
	for _, a := range o.Axes(rank) {
		if i := slices.Index(kept, a); i >= 0 {
			out.Perm = append(out.Perm, i)
		}
	}
	if slices.IsSorted(out.Perm) {
		out.Perm = nil
	}
	for a, s := range o.Inner {
		i := slices.Index(kept, a)
		if i < 0 {
			return Order{}, false
		}
		if out.Inner == nil {
			out.Inner = map[int]Shuffle{}
		}
		out.Inner[i] = s
	}
	return out, true
}

// Between says how to bring a value from one order into another: seen as
// extents stored, its axes are permuted so that axis i becomes what was axis
// perm[i]. Neighbours that stay together are one axis. It is false where no
// permutation of axes does it.
func Between(from, to Order, dims []int) (stored, perm []int, ok bool) {
	if slices.Contains(dims, 0) {
		return betweenEmpty(from, to, dims)
	}
	f1, p1 := from.Factors(dims)
	f2, p2 := to.Factors(dims)
	f, p, _, ok := refine(f1, p1, f2)
	if !ok {
		return nil, nil, false
	}
	g, q, _, ok := refine(f2, p2, f)
	if !ok || !slices.Equal(f, g) {
		return nil, nil, false
	}
	for _, i := range p {
		stored = append(stored, f[i])
	}
	for _, i := range q {
		perm = append(perm, slices.Index(p, i))
	}
	stored, perm = normal(stored, perm)
	return stored, perm, true
}

// betweenEmpty is Between for a value without elements, whose extents alone are
// brought into another order; it has no shuffled axes.
func betweenEmpty(from, to Order, dims []int) (stored, perm []int, ok bool) {
	if len(from.Inner)+len(to.Inner) > 0 {
		return nil, nil, false
	}
	at := from.Axes(len(dims))
	for _, a := range at {
		stored = append(stored, dims[a])
	}
	for _, a := range to.Axes(len(dims)) {
		perm = append(perm, slices.Index(at, a))
	}
	return stored, perm, true
}
