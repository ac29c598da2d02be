package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Softmax is exp(x) over its sum along axis, taken relative to the maximum.
func Softmax(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	return softmax(c, in, out, a, false)
}

// SoftmaxDesc describes Softmax.
var SoftmaxDesc = kernel.Desc{ID: "ref.Softmax", Op: "ref.Softmax", Ref: Softmax}

// LogSoftmax is x - log(sum(exp(x))) along axis, taken relative to the
// maximum.
func LogSoftmax(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	return softmax(c, in, out, a, true)
}

// LogSoftmaxDesc describes LogSoftmax.
var LogSoftmaxDesc = kernel.Desc{ID: "ref.LogSoftmax", Op: "ref.LogSoftmax", Ref: LogSoftmax}

func softmax(c kernel.Ctx, in, out []tensor.Value, a attr.Map, log bool) error {
	x := &in[0].Tensor
	k, err := normAxisIn(a.Int("axis"), x.Rank())
	if err != nil {
		return err
	}
	y := output(c, out, 0, x.DType(), x.Dims()...)
	if x.Len() == 0 {
		return nil
	}
	n, inner := x.Dim(k), product(x.Dims()[k+1:])
	for o := range x.Len() / n {
		base := o/inner*inner*n + o%inner
		m := math.Inf(-1)
		for j := range n {
			m = maxOf(m, x.Float(base+j*inner))
		}
		// The exponentials are computed twice rather than kept: y may hold
		// fewer bits than the sum needs.
		sum := 0.0
		for j := range n {
			sum += vecmath.Exp64(x.Float(base+j*inner) - m)
		}
		logSum := 0.0
		if log {
			logSum = vecmath.Log64(sum)
		}
		for j := range n {
			v := x.Float(base + j*inner)
			if log {
				v = (v - m) - logSum
			} else {
				v = vecmath.Exp64(v-m) / sum
			}
			y.SetFloat(base+j*inner, v)
		}
	}
	return nil
}
