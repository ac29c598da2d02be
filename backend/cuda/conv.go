package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// A convolution is a product for each group of each image: the filters [M/group,
// K] by the patches [K, pixels], which are gathered when they are put into
// shared memory. K runs over channels and taps.

// convolution is what the kernels of all kinds of convolution share.
type convolution struct {
	plane
	group int
	cg    int // channels of a group
	mg    int // filters of a group
	n     shape.Dim
}

// filterKind is how the filters of a convolution lie.
type filterKind uint8

const (
	filtersA          filterKind = iota // gemm.FormatA, group by group
	filtersOpen                         // an operand, row by row
	filtersTransposed                   // conv.FormatTranspose: taps before channels
)

func convF32(o *op) (bool, error) {
	if o.packed(0).Format != gemm.FormatA {
		return false, nil
	}
	return convolve(o, filtersA, o.attrs().Ints("kernel_shape"), 1)
}

func convTransposeF32(o *op) (bool, error) {
	if o.packed(0).Format != conv.FormatTranspose {
		return false, nil
	}
	return convolve(o, filtersTransposed, o.attrs().Ints("kernel_shape"), 1)
}

// convOpenF32 is a convolution whose filters are an operand.
func convOpenF32(o *op) (bool, error) {
	w := o.input(1)
	if w.DType != dtype.F32 || len(w.Dims) < 3 {
		return false, nil
	}
	d, ok := shape.Consts(w.Dims)
	if !ok {
		return false, nil
	}
	var size []int64
	for _, x := range d[2:] {
		size = append(size, int64(x))
	}
	return convolve(o, filtersOpen, size, 2)
}

// noMap says whether the maps of the result are known to have no pixel; kernels
// divide by their extents.
func (o *op) noMap() bool {
	d := o.output(0).Dims
	return len(d) > 2 && shape.Prod(d[2:]).Is(0)
}

// convolve makes a convolution with filters of extents size; the operands of
// its epilogue are those from first on.
func convolve(o *op, kind filterKind, size []int64, first int) (bool, error) {
	if o.noMap() {
		return false, nil
	}
	e, err := o.ending(first, 1, 1)
	if e == nil {
		return false, err
	}
	c, ok := o.convolution(size, kind == filtersTransposed)
	if !ok {
		return false, nil
	}
	x, y, mg := o.input(0), o.output(0), shape.Int(int64(c.mg))
	pixels := shape.Prod(y.Dims[2:])
	o.run(job{name: "conv", m: mg, n: pixels, k: shape.Int(int64(c.cg * c.taps())), batch: c.n.Mul(shape.Int(int64(c.group))), wide: true, end: e,
		sides: func(k *kern, unit ptx.U32) (a, b side) {
			c.bind(k)
			rows, cols, steps := k.extent(mg), k.extent(pixels), ptx.I(c.cg*c.taps())
			group := unit.Rem(ptx.I(c.group))
			from := k.load(0).AtMul(unit, k.extent(shape.Prod(x.Dims[2:]).Mul(shape.Int(int64(c.cg)))), 4)
			switch size := rows.Mul(steps); kind {
			case filtersA:
				a = k.rowBlocks(k.weights(0).AtMul(group, size, 4), rows, steps)
			case filtersOpen:
				a = k.rowMajor(k.load(1).AtMul(group, size, 4), rows, steps, true)
			case filtersTransposed:
				a = k.rowMajor(k.weights(0).AtMul(group, size, 4), rows, steps, true)
			}
			if c.pointwise() {
				return a, k.rowMajor(from, cols, steps, false)
			}
			return a, k.patches(from, cols, c, kind == filtersTransposed)
		},
		result: func(k *kern, unit ptx.U32) result {
			image, group := unit.DivRem(ptx.I(c.group))
			return result{batch: image, row0: group.Mul(k.extent(mg)), out: k.image(image)}
		},
	})
	return true, nil
}

// image is where an image of the output is.
func (k *kern) image(i ptx.U32) array {
	y := k.o.output(0)
	return array{k.store(0).AtMul(i, k.extent(shape.Prod(y.Dims[1:])), 4), y.DType}
}

// convolution reads the call's attributes and extents; false where no kernel
// takes them.
func (o *op) convolution(size []int64, transposed bool) (c convolution, ok bool) {
	x, y, at := o.input(0), o.output(0), o.attrs()
	rank := len(size)
	if x.DType != dtype.F32 || y.DType != dtype.F32 || rank < 1 || rank > 2 || len(x.Dims) != rank+2 || len(y.Dims) != rank+2 {
		return c, false
	}
	channels, ok1 := x.Dims[1].Const()
	filters, ok2 := y.Dims[1].Const()
	c.group, c.n = max(1, at.Int("group")), x.Dims[0]
	if !ok1 || !ok2 || !c.n.Equal(y.Dims[0]) || int(channels)%c.group != 0 || int(filters)%c.group != 0 || channels*filters == 0 {
		return c, false
	}
	if units, known := c.n.Const(); known && units*int64(c.group) > maxGrid {
		return c, false
	}
	c.cg, c.mg = int(channels)/c.group, int(filters)/c.group
	one := axis{from: shape.Int(1), to: shape.Int(1), Window: kernel.Window{In: 1, K: 1, Stride: 1, Dil: 1}}
	axes := [2]axis{one, one}
	read := axisOf
	if transposed {
		read = transposedAxisOf
	}
	for i := range rank {
		if axes[2-rank+i], ok = read(at, i, rank, x.Dims[2+i], y.Dims[2+i], size[i]); !ok {
			return c, false
		}
	}
	c.plane = plane{axes[0], axes[1]}
	return c, true
}

func (c *convolution) bind(k *kern) {
	c.v.bind(k)
	c.u.bind(k)
}

// maxGrid is the most blocks that a grid has on its second and third axes.
const maxGrid = 1<<16 - 1

// rowBlocks is a constant [m, k] in gemm.FormatA, whose extents are known.
func (k *kern) rowBlocks(p ptx.Ptr, m, kk ptx.U32) side {
	s := side{extent: m, vec: 1, alongK: true}
	if multiple(kk, 4) {
		s.vec = 4
	}
	s.at = func(w ptx.U32) func(kk ptx.U32, in ptx.Pred) []ptx.F32 {
		return func(at ptx.U32, in ptx.Pred) []ptx.F32 {
			return loadRun(p, inRowBlocks(w, at, m, kk), s.vec, dtype.F32, in)
		}
	}
	return s
}

// inRowBlocks is the element in gemm.FormatA of row w at step at.
func inRowBlocks(w, at, m, kk ptx.U32) ptx.U32 {
	k0, kc := block(at, kk)
	return k0.MulAdd(m.Sub(ptx.I(1)), w.MulAdd(kc, at))
}

// patches are the elements of a group of an image that the pixels of the
// output are made from.
func (k *kern) patches(p ptx.Ptr, pixels ptx.U32, c convolution, transposed bool) side {
	return side{extent: pixels, vec: 1, at: func(pixel ptx.U32) func(kk ptx.U32, in ptx.Pred) []ptx.F32 {
		where := c.at(pixel)
		if transposed {
			where = c.transposedAt(pixel)
		}
		return func(kk ptx.U32, in ptx.Pred) []ptx.F32 {
			channel, tap := kk.DivRem(ptx.I(c.taps()))
			if transposed {
				tap, channel = kk.DivRem(ptx.I(c.cg))
			}
			ky, kx := tap.DivRem(ptx.I(c.u.K))
			i, there := where(channel, ky, kx)
			return loadRun(p, i, 1, dtype.F32, in.And(there))
		}
	}}
}

// dwconvF32 is a depthwise convolution, a thread an element of the output.
func dwconvF32(o *op) (bool, error) {
	if o.noMap() || o.packed(0).Format != dwconv.FormatPlain || o.given(1) && o.input(1).DType != dtype.F32 {
		return false, nil
	}
	e, err := o.ending(2, 1, 1)
	if e == nil {
		return false, err
	}
	w := o.packed(0).Dims
	if len(w) != 4 {
		return false, nil
	}
	c, ok := o.convolution([]int64{int64(w[2]), int64(w[3])}, false)
	if !ok || c.cg != 1 {
		return false, nil
	}
	k := o.kernel("dwconv")
	c.bind(k)
	y := o.output(0)
	dims := []shape.Dim{y.Dims[0], y.Dims[1], y.Dims[2].Mul(y.Dims[3])}
	k.each(dims, func(_ ptx.U32, at []ptx.U32) {
		image, m, pixel := at[0], at[1], at[2]
		from := k.load(0).AtMul(image.MulAdd(ptx.I(c.group), m.Div(ptx.I(c.mg))), c.elements(), 4)
		weights := k.weights(0).At(m, 4*c.taps())
		sum := k.VarF32(ptx.F(0))
		where := c.at(pixel)
		tap := func(ky, kx ptx.U32) {
			i, there := where(ptx.I(0), ky, kx)
			sum.IncFMA(loadRun(from, i, 1, dtype.F32, there)[0], weights.At(ky.MulAdd(ptx.I(c.u.K), kx), 4).LdF32())
		}
		if c.taps() <= 49 {
			for t := range c.taps() {
				tap(ptx.I(t/c.u.K), ptx.I(t%c.u.K))
			}
		} else {
			k.For(ptx.I(0), ptx.I(c.v.K), ptx.I(1), func(ky ptx.U32) {
				k.For(ptx.I(0), ptx.I(c.u.K), ptx.I(1), func(kx ptx.U32) { tap(ky, kx) })
			})
		}
		v := sum.Get()
		if o.given(1) {
			v = v.Add(k.load(1).At(m, 4).LdF32())
		}
		k.one(e, result{batch: image, out: k.image(image)}, m, pixel, k.extent(dims[2]), v)
	})
	return true, nil
}
