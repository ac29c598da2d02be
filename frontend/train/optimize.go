package train

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// update adds the gradients of the loss and what the optimizer makes of them.
func (s *step) update(loss *ir.Value) error {
	if err := s.free(inputLR); err != nil {
		return err
	}
	lr := s.f.AddParam(inputLR, tensor.T(loss.Type.DType))
	gs, err := s.gradients(loss)
	if err != nil {
		return err
	}
	s.b.Source = []string{"optimizer"}
	for i, w := range s.trained {
		// Where weight and moments are zero, a gradient of zero keeps them so
		// under every optimizer; the sign of that zero is lost in its sums.
		if k := s.keep[w]; k != nil && gs[i] != nil {
			gs[i] = s.b.Op("Mul", nil, gs[i], k)
		}
	}
	next := s.b.Op("Add", nil, s.count, s.b.Ints(1))
	s.writes = append(s.writes, write{s.m.State(stateStep), next})
	if s.c.ClipNorm > 0 {
		gs = s.clip(gs)
	}
	o := &optimizer{step: s, lr: lr}
	if s.c.Optimizer != SGD {
		o.correct(next)
	}
	for i, w := range s.trained {
		if gs[i] == nil {
			continue
		}
		if err := o.weight(w, gs[i]); err != nil {
			return err
		}
	}
	return s.b.Err()
}

// clip scales all gradients so that their common norm is at most ClipNorm.
func (s *step) clip(gs []*ir.Value) []*ir.Value {
	var sum *ir.Value
	for _, g := range gs {
		if g == nil {
			continue
		}
		q := s.b.Op("ReduceSumSquare", attr.Map{"keepdims": attr.Int(0)}, g)
		if sum == nil {
			sum = q
		} else {
			sum = s.b.Op("Add", nil, sum, s.cast(q, sum.Type.DType))
		}
	}
	if sum == nil {
		return gs
	}
	d := sum.Type.DType
	norm := s.b.Op("Add", nil, s.b.Op("Sqrt", nil, sum), s.b.Scalar(d, 1e-6))
	scale := s.b.Op("Min", nil, s.b.Scalar(d, 1), s.b.Op("Div", nil, s.b.Scalar(d, s.c.ClipNorm), norm))
	out := make([]*ir.Value, len(gs))
	for i, g := range gs {
		if g != nil {
			out[i] = s.b.Op("Mul", nil, g, s.cast(scale, g.Type.DType))
		}
	}
	return out
}

func (s *step) cast(v *ir.Value, d dtype.DType) *ir.Value {
	if v.Type.DType == d {
		return v
	}
	return s.b.Op("Cast", attr.Map{"to": attr.Int(int64(d.ONNX()))}, v)
}

// optimizer writes the updates of one step.
type optimizer struct {
	*step
	lr         *ir.Value
	rate, tiny *ir.Value // of Adam: lr and epsilon with the bias corrections
}

func (o *optimizer) add(a, b *ir.Value) *ir.Value { return o.b.Op("Add", nil, a, b) }
func (o *optimizer) sub(a, b *ir.Value) *ir.Value { return o.b.Op("Sub", nil, a, b) }
func (o *optimizer) mul(a, b *ir.Value) *ir.Value { return o.b.Op("Mul", nil, a, b) }
func (o *optimizer) times(a *ir.Value, k float64) *ir.Value {
	return o.mul(a, o.b.Scalar(a.Type.DType, k))
}

// correct computes, in f64, lr*sqrt(1-beta2^t)/(1-beta1^t) and
// epsilon*sqrt(1-beta2^t), with which the moments need no correction.
func (o *optimizer) correct(t *ir.Value) {
	n := o.cast(o.b.Op("Squeeze", nil, t), dtype.F64)
	bias := func(beta float64) *ir.Value {
		return o.sub(o.b.Scalar(dtype.F64, 1), o.b.Op("Pow", nil, o.b.Scalar(dtype.F64, beta), n))
	}
	root := o.b.Op("Sqrt", nil, bias(o.c.Beta2))
	o.tiny = o.times(root, o.c.Epsilon)
	o.rate = o.b.Op("Div", nil, o.mul(o.cast(o.lr, dtype.F64), root), bias(o.c.Beta1))
}

// weight updates one weight by its gradient.
func (o *optimizer) weight(w, g *ir.Value) error {
	d := w.Type.DType
	lr := o.cast(o.lr, d)
	decay := o.c.Decay
	if w.Type.Rank() < 2 {
		decay = 0
	}
	if decay > 0 && o.c.Optimizer != AdamW {
		g = o.add(g, o.times(w, decay))
	}
	var next *ir.Value
	switch o.c.Optimizer {
	case SGD:
		v := g
		if mu := *o.c.Momentum; mu > 0 {
			old, err := o.moment(w, suffixMoment)
			if err != nil {
				return err
			}
			v = o.add(o.times(old, mu), g)
			o.writes = append(o.writes, write{old.State, v})
		}
		next = o.sub(w, o.mul(v, lr))
	default:
		m, err := o.moment(w, suffixMoment)
		if err != nil {
			return err
		}
		v, err := o.moment(w, suffixSquare)
		if err != nil {
			return err
		}
		b1, b2 := o.c.Beta1, o.c.Beta2
		mn := o.add(o.times(m, b1), o.times(g, 1-b1))
		vn := o.add(o.times(v, b2), o.times(o.mul(g, g), 1-b2))
		o.writes = append(o.writes, write{m.State, mn}, write{v.State, vn})
		base := w
		if decay > 0 && o.c.Optimizer == AdamW {
			base = o.sub(w, o.mul(w, o.times(lr, decay)))
		}
		den := o.add(o.b.Op("Sqrt", nil, vn), o.cast(o.tiny, d))
		next = o.sub(base, o.mul(o.b.Op("Div", nil, mn, den), o.cast(o.rate, d)))
	}
	o.writes = append(o.writes, write{w.State, next})
	return nil
}

// moment declares a state of zeros beside that of a weight.
func (o *optimizer) moment(w *ir.Value, suffix string) (*ir.Value, error) {
	dims, _ := w.Type.Static()
	c := ir.NewConst(tensor.New(w.Type.DType, dims...))
	c.Init = ir.Init{Kind: ir.InitSplat}
	return o.state(w.State.Name+suffix, c)
}
