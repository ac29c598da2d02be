package ref

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Conv is the n-d cross-correlation
//
//	Y[n,m,o] = B[m] + sum over c, k of X[n, g*C/group+c, o*stride + k*dil - pad] * W[m,c,k]
//
// where g is the group of m. Positions outside X add nothing; the sum ascends
// over c, then k row by row, and the bias is added last.
func Conv(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, wt := &in[0].Tensor, &in[1].Tensor
	if err := sameRank(x, wt); err != nil {
		return err
	}
	p := convolution{x: x, wt: wt, group: a.Int("group"), m: wt.Dim(0), cg: wt.Dim(1)}
	if err := p.set(a, x.Dims()[2:], wt.Dims()[2:]); err != nil {
		return err
	}
	if err := p.place(a); err != nil {
		return err
	}
	if x.Dim(1) != p.cg*p.group {
		return badExtent("W input channels", p.cg, x.Dim(1)/p.group)
	}
	if p.m%p.group != 0 {
		return badExtent("W output channels modulo group", p.m%p.group, 0)
	}
	p.ldm, p.ldc = p.cg*p.taps, p.taps
	return p.run(c, in, out)
}

// ConvDesc describes Conv.
var ConvDesc = kernel.Desc{ID: "ref.Conv", Op: "ref.Conv", Ref: Conv}

// ConvTranspose is the adjoint of Conv in its input:
//
//	Y[n,m,i] = B[m] + sum over c, k, o with o*stride + k*dil - pad = i of X[n,c,o] * W[c,m,k]
func ConvTranspose(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, wt := &in[0].Tensor, &in[1].Tensor
	if err := sameRank(x, wt); err != nil {
		return err
	}
	group := a.Int("group")
	p := convolution{x: x, wt: wt, group: group, m: wt.Dim(1) * group, cg: wt.Dim(0) / group}
	if err := p.set(a, x.Dims()[2:], wt.Dims()[2:]); err != nil {
		return err
	}
	if err := p.placeTransposed(a); err != nil {
		return err
	}
	if x.Dim(1) != wt.Dim(0) || x.Dim(1)%group != 0 {
		return badExtent("W input channels", wt.Dim(0), x.Dim(1))
	}
	p.ldm, p.ldc = p.taps, wt.Dim(1)*p.taps
	return p.run(c, in, out)
}

// ConvTransposeDesc describes ConvTranspose.
var ConvTransposeDesc = kernel.Desc{ID: "ref.ConvTranspose", Op: "ref.ConvTranspose", Ref: ConvTranspose}

func sameRank(x, w *tensor.Tensor) error {
	if x.Rank() != w.Rank() || x.Rank() < 3 || x.Rank() > maxRank {
		return badExtent("rank of W", w.Rank(), x.Rank())
	}
	return nil
}

// convolution is a window that multiplies and adds: Conv, ConvTranspose and
// their gradients in X.
type convolution struct {
	window
	x, wt    *tensor.Tensor
	group    int
	m, cg    int // output channels; input channels of a group
	ldm, ldc int // steps in W from one output channel of a group, or one input channel, to the next
}

const (
	rows = 8   // sums side by side: output channels, rows of a product
	cols = 128 // output positions of a block
)

// sums accumulates a block of outputs in float64. One input row is widened
// once and multiplied into all rows.
type sums struct {
	acc  [rows][cols]float64
	x    [cols]float64
	seg  [cols]seg
	segs int
}

// seg is a run of block positions at, at+step, ... that takes x[from:from+n].
type seg struct{ at, step, from, n int }

// run computes Y for the geometry in p.
func (p *convolution) run(c kernel.Ctx, in, out []tensor.Value) error {
	var bias *tensor.Tensor
	if present(in, 2) {
		bias = &in[2].Tensor
		if bias.Rank() != 1 || bias.Dim(0) != p.m {
			return badExtent("B", bias.Len(), p.m)
		}
	}
	n := p.x.Dim(0)
	var buf [maxRank]int
	buf[0], buf[1] = n, p.m
	copy(buf[2:], p.out[:p.n])
	y := output(c, out, 0, p.x.DType(), buf[:2+p.n]...)
	var s sums
	mg := p.m / p.group
	for b := range n {
		for g := range p.group {
			for m0 := 0; m0 < mg; m0 += rows {
				for o := 0; o < p.outSize; o += cols {
					p.block(&s, y, bias, b, g, m0, min(rows, mg-m0), o, min(cols, p.outSize-o))
				}
			}
		}
	}
	return nil
}

// block computes no outputs from position o on for nm channels of group g from
// m0 on.
func (p *convolution) block(s *sums, y, bias *tensor.Tensor, b, g, m0, nm, o, no int) {
	mg := p.m / p.group
	for r := range nm {
		clear(s.acc[r][:no])
	}
	var start spatial
	start.at(o, &p.out, p.n)
	for c := range p.cg {
		xo := (b*p.group*p.cg + g*p.cg + c) * p.inSize
		w0 := c * p.ldc
		if p.transposed {
			w0 += g*p.cg*p.ldc + m0*p.ldm
		} else {
			w0 += (g*mg + m0) * p.ldm
		}
		var tap spatial
		for k := range p.taps {
			p.gather(s, &tap, start, xo, no)
			for r := range nm {
				s.add(r, p.wt.Float(w0+r*p.ldm+k))
			}
			tap.next(&p.k, p.n)
		}
	}
	for r := range nm {
		m := g*mg + m0 + r
		if bias != nil {
			v := bias.Float(m)
			for i := range s.acc[r][:no] {
				s.acc[r][i] += v
			}
		}
		store(y, (b*p.m+m)*p.outSize+o, s.acc[r][:no])
	}
}

// gather collects what tap brings to the no output positions from start on,
// one run for each output row that it reaches.
func (p *convolution) gather(s *sums, tap *spatial, start spatial, xo, no int) {
	last := p.n - 1
	s.segs = 0
	from := 0
	for at := 0; at < no; {
		n := min(no-at, p.lastOut-start[last])
		row, ok := 0, true
		for i := 0; i < last && ok; i++ {
			var v int
			v, ok = p.meets(i, start[i], tap[i])
			row = row*p.in[i] + v
		}
		if ok {
			first, step, x, xstep, count := p.reach(start[last], n, tap[last])
			if count > 0 {
				load(s.x[from:], p.x, xo+row*p.in[last]+x, xstep, count)
				s.seg[s.segs] = seg{at + first - start[last], step, from, count}
				s.segs++
				from += count
			}
		}
		at += n
		start[last] += n
		if start[last] == p.lastOut && last > 0 {
			start[last] = 0
			start.next(&p.out, last)
		}
	}
}

// add adds w times what was gathered to row r.
func (s *sums) add(r int, w float64) {
	acc := &s.acc[r]
	for i := range s.segs {
		g := &s.seg[i]
		if g.step == 1 {
			axpy(acc[g.at:g.at+g.n], w, s.x[g.from:g.from+g.n])
			continue
		}
		at := g.at
		for _, v := range s.x[g.from : g.from+g.n] {
			acc[at] += float64(w * v)
			at += g.step
		}
	}
}

// axpy is y += a*x for slices of one length.
func axpy(y []float64, a float64, x []float64) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += float64(a * v)
	}
}
