package ref

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// ConvGradX is the gradient of Conv in X, whose extents are in[2]:
//
//	dX[n,c,i] = sum over m, k, o with o*stride + k*dil - pad = i of dY[n,m,o] * W[m,c,k]
func ConvGradX(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dy, wt := &in[0].Tensor, &in[1].Tensor
	if err := sameRank(dy, wt); err != nil {
		return err
	}
	dims, err := extents(&in[2].Tensor, dy.Rank())
	if err != nil {
		return err
	}
	group := a.Int("group")
	p := convolution{x: dy, wt: wt, group: group, m: wt.Dim(1) * group, cg: wt.Dim(0) / group}
	if err := p.set(a, dims[2:dy.Rank()], wt.Dims()[2:]); err != nil {
		return err
	}
	if err := p.place(a); err != nil {
		return err
	}
	for i := range p.n {
		if p.out[i] != dy.Dim(2+i) {
			return badExtent(fmt.Sprint("dY axis ", 2+i), dy.Dim(2+i), p.out[i])
		}
	}
	if dy.Dim(1) != wt.Dim(0) || wt.Dim(0)%group != 0 || dims[1] != p.m || dims[0] != dy.Dim(0) {
		return badShape("shape", fmt.Sprint(dims[:2]), fmt.Sprint([2]int{dy.Dim(0), p.m}))
	}
	p.in, p.out, p.transposed = p.out, p.in, true
	p.sizes()
	p.ldm, p.ldc = p.taps, wt.Dim(1)*p.taps
	return p.run(c, in[:2], out)
}

// ConvGradXDesc describes ConvGradX.
var ConvGradXDesc = kernel.Desc{ID: "ref.mlc.ConvGradX", Op: "ref.mlc.ConvGradX", Ref: ConvGradX}

// extents reads a shape operand.
func extents(t *tensor.Tensor, rank int) (d [maxRank]int, err error) {
	if t.Rank() != 1 || t.Len() != rank || rank > maxRank {
		return d, badExtent("length of the shape", t.Len(), rank)
	}
	for i := range rank {
		v := t.Int(i)
		if v < 0 || v > maxExtent {
			return d, badShape("shape", fmt.Sprint(v), "extents in 0..2^30")
		}
		d[i] = int(v)
	}
	return d, nil
}

// ConvGradW is the gradient of Conv in W, whose extents are in[2]:
//
//	dW[m,c,k] = sum over n, o of dY[n,m,o] * X[n,c,o*stride + k*dil - pad]
//
// dY may have fewer positions than Conv would make from X.
func ConvGradW(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dy, x := &in[0].Tensor, &in[1].Tensor
	if err := sameRank(dy, x); err != nil {
		return err
	}
	dims, err := extents(&in[2].Tensor, x.Rank())
	if err != nil {
		return err
	}
	group := a.Int("group")
	p := convolution{x: x, group: group, m: dims[0], cg: dims[1]}
	if err := p.set(a, x.Dims()[2:], dims[2:x.Rank()]); err != nil {
		return err
	}
	if err := p.place(a); err != nil {
		return err
	}
	for i := range p.n {
		if dy.Dim(2+i) > p.out[i] {
			return badExtent(fmt.Sprint("dY axis ", 2+i), dy.Dim(2+i), p.out[i])
		}
		p.out[i] = dy.Dim(2 + i)
	}
	p.sizes()
	if dy.Dim(1) != p.m || p.m%group != 0 || x.Dim(1) != p.cg*group || x.Dim(0) != dy.Dim(0) {
		return badShape("shape", fmt.Sprint(dims[:2]), fmt.Sprint([2]int{dy.Dim(1), x.Dim(1) / group}))
	}
	dw := output(c, out, 0, x.DType(), dims[:x.Rank()]...)
	var s sums
	mg := p.m / group
	for g := range group {
		for m0 := 0; m0 < mg; m0 += rows {
			for ch := range p.cg {
				var tap spatial
				for k := range p.taps {
					sum := p.correlate(&s, dy, g, m0, min(rows, mg-m0), ch, &tap)
					for r := range min(rows, mg-m0) {
						dw.SetFloat(((g*mg+m0+r)*p.cg+ch)*p.taps+k, sum[r])
					}
					tap.next(&p.k, p.n)
				}
			}
		}
	}
	return nil
}

// ConvGradWDesc describes ConvGradW.
var ConvGradWDesc = kernel.Desc{ID: "ref.mlc.ConvGradW", Op: "ref.mlc.ConvGradW", Ref: ConvGradW}

// correlate sums dY times X under one tap for nm output channels.
func (p *convolution) correlate(s *sums, dy *tensor.Tensor, g, m0, nm, ch int, tap *spatial) (sum [rows]float64) {
	mg := p.m / p.group
	for b := range dy.Dim(0) {
		xo := (b*p.group*p.cg + g*p.cg + ch) * p.inSize
		for o := 0; o < p.outSize; o += cols {
			var start spatial
			start.at(o, &p.out, p.n)
			p.gather(s, tap, start, xo, min(cols, p.outSize-o))
			for r := range nm {
				yo := (b*p.m+g*mg+m0+r)*p.outSize + o
				for _, q := range s.seg[:s.segs] {
					for j := range q.n {
						sum[r] += float64(dy.Float(yo+q.at+j) * s.x[q.from+j])
					}
				}
			}
		}
	}
	return sum
}
