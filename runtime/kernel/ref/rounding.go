package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Floor is the largest integer not above x.
func Floor(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, math.Floor, nil)
}

// FloorDesc describes Floor.
var FloorDesc = kernel.Desc{ID: "ref.Floor", Op: "ref.Floor", Ref: Floor}

// Ceil is the smallest integer not below x.
func Ceil(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, math.Ceil, nil)
}

// CeilDesc describes Ceil.
var CeilDesc = kernel.Desc{ID: "ref.Ceil", Op: "ref.Ceil", Ref: Ceil}

// Round is the nearest integer, the even one of two.
func Round(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, math.RoundToEven, nil)
}

// RoundDesc describes Round.
var RoundDesc = kernel.Desc{ID: "ref.Round", Op: "ref.Round", Ref: Round}

// Reciprocal is 1/x.
func Reciprocal(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, func(x float64) float64 { return 1 / x }, nil)
}

// ReciprocalDesc describes Reciprocal.
var ReciprocalDesc = kernel.Desc{ID: "ref.Reciprocal", Op: "ref.Reciprocal", Ref: Reciprocal}

// Mod is the remainder of A / B with broadcasting. With fmod it has the sign
// of A; without, which is for integers, that of B. An integer modulo zero is
// an error.
func Mod(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, y := &in[0].Tensor, &in[1].Tensor
	d := x.DType()
	if d.IsFloat() && !a.Bool("fmod") {
		return diag.New(diag.Shape, "remainder of %v without fmod", d)
	}
	if d.IsInt() && x.Len() > 0 && hasZero(y) {
		return errZero("integer divisor")
	}
	rem := func(a, b int64) int64 { return a % b }
	switch {
	case d == dtype.U64:
		rem = func(a, b int64) int64 { return int64(uint64(a) % uint64(b)) }
	case d.IsSigned() && !a.Bool("fmod"):
		rem = func(a, b int64) int64 {
			if r := a % b; r == 0 || (r < 0) == (b < 0) {
				return r
			} else {
				return r + b
			}
		}
	}
	return binary(c, in, out, math.Mod, rem)
}

// ModDesc describes Mod.
var ModDesc = kernel.Desc{ID: "ref.Mod", Op: "ref.Mod", Ref: Mod}
