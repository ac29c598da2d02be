package quant

import (
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// params are the scale and zero point of a group: true scalars.
type params struct {
	scale float32
	zero  int
}

// Steps between the ends of a range.
const (
	activationSteps = 255
	weightSteps     = 254 // symmetric: i8 without -128
)

// paramsOf fits steps over a range that holds 0, which gets a value of its own.
func paramsOf(r Range, d dtype.DType) params {
	least, _ := d.IntRange()
	s, z := vecmath.Steps(r.Lo, r.Hi, activationSteps)
	return params{s, z + int(least)}
}

// Insert rewrites the module of the plan, which must be calibrated: every
// chosen value gets a pair of QuantizeLinear and DequantizeLinear, which all
// readers then read, and weights and biases of products become
// DequantizeLinear of integer constants.
func (p *Plan) Insert(ops *ir.OpSet) error {
	if p.ranges == nil {
		return diag.New(diag.Internal, "a plan that was not calibrated")
	}
	f := p.m.Main()
	d := p.activation()
	scales := map[*ir.Value]float64{} // of what DequantizeLinear gives and of the values themselves
	for _, v := range p.values {
		at := 0
		var src []string
		if v.Node != nil {
			at, src = v.Node.Index()+1, v.Node.Source
		}
		q := paramsOf(p.ranges[p.group[v]], d)
		b := ir.NewBuilder(f, at, ops, src...)
		scale, zero := b.Scalar(dtype.F32, float64(q.scale)), b.Scalar(d, float64(q.zero))
		readers := slices.Clone(v.Uses())
		out := b.Op("DequantizeLinear", nil, b.Op("QuantizeLinear", nil, v, scale, zero), scale, zero)
		if err := b.Err(); err != nil {
			return err
		}
		scales[out] = float64(q.scale)
		p.outs = append(p.outs, out.Name)
		replace(f, readers, out)
	}
	for _, n := range slices.Clone(f.Nodes) {
		if w := p.weights[n]; w != nil {
			if err := quantizeWeights(n, w, scales[n.In[0]], ops); err != nil {
				return diag.At(n.Label(), n.OpName(), diag.Internal, err)
			}
		}
	}
	return nil
}

// quantizeWeights replaces the constant operands of a product whose
// activations have scale sx.
func quantizeWeights(n *ir.Node, w *weight, sx float64, ops *ir.OpSet) error {
	t, err := n.In[1].Const().Tensor()
	if err != nil {
		return err
	}
	var bias []float32
	if w.bias > 0 {
		b, err := n.In[w.bias].Const().Tensor()
		if err != nil {
			return err
		}
		bias = tensor.Slice[float32](&b)
	}
	q, s, err := Weights(&t, w.axis, sx, bias)
	if err != nil {
		return err
	}
	b := ir.NewBuilder(n.Func, n.Index(), ops, n.Source...)
	m := len(s)
	scale := b.Const(tensor.MustOf(s, m))
	n.SetIn(1, b.Op("DequantizeLinear", attr.Map{"axis": attr.Int(w.axis)}, b.Const(q), scale, b.Const(tensor.New(dtype.I8, m))))
	if bias != nil {
		ints, of := make([]int32, m), make([]float32, m)
		for i, v := range bias {
			of[i] = float32(sx * float64(s[i]))
			ints[i] = int32(math.RoundToEven(float64(v) / float64(of[i])))
		}
		n.SetIn(w.bias, b.Op("DequantizeLinear", attr.Map{"axis": attr.Int(0)}, b.Const(tensor.MustOf(ints, m)), b.Const(tensor.MustOf(of, m)), b.Const(tensor.New(dtype.I32, m))))
	}
	return b.Err()
}

// maxBias bounds quantized biases, which leaves room for the products.
const maxBias = 1 << 30

// Weights quantizes t to i8, symmetric, one scale for each index of axis. A
// scale is large enough that the bias of its channel, in steps of sx times the
// scale, stays below 2^30. Error: a weight or bias that is not finite.
func Weights(t *tensor.Tensor, axis int, sx float64, bias []float32) (tensor.Tensor, []float32, error) {
	m, inner := t.Dim(axis), 1
	for _, d := range t.Dims()[axis+1:] {
		inner *= d
	}
	src := tensor.Slice[float32](t)
	top := make([]float64, m)
	for i, v := range src {
		if v-v != 0 {
			return tensor.Tensor{}, nil, &diag.Error{Kind: diag.BadModel, Port: "weight", Have: "NaN or infinity", Want: "finite numbers"}
		}
		c := i / inner % m
		top[c] = max(top[c], math.Abs(float64(v)))
	}
	s := make([]float32, m)
	for c := range s {
		v := top[c] / 127
		if bias != nil {
			if bias[c]-bias[c] != 0 {
				return tensor.Tensor{}, nil, &diag.Error{Kind: diag.BadModel, Port: "bias", Have: "NaN or infinity", Want: "finite numbers"}
			}
			v = max(v, math.Abs(float64(bias[c]))/(sx*maxBias))
		}
		if s[c] = float32(v); float64(s[c])*sx < 1e-36 { // no weight to speak of
			s[c] = float32(max(1e-36/sx, 1e-30))
		}
	}
	q := tensor.New(dtype.I8, t.Dims()...)
	for i, v := range src {
		r := math.RoundToEven(float64(v / s[i/inner%m])) // as QuantizeLinear divides
		tensor.Slice[int8](&q)[i] = int8(min(max(r, -127), 127))
	}
	return q, s, nil
}
