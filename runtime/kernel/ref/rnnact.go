package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// rnnAct is one of the functions that recurrent operators name.
type rnnAct struct {
	kind        rnnActKind
	alpha, beta float64
}

type rnnActKind uint8

const (
	actSigmoid rnnActKind = iota
	actTanh
	actRelu
	actAffine
	actLeakyRelu
	actThresholdedRelu
	actScaledTanh
	actHardSigmoid
	actElu
	actSoftsign
	actSoftplus
)

// rnnActs says, by name, how many parameters a function takes and their
// defaults, which are those of the ONNX operator of that name.
var rnnActs = [...]struct {
	name        string
	params      int
	alpha, beta float64
}{
	actSigmoid:         {"Sigmoid", 0, 0, 0},
	actTanh:            {"Tanh", 0, 0, 0},
	actRelu:            {"Relu", 0, 0, 0},
	actAffine:          {"Affine", 2, 1, 0},
	actLeakyRelu:       {"LeakyRelu", 1, 0.01, 0},
	actThresholdedRelu: {"ThresholdedRelu", 1, 1, 0},
	actScaledTanh:      {"ScaledTanh", 2, 1, 1},
	actHardSigmoid:     {"HardSigmoid", 2, 0.2, 0.5},
	actElu:             {"Elu", 1, 1, 0},
	actSoftsign:        {"Softsign", 0, 0, 0},
	actSoftplus:        {"Softplus", 0, 0, 0},
}

// RNNActivations lists the functions that recurrent operators may name.
func RNNActivations() []string {
	s := make([]string, len(rnnActs))
	for i := range rnnActs {
		s[i] = rnnActs[i].name
	}
	return s
}

// activations binds f, g, h of each direction. The lists of parameters are
// consumed in order by those functions that take them.
func (l *lstm) activations(a attr.Map) {
	names, alphas, betas := a.Strs("activations"), a.Floats("activation_alpha"), a.Floats("activation_beta")
	na, nb := 0, 0
	for i := range l.act {
		f := &l.act[i]
		f.kind = actTanh
		if i%3 == 0 {
			f.kind = actSigmoid
		}
		if i < len(names) {
			for k := range rnnActs {
				if rnnActs[k].name == names[i] {
					f.kind = rnnActKind(k)
				}
			}
		}
		t := &rnnActs[f.kind]
		f.alpha, f.beta = t.alpha, t.beta
		if t.params > 0 && na < len(alphas) {
			f.alpha = float64(alphas[na])
			na++
		}
		if t.params > 1 && nb < len(betas) {
			f.beta = float64(betas[nb])
			nb++
		}
	}
}

// apply computes the function.
func (f *rnnAct) apply(x float64) float64 {
	switch f.kind {
	case actSigmoid:
		return logistic(x)
	case actTanh:
		return vecmath.Tanh64(x)
	case actRelu:
		return max(x, 0)
	case actAffine:
		return float64(f.alpha*x) + f.beta
	case actLeakyRelu:
		if x < 0 {
			return f.alpha * x
		}
		return x
	case actThresholdedRelu:
		if x < f.alpha {
			return 0
		}
		return x
	case actScaledTanh:
		return f.alpha * vecmath.Tanh64(f.beta*x)
	case actHardSigmoid:
		return min(max(float64(f.alpha*x)+f.beta, 0), 1)
	case actElu:
		if x < 0 {
			return f.alpha * vecmath.Expm164(x)
		}
		return x
	case actSoftsign:
		return x / (1 + math.Abs(x))
	}
	// Softplus, without overflow for large x.
	return max(x, 0) + vecmath.Log1p64(vecmath.Exp64(-math.Abs(x)))
}

// slope is the derivative at x, given y = apply(x); at a kink that of the side
// above it.
func (f *rnnAct) slope(x, y float64) float64 {
	switch f.kind {
	case actSigmoid:
		return y * (1 - y)
	case actTanh:
		return 1 - float64(y*y)
	case actRelu:
		return oneIf(x >= 0)
	case actAffine:
		return f.alpha
	case actLeakyRelu:
		if x < 0 {
			return f.alpha
		}
		return 1
	case actThresholdedRelu:
		return oneIf(x >= f.alpha)
	case actScaledTanh:
		t := vecmath.Tanh64(f.beta * x)
		return f.alpha * f.beta * (1 - float64(t*t))
	case actHardSigmoid:
		return f.alpha * oneIf(y > 0 && y < 1)
	case actElu:
		if x < 0 {
			return y + f.alpha
		}
		return 1
	case actSoftsign:
		d := 1 + math.Abs(x)
		return 1 / (d * d)
	}
	return logistic(x)
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// logistic is 1/(1+e^-x), with e raised to negative powers only.
func logistic(x float64) float64 {
	e := vecmath.Exp64(-math.Abs(x))
	if x < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}
