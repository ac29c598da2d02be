package ref

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// BatchNormalization is, for every channel (axis 1; a vector X is one channel),
//
//	Y = (X - mean) / sqrt(var + epsilon) * scale + B
//
// with the given mean and var or, in training mode, those of the channel in X
// (var divides by the count); then the running ones are
// input*momentum + current*(1-momentum).
func BatchNormalization(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	n, ch, size := channels(x)
	for i, name := range [...]string{"scale", "B", "input_mean", "input_var"} {
		if t := &in[1+i].Tensor; t.Len() != ch {
			return badExtent(name, t.Len(), ch)
		}
	}
	scale, shift, inMean, inVar := &in[1].Tensor, &in[2].Tensor, &in[3].Tensor, &in[4].Tensor
	y := output(c, out, 0, x.DType(), x.Dims()...)
	var runMean, runVar *tensor.Tensor
	if wanted(out, 1) {
		runMean = output(c, out, 1, inMean.DType(), ch)
	}
	if wanted(out, 2) {
		runVar = output(c, out, 2, inVar.DType(), ch)
	}
	training := a.Bool("training_mode")
	eps, momentum := float64(a.Float("epsilon")), float64(a.Float("momentum"))
	for k := range ch {
		mean, variance := inMean.Float(k), inVar.Float(k)
		if training {
			oldMean, oldVar := mean, variance
			mean, variance = channelStats(x, n, ch, size, k)
			if runMean != nil {
				runMean.SetFloat(k, float64(oldMean*momentum)+float64(mean*(1-momentum)))
			}
			if runVar != nil {
				runVar.SetFloat(k, float64(oldVar*momentum)+float64(variance*(1-momentum)))
			}
		}
		f, b := scale.Float(k)/math.Sqrt(variance+eps), shift.Float(k)
		for i := range n {
			o := (i*ch + k) * size
			for j := o; j < o+size; j++ {
				y.SetFloat(j, float64((x.Float(j)-mean)*f)+b)
			}
		}
	}
	return nil
}

// BatchNormalizationDesc describes BatchNormalization.
var BatchNormalizationDesc = kernel.Desc{ID: "ref.BatchNormalization", Op: "ref.BatchNormalization", Ref: BatchNormalization}

// channels splits X[N, C, ...] into batch, channels and elements of a plane.
func channels(x *tensor.Tensor) (n, ch, size int) {
	n, ch, size = 1, 1, 1
	for i, d := range x.Dims() {
		switch i {
		case 0:
			n = d
		case 1:
			ch = d
		default:
			size *= d
		}
	}
	return n, ch, size
}

// channelStats is the mean of channel k and the mean square distance from it.
func channelStats(x *tensor.Tensor, n, ch, size, k int) (mean, variance float64) {
	count := float64(n * size)
	for i := range n {
		o := (i*ch + k) * size
		for j := o; j < o+size; j++ {
			mean += x.Float(j)
		}
	}
	mean /= count
	for i := range n {
		o := (i*ch + k) * size
		for j := o; j < o+size; j++ {
			d := x.Float(j) - mean
			variance += float64(d * d)
		}
	}
	return mean, variance / count
}

// LayerNormalization normalizes over the axes from axis on:
//
//	Y = (X - Mean) * InvStdDev * Scale + B,  InvStdDev = 1/sqrt(Var + epsilon)
//
// Scale and B broadcast to X.
func LayerNormalization(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, scale := &in[0].Tensor, &in[1].Tensor
	var none []int
	bias, biasDims := (*tensor.Tensor)(nil), none
	if present(in, 2) {
		bias = &in[2].Tensor
		biasDims = bias.Dims()
	}
	if !stretches(scale.Dims(), x.Dims()) || !stretches(biasDims, x.Dims()) {
		return badShape("Scale and B", fmt.Sprint(scale.Dims(), biasDims), fmt.Sprint("broadcastable to ", x.Dims()))
	}
	axis := a.Int("axis")
	if axis < 0 {
		axis += x.Rank()
	}
	if axis < 0 || axis >= x.Rank() || x.Rank() > maxRank {
		return badExtent("axis", axis, x.Rank()-1)
	}
	y := output(c, out, 0, x.DType(), x.Dims()...)
	var buf [maxRank]int
	outer, size := 1, 1
	for i, d := range x.Dims() {
		if i < axis {
			buf[i] = d
			outer *= d
		} else {
			buf[i] = 1
			size *= d
		}
	}
	stash, _ := dtype.FromONNX(int32(a.Int("stash_type")))
	var means, invs *tensor.Tensor
	if wanted(out, 1) {
		means = output(c, out, 1, stash, buf[:x.Rank()]...)
	}
	if wanted(out, 2) {
		invs = output(c, out, 2, stash, buf[:x.Rank()]...)
	}
	eps := float64(a.Float("epsilon"))
	w := newWalker(x.Dims(), scale.Dims(), biasDims)
	for o := range outer {
		mean, variance := channelStats(x, 1, outer, size, o)
		inv := 1 / math.Sqrt(variance+eps)
		if means != nil {
			means.SetFloat(o, mean)
		}
		if invs != nil {
			invs.SetFloat(o, inv)
		}
		for j := o * size; j < (o+1)*size; j++ {
			v := float64((x.Float(j) - mean) * inv * scale.Float(w.off[0]))
			if bias != nil {
				v += bias.Float(w.off[1])
			}
			y.SetFloat(j, v)
			w.next()
		}
	}
	return nil
}

// LayerNormalizationDesc describes LayerNormalization.
var LayerNormalizationDesc = kernel.Desc{ID: "ref.LayerNormalization", Op: "ref.LayerNormalization", Ref: LayerNormalization}

// stretches says whether extents d broadcast to exactly to.
func stretches(d, to []int) bool {
	if len(d) > len(to) {
		return false
	}
	for i, v := range d {
		if v != 1 && v != to[len(to)-len(d)+i] {
			return false
		}
	}
	return true
}
