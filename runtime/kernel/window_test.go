package kernel_test

import (
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// The extents are ONNX's: (in + pads - dil*(k-1) - 1)/stride + 1, and
// ceil(in/stride) where auto_pad is SAME.
func TestWindowOf(t *testing.T) {
	for _, c := range []struct {
		a            attr.Map
		in           int
		k            int64
		pad, end, at int
		bad          bool
	}{
		{a: attr.Map{}, in: 5, k: 3, at: 3},
		{a: attr.Map{}, in: 2, k: 3, at: 0},
		{a: attr.Map{"pads": attr.Ints(1, 2), "strides": attr.Ints(2), "dilations": attr.Ints(2)}, in: 7, k: 3, pad: 1, end: 2, at: 3},
		{a: attr.Map{"auto_pad": attr.Str("SAME_UPPER"), "strides": attr.Ints(2)}, in: 6, k: 3, end: 1, at: 3},
		{a: attr.Map{"auto_pad": attr.Str("SAME_LOWER"), "strides": attr.Ints(2)}, in: 6, k: 3, pad: 1, at: 3},
		{a: attr.Map{"auto_pad": attr.Str("SAME_UPPER"), "strides": attr.Ints(4)}, in: 6, k: 1, at: 2},
		{a: attr.Map{"auto_pad": attr.Str("SAME_UPPER")}, in: 0, k: 3, pad: 1, end: 1, at: 0},
		{a: attr.Map{"auto_pad": attr.Str("VALID"), "pads": attr.Ints(1, 1)}, in: 5, k: 3, at: 3},
		{a: attr.Map{"strides": attr.Ints(0)}, in: 5, k: 3, bad: true},
		{a: attr.Map{"pads": attr.Ints(-1, 0)}, in: 5, k: 3, bad: true},
		{a: attr.Map{"pads": attr.Ints(0, 1<<40)}, in: 5, k: 3, bad: true},
		{a: attr.Map{"dilations": attr.Ints(1 << 19)}, in: 5, k: 1 << 19, bad: true},
		{a: attr.Map{"dilations": attr.Ints(math.MinInt64)}, in: 5, k: 1, bad: true},
		{a: attr.Map{}, in: 5, k: 0, bad: true},
		{a: attr.Map{}, in: math.MaxInt, k: 1, bad: true},
	} {
		w, err := kernel.WindowOf(c.a, 0, 1, c.in, c.k)
		if (err != nil) != c.bad {
			t.Errorf("%v of %d by %d: %v", c.a, c.in, c.k, err)
		} else if err == nil && (w.Pad != c.pad || w.PadEnd != c.end || w.Out() != c.at) {
			t.Errorf("%v of %d by %d: pads %d and %d, output %d, want %d, %d, %d", c.a, c.in, c.k, w.Pad, w.PadEnd, w.Out(), c.pad, c.end, c.at)
		}
	}
}

// Input of 5 between 1 and 2 elements of padding, windows of 3 taps at a
// distance of 2, steps of 2. With positions counted from the first element of
// the input, windows begin at -1, 1 and, where the last may overhang, 3.
func TestWindowsOfAPool(t *testing.T) {
	w := kernel.Window{In: 5, K: 3, Stride: 2, Dil: 2, Pad: 1, PadEnd: 2}
	for _, c := range []struct {
		a    attr.Map
		want int
	}{
		{attr.Map{}, 2}, // (8-5)/2+1
		{attr.Map{"ceil_mode": attr.Int(1)}, 3},
		{attr.Map{"ceil_mode": attr.Int(1), "auto_pad": attr.Str("SAME_UPPER")}, 2},
	} {
		if have := w.PoolOut(c.a); have != c.want {
			t.Errorf("%v: output %d, want %d", c.a, have, c.want)
		}
	}
	short := kernel.Window{In: 2, K: 4, Stride: 1, Dil: 1}
	if have := short.PoolOut(attr.Map{"ceil_mode": attr.Int(1)}); have != 0 {
		t.Errorf("a window larger than the input gives %d elements", have)
	}
	for o, want := range [][4]int{ // inside from, to; counted without padding, with
		{1, 3, 2, 3}, // -1 1 3
		{0, 2, 2, 3}, // 1 3 5: 5 is padding
		{0, 1, 1, 2}, // 3 5 7: 7 is beyond the padding
	} {
		lo, hi := w.Taps(o)
		if have := [4]int{lo, hi, w.Share(o, false), w.Share(o, true)}; have != want {
			t.Errorf("output %d: have %v, want %v", o, have, want)
		}
	}
	if lo, hi := w.Taps(9); lo != hi {
		t.Errorf("taps %d to %d beyond the input", lo, hi)
	}
}
