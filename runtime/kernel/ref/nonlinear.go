package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Relu is max(x, 0); NaN stays.
func Relu(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, func(x float64) float64 {
		if x < 0 {
			return 0
		}
		return x
	}, func(x int64) int64 { return max(x, 0) })
}

// ReluDesc describes Relu.
var ReluDesc = kernel.Desc{ID: "ref.Relu", Op: "ref.Relu", Ref: Relu}

// LeakyRelu is x, or alpha*x where x is negative.
func LeakyRelu(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	alpha := float64(a.Float("alpha"))
	return unary(c, in, out, func(x float64) float64 {
		if x < 0 {
			return float64(alpha * x)
		}
		return x
	}, nil)
}

// LeakyReluDesc describes LeakyRelu.
var LeakyReluDesc = kernel.Desc{ID: "ref.LeakyRelu", Op: "ref.LeakyRelu", Ref: LeakyRelu}

// PRelu is x, or slope*x where x is negative; slope broadcasts to x.
func PRelu(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x, s := &in[0].Tensor, &in[1].Tensor
	if !stretches(s.Dims(), x.Dims()) {
		return &diag.Error{Kind: diag.Shape, Port: "slope", Have: dimsText(s.Dims()), Want: "one that broadcasts to " + dimsText(x.Dims())}
	}
	unsigned := x.DType().IsUnsigned()
	return binary(c, in, out, func(x, s float64) float64 {
		if x < 0 {
			return float64(s * x)
		}
		return x
	}, func(x, s int64) int64 {
		if x < 0 && !unsigned {
			return s * x
		}
		return x
	})
}

// PReluDesc describes PRelu.
var PReluDesc = kernel.Desc{ID: "ref.PRelu", Op: "ref.PRelu", Ref: PRelu}

// Sigmoid is 1/(1+exp(-x)).
func Sigmoid(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, vecmath.Sigmoid64, nil)
}

// SigmoidDesc describes Sigmoid.
var SigmoidDesc = kernel.Desc{ID: "ref.Sigmoid", Op: "ref.Sigmoid", Ref: Sigmoid}

// Tanh is the hyperbolic tangent.
func Tanh(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return unary(c, in, out, vecmath.Tanh64, nil)
}

// TanhDesc describes Tanh.
var TanhDesc = kernel.Desc{ID: "ref.Tanh", Op: "ref.Tanh", Ref: Tanh}

// Gelu is x times the normal distribution function, or its tanh
// approximation; NaN at -Inf, as the formula is.
func Gelu(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	if a.Str("approximate") == "tanh" {
		return unary(c, in, out, geluTanh, nil)
	}
	return unary(c, in, out, gelu, nil)
}

// GeluDesc describes Gelu.
var GeluDesc = kernel.Desc{ID: "ref.Gelu", Op: "ref.Gelu", Ref: Gelu}

// gelu uses erfc, which keeps its accuracy where 1+erf cancels.
func gelu(x float64) float64 {
	return 0.5 * x * vecmath.Erfc64(-x*(1/math.Sqrt2))
}

func geluTanh(x float64) float64 {
	cube := float64(x * x * x)
	return 0.5 * x * (1 + vecmath.Tanh64(sqrt2OverPi*(x+float64(0.044715*cube))))
}

const sqrt2OverPi = 0.797884560802865355879892119868763736951717262329869315331

// Clip is min(max(x, lo), hi); a bound that is absent does not bind, hi wins
// where lo is above it, and NaN stays.
func Clip(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	d := x.DType()
	lo, hi := math.Inf(-1), math.Inf(1)
	loInt, hiInt := int64(math.MinInt64), int64(math.MaxInt64)
	for i := 1; i <= 2; i++ {
		if !present(in, i) {
			continue
		}
		b := &in[i].Tensor
		if b.Len() != 1 {
			return &diag.Error{Kind: diag.Shape, Port: "bound", Have: dimsText(b.Dims()), Want: "a scalar"}
		}
		switch {
		case d.IsFloat() && i == 1:
			lo = b.Float(0)
		case d.IsFloat():
			hi = b.Float(0)
		case i == 1:
			loInt = ordered(d, b.Int(0))
		default:
			hiInt = ordered(d, b.Int(0))
		}
	}
	return unary(c, in, out, func(x float64) float64 {
		if x < lo {
			x = lo
		}
		if x > hi {
			x = hi
		}
		return x
	}, func(x int64) int64 { return ordered(d, min(max(ordered(d, x), loInt), hiInt)) })
}

// ClipDesc describes Clip.
var ClipDesc = kernel.Desc{ID: "ref.Clip", Op: "ref.Clip", Ref: Clip}
