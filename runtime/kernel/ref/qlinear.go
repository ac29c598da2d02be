package ref

import (
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// zeroPoint is an optional zero point of one element or one for each channel.
type zeroPoint struct {
	t    *tensor.Tensor
	step int
}

func newZeroPoint(in []tensor.Value, i, n int, name string) (z zeroPoint, err error) {
	if !present(in, i) {
		return z, nil
	}
	z.t = &in[i].Tensor
	switch {
	case z.t.Len() == 1:
	case z.t.Rank() == 1 && z.t.Len() == n:
		z.step = 1
	default:
		return z, badShape(name, dimsText(z.t.Dims()), "a scalar or ["+itoa(n)+"]")
	}
	return z, nil
}

func (z *zeroPoint) at(i int) int64 {
	if z.t == nil {
		return 0
	}
	return z.t.Int(i * z.step)
}

// scaleAt is element i of a scale of one element or one for each channel.
func scaleAt(t *tensor.Tensor, i int) float64 {
	if t.Len() == 1 {
		i = 0
	}
	return loadReal(t, i)
}

func checkScaleLen(t *tensor.Tensor, n int, name string) error {
	if t.Len() != 1 && (t.Rank() != 1 || t.Len() != n) {
		return badShape(name, dimsText(t.Dims()), "a scalar or ["+itoa(n)+"]")
	}
	return nil
}

// requantized is the rule by which exact sums become quantized values:
//
//	sat(rne(float32(acc) * m) + zero), m = float32(sx*sw/sy)
//
// where the three scales meet in float64 and the product is rounded to
// float32.
func requantized(acc int64, sx, sw, sy float64, zero int64, d dtype.DType) int64 {
	m := float32(float64(sx*sw) / sy)
	lo, hi := d.IntRange()
	return quantum(float64(float32(float32(acc)*m)), zero, lo, hi)
}

// integerConv sums (x-zx)*(w-zw) over windows, exactly, and hands each sum to
// put with its place and its output channel.
func integerConv(x, wt *tensor.Tensor, zx int64, zw *zeroPoint, a attr.Map, start func(dims []int) error, put func(at, m int, acc int64)) error {
	if err := sameRank(x, wt); err != nil {
		return err
	}
	group := a.Int("group")
	p := convolution{x: x, wt: wt, group: group, m: wt.Dim(0), cg: wt.Dim(1)}
	if err := p.set(a, x.Dims()[2:], wt.Dims()[2:]); err != nil {
		return err
	}
	if err := p.place(a); err != nil {
		return err
	}
	if x.Dim(1) != p.cg*group {
		return badExtent("W input channels", p.cg, x.Dim(1)/group)
	}
	if p.m%group != 0 {
		return badExtent("W output channels modulo group", p.m%group, 0)
	}
	var buf [maxRank]int
	buf[0], buf[1] = x.Dim(0), p.m
	copy(buf[2:], p.out[:p.n])
	if err := start(buf[:2+p.n]); err != nil {
		return err
	}
	for b := range x.Dim(0) {
		for m := range p.m {
			var o spatial
			for i := range p.outSize {
				put((b*p.m+m)*p.outSize+i, m, p.integerSum(b, m, &o, zx, zw.at(m)))
				o.next(&p.out, p.n)
			}
		}
	}
	return nil
}

// integerSum is one output of integerConv.
func (p *convolution) integerSum(b, m int, o *spatial, zx, zw int64) (acc int64) {
	g := m / (p.m / p.group)
	for c := range p.cg {
		xo := (b*p.group*p.cg + g*p.cg + c) * p.inSize
		var tap spatial
		for k := range p.taps {
			at, inside := 0, true
			for i := range p.n {
				v, ok := p.meets(i, o[i], tap[i])
				inside = inside && ok
				at = at*p.in[i] + v
			}
			if inside {
				acc += (p.x.Int(xo+at) - zx) * (p.wt.Int((m*p.cg+c)*p.taps+k) - zw)
			}
			tap.next(&p.k, p.n)
		}
	}
	return acc
}

// QLinearConv is Conv of quantized values: the sum of (x-zx)*(w-zw), plus B,
// is exact; it becomes sat(rne(float32(sum)*m)+zy) with m = float32(sx*sw/sy).
func QLinearConv(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, wt := &in[0].Tensor, &in[3].Tensor
	sx, sw, sy := &in[1].Tensor, &in[4].Tensor, &in[6].Tensor
	if wt.Rank() < 1 {
		return sameRank(x, wt)
	}
	m := wt.Dim(0)
	zx, err := newZeroPoint(in, 2, 1, "x_zero_point")
	if err != nil {
		return err
	}
	zw, err := newZeroPoint(in, 5, m, "w_zero_point")
	if err != nil {
		return err
	}
	zy, err := newZeroPoint(in, 7, 1, "y_zero_point")
	if err != nil {
		return err
	}
	for i, t := range []*tensor.Tensor{sx, sw, sy} {
		if err := checkScaleLen(t, []int{1, m, 1}[i], []string{"x_scale", "w_scale", "y_scale"}[i]); err != nil {
			return err
		}
	}
	var bias *tensor.Tensor
	if present(in, 8) {
		if bias = &in[8].Tensor; bias.Rank() != 1 || bias.Dim(0) != m {
			return badExtent("B", bias.Len(), m)
		}
	}
	d := zy.t.DType()
	var y *tensor.Tensor
	return integerConv(x, wt, zx.at(0), &zw, a, func(dims []int) error {
		y = output(c, out, 0, d, dims...)
		return nil
	}, func(at, m int, acc int64) {
		if bias != nil {
			acc += bias.Int(m)
		}
		y.SetInt(at, requantized(acc, scaleAt(sx, 0), scaleAt(sw, m), scaleAt(sy, 0), zy.at(0), d))
	})
}

// QLinearConvDesc describes QLinearConv.
var QLinearConvDesc = kernel.Desc{ID: "ref.QLinearConv", Op: "ref.QLinearConv", Ref: QLinearConv}

// ConvInteger is the exact sum of (x-zx)*(w-zw) over windows, as int32.
func ConvInteger(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x, wt := &in[0].Tensor, &in[1].Tensor
	if wt.Rank() < 1 {
		return sameRank(x, wt)
	}
	zx, err := newZeroPoint(in, 2, 1, "x_zero_point")
	if err != nil {
		return err
	}
	zw, err := newZeroPoint(in, 3, wt.Dim(0), "w_zero_point")
	if err != nil {
		return err
	}
	var y *tensor.Tensor
	return integerConv(x, wt, zx.at(0), &zw, a, func(dims []int) error {
		y = output(c, out, 0, dtype.I32, dims...)
		return nil
	}, func(at, _ int, acc int64) { y.SetInt(at, acc) })
}

// ConvIntegerDesc describes ConvInteger.
var ConvIntegerDesc = kernel.Desc{ID: "ref.ConvInteger", Op: "ref.ConvInteger", Ref: ConvInteger}

// integerProduct sums (a-za)*(b-zb) as numpy's matmul, exactly.
type integerProduct struct {
	a, b    *tensor.Tensor
	m, k, n int
	batch   []int
	dims    []int
	buf     [maxRank]int
	full    [maxRank + 2]int
}

func (p *integerProduct) set(a, b *tensor.Tensor) error {
	ra, rb := a.Rank(), b.Rank()
	if ra < 1 || rb < 1 || ra > maxRank || rb > maxRank {
		return badShape("ranks of A and B", itoa(ra)+" and "+itoa(rb), "1 or more")
	}
	p.a, p.b, p.m, p.k, p.n = a, b, 1, a.Dim(ra-1), 1
	if ra > 1 {
		p.m = a.Dim(ra - 2)
	}
	if kb := b.Dim(max(0, rb-2)); kb != p.k {
		return badExtent("B rows", kb, p.k)
	}
	if rb > 1 {
		p.n = b.Dim(rb - 1)
	}
	ba, bb := a.Dims()[:max(0, ra-2)], b.Dims()[:max(0, rb-2)]
	batch, ok := bcastDims(&p.buf, ba, bb)
	if !ok {
		return diag.New(diag.Shape, "cannot broadcast the batches of A and B")
	}
	p.batch = batch
	p.dims = append(p.full[:0], batch...)
	if ra > 1 {
		p.dims = append(p.dims, p.m)
	}
	if rb > 1 {
		p.dims = append(p.dims, p.n)
	}
	return nil
}

func (p *integerProduct) run(za, zb *zeroPoint, put func(at, i, j int, acc int64)) {
	w := newWalker(p.batch, p.a.Dims()[:max(0, p.a.Rank()-2)], p.b.Dims()[:max(0, p.b.Rank()-2)])
	count := 1
	for _, d := range p.batch {
		count *= d
	}
	for t := range count {
		ao, bo := w.off[0]*p.m*p.k, w.off[1]*p.k*p.n
		for i := range p.m {
			for j := range p.n {
				var acc int64
				for k := range p.k {
					acc += (p.a.Int(ao+i*p.k+k) - za.at(i)) * (p.b.Int(bo+k*p.n+j) - zb.at(j))
				}
				put((t*p.m+i)*p.n+j, i, j, acc)
			}
		}
		w.next()
	}
}

// MatMulInteger is the exact product of A-za and B-zb, as int32. A vector of
// zero points is one for each row of A, or for each column of B.
func MatMulInteger(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	var p integerProduct
	if err := p.set(&in[0].Tensor, &in[1].Tensor); err != nil {
		return err
	}
	za, err := newZeroPoint(in, 2, p.m, "a_zero_point")
	if err != nil {
		return err
	}
	zb, err := newZeroPoint(in, 3, p.n, "b_zero_point")
	if err != nil {
		return err
	}
	y := output(c, out, 0, dtype.I32, p.dims...)
	p.run(&za, &zb, func(at, _, _ int, acc int64) { y.SetInt(at, acc) })
	return nil
}

// MatMulIntegerDesc describes MatMulInteger.
var MatMulIntegerDesc = kernel.Desc{ID: "ref.MatMulInteger", Op: "ref.MatMulInteger", Ref: MatMulInteger}

// QLinearMatMul is MatMul of quantized values, by the rule of QLinearConv. A
// vector of scales is one for each row of A, or for each column of B.
func QLinearMatMul(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	var p integerProduct
	if err := p.set(&in[0].Tensor, &in[3].Tensor); err != nil {
		return err
	}
	sa, sb, sy := &in[1].Tensor, &in[4].Tensor, &in[6].Tensor
	za, err := newZeroPoint(in, 2, p.m, "a_zero_point")
	if err != nil {
		return err
	}
	zb, err := newZeroPoint(in, 5, p.n, "b_zero_point")
	if err != nil {
		return err
	}
	zy, err := newZeroPoint(in, 7, 1, "y_zero_point")
	if err != nil {
		return err
	}
	for i, t := range []*tensor.Tensor{sa, sb, sy} {
		if err := checkScaleLen(t, []int{p.m, p.n, 1}[i], []string{"a_scale", "b_scale", "y_scale"}[i]); err != nil {
			return err
		}
	}
	d := zy.t.DType()
	y := output(c, out, 0, d, p.dims...)
	p.run(&za, &zb, func(at, i, j int, acc int64) {
		y.SetInt(at, requantized(acc, scaleAt(sa, i), scaleAt(sb, j), scaleAt(sy, 0), zy.at(0), d))
	})
	return nil
}

// QLinearMatMulDesc describes QLinearMatMul.
var QLinearMatMulDesc = kernel.Desc{ID: "ref.QLinearMatMul", Op: "ref.QLinearMatMul", Ref: QLinearMatMul}

// DynamicQuantizeLinear quantizes to u8 by the range of x, widened to hold 0:
// scale = (max-min)/255 in float32, 1 where that is 0; the zero point is
// -min/scale, saturated and rounded to even; y = sat(rne(x/scale) + zero).
// NaN is not part of the range and becomes the zero point.
func DynamicQuantizeLinear(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	var lo, hi float32
	for i := range x.Len() {
		v := float32(x.Float(i))
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	scale := float32(hi-lo) / 255
	if scale == 0 {
		scale = 1
	}
	z := math.RoundToEven(float64(min(max(float32(0-lo)/scale, 0), 255)))
	if z != z {
		z = 0 // an infinite range
	}
	y := output(c, out, 0, dtype.U8, x.Dims()...)
	for i := range x.Len() {
		y.SetInt(i, quantum(float64(float32(x.Float(i))/scale), int64(z), 0, 255))
	}
	if wanted(out, 1) {
		output(c, out, 1, dtype.F32).SetFloat(0, float64(scale))
	}
	if wanted(out, 2) {
		output(c, out, 2, dtype.U8).SetInt(0, int64(z))
	}
	return nil
}

// DynamicQuantizeLinearDesc describes DynamicQuantizeLinear.
var DynamicQuantizeLinearDesc = kernel.Desc{ID: "ref.DynamicQuantizeLinear", Op: "ref.DynamicQuantizeLinear", Ref: DynamicQuantizeLinear}
