package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Elu is x, or alpha*(exp(x)-1) where x is negative.
func Elu(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	alpha := float64(a.Float("alpha"))
	return unary(c, in, out, func(x float64) float64 {
		if x < 0 {
			return float64(alpha * vecmath.Expm164(x))
		}
		return x
	}, nil)
}

// EluDesc describes Elu.
var EluDesc = kernel.Desc{ID: "ref.Elu", Op: "ref.Elu", Ref: Elu}

// Selu is gamma*x, or gamma*alpha*(exp(x)-1) where x is not positive.
func Selu(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	alpha, gamma := float64(a.Float("alpha")), float64(a.Float("gamma"))
	return unary(c, in, out, func(x float64) float64 {
		if x <= 0 {
			return float64(gamma * float64(alpha*vecmath.Expm164(x)))
		}
		return float64(gamma * x)
	}, nil)
}

// SeluDesc describes Selu.
var SeluDesc = kernel.Desc{ID: "ref.Selu", Op: "ref.Selu", Ref: Selu}

// HardSigmoid is max(0, min(1, alpha*x + beta)); NaN stays.
func HardSigmoid(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	alpha, beta := float64(a.Float("alpha")), float64(a.Float("beta"))
	return unary(c, in, out, func(x float64) float64 { return max(0, min(1, float64(alpha*x)+beta)) }, nil)
}

// HardSigmoidDesc describes HardSigmoid.
var HardSigmoidDesc = kernel.Desc{ID: "ref.HardSigmoid", Op: "ref.HardSigmoid", Ref: HardSigmoid}

// HardSwish is x*max(0, min(1, x/6 + 1/2)).
func HardSwish(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, func(x float64) float64 {
		switch {
		case x <= -3:
			return 0
		case x >= 3:
			return x
		}
		return float64(x*(x+3)) / 6
	}, nil)
}

// HardSwishDesc describes HardSwish.
var HardSwishDesc = kernel.Desc{ID: "ref.HardSwish", Op: "ref.HardSwish", Ref: HardSwish}

// Softplus is log(1+exp(x)).
func Softplus(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, func(x float64) float64 {
		return max(x, 0) + vecmath.Log1p64(vecmath.Exp64(-math.Abs(x)))
	}, nil)
}

// SoftplusDesc describes Softplus.
var SoftplusDesc = kernel.Desc{ID: "ref.Softplus", Op: "ref.Softplus", Ref: Softplus}

// Softsign is x/(1+|x|), which at infinity is no number.
func Softsign(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, func(x float64) float64 { return x / (1 + math.Abs(x)) }, nil)
}

// SoftsignDesc describes Softsign.
var SoftsignDesc = kernel.Desc{ID: "ref.Softsign", Op: "ref.Softsign", Ref: Softsign}
