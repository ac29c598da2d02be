package tensor

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/dtype"
)

// Tol is a named tolerance for comparing two values. The zero Tol is Exact:
// equal bits, except that any NaN equals any NaN.
type Tol struct {
	Name       string
	Rtol, Atol float64 // |a-b| <= Atol + Rtol*|want|
	Ulps       int     // or at most this many float32 steps apart
	Share      float64 // share of elements that may be off by up to Quanta
	Quanta     int64   // of integer tensors
}

// The named tolerances.
var (
	Exact = Tol{Name: "exact"}
	Close = Tol{Name: "close", Rtol: 1e-3, Atol: 1e-5}
)

// Ulp allows n steps of float32.
func Ulp(n int) Tol { return Tol{Name: fmt.Sprintf("ulp(%d)", n), Ulps: n} }

// Quantum allows integers to be off by n on the given share of elements.
func Quantum(n int64, share float64) Tol {
	return Tol{Name: fmt.Sprintf("quantum(%d,%g)", n, share), Quanta: n, Share: share}
}

// Custom allows |a-b| <= atol + rtol*|want|.
func Custom(rtol, atol float64) Tol {
	return Tol{Name: fmt.Sprintf("rtol=%g,atol=%g", rtol, atol), Rtol: rtol, Atol: atol}
}

func (t Tol) String() string {
	if t.Name == "" {
		return "exact"
	}
	return t.Name
}

// Compare checks got against want: kind, type, shape and every element. The
// error names the first element off and the largest deviation.
func (t Tol) Compare(got, want Value) error {
	if got.Kind != want.Kind {
		return fmt.Errorf("have %v, want %v", got.Type(), want.Type())
	}
	switch got.Kind {
	case KindTensor:
		return t.CompareTensors(&got.Tensor, &want.Tensor)
	case KindSeq, KindOptional, KindMap:
		if len(got.Elems) != len(want.Elems) {
			return fmt.Errorf("have %d elements, want %d", len(got.Elems), len(want.Elems))
		}
		if got.Kind == KindMap {
			if err := Exact.CompareTensors(&got.Tensor, &want.Tensor); err != nil {
				return fmt.Errorf("keys: %w", err)
			}
		}
		for i := range got.Elems {
			if err := t.Compare(got.Elems[i], want.Elems[i]); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
	}
	return nil
}

// CompareTensors is Compare for tensors.
func (t Tol) CompareTensors(got, want *Tensor) error {
	if got.dt != want.dt || !slices.Equal(got.dims, want.dims) {
		return fmt.Errorf("have %v%v, want %v%v", got.dt, got.dims, want.dt, want.dims)
	}
	if got.dt == dtype.String {
		if i := firstDiff(got.strs, want.strs); i >= 0 {
			return fmt.Errorf("element %d: have %q, want %q", i, got.strs[i], want.strs[i])
		}
		return nil
	}
	if bytes.Equal(got.b, want.b) {
		return nil
	}
	n, bad, first := got.Len(), 0, -1
	worst, worstAt := 0.0, -1
	for i := 0; i < n; i++ {
		ok, d := t.element(got, want, i)
		if d > worst || d != d {
			worst, worstAt = d, i
		}
		if !ok {
			if bad++; first < 0 {
				first = i
			}
		}
	}
	if float64(bad) > t.Share*float64(n) {
		return fmt.Errorf("%d of %d elements off, first at %d: have %s, want %s; largest deviation %.3g at %d (tolerance %v)",
			bad, n, first, got.elemText(first), want.elemText(first), worst, worstAt, t)
	}
	if bad > 0 && worst > float64(t.Quanta) {
		return fmt.Errorf("element %d off by %g (tolerance %v)", worstAt, worst, t)
	}
	return nil
}

func (t Tol) element(got, want *Tensor, i int) (bool, float64) {
	if !got.dt.IsFloat() {
		if got.dt.IsComplex() {
			return bytes.Equal(got.b[i*got.dt.Size():(i+1)*got.dt.Size()], want.b[i*got.dt.Size():(i+1)*got.dt.Size()]), 0
		}
		a, b := got.Int(i), want.Int(i)
		d := math.Abs(float64(a) - float64(b))
		return a == b || got.dt != dtype.Bool && t.Rtol+t.Atol > 0 && d <= t.Atol+float64(t.Rtol*math.Abs(float64(b))), d
	}
	if got.dt.Bits() <= 8 {
		a, b := got.b[i*got.dt.Bits()/8], want.b[i*got.dt.Bits()/8]
		return a == b, math.Abs(float64(a) - float64(b))
	}
	a, b := got.Float(i), want.Float(i)
	if a == b || a != a && b != b {
		// +0 and -0 differ in bits; an exact comparison of floats takes them as equal.
		return true, 0
	}
	d := math.Abs(a - b)
	if math.IsInf(a, 0) || math.IsInf(b, 0) || d != d {
		return false, math.Inf(1)
	}
	if t.Ulps > 0 && ulps(float32(a), float32(b)) <= int64(t.Ulps) {
		return true, d
	}
	return t.Rtol+t.Atol > 0 && d <= t.Atol+float64(t.Rtol*math.Abs(b)), d
}

// ulps counts the float32 values between a and b.
func ulps(a, b float32) int64 {
	return absInt(ordered(a) - ordered(b))
}

func ordered(f float32) int64 {
	b := int64(math.Float32bits(f))
	if b>>31 != 0 {
		return -(b & 0x7fffffff)
	}
	return b
}

func absInt(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

func firstDiff(a, b []string) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

func (t *Tensor) elemText(i int) string {
	switch {
	case t.dt.IsComplex() || t.dt.IsFloat() && t.dt.Bits() <= 8:
		return fmt.Sprintf("bits %x", t.b[i*t.dt.Bits()/8])
	case t.dt.IsFloat():
		return fmt.Sprint(float32(t.Float(i)))
	}
	return fmt.Sprint(t.Int(i))
}
