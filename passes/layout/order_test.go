package layout

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// places is where each element of a value is stored, computed element by
// element from the meaning of Order's fields.
func places(o Order, dims []int) []int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	out := make([]int, n)
	for e := range n {
		idx := make([]int, len(dims))
		for a, r := len(dims)-1, e; a >= 0; a-- {
			idx[a], r = r%dims[a], r/dims[a]
		}
		for a, s := range o.Inner {
			if dims[a] == 1 {
				continue
			}
			sub := make([]int, len(s.Dims))
			for k, r := len(s.Dims)-1, idx[a]; k >= 0; k-- {
				sub[k], r = r%s.Dims[k], r/s.Dims[k]
			}
			at := 0
			for _, k := range s.Perm {
				at = at*s.Dims[k] + sub[k]
			}
			idx[a] = at
		}
		at := 0
		for _, a := range o.Axes(len(dims)) {
			at = at*dims[a] + idx[a]
		}
		out[e] = at
	}
	return out
}

// value draws extents, many of them equal or 1, and an order.
func value(t *rapid.T) (Order, []int) {
	dims := rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 2, 4, 6}), 1, 5).Draw(t, "dims")
	o := Order{Perm: rapid.Permutation(Plain().Axes(len(dims))).Draw(t, "perm")}
	if a := rapid.IntRange(0, len(dims)).Draw(t, "inner"); a < len(dims) && dims[a] == 6 {
		o.Inner = map[int]Shuffle{a: {Dims: []int{3, 2}, Perm: []int{1, 0}}}
	}
	return o, dims
}

func TestReshaped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, dims := value(t)
		to := rapid.Permutation(append(slices.Clone(dims), 1)).Draw(t, "to")
		if i := rapid.IntRange(0, len(to)-2).Draw(t, "merge"); len(to) > 1 {
			to[i] *= to[i+1]
			to = slices.Delete(to, i+1, i+2)
		}
		q, ok := o.Reshaped(dims, to)
		if ok && !slices.Equal(places(o, dims), places(q, to)) {
			t.Fatalf("%v of %v reshaped to %v is %v, which stores otherwise", o, dims, to, q)
		}
	})
}

func TestSameMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, dims := value(t)
		q := Order{Perm: rapid.Permutation(Plain().Axes(len(dims))).Draw(t, "other")}
		if have, want := SameMemory(o, q, dims), slices.Equal(places(o, dims), places(q, dims)); have != want {
			t.Fatalf("%v and %v of %v: same memory %v, want %v", o, q, dims, have, want)
		}
	})
}

func TestMoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, dims := value(t)
		perm := rapid.Permutation(Plain().Axes(len(dims))).Draw(t, "transpose")
		moved := make([]int, len(dims))
		for i, a := range perm {
			moved[i] = dims[a]
		}
		q := o.Moved(perm)
		// Element e of the transposed value is element of[e] of the original.
		of := make([]int, len(places(o, dims)))
		for e := range of {
			idx := make([]int, len(dims))
			for i, r := len(moved)-1, e; i >= 0; i-- {
				idx[perm[i]], r = r%moved[i], r/moved[i]
			}
			for a := range dims {
				of[e] = of[e]*dims[a] + idx[a]
			}
		}
		have, want := places(q, moved), places(o, dims)
		for e := range have {
			if have[e] != want[of[e]] {
				t.Fatalf("%v of %v transposed by %v is %v, which stores otherwise", o, dims, perm, q)
			}
		}
	})
}

func TestBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, dims := value(t)
		q := Order{Perm: rapid.Permutation(Plain().Axes(len(dims))).Draw(t, "other")}
		stored, perm, ok := Between(o, q, dims)
		if !ok {
			t.Fatalf("no way from %v to %v of %v", o, q, dims)
		}
		moved := make([]int, len(perm))
		for i, a := range perm {
			moved[i] = stored[a]
		}
		from, to := places(o, dims), places(q, dims)
		for e := range from {
			idx := make([]int, len(stored))
			for i, r := len(stored)-1, from[e]; i >= 0; i-- {
				idx[i], r = r%stored[i], r/stored[i]
			}
			at := 0
			for i, a := range perm {
				at = at*moved[i] + idx[a]
			}
			if at != to[e] {
				t.Fatalf("from %v to %v of %v by %v %v: element %d comes to %d, want %d", o, q, dims, stored, perm, e, at, to[e])
			}
		}
	})
}

func TestDropped(t *testing.T) {
	o := Order{Perm: []int{0, 2, 3, 1}}
	if q, ok := o.Dropped(4, []int{2, 3}); !ok || q.Perm != nil {
		t.Errorf("means over height and width leave %v", q)
	}
	if q, ok := o.Dropped(4, []int{2}); !ok || !slices.Equal(q.Perm, []int{0, 2, 1}) {
		t.Errorf("a mean over height leaves %v", q)
	}
}

// A value without elements has extents that are brought into order, and nothing
// to divide by.
func TestEmpty(t *testing.T) {
	o := Order{Perm: []int{0, 2, 3, 1}}
	for _, to := range [][]int{{0}, {6, 0}, {1, 2, 0, 3}, {6, 5}} {
		if q, ok := o.Reshaped([]int{1, 2, 0, 3}, to); !ok || !slices.Equal(q.Axes(len(to)), Plain().Axes(len(to))) {
			t.Errorf("reshaped to %v: %v, %v", to, q, ok)
		}
	}
	if q, ok := Plain().Reshaped([]int{6}, []int{0, 2}); !ok {
		t.Errorf("a cut to nothing: %v, %v", q, ok)
	}
	stored, perm, ok := Between(o, Plain(), []int{1, 2, 0, 3})
	if !ok || !slices.Equal(stored, []int{1, 0, 3, 2}) || !slices.Equal(perm, []int{0, 3, 1, 2}) {
		t.Errorf("between: %v by %v, %v", stored, perm, ok)
	}
}
