package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// MaxPool is the largest element under each window, and its flat position in
// X (the first of equals). Padding and NaN never win: a window without any
// other element gives the lowest value of the type and position -1.
func MaxPool(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	p, err := newPool(x, a)
	if err != nil {
		return err
	}
	y := output(c, out, 0, x.DType(), p.dims()...)
	var index []int64
	if wanted(out, 1) {
		index = tensor.Slice[int64](output(c, out, 1, dtype.I64, p.dims()...))
	}
	lowest := math.Inf(-1)
	if !x.DType().IsFloat() {
		lo, _ := x.DType().IntRange()
		lowest = float64(lo)
	}
	column := a.Bool("storage_order")
	at := 0
	for plane := range p.planes {
		base := plane * p.inSize
		var o spatial
		for range p.outSize {
			best, arg := lowest, -1
			p.aim(&o)
			for p.first(); p.more; p.step() {
				for i, off := 0, p.offset(); i < p.count; i, off = i+1, off+p.dil[p.n-1] {
					if v := x.Float(base + off); v > best || arg < 0 && v == best {
						best, arg = v, off
					}
				}
			}
			y.SetFloat(at, best)
			if index != nil {
				index[at] = int64(p.position(base, arg, column))
			}
			at++
			o.next(&p.out, p.n)
		}
	}
	return nil
}

// MaxPoolDesc describes MaxPool.
var MaxPoolDesc = kernel.Desc{ID: "ref.MaxPool", Op: "ref.MaxPool", Ref: MaxPool}

// AveragePool is the mean of the elements under each window: of those in X, or
// with count_include_pad of those in X and its padding, which counts as zeros.
func AveragePool(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	p, err := newPool(x, a)
	if err != nil {
		return err
	}
	y := output(c, out, 0, x.DType(), p.dims()...)
	padded := a.Bool("count_include_pad")
	at := 0
	for plane := range p.planes {
		base := plane * p.inSize
		var o spatial
		for range p.outSize {
			sum := 0.0
			p.aim(&o)
			for p.first(); p.more; p.step() {
				for i, off := 0, p.offset(); i < p.count; i, off = i+1, off+p.dil[p.n-1] {
					sum += x.Float(base + off)
				}
			}
			y.SetFloat(at, sum/float64(p.share(&o, padded)))
			at++
			o.next(&p.out, p.n)
		}
	}
	return nil
}

// AveragePoolDesc describes AveragePool.
var AveragePoolDesc = kernel.Desc{ID: "ref.AveragePool", Op: "ref.AveragePool", Ref: AveragePool}

// GlobalAveragePool is the mean of each plane.
func GlobalAveragePool(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	y, size, err := globalPool(c, x, out)
	if err != nil {
		return err
	}
	for i := range y.Len() {
		sum := 0.0
		for j := range size {
			sum += x.Float(i*size + j)
		}
		y.SetFloat(i, sum/float64(size))
	}
	return nil
}

// GlobalAveragePoolDesc describes GlobalAveragePool.
var GlobalAveragePoolDesc = kernel.Desc{ID: "ref.GlobalAveragePool", Op: "ref.GlobalAveragePool", Ref: GlobalAveragePool}

// GlobalMaxPool is the largest element of each plane; NaN never wins.
func GlobalMaxPool(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	y, size, err := globalPool(c, x, out)
	if err != nil {
		return err
	}
	for i := range y.Len() {
		best := math.Inf(-1)
		for j := range size {
			if v := x.Float(i*size + j); v > best {
				best = v
			}
		}
		y.SetFloat(i, best)
	}
	return nil
}

// GlobalMaxPoolDesc describes GlobalMaxPool.
var GlobalMaxPoolDesc = kernel.Desc{ID: "ref.GlobalMaxPool", Op: "ref.GlobalMaxPool", Ref: GlobalMaxPool}

// globalPool makes Y[N,C,1,...] and counts the elements of a plane of X.
func globalPool(c kernel.Ctx, x *tensor.Tensor, out []tensor.Value) (y *tensor.Tensor, size int, err error) {
	if x.Rank() < 2 || x.Rank() > maxRank {
		return nil, 0, badExtent("rank of X", x.Rank(), 4)
	}
	var buf [maxRank]int
	size = 1
	for i, d := range x.Dims() {
		buf[i] = 1
		if i < 2 {
			buf[i] = d
		} else {
			size *= d
		}
	}
	return output(c, out, 0, x.DType(), buf[:x.Rank()]...), size, nil
}

// pool slides a window over the planes of X. For one output position, aim
// finds the taps inside X, then first, more and step visit them row by row:
// count elements from offset() on, dil apart.
type pool struct {
	window
	planes int
	buf    [maxRank]int

	lo, hi spatial // taps inside X on each axis: lo..hi-1
	org    spatial // input position of tap 0
	tap    spatial
	count  int
	more   bool
}

func newPool(x *tensor.Tensor, a attr.Map) (pool, error) {
	var p pool
	if x.Rank() < 3 || x.Rank() > maxRank {
		return p, badExtent("rank of X", x.Rank(), 2+len(a.Ints("kernel_shape")))
	}
	var k spatial
	ks := a.Ints("kernel_shape")
	for i := range min(len(ks), maxSpatial) {
		k[i] = int(ks[i])
	}
	if len(ks) != x.Rank()-2 {
		return p, badExtent("kernel axes", len(ks), x.Rank()-2)
	}
	if err := p.set(a, x.Dims()[2:], k[:len(ks)]); err != nil {
		return p, err
	}
	if err := p.place(a); err != nil {
		return p, err
	}
	p.planes = x.Dim(0) * x.Dim(1)
	p.buf[0], p.buf[1] = x.Dim(0), x.Dim(1)
	copy(p.buf[2:], p.out[:p.n])
	return p, nil
}

// dims are the extents of Y.
func (p *pool) dims() []int { return p.buf[:2+p.n] }

// aim moves the window to output position o.
func (p *pool) aim(o *spatial) {
	for i := range p.n {
		p.org[i] = o[i]*p.stride[i] - p.pad[i]
		p.lo[i] = min(p.k[i], max(0, ceilDiv(-p.org[i], p.dil[i])))
		p.hi[i] = max(p.lo[i], min(p.k[i], ceilDiv(p.in[i]-p.org[i], p.dil[i])))
	}
}

func (p *pool) first() {
	p.tap = p.lo
	p.count = p.hi[p.n-1] - p.lo[p.n-1]
	p.more = true
	for i := range p.n {
		p.more = p.more && p.hi[i] > p.lo[i]
	}
}

// step goes to the next row of taps.
func (p *pool) step() {
	for i := p.n - 2; i >= 0; i-- {
		if p.tap[i]++; p.tap[i] < p.hi[i] {
			return
		}
		p.tap[i] = p.lo[i]
	}
	p.more = false
}

// offset is the place in the plane of the first tap of the row.
func (p *pool) offset() int {
	off := 0
	for i := range p.n {
		off = off*p.in[i] + p.org[i] + p.tap[i]*p.dil[i]
	}
	return off
}

// share is how many elements the mean at output position o divides by.
func (p *pool) share(o *spatial, padded bool) int {
	n := 1
	for i := range p.n {
		if padded {
			// Taps from -pad to in+padEnd-1; an overhang beyond does not count.
			n *= min(p.k[i], ceilDiv(p.in[i]+p.padEnd[i]-p.org[i], p.dil[i]))
		} else {
			n *= p.hi[i] - p.lo[i]
		}
	}
	return n
}

// position is the flat index in X of offset off in the plane at base: row by
// row, or column by column within the plane.
func (p *pool) position(base, off int, column bool) int {
	if off < 0 {
		return -1
	}
	if !column {
		return base + off
	}
	var at spatial
	at.at(off, &p.in, p.n)
	idx := 0
	for i := p.n - 1; i >= 0; i-- {
		idx = idx*p.in[i] + at[i]
	}
	return base + idx
}
