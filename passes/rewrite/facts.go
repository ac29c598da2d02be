package rewrite

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// chainLen bounds how many nodes IsConst looks at.
const chainLen = 64

// IsConst says whether v is a constant or a short chain of pure nodes over
// constants, which costs nothing at run time.
func IsConst(v *ir.Value) bool {
	return v != nil && (v.Const() != nil || v.Node != nil && eval.IsConst(v, chainLen))
}

// Weight matches a constant or a chain over constants that is not dequantized:
// arithmetic on a quantized weight would hide that it is one.
func Weight(name string) Pat { return Any(name).That(plainConst) }

// OptWeight is Weight for an operand that may be absent.
func OptWeight(name string) Pat { return Opt(name).That(plainConst) }

func plainConst(v *ir.Value) bool { return IsConst(v) && !dequantized(v, map[*ir.Value]bool{}) }

// dequantized says whether a chain over constants holds a DequantizeLinear;
// seen are the values looked at already.
func dequantized(v *ir.Value, seen map[*ir.Value]bool) bool {
	if v == nil || v.Node == nil || v.Const() != nil || seen[v] {
		return false
	}
	if v.Node.Is("DequantizeLinear") {
		return true
	}
	seen[v] = true
	for _, in := range v.Node.In {
		if dequantized(in, seen) {
			return true
		}
	}
	return false
}

// Same says whether two values are provably of the same type and extents.
// Tensors of unknown rank are not, whatever their types say.
func Same(a, b *ir.Value) bool {
	return a.Type.Equal(b.Type) && (a.Type.Kind != tensor.KindTensor || a.Type.Ranked())
}

// Elems gives the elements of a small numeric constant as float64 and the
// dtype's bits kept apart by sign (-0 is not 0); false for others.
func Elems(v *ir.Value) ([]float64, bool) {
	t, ok := small(v)
	if !ok || t.DType() == dtype.String || t.DType().IsComplex() || t.DType().IsFloat() && t.DType().Bits() < 16 {
		return nil, false
	}
	out := make([]float64, t.Len())
	for i := range out {
		out[i] = t.Float(i)
	}
	return out, true
}

func small(v *ir.Value) (tensor.Tensor, bool) {
	c := v.Const()
	if c == nil || c.Len() > ir.SmallConst {
		return tensor.Tensor{}, false
	}
	t, err := c.Tensor()
	return t, err == nil
}

// AllEqual says whether v is a small constant whose elements are all x; -0 and
// 0 differ.
func AllEqual(v *ir.Value, x float64) bool {
	es, ok := Elems(v)
	if !ok || len(es) == 0 {
		return false
	}
	for _, e := range es {
		if e != x || math.Signbit(e) != math.Signbit(x) {
			return false
		}
	}
	return true
}

// Ints gives the elements of an integer value where all are known.
func Ints(v *ir.Value) ([]int64, bool) {
	if v == nil || v.Ints == nil {
		return nil, false
	}
	out := make([]int64, len(v.Ints))
	for i, d := range v.Ints {
		n, ok := d.Const()
		if !ok {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}

// Scalar gives the one element of a small numeric constant.
func Scalar(v *ir.Value) (float64, bool) {
	es, ok := Elems(v)
	if !ok || len(es) != 1 {
		return 0, false
	}
	return es[0], true
}

// Extent is the known extent of axis i, false if it is not known.
func Extent(v *ir.Value, i int) (int64, bool) {
	if v.Type.Rank() <= i {
		return 0, false
	}
	return v.Type.Dims[i].Const()
}

// PerAxis says whether t, broadcast against a value of the given shape, varies
// along axis only: all its other extents are 1. A single element is per axis
// too.
func PerAxis(t ir.Type, dims []shape.Dim, axis int) bool {
	if !t.Ranked() || t.Rank() > len(dims) {
		return false
	}
	lead := len(dims) - t.Rank()
	for i, d := range t.Dims {
		if i+lead == axis {
			if !d.Is(1) && !d.Equal(dims[axis]) {
				return false
			}
		} else if !d.Is(1) {
			return false
		}
	}
	return true
}
