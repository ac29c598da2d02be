package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// BatchNormGrad is the gradient of BatchNormalization in training mode in X,
// scale and B. With xhat = (X - mean)/sqrt(var + epsilon) of each channel:
//
//	dB = sum(dY);  dscale = sum(dY*xhat)
//	dX = scale/sqrt(var + epsilon) * (dY - dB/n - xhat*dscale/n)
func BatchNormGrad(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dy, x, scale := &in[0].Tensor, &in[1].Tensor, &in[2].Tensor
	n, ch, size := channels(x)
	if err := sameDims("dY", dy.Dims(), x.Dims()); err != nil {
		return err
	}
	if scale.Len() != ch {
		return badExtent("scale", scale.Len(), ch)
	}
	dx := output(c, out, 0, x.DType(), x.Dims()...)
	var dscale, db *tensor.Tensor
	if wanted(out, 1) {
		dscale = output(c, out, 1, scale.DType(), ch)
	}
	if wanted(out, 2) {
		db = output(c, out, 2, scale.DType(), ch)
	}
	count := float64(n * size)
	for k := range ch {
		mean, variance := channelStats(x, n, ch, size, k)
		inv := 1 / math.Sqrt(variance+float64(a.Float("epsilon")))
		var sum, dot float64
		each := func(f func(j int)) {
			for i := range n {
				o := (i*ch + k) * size
				for j := o; j < o+size; j++ {
					f(j)
				}
			}
		}
		each(func(j int) {
			sum += dy.Float(j)
			dot += float64(dy.Float(j) * ((x.Float(j) - mean) * inv))
		})
		f := scale.Float(k) * inv
		each(func(j int) {
			xhat := (x.Float(j) - mean) * inv
			dx.SetFloat(j, f*(dy.Float(j)-sum/count-float64(xhat*(dot/count))))
		})
		if dscale != nil {
			dscale.SetFloat(k, dot)
		}
		if db != nil {
			db.SetFloat(k, sum)
		}
	}
	return nil
}

// BatchNormGradDesc describes BatchNormGrad.
var BatchNormGradDesc = kernel.Desc{ID: "ref.mlc.BatchNormGrad", Op: "ref.mlc.BatchNormGrad", Ref: BatchNormGrad}
