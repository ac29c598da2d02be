package ref

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// MaxPoolGrad is the gradient of MaxPool in X: every window adds its dY to its
// first maximum. The windows of one position add in ascending order.
func MaxPoolGrad(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dy, x := &in[0].Tensor, &in[1].Tensor
	p, err := newPool(x, a)
	if err != nil {
		return err
	}
	if err := sameDims("dY", dy.Dims(), p.dims()); err != nil {
		return err
	}
	dx := output(c, out, 0, x.DType(), x.Dims()...)
	// Sums stay in float64 until a plane is done.
	sum := make([]float64, p.inSize)
	at := 0
	for plane := range p.planes {
		base := plane * p.inSize
		clear(sum)
		var o spatial
		for range p.outSize {
			best, arg := math.Inf(-1), -1
			p.aim(&o)
			for p.first(); p.more; p.step() {
				for i, off := 0, p.offset(); i < p.count; i, off = i+1, off+p.dil[p.n-1] {
					if v := x.Float(base + off); v > best || arg < 0 && v == best {
						best, arg = v, off
					}
				}
			}
			if arg >= 0 {
				sum[arg] += dy.Float(at)
			}
			at++
			o.next(&p.out, p.n)
		}
		store(dx, base, sum)
	}
	return nil
}

// MaxPoolGradDesc describes MaxPoolGrad.
var MaxPoolGradDesc = kernel.Desc{ID: "ref.mlc.MaxPoolGrad", Op: "ref.mlc.MaxPoolGrad", Ref: MaxPoolGrad}

// AveragePoolGrad is the gradient of AveragePool in X, whose extents are in[1]:
// every window shares its dY among the elements under it.
func AveragePoolGrad(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dy := &in[0].Tensor
	dims, err := extents(&in[1].Tensor, dy.Rank())
	if err != nil {
		return err
	}
	dx := output(c, out, 0, dy.DType(), dims[:dy.Rank()]...)
	p, err := newPool(dx, a)
	if err != nil {
		return err
	}
	if err := sameDims("dY", dy.Dims(), p.dims()); err != nil {
		return err
	}
	padded := a.Bool("count_include_pad")
	sum := make([]float64, p.inSize)
	at := 0
	for plane := range p.planes {
		clear(sum)
		var o spatial
		for range p.outSize {
			p.aim(&o)
			share := dy.Float(at) / float64(p.share(&o, padded))
			for p.first(); p.more; p.step() {
				for i, off := 0, p.offset(); i < p.count; i, off = i+1, off+p.dil[p.n-1] {
					sum[off] += share
				}
			}
			at++
			o.next(&p.out, p.n)
		}
		store(dx, plane*p.inSize, sum)
	}
	return nil
}

// AveragePoolGradDesc describes AveragePoolGrad.
var AveragePoolGradDesc = kernel.Desc{ID: "ref.mlc.AveragePoolGrad", Op: "ref.mlc.AveragePoolGrad", Ref: AveragePoolGrad}

func sameDims(what string, have, want []int) error {
	ok := len(have) == len(want)
	for i := 0; ok && i < len(have); i++ {
		ok = have[i] == want[i]
	}
	if !ok {
		return badShape(what, fmt.Sprint(have), fmt.Sprint(want))
	}
	return nil
}
