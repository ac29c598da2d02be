package cpu

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/conv"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/pooling"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
	"github.com/mlc-go/mlc/runtime/plan"
)

// qweight are constant 8-bit weights of a product, where they are dequantized
// with one scale for all or one for each of m outputs, and no zero point once u8
// is read as i8.
type qweight struct {
	name   string
	origin any
	c      *ir.Const
	dims   []int
	scales []float64 // m
	shift  bool      // u8 around 128
}

// byteWeights reads constant bytes; nil where v is none.
func (fl *funcLowerer) byteWeights(v *ir.Value) (*qweight, error) {
	q := fl.resolve(v)
	if q == nil || !fl.isConst(q) || q.Type.DType != dtype.I8 && q.Type.DType != dtype.U8 {
		return nil, nil
	}
	c, err := fl.constOf(q)
	if err != nil || c.Len() == 0 {
		return nil, err
	}
	w := &qweight{name: q.Name, origin: q, c: c, dims: c.Dims, shift: q.Type.DType == dtype.U8}
	if own := q.Const(); own != nil {
		w.origin = own
	}
	return w, nil
}

// qweight reads the weights that v dequantizes, whose outputs lie along axis;
// nil where no kernel takes them.
func (g *qgroup) qweight(v *ir.Value, axis int) (*qweight, error) {
	d := g.dq[v]
	if d == nil || d.Attrs.Int("block_size") != 0 {
		return nil, nil
	}
	w, err := g.fl.byteWeights(d.In[0])
	if w == nil || axis >= len(w.dims) {
		return nil, err
	}
	m := w.dims[axis]
	zero := 0
	if w.shift {
		zero = 128
	}
	if len(d.In) > 2 && d.In[2] != nil {
		z, ok := g.fl.small(d.In[2])
		if !ok {
			return nil, nil
		}
		for i := range z.Len() {
			if int(z.Int(i)) != zero {
				return nil, nil
			}
		}
	} else if w.shift {
		return nil, nil
	}
	w.scales = g.scales(d, axis, m)
	if w.scales == nil {
		return nil, nil
	}
	return w, nil
}

// scales are those of d, one for each of m elements along axis; nil where they
// lie otherwise or are not positive.
func (g *qgroup) scales(d *ir.Node, axis, m int) []float64 {
	s, ok := g.fl.small(d.In[1])
	if !ok || s.DType() != dtype.F32 {
		return nil
	}
	at := d.Attrs.Int("axis")
	if at < 0 {
		at += d.In[0].Type.Rank()
	}
	if s.Len() != 1 && (s.Len() != m || at != axis) {
		return nil
	}
	out := make([]float64, m)
	for i := range out {
		out[i] = float64(tensor.Slice[float32](&s)[i%s.Len()])
		if !(out[i] > 0) || math.IsInf(out[i], 0) {
			return nil
		}
	}
	return out
}

// biasTol is how far the scale of a bias may be from the product of the scales
// of activations and weights, whose float32 rounding differs by exporter.
const biasTol = 1e-5

// scaling makes the constants behind the packed weights: factors, biases, sums
// of weights. ok is false where the bias is of another scale or sums may leave
// int32.
func (g *qgroup) scaling(w *qweight, x qparam, bias *ir.Value, k int, rowSums func(w []int8, sums []int32)) (consts []int, ok bool, err error) {
	m := len(w.scales)
	b := tensor.New(dtype.I32, m)
	factors := tensor.New(dtype.F32, m)
	for i, s := range w.scales {
		f := float32(float64(x.scale) * s / float64(g.y.scale))
		if math.IsInf(float64(f), 0) {
			return nil, false, nil
		}
		tensor.Slice[float32](&factors)[i] = f
	}
	if bias != nil {
		d := g.dq[bias]
		if d == nil || d.In[0].Type.DType != dtype.I32 {
			return nil, false, nil
		}
		s, t, found := g.scales(d, 0, m), tensor.Tensor{}, false
		if t, found = g.fl.small(d.In[0]); !found || s == nil || t.Len() != m {
			return nil, false, nil
		}
		if len(d.In) > 2 && d.In[2] != nil {
			if z, found := g.fl.small(d.In[2]); !found || anyNonZero(z) {
				return nil, false, nil
			}
		}
		for i, v := range tensor.Slice[int32](&t) {
			if want := float64(x.scale) * w.scales[i]; math.Abs(s[i]-want) > biasTol*want {
				return nil, false, nil
			}
			if a := int64(v); max(a, -a)+int64(k)*255*128 > math.MaxInt32 {
				return nil, false, nil
			}
		}
		copy(b.Bytes(), t.Bytes())
	} else if k > gemm.MaxI8 {
		return nil, false, nil
	}
	fl := g.fl
	return []int{fl.addConst(w.name+".factors", ir.NewConst(factors)), fl.addConst(w.name+".bias", ir.NewConst(b)), fl.sums(w, m, rowSums)}, true, nil
}

// sums adds the sums of each of m outputs' weights.
func (fl *funcLowerer) sums(w *qweight, m int, rowSums func(w []int8, sums []int32)) int {
	return fl.addConst(w.name+".sums", ir.LazyConst(dtype.I32, []int{m}, ir.Init{}, func() (tensor.Tensor, error) {
		v, err := w.values()
		if err != nil {
			return tensor.Tensor{}, err
		}
		t := tensor.New(dtype.I32, m)
		rowSums(v, tensor.Slice[int32](&t))
		return t, nil
	}))
}

func anyNonZero(t tensor.Tensor) bool {
	for i := range t.Len() {
		if t.Int(i) != 0 {
			return true
		}
	}
	return false
}

// values are the weights as i8.
func (w *qweight) values() ([]int8, error) {
	t, err := w.c.Tensor()
	if err != nil {
		return nil, err
	}
	if !w.shift {
		return tensor.Slice[int8](&t), nil
	}
	out := make([]int8, t.Len())
	for i, v := range t.Bytes() {
		out[i] = int8(v ^ 0x80)
	}
	return out, nil
}

// packed adds the weights in a format.
func (fl *funcLowerer) packed(w *qweight, format, how string, n int, fill func(dst, src []int8)) int {
	k := constKey{packKey{w.origin, how}, format}
	if i, ok := fl.consts[k]; ok {
		return i
	}
	i := len(fl.p.Consts)
	fl.p.Consts = append(fl.p.Consts, plan.Const{Name: w.name, DType: dtype.I8, Dims: []int{n}, Format: format, Data: func() ([]byte, error) {
		src, err := w.values()
		if err != nil {
			return nil, err
		}
		t := tensor.New(dtype.I8, n)
		fill(tensor.Slice[int8](&t), src)
		return t.Bytes(), nil
	}})
	fl.consts[k] = i
	return i
}

func (g *qgroup) conv(a *ir.Node) (bool, error) {
	x, px, ok := g.operand(a.In[0])
	if !ok {
		return false, nil
	}
	w, err := g.qweight(a.In[1], 0)
	if w == nil || len(w.dims) < 3 || len(w.dims) > 4 {
		return false, err
	}
	m, k, group := w.dims[0], shapeCount(w.dims[1:]), a.Attrs.Int("group")
	var bias *ir.Value
	if len(a.In) > 2 {
		bias = a.In[2]
	}
	rest, ok, err := g.scaling(w, px, bias, k, sumRows(k))
	if !ok {
		return false, err
	}
	at := pick(a.Attrs, "auto_pad", "dilations", "group", "pads", "strides")
	var ks []int64
	for _, d := range w.dims[2:] {
		ks = append(ks, int64(d))
	}
	at["kernel_shape"], at[quant.AttrXZero] = attr.Ints(ks...), attr.Int(px.zero)
	g.y.result(at, g.lo, g.hi)
	op, packed := conv.OpI8, g.fl.packFilters(w, group, m, k)
	if len(w.dims) == 4 && w.dims[1] == 1 && group > 1 && g.fl.alts(dwconv.OpI8, gemm.FormatI8) != nil {
		op = dwconv.OpI8
	}
	return g.fl.multiply(g.n, op, at, append([]int{packed}, rest...), macs(a), x)
}

// packFilters packs m filters of k weights.
func (fl *funcLowerer) packFilters(w *qweight, group, m, k int) int {
	return fl.packed(w, gemm.FormatI8, fmt.Sprintf("conv/%d", group), m*4*gemm.Groups(k), func(dst, src []int8) { gemm.PackI8(dst, src, m, k, k, false) })
}

// packMatrix packs a matrix of k rows and n columns, or its transpose.
func (fl *funcLowerer) packMatrix(w *qweight, trans bool, n, k int) int {
	how, ld := "nk", k
	if !trans {
		how, ld = "kn", n
	}
	return fl.packed(w, gemm.FormatI8, how, n*4*gemm.Groups(k), func(dst, src []int8) { gemm.PackI8(dst, src, n, k, ld, !trans) })
}

// sumRows sums rows of k weights.
func sumRows(k int) func(w []int8, sums []int32) {
	return func(w []int8, sums []int32) {
		for i := range sums {
			for _, v := range w[i*k : (i+1)*k] {
				sums[i] += int32(v)
			}
		}
	}
}

// sumColumns sums columns of matrices that have n.
func sumColumns(n int) func(w []int8, sums []int32) {
	return func(w []int8, sums []int32) {
		for i, v := range w {
			sums[i%n] += int32(v)
		}
	}
}

func (g *qgroup) product(a *ir.Node) (bool, error) {
	x, px, ok := g.operand(a.In[0])
	trans := a.Attrs.Bool("transB")
	axis := 1
	if trans {
		axis = 0
	}
	if !ok || a.In[0].Type.Rank() < 1 || a.Out[0].Type.Rank() != a.In[0].Type.Rank() {
		return false, nil
	}
	w, err := g.qweight(a.In[1], axis)
	if w == nil || len(w.dims) != 2 {
		return false, err
	}
	n, k := w.dims[axis], w.dims[1-axis]
	var bias *ir.Value
	if len(a.In) > 2 {
		if bias = a.In[2]; bias != nil && bias.Type.Rank() > 1 {
			return false, nil
		}
	}
	sums := sumRows(k)
	if !trans {
		sums = sumColumns(n)
	}
	rest, ok, err := g.scaling(w, px, bias, k, sums)
	if !ok {
		return false, err
	}
	at := attr.Map{quant.AttrXZero: attr.Int(px.zero)}
	g.y.result(at, g.lo, g.hi)
	return g.fl.multiply(g.n, gemm.OpI8, at, append([]int{g.fl.packMatrix(w, trans, n, k)}, rest...), macs(a), x)
}

// mean lowers pools of means.
func (g *qgroup) mean(a *ir.Node) (bool, error) {
	x, p, ok := g.operand(a.In[0])
	if !ok {
		return false, nil
	}
	at := attr.Map{pooling.AttrGlobal: attr.Int(1)}
	if a.Is("AveragePool") {
		if r := a.In[0].Type.Rank(); r != 3 && r != 4 {
			return false, nil
		}
		at = a.Attrs.Clone()
	}
	at[quant.AttrXScale], at[quant.AttrXZero], at[quant.AttrYScale] = attr.Float(p.scale), attr.Int(p.zero), attr.Float(g.y.scale)
	g.y.result(at, g.lo, g.hi)
	return g.fl.bytes(g.n, pooling.OpMeanI8, at, nil, x)
}

// selectPoolBytes lowers MaxPool of bytes, and leaves the others to
// selectPool.
func selectPoolBytes(fl *funcLowerer, n *ir.Node) (bool, error) {
	if d := n.In[0].Type.DType; d != dtype.U8 && d != dtype.I8 {
		return selectPool(fl, n)
	}
	if len(n.Out) > 1 && n.Out[1] != nil || n.In[0].Type.Rank() != 3 && n.In[0].Type.Rank() != 4 {
		return false, nil
	}
	return fl.bytes(n, pooling.OpMaxI8, n.Attrs, nil, n.In[0])
}
