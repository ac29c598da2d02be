package ref

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// classes walks logits [N, C, inner...] row by row.
type classes struct {
	x            *tensor.Tensor
	n, c, inner  int
	labels       *tensor.Tensor
	base, label  int     // of the row
	max, sum     float64 // of the row: its maximum, and the sum of exponentials relative to it
	without      [maxRank]int
	withoutCount int
}

func newClasses(x, labels *tensor.Tensor) (r classes, err error) {
	if x.Rank() < 2 || x.Rank() > maxRank {
		return r, badExtent("rank of logits", x.Rank(), 2)
	}
	r = classes{x: x, n: x.Dim(0), c: x.Dim(1), inner: product(x.Dims()[2:]), labels: labels}
	r.withoutCount = x.Rank() - 1
	r.without[0] = r.n
	copy(r.without[1:], x.Dims()[2:])
	return r, sameDims("labels", labels.Dims(), r.without[:r.withoutCount])
}

// row moves to row i of n*inner.
func (r *classes) row(i int) error {
	v := r.labels.Int(i)
	if v < 0 || v >= int64(r.c) {
		return &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("label of row %d", i), Have: fmt.Sprint(v), Want: fmt.Sprintf("0..%d", r.c-1)}
	}
	r.base, r.label = i/r.inner*r.inner*r.c+i%r.inner, int(v)
	r.max, r.sum = math.Inf(-1), 0
	for k := range r.c {
		r.max = maxOf(r.max, r.x.Float(r.base+k*r.inner))
	}
	for k := range r.c {
		r.sum += vecmath.Exp64(r.x.Float(r.base+k*r.inner) - r.max)
	}
	return nil
}

// CrossEntropy is log(sum(exp(x))) - x[label] over axis 1, relative to the
// maximum.
func CrossEntropy(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	r, err := newClasses(&in[0].Tensor, &in[1].Tensor)
	if err != nil {
		return err
	}
	y := output(c, out, 0, r.x.DType(), r.without[:r.withoutCount]...)
	for i := range r.n * r.inner {
		if err := r.row(i); err != nil {
			return err
		}
		y.SetFloat(i, vecmath.Log64(r.sum)-(r.x.Float(r.base+r.label*r.inner)-r.max))
	}
	return nil
}

// CrossEntropyDesc describes CrossEntropy.
var CrossEntropyDesc = kernel.Desc{ID: "ref.mlc.CrossEntropy", Op: "ref.mlc.CrossEntropy", Ref: CrossEntropy}

// CrossEntropyGrad is dY*(softmax(x) - onehot(label)).
func CrossEntropyGrad(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	dy := &in[0].Tensor
	r, err := newClasses(&in[1].Tensor, &in[2].Tensor)
	if err != nil {
		return err
	}
	if err := sameDims("dY", dy.Dims(), r.without[:r.withoutCount]); err != nil {
		return err
	}
	dx := output(c, out, 0, r.x.DType(), r.x.Dims()...)
	for i := range r.n * r.inner {
		if err := r.row(i); err != nil {
			return err
		}
		for k := range r.c {
			at := r.base + k*r.inner
			p := vecmath.Exp64(r.x.Float(at)-r.max) / r.sum
			if k == r.label {
				p--
			}
			dx.SetFloat(at, dy.Float(i)*p)
		}
	}
	return nil
}

// CrossEntropyGradDesc describes CrossEntropyGrad.
var CrossEntropyGradDesc = kernel.Desc{ID: "ref.mlc.CrossEntropyGrad", Op: "ref.mlc.CrossEntropyGrad", Ref: CrossEntropyGrad}

// DropoutMask is 0 where the number of (key, i) in [0, 1) is below ratio, else
// 1/(1-ratio).
func DropoutMask(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	key, shape := &in[0].Tensor, &in[1].Tensor
	var dims [maxRank]int
	if shape.Rank() != 1 || shape.Len() > maxRank {
		return badExtent("length of the shape", shape.Len(), maxRank)
	}
	d, err := extents(shape, shape.Len())
	if err != nil {
		return err
	}
	dims = d
	if _, ok := tensor.Count(dims[:shape.Len()]); !ok {
		return &diag.Error{Kind: diag.Limit, Port: "shape", Have: fmt.Sprint(dims[:shape.Len()]), Want: "a tensor that can exist"}
	}
	t, _ := dtype.FromONNX(int32(a.Int("dtype")))
	y := output(c, out, 0, t, dims[:shape.Len()]...)
	var k uint64
	for i := range key.Len() {
		k = splitMix(k ^ uint64(key.Int(i)))
	}
	ratio := float64(a.Float("ratio"))
	keep := 1 / (1 - ratio)
	if t == dtype.F32 {
		v, f := tensor.Slice[float32](y), float32(keep)
		for i := range v {
			v[i] = f
			if unit(k, i) < ratio {
				v[i] = 0
			}
		}
		return nil
	}
	for i := range y.Len() {
		v := keep
		if unit(k, i) < ratio {
			v = 0
		}
		y.SetFloat(i, v)
	}
	return nil
}

// DropoutMaskDesc describes DropoutMask.
var DropoutMaskDesc = kernel.Desc{ID: "ref.mlc.DropoutMask", Op: "ref.mlc.DropoutMask", Ref: DropoutMask}

// golden is the increment of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// splitMix is the output function of SplitMix64 on the state after s.
func splitMix(s uint64) uint64 {
	s += golden
	s = (s ^ s>>30) * 0xbf58476d1ce4e5b9
	s = (s ^ s>>27) * 0x94d049bb133111eb
	return s ^ s>>31
}

// unit is number i of the stream that begins at k.
func unit(k uint64, i int) float64 {
	return float64(splitMix(k+uint64(i)*golden)>>11) / (1 << 53)
}
