package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Sqrt is the square root; of a negative number NaN.
func Sqrt(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, math.Sqrt, nil)
}

// SqrtDesc describes Sqrt.
var SqrtDesc = kernel.Desc{ID: "ref.Sqrt", Op: "ref.Sqrt", Ref: Sqrt}

// Exp is e to the x.
func Exp(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, vecmath.Exp64, nil)
}

// ExpDesc describes Exp.
var ExpDesc = kernel.Desc{ID: "ref.Exp", Op: "ref.Exp", Ref: Exp}

// Log is the natural logarithm; of 0 -Inf, of a negative number NaN.
func Log(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, vecmath.Log64, nil)
}

// LogDesc describes Log.
var LogDesc = kernel.Desc{ID: "ref.Log", Op: "ref.Log", Ref: Log}

// Erf is the error function.
func Erf(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, vecmath.Erf64, nil)
}

// ErfDesc describes Erf.
var ErfDesc = kernel.Desc{ID: "ref.Erf", Op: "ref.Erf", Ref: Erf}

// Neg is -x; the smallest integer stays itself.
func Neg(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, func(x float64) float64 { return -x }, func(x int64) int64 { return -x })
}

// NegDesc describes Neg.
var NegDesc = kernel.Desc{ID: "ref.Neg", Op: "ref.Neg", Ref: Neg}

// Abs is the absolute value; the smallest integer stays itself.
func Abs(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	abs := func(x int64) int64 { return max(x, -x) }
	if in[0].Tensor.DType().IsUnsigned() {
		abs = func(x int64) int64 { return x }
	}
	return unary(c, in, out, math.Abs, abs)
}

// AbsDesc describes Abs.
var AbsDesc = kernel.Desc{ID: "ref.Abs", Op: "ref.Abs", Ref: Abs}

// Sign is -1, 0 or 1; of NaN NaN.
func Sign(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	unsigned := in[0].Tensor.DType().IsUnsigned()
	return unary(c, in, out, func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	}, func(x int64) int64 {
		switch {
		case x == 0:
			return 0
		case x > 0 || unsigned:
			return 1
		}
		return -1
	})
}

// SignDesc describes Sign.
var SignDesc = kernel.Desc{ID: "ref.Sign", Op: "ref.Sign", Ref: Sign}
