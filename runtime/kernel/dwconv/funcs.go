package dwconv

import (
	"unsafe"

	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// funcs are the vector functions of one instruction set.
type funcs struct {
	elt   *eltwise.Funcs
	taps  func(n int, dst, src *float32, off *int, w *float32, taps int, bias float32)
	evens func(dst, src []float32) // dst[i] = src[2*i]; src has at least 2*len(dst)-1 elements
}

var generic = funcs{&eltwise.Generic, tapsGo, evensGo}

// tapsGo defines the bits of its twins.
func tapsGo(n int, dst, src *float32, off *int, w *float32, taps int, bias float32) {
	d, o, f := unsafe.Slice(dst, n), unsafe.Slice(off, taps), unsafe.Slice(w, taps)
	for i := range d {
		s := float32(0)
		for t := range f {
			x := *(*float32)(unsafe.Add(unsafe.Pointer(src), o[t]+i*4))
			s = vecmath.FMA32(x, f[t], s)
		}
		d[i] = s + bias
	}
}

func evensGo(dst, src []float32) {
	for i := range dst {
		dst[i] = src[2*i]
	}
}

// wholeEvens is the part of n that a vector of w can take when src has only
// 2*n-1 elements.
func wholeEvens(n, w int) int { return max(0, n-1) &^ (w - 1) }
