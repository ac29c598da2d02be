package kernel_test

import (
	"testing"

	"github.com/mlc-go/mlc/runtime/kernel"
)

// Whatever the numbers, threads are used once: by units or within one.
func TestSpread(t *testing.T) {
	for _, c := range []struct{ units, macs, threads, workers, each int }{
		{1, 1, 1, 1, 1}, {1, 1, 4, 1, 4}, {0, 1, 2, 1, 2}, // no two units
		{8, 1 << 30, 4, 4, 1}, {16, 1 << 30, 3, 3, 1}, // no thread waits long
		{5, 1 << 30, 4, 1, 4}, {5, 1 << 10, 4, 4, 1}, // one waits, which costs more than splitting unless units are small
	} {
		if w, e := kernel.Spread(c.units, c.macs, c.threads); w != c.workers || e != c.each {
			t.Errorf("%d units of %d on %d threads: %d by %d, want %d by %d", c.units, c.macs, c.threads, w, e, c.workers, c.each)
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct{ n, bytes, floats int }{{0, 0, 0}, {1, 64, 16}, {16, 64, 16}, {17, 64, 32}, {64, 64, 64}, {65, 128, 80}} {
		if b, f := kernel.WholeBytes(c.n), kernel.WholeFloats(c.n); b != c.bytes || f != c.floats {
			t.Errorf("%d: %d bytes and %d floats, want %d and %d", c.n, b, f, c.bytes, c.floats)
		}
	}
}
